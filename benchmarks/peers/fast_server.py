"""An MCP server over stdio that costs nothing: the standard library alone, the protocol of 2025-11-25, two tools.

`--delay SECONDS` is how long it takes before it reads its first message, as a server does that has much to import;
`--more N` is how many tools it has besides.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

VERSION = "2025-11-25"
TOOLS = [
    {
        "name": "echo",
        "description": "Say the text again.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
    {
        "name": "wait",
        "description": "Answer after some seconds.",
        "inputSchema": {"type": "object", "properties": {"seconds": {"type": "number"}}, "required": ["seconds"]},
    },
]
METHOD_NOT_FOUND = -32601


def main() -> None:
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    TOOLS.extend({**TOOLS[0], "name": f"echo_{number:04}"} for number in range(int(options.get("--more", 0))))
    time.sleep(float(options.get("--delay", 0)))
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" in message and "method" in message:
            answer(message["id"], message["method"], message.get("params") or {})


def answer(id: int | str, method: str, params: dict[str, Any]) -> None:
    match method:
        case "initialize":
            info = {"name": "fast", "version": "1"}
            send(id, result={"protocolVersion": VERSION, "capabilities": {"tools": {}}, "serverInfo": info})
        case "tools/list":
            send(id, result={"tools": TOOLS})
        case "tools/call" if params["name"] == "wait":
            timer = threading.Timer(params["arguments"]["seconds"], send_text, (id, "waited"))
            timer.daemon = True  # who is told to end does not wait
            timer.start()
        case "tools/call":
            send_text(id, params["arguments"]["text"])
        case "ping":
            send(id, result={})
        case _:
            send(id, error={"code": METHOD_NOT_FOUND, "message": f"no method {method}"})


def send_text(id: int | str, text: str) -> None:
    send(id, result={"content": [{"type": "text", "text": text}]})


def send(id: int | str, **outcome: Any) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": id, **outcome}) + "\n"
    sys.stdout.buffer.write(line.encode())  # one write: threads must not tear a line
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
