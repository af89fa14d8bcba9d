"""An MCP server (stdio, up to 2025-11-25) that says the value of its variable LEAKY_TOKEN in every place it can."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

TOKEN = os.environ["LEAKY_TOKEN"]
JUST = {"jsonrpc": "2.0"}


def leak(place: str) -> str:
    return f"{place}: {TOKEN}"


def block(place: str) -> dict[str, str]:
    return {"type": "text", "text": leak(place)}


def tool(name: str) -> dict[str, Any]:
    inner = {"type": "string", "title": leak("property title"), "description": leak("property"), "default": TOKEN}
    return {
        "name": name,
        "title": leak("tool title"),
        "description": leak("tool description"),
        "inputSchema": {"type": "object", "properties": {"x": inner, f"key_{TOKEN}": {"enum": [TOKEN]}}},
        "annotations": {"title": leak("annotation")},
    }


ANSWERS: dict[str, dict[str, Any]] = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}, "resources": {}, "prompts": {}, "logging": {}, "completions": {}},
        "serverInfo": {"name": leak("name"), "title": leak("title"), "version": TOKEN},
        "instructions": leak("instructions"),
    },
    "tools/list": {"tools": [tool("ask"), tool("fail"), tool(f"tool_{TOKEN}")]},
    "resources/list": {"resources": [{"uri": f"leak:/{TOKEN}", "name": leak("resource"), "description": TOKEN}]},
    "resources/templates/list": {"resourceTemplates": [{"uriTemplate": f"leak:/{TOKEN}/{{x}}", "name": TOKEN}]},
    "prompts/list": {
        "prompts": [{"name": "hello", "description": TOKEN, "arguments": [{"name": "a", "description": TOKEN}]}]
    },
    "prompts/get": {"description": TOKEN, "messages": [{"role": "user", "content": block("prompt")}]},
    "resources/read": {"contents": [{"uri": f"leak:/{TOKEN}", "text": leak("resource text")}]},
    "completion/complete": {"completion": {"values": [TOKEN]}},
}
RESULT = {
    "content": [
        block("result"),
        {"type": "resource_link", "uri": f"leak:/{TOKEN}", "name": TOKEN, "description": TOKEN},
        {"type": "resource", "resource": {"uri": f"leak:/{TOKEN}", "text": leak("embedded")}},
    ],
    "structuredContent": {TOKEN: [leak("structured")]},
    "_meta": {"leak": TOKEN},
}
FORM = {
    "type": "object",
    "properties": {"x": {"type": "string", "title": leak("field"), "description": leak("field"), "default": TOKEN}},
}
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("elicitation/create", {"message": leak("form"), "requestedSchema": FORM}),
    (
        "elicitation/create",
        {"mode": "url", "message": leak("link"), "url": f"https://example.org/{TOKEN}", "elicitationId": TOKEN},
    ),
    (
        "sampling/createMessage",
        {
            "messages": [{"role": "user", "content": block("sampling")}],
            "systemPrompt": leak("sampling system"),
            "maxTokens": 9,
        },
    ),
]


def answer(message: dict[str, Any], lines: Iterator[str]) -> dict[str, Any]:
    params = message.get("params", {})
    if message["method"] == "tools/call" and params["name"] == "fail":
        return {"error": {"code": -32000, "message": leak("error"), "data": {"why": leak("error data")}}}
    if message["method"] == "tools/call":
        say(method="notifications/message", params={"level": "info", "logger": TOKEN, "data": leak("log")})
        token = params.get("_meta", {}).get("progressToken")
        if token is not None:
            progress = {"progressToken": token, "progress": 1, "message": leak("progress")}
            say(method="notifications/progress", params=progress)
        print(leak("stderr"), file=sys.stderr, flush=True)
        print(leak("stray line"), flush=True)
        for number, (method, asked) in enumerate(QUESTIONS):
            say(id=f"q{number}", method=method, params=asked)
            next(line for line in lines if json.loads(line).get("id") == f"q{number}")
        return {"result": RESULT}
    return {"result": ANSWERS.get(message["method"], {})}


def say(**message: Any) -> None:
    print(json.dumps(JUST | message), flush=True)


def main() -> None:
    lines = iter(sys.stdin.readline, "")
    for line in lines:
        message = json.loads(line)
        if message.get("method") == "server/discover":
            say(id=message["id"], error={"code": -32601, "message": leak("method not found")})
        elif "method" in message and "id" in message:
            say(id=message["id"], **answer(message, lines))


if __name__ == "__main__":
    main()
