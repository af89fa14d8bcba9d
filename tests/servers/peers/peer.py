"""A stdio MCP server by hand, standard library only: healthy in both eras, with a tool that misbehaves on request.

    peer.py [--legacy | --modern]

Tools: `echo` (text), `names` (of its environment variables), `fault` (kind, see FAULTS).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
CAPABILITIES = {"tools": {"listChanged": True}, "logging": {}}
INFO = {"name": "peer", "version": "1"}
HOLD = [sys.executable, "-c", "import time; time.sleep(60)"]


def write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def send(**members: Any) -> None:
    write(json.dumps({"jsonrpc": "2.0", **members}).encode() + b"\n")


def text(value: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}], "resultType": "complete"}


def answer(id: Any, value: str = "ok") -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": text(value)}).encode()


def raw(template: str) -> Callable[[Any], None]:
    """Write `template` as one line, ID replaced by the call's id."""
    return lambda id: write(template.replace("ID", json.dumps(id)).encode("utf-8", "surrogateescape") + b"\n")


def content(before: str, after: str) -> str:
    return '{"jsonrpc":"2.0",' + before + '"result":{"content":[{"type":"text","text":"VALUE"}]}' + after + "}"


def prefixed(junk: bytes, end: bytes = b"\n") -> Callable[[Any], None]:
    return lambda id: write(junk + answer(id) + end)


def split(id: Any) -> None:
    for byte in answer(id) + b"\n":
        write(bytes([byte]))


def blob(size: int, id_first: bool) -> Callable[[Any], None]:
    def fault(id: Any) -> None:
        before, after = (f'"id":{id},', "") if id_first else ("", f',"id":{id}')
        head, tail = content(before, after).encode().split(b"VALUE")
        write(head)
        for _ in range(size // 2**16):
            write(b"x" * 2**16)
        write(tail + b"\n")

    return fault


def endless(id: Any) -> None:
    while True:
        write(b"x" * 2**16)


def values(element: str) -> Callable[[Any], None]:
    body = ",".join([element] * (15 * 2**20 // (len(element) + 1)))
    return raw('{"jsonrpc":"2.0","id":ID,"result":{"content":[],"x":[' + body + "]}}")


def flood(line: bytes, count: int) -> Callable[[Any], None]:
    def fault(id: Any) -> None:
        for _ in range(count // 1000):
            write(line * 1000)
        write(answer(id) + b"\n")

    return fault


def die(id: Any) -> None:
    sys.stderr.write("last words\n")
    os._exit(3)


def die_leaving_a_child(id: Any) -> None:
    subprocess.Popen(HOLD)
    write(answer(id, "said before death") + b"\n")
    os._exit(0)


def close_stdout(id: Any) -> None:
    os.close(1)
    time.sleep(60)


def close_stdin(id: Any) -> None:
    os.close(0)
    write(answer(id) + b"\n")
    time.sleep(60)


def chatter(id: Any) -> None:
    for number in range(3000):
        sys.stderr.write(f"{number:>8} {'x' * 990}\n")
    sys.stderr.flush()
    write(answer(id) + b"\n")


LOG = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"hello"}}\n'
LATE_LOG = b'{"params":{"level":"info","data":"hello"},"method":"notifications/message","jsonrpc":"2.0"}\n'
CHANGED = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'
PING = b'{"jsonrpc":"2.0","id":"p","method":"ping"}\n'

FAULTS: dict[str, Callable[[Any], None]] = {
    "stray": prefixed(b"Listening on port 80\n\x1b[31mred\x1b[0m\n"),
    "bom": prefixed(b"\xef\xbb\xbf"),
    "crlf": prefixed(b"\r\n\r\n", b"\r\n"),
    "split": split,
    "bad utf-8": raw(content('"id":ID,', "").replace("VALUE", "a\udcffb")),
    "batch": raw("[" + content('"id":ID,', "") + ',{"jsonrpc":"2.0","method":"notifications/nothing"},7]'),
    "id last": raw(content("", ',"id":ID')),
    "nan": raw('{"jsonrpc":"2.0","id":ID,"result":{"content":[],"x":NaN}}'),
    "huge number": raw('{"jsonrpc":"2.0","id":ID,"result":{"content":[],"x":1e999}}'),
    "control character": raw('{"jsonrpc":"2.0","id":ID,"result":{"content":[],"x":"\x00"}}'),
    "lone surrogate": raw('{"jsonrpc":"2.0","id":ID,"result":{"content":[],"x":"\\ud800"}}'),
    "deep": raw('{"jsonrpc":"2.0","id":ID,"result":{"x":' + "[" * 100_000 + "]" * 100_000 + "}}"),
    "deep, id last": raw('{"result":{"x":' + "[" * 100_000 + "]" * 100_000 + '},"jsonrpc":"2.0","id":ID}'),
    "no version": raw('{"id":ID,"result":{"content":[]}}'),
    "result is a list": raw('{"jsonrpc":"2.0","result":[],"id":ID,"more":{"id":99}}'),
    "float id": raw('{"jsonrpc":"2.0","id":ID.0,"result":{"content":[]}}'),
    "truncated": raw('{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"te'),
    "garbage after id": raw('{"result":{"id":99},"id":ID,"jsonrpc":"2.0"%%%%'),
    "15 MiB": blob(15 * 2**20, True),
    "50 MB": blob(50_000_000, True),
    "50 MB, id last": blob(50_000_000, False),
    "endless": endless,
    "many objects": values('{"a":1}'),
    "many lists": values("[]"),
    "many commas in a string": raw(content('"id":ID,', "").replace("VALUE", '1,2,\\n\\"' * 2**20)),
    "log flood": flood(LOG, 100_000),
    "odd log flood": flood(LATE_LOG, 100_000),
    "change flood": flood(CHANGED, 20_000),
    "ping flood": flood(PING, 5_000),
    "die": die,
    "die leaving a child": die_leaving_a_child,
    "close stdout": close_stdout,
    "close stdin": close_stdin,
    "stop reading": lambda id: time.sleep(60),
    "chatter": chatter,
}


def call(id: Any, name: str, arguments: dict[str, Any]) -> None:
    if name == "fault":
        FAULTS[arguments["kind"]](id)
    else:
        send(id=id, result=text(arguments["text"] if name == "echo" else " ".join(sorted(os.environ))))


def tool(name: str, argument: str | None) -> dict[str, Any]:
    properties = {argument: {"type": "string"}} if argument else {}
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


TOOLS = [tool("echo", "text"), tool("names", None), tool("fault", "kind")]


def serve(eras: set[str]) -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        id, params = message.get("id"), message.get("params") or {}
        match message.get("method"):
            case "server/discover" if MODERN in eras:
                about = {"supportedVersions": [MODERN], "capabilities": CAPABILITIES, "serverInfo": INFO}
                send(id=id, result={**about, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"})
            case "initialize" if LEGACY in eras:
                about = {"protocolVersion": LEGACY, "capabilities": CAPABILITIES, "serverInfo": INFO}
                send(id=id, result=about)
            case "tools/list":
                send(id=id, result={"tools": TOOLS, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"})
            case "tools/call":
                call(id, params["name"], params.get("arguments") or {})
            case "ping":
                send(id=id, result={})
            case str(method) if id is not None:
                send(id=id, error={"code": -32601, "message": f"no method {method}"})


if __name__ == "__main__":
    serve({"--legacy": {LEGACY}, "--modern": {MODERN}}.get(sys.argv[-1], {LEGACY, MODERN}))
