"""`fast_server` with a tool `large` instead of `wait`: it answers with one line of that many bytes."""

from __future__ import annotations

import json
import sys
from typing import Any

VERSION = "2025-11-25"
NAMES = ("echo", "large")
TOOLS = [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in NAMES]
METHOD_NOT_FOUND = -32601


def main() -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" in message and "method" in message:
            body = answer(message["method"], message.get("params") or {})
            sys.stdout.buffer.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}).encode() + b"\n")
            sys.stdout.buffer.flush()


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            info = {"name": "large", "version": "1"}
            return {"result": {"protocolVersion": VERSION, "capabilities": {"tools": {}}, "serverInfo": info}}
        case "tools/list":
            return {"result": {"tools": TOOLS}}
        case "tools/call":
            given = params["arguments"]
            text = "x" * given["bytes"] if params["name"] == "large" else given["text"]
            return {"result": {"content": [{"type": "text", "text": text}]}}
        case _:
            return {"error": {"code": METHOD_NOT_FOUND, "message": f"unknown method {method}"}}


if __name__ == "__main__":
    main()
