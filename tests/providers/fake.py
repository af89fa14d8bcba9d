"""Fake model APIs: one loopback HTTP/1.1 server that speaks Anthropic Messages (`base_url`), OpenAI Responses and Chat
Completions (`openai_url`), and refuses what the true ones refuse.

    async with FakeApi() as api:
        api.script(Call("demo__add", {"a": 2, "b": 3}), "That makes 5.")
        ...
        assert len(api.requests) == 2

Without a script it answers by `script.follow`. `python -m tests.providers.fake [SCRIPT.json]` prints the base URL and
serves until its stdin ends; the key is "test-key".
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.providers import dialects, rules
from tests.providers.rules import KEY, Refused
from tests.providers.script import Json, Reply, Scripted, Silence, Status, follow, from_json, settled

__all__ = ["KEY", "FakeApi", "Seen"]

_PATHS: dict[str, str] = {
    "/v1/messages": "anthropic",
    "/v1/responses": "responses",
    "/v1/chat/completions": "chat",
}
_RULES: dict[str, Callable[[Json], None]] = {
    "anthropic": rules.anthropic,
    "responses": rules.responses,
    "chat": rules.chat,
}
_EVENTS: dict[str, Callable[[Reply, Json, int], list[dialects.Event]]] = {
    "anthropic": dialects.anthropic,
    "responses": dialects.responses,
    "chat": dialects.chat,
}


@dataclasses.dataclass(frozen=True)
class Seen:
    """A request as it arrived. `refused` is why it was turned down, if it was."""

    dialect: str
    headers: dict[str, str]
    raw: bytes
    refused: str | None = None

    @property
    def body(self) -> Json:
        body: Json = json.loads(self.raw)
        return body


class FakeApi:
    """`requests` holds everything that arrived; `hung_up` is set when a client leaves while it is being answered."""

    def __init__(self, *, key: str = KEY) -> None:
        self.requests: list[Seen] = []
        self.hung_up = asyncio.Event()
        self.connections = 0
        self.models = ("claude-sonnet-5-5", "gpt-6-sol", "some-local-model")
        self._key = key
        self._answers: list[Scripted] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def script(self, *answers: Scripted) -> None:
        """Queue answers, one per request that is not refused. Functions get the request's body."""
        self._answers += answers

    @property
    def base_url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def openai_url(self) -> str:
        return f"{self.base_url}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=64 * 1024 * 1024)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        except asyncio.CancelledError:
            pass  # the fixture ends; StreamReaderProtocol would report it
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False ends the connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        start, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        if start.startswith("GET /v1/models"):
            listed = {"data": [{"id": name} for name in self.models]}
            return await _plain(writer, "chat", Status(200, body=json.dumps(listed).encode()))
        dialect = _PATHS.get(start.split(" ")[1])
        if dialect is None:
            return await _plain(writer, "chat", Status(404, message=f"Unknown path: {start}"))
        try:
            rules.authorized(headers, anthropic=dialect == "anthropic", key=self._key)
            body: Json = json.loads(raw)
            _RULES[dialect](body)
        except Refused as error:
            self.requests.append(Seen(dialect, headers, raw, error.message))
            refusal = Status(error.status, message=error.message, type=error.type, param=error.param)
            return await _plain(writer, dialect, refusal)
        self.requests.append(Seen(dialect, headers, raw))
        scripted = self._answers.pop(0) if self._answers else follow
        answer = settled(scripted(body) if callable(scripted) else scripted)
        if isinstance(answer, Silence):
            await self._wait_for_hang_up(reader)
            return False
        if isinstance(answer, Status):
            return await _plain(writer, dialect, answer)
        return await self._stream(reader, writer, dialect, answer, body)

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dialect: str, answer: Reply, body: Json
    ) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"request-id: req_1\r\nx-request-id: req_1\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        events = _EVENTS[dialect](answer, body, len(self.requests))
        await asyncio.sleep(answer.delay)
        for event in events[: answer.after]:
            await _send(writer, _wire(event, answer.newline), answer.chunk)
        if answer.fault == "reset":
            linger = struct.pack("ii", 1, 0)  # closing now sends RST
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        if answer.fault == "silence":
            await self._wait_for_hang_up(reader)
            return False
        if answer.fault == "error":
            await _send(writer, _wire(dialects.broken(dialect), answer.newline), answer.chunk)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _wait_for_hang_up(self, reader: asyncio.StreamReader) -> None:
        await reader.read()
        self.hung_up.set()


def _wire(event: dialects.Event, newline: str) -> bytes:
    name, data = event
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    lines = [f"event: {name}"] if name else []
    return newline.join([*lines, f"data: {text}", "", ""]).encode()


async def _send(writer: asyncio.StreamWriter, data: bytes, size: int) -> None:
    for start in range(0, len(data), size or len(data)):
        part = data[start : start + (size or len(data))]
        writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        await writer.drain()


async def _plain(writer: asyncio.StreamWriter, dialect: str, answer: Status) -> bool:
    body = answer.body if answer.body is not None else json.dumps(_error(dialect, answer)).encode()
    head = [f"HTTP/1.1 {answer.status} Fake", f"content-type: {answer.content_type}", f"content-length: {len(body)}"]
    head += ["request-id: req_1", "x-request-id: req_1", *(f"{key}: {value}" for key, value in answer.headers.items())]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    await writer.drain()
    return True


def _error(dialect: str, answer: Status) -> dict[str, Any]:
    error = {"type": answer.type or "invalid_request_error", "message": answer.message}
    if dialect == "anthropic":
        return {"type": "error", "error": error, "request_id": "req_1"}
    return {"error": {**error, "param": answer.param or None, "code": None}}


async def _main(*answers: Scripted) -> None:
    async with FakeApi() as api:
        api.script(*answers)
        print(api.base_url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    script = json.loads(Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else []
    asyncio.run(_main(*map(from_json, script)))
