"""HTTP servers for tests, on real loopback sockets: real ones by uvicorn, and one by hand for what no library sends."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

SESSION = "mcp-session-id"


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """The origin that the ASGI `app` answers on."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=0, lifespan="on")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))  # connections wait in the socket until it is up
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body or b"{}")
        return found

    @property
    def rpc(self) -> str:
        return str(self.message.get("method", ""))


def http(status: str = "200 OK", body: bytes = b"", kind: str = "application/json", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def result(request: Request, value: dict[str, Any], **headers: str) -> bytes:
    body = {"jsonrpc": "2.0", "id": request.message.get("id"), "result": value}
    return http(body=json.dumps(body).encode(), **headers)


def events(*data: str) -> bytes:
    """An event stream that ends after `data`."""
    body = "".join(f"{item}\n\n" for item in data).encode()
    return http(body=body, kind="text/event-stream")


Fault = Callable[[Request], bytes | Awaitable[bytes] | None]


@dataclass
class Peer:
    """A legacy MCP server by hand: `fault` sees each request first and may answer it in its place.

    It offers one tool, `work`. `requests` holds all it was asked.
    """

    fault: Fault = lambda request: None
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def count(self, rpc: str) -> int:
        return sum(request.rpc == rpc for request in self.requests)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Peer]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        try:
            yield self
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            self.requests.append(request)
            answer = self.fault(request)
            if answer is not None and not isinstance(answer, bytes):
                answer = await answer
            writer.write(healthy(request) if answer is None else answer)
            if answer == b"":
                writer.transport.abort()
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def healthy(request: Request) -> bytes:
    """What a plain legacy server answers."""
    if request.method != "POST":
        return http("405 Method Not Allowed")
    match request.rpc:
        case "initialize":
            version = request.message["params"]["protocolVersion"]
            info = {"name": "peer", "version": "1"}
            value = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
            return result(request, value, **{SESSION.replace("-", "_"): "s1"})
        case "tools/list":
            return result(request, {"tools": [{"name": "work", "inputSchema": {"type": "object"}}]})
        case "tools/call":
            return result(request, {"content": [{"type": "text", "text": "done"}]})
        case "server/discover":
            error = {"code": -32601, "message": "Method not found"}
            return http(body=json.dumps({"jsonrpc": "2.0", "id": request.message["id"], "error": error}).encode())
        case _:
            return http("202 Accepted")
