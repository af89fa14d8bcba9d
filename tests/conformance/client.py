"""The client under test of the official conformance suite: mcphost itself, from the model's call to the wire.

A scripted model makes the calls of a scenario, so that each passes through tool names, argument check, gate,
the loop and the pool; a scripted person accepts what servers ask. The suite starts this with a server's URL as the last
argument and names the scenario in the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from mcphost.config.schema import Config, Rule, ServerConfig
from mcphost.host import Host
from mcphost.messages import ToolCall
from mcphost.models.scripted import ScriptedModel
from mcphost.questions import ElicitationAnswer, ElicitationForm, SampleResult, SamplingDecision, SamplingReview
from mcphost.servers import Server
from mcphost.testing import ScriptedFrontend

MODERN = "2026-07-28"
Call: TypeAlias = tuple[str, Mapping[str, Any]]


def calls(scenario: str, server: Server, context: Mapping[str, Any]) -> Iterator[Call]:
    """The tool calls that a scenario wants, in order."""
    match scenario:
        case "initialize" | "request-metadata" | "json-schema-ref-no-deref":
            pass  # connecting and listing is all they want
        case "tools_call":
            yield "add_numbers", {"a": 5, "b": 3}
        case "elicitation-sep1034-client-defaults":
            yield "test_client_elicitation_defaults", {}
        case "sse-retry":
            yield "test_reconnection", {}
        case "http-standard-headers" | "http-invalid-tool-headers":
            for tool in server.tools:
                yield tool["name"], _stub(tool["inputSchema"])
        case "http-custom-headers":
            for wanted in context["toolCalls"]:
                yield wanted["name"], wanted["arguments"]
        case "json-schema-2020-12-preservation":
            (tool,) = (tool for tool in server.tools if tool["name"] == "json_schema_2020_12_tool")
            yield "json_schema_echo", {"schema": tool["inputSchema"]}
        case "sep-2322-client-request-state":
            for suffix in ("echo_state", "unrelated", "no_state", "no_result_type"):
                yield f"test_mrtr_{suffix}", {}
        case _:
            raise SystemExit(f"no script for the scenario {scenario!r}")


def _stub(schema: Mapping[str, Any]) -> dict[str, Any]:
    stubs = {"integer": 1, "number": 1, "boolean": True, "string": "x"}
    return {key: stubs.get(field.get("type"), "x") for key, field in schema.get("properties", {}).items()}


def accept(form: ElicitationForm) -> ElicitationAnswer:
    fields: Mapping[str, Any] = form.schema.get("properties", {})
    return ElicitationAnswer("accept", {name: _value(field) for name, field in fields.items()})


def _value(field: Mapping[str, Any]) -> Any:
    return field.get("default", True if field.get("type") == "boolean" else "yes")


async def read_everything(server: Server) -> None:
    for resource in server.resources:
        await server.read(resource["uri"])
    for prompt in server.prompts:
        await server.get_prompt(prompt["name"], {item["name"]: "yes" for item in prompt.get("arguments", [])})


async def main(url: str, environ: Mapping[str, str]) -> None:
    scenario = environ["MCP_CONFORMANCE_SCENARIO"]
    context = json.loads(environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    modern = environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION") == MODERN and scenario != "json-schema-ref-no-deref"
    entry = ServerConfig("suite", url=url, transport="http", protocol="auto" if modern else "legacy", required=True)
    config = Config({"suite": entry}, rules=(Rule("suite", "*", "allow"),), roots=(Path("/"),))
    yes = SamplingDecision(allowed=True)
    frontend = ScriptedFrontend({ElicitationForm: accept, SamplingReview: yes, SampleResult: yes})
    replies: list[ToolCall | str] = []
    async with Host(config, model=ScriptedModel(replies), frontend=frontend, environ={}) as host:
        await host.settled(30)
        server = host.servers["suite"]
        chat = host.chat()
        names = {tool.tool: name for name, tool in chat.toolbox.snapshot().items()}
        wanted = calls(scenario, server, context)
        replies += [ToolCall("", names[tool], arguments, json.dumps(arguments)) for tool, arguments in wanted]
        replies.append("done")
        reply = await chat.send(scenario)
        if scenario == "http-standard-headers":
            await read_everything(server)
    for problem in server.problems:
        print(problem, file=sys.stderr)
    for called in reply.calls:
        print(called.call.name, called.result.content, file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1], os.environ))
