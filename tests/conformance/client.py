"""The client under test of the official conformance suite: mcphost's own server pool.

The suite starts it with a server's URL as the last argument and names the scenario in the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcphost.config.schema import Limits, ServerConfig
from mcphost.events import Event
from mcphost.servers import Server, ServerPool

MODERN = "2026-07-28"


class Accepting:
    """Answers whatever a server asks: forms with their defaults, sampling with a fixed line."""

    async def sample(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"role": "assistant", "content": {"type": "text", "text": "yes"}, "model": "scripted"}

    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        fields: Mapping[str, Any] = params.get("requestedSchema", {}).get("properties", {})
        content = {name: _value(field) for name, field in fields.items()}
        return {"action": "accept", "content": content}


def _value(field: Mapping[str, Any]) -> Any:
    return field.get("default", True if field.get("type") == "boolean" else "yes")


async def call(server: Server, tool: str, arguments: Mapping[str, Any]) -> None:
    """Every tool call of every scenario goes through here."""
    await server.call(tool, arguments, caller=Accepting())


async def call_all(server: Server) -> None:
    for tool in server.tools:
        await call(server, tool["name"], _stub(tool["inputSchema"]))


async def scenario(name: str, server: Server, context: Mapping[str, Any]) -> None:
    match name:
        case "initialize" | "request-metadata" | "json-schema-ref-no-deref":
            pass  # connecting and listing is all they want
        case "tools_call":
            await call(server, "add_numbers", {"a": 5, "b": 3})
        case "elicitation-sep1034-client-defaults":
            await call(server, "test_client_elicitation_defaults", {})
        case "sse-retry":
            await call(server, "test_reconnection", {})
        case "http-standard-headers":
            await call_all(server)
            for resource in server.resources:
                await server.read(resource["uri"])
            for prompt in server.prompts:
                arguments = {item["name"]: "yes" for item in prompt.get("arguments", [])}
                await server.get_prompt(prompt["name"], arguments)
        case "http-custom-headers":
            for wanted in context["toolCalls"]:
                await call(server, wanted["name"], wanted["arguments"])
        case "http-invalid-tool-headers":
            await call_all(server)
        case "json-schema-2020-12-preservation":
            (tool,) = (tool for tool in server.tools if tool["name"] == "json_schema_2020_12_tool")
            await call(server, "json_schema_echo", {"schema": tool["inputSchema"]})
        case "sep-2322-client-request-state":
            for suffix in ("echo_state", "unrelated", "no_state", "no_result_type"):
                await call(server, f"test_mrtr_{suffix}", {})
        case _:
            raise SystemExit(f"no script for the scenario {name!r}")


def _stub(schema: Mapping[str, Any]) -> dict[str, Any]:
    stubs = {"integer": 1, "number": 1, "boolean": True, "string": "x"}
    return {key: stubs.get(field.get("type"), "x") for key, field in schema.get("properties", {}).items()}


async def show(event: Event) -> None:
    print(event, file=sys.stderr)


async def main(url: str, environ: Mapping[str, str]) -> None:
    name = environ["MCP_CONFORMANCE_SCENARIO"]
    context = json.loads(environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    modern = environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION") == MODERN and name != "json-schema-ref-no-deref"
    config = ServerConfig("suite", url=url, transport="http", protocol="auto" if modern else "legacy")
    servers = {"suite": config}
    async with ServerPool(servers, limits=Limits(), environ={}, roots=(Path("/"),), show=show) as pool:
        server = pool.servers["suite"]
        await server.ready()
        for problem in server.problems:
            print(problem, file=sys.stderr)
        if server.state != "ready":
            raise SystemExit(server.detail)
        await scenario(name, server, context)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1], os.environ))
