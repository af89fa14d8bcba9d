"""An MCP server over stdio with a side effect that can be counted: `mark` appends its token to FILE, then answers.

    python counting_server.py FILE SECONDS

`SECONDS` pass before the effect and once more before the answer, so that a kill can strike at each point.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

SCHEMA = {"type": "object", "properties": {"token": {"type": "string"}}, "required": ["token"]}
TOOLS = [{"name": "mark", "description": "Leave a mark.", "inputSchema": SCHEMA}]


def main() -> None:
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" not in message:
            continue
        match message["method"]:
            case "initialize":
                info = {"name": "counting", "version": "1"}
                send(message["id"], protocolVersion="2025-11-25", capabilities={"tools": {}}, serverInfo=info)
            case "tools/list":
                send(message["id"], tools=TOOLS)
            case "tools/call":
                token = message["params"]["arguments"]["token"]
                threading.Thread(target=mark, args=(file, message["id"], token)).start()
            case _:
                send(message["id"])


def mark(file: int, id: int | str, token: str) -> None:
    time.sleep(float(sys.argv[2]))
    os.write(file, f"{token}\n".encode())  # one write: the effect is whole or absent
    time.sleep(float(sys.argv[2]))
    send(id, content=[{"type": "text", "text": f"marked {token}"}])


def send(id: int | str, **result: Any) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": id, "result": result}) + "\n"
    sys.stdout.buffer.write(line.encode())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
