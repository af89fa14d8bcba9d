"""The stdio transport: the SDK's two streams over a process that was spawned before the SDK was imported.

Law 4: bytes that are no message, messages too large, floods, blocked pipes and a dying server cost the calls they
touch, never the loop or another server. However the connection ends, `Process.reason` says why before the SDK
hears of it, and the process ends too.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import anyio.to_thread
import mcp_types as t
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from pydantic_core import PydanticSerializationError

from mcphost.config.schema import Limits
from mcphost.servers.adapter.flood import Flood
from mcphost.servers.adapter.framing import Lines, Oversized, Stray, decode, failure
from mcphost.servers.process import Process
from mcphost.text import encodable, one_line

Streams: TypeAlias = tuple[
    MemoryObjectReceiveStream[SessionMessage | Exception],
    MemoryObjectSendStream[SessionMessage],
]

_ENDLESS = 4  # times the limit: a line this long will not end
_CHUNK = 64 * 1024
_IN_THREAD = 256 * 1024  # bytes; parsing less takes no longer than handing it over
_DRAIN = 0.3  # seconds to read what a dead server left in the pipe
_EXIT = 0.25  # seconds between a closed pipe and the exit that explains it
_FLUSH = 0.5  # seconds for accepted messages to be written before stdin closes
_RELEASE = 0.05  # seconds between looks at changes that wait for room


@asynccontextmanager
async def stdio(
    process: Process, *, limits: Limits, noise: Callable[[str], None] = lambda text: None
) -> AsyncIterator[Streams]:
    """A transport for `mcp.Client` over `process`, which ends with it.

    `noise` is told, once each, of output that is no message and of floods.
    """
    connection = _Connection(process, limits, noise)
    async with anyio.create_task_group() as tasks:
        try:
            # Where the owner is cancelled already, `start` would wait for the end that only `close` brings.
            with anyio.CancelScope(shield=True):
                await tasks.start(connection.run)
            yield connection.received, connection.sending
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()


class _Connection:
    def __init__(self, process: Process, limits: Limits, noise: Callable[[str], None]) -> None:
        self._process = process
        self._limits = limits
        self._limit = limits.message_bytes
        self._noise = noise
        self._receiving, self.received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        self.sending, self._sent = anyio.create_memory_object_stream[SessionMessage](0)
        self._flood = Flood.of(limits)
        self._running = anyio.CancelScope(shield=True)
        self._flushed = anyio.Event()
        self._reading = anyio.CancelScope()
        self._idle = anyio.CancelScope()
        self._closing = False
        self._flooded = False

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Work until `close`: shielded, because a cancelled owner still wants its server to end in order."""
        self._process.attach()
        with self._running, self._receiving, self._sent:
            async with anyio.create_task_group() as self._tasks:
                for work in (self._read, self._write, self._watch):
                    self._tasks.start_soon(work)
                task_status.started()

    async def close(self) -> None:
        """Let accepted messages out, then stop the process; its output is read on meanwhile, so that it can end."""
        self._closing = True
        self.received.close()
        self.sending.close()
        with anyio.move_on_after(_FLUSH):
            await self._flushed.wait()
        await self._process.stop(eof=self._limits.stop, term=self._limits.kill)
        self._running.cancel()

    async def _watch(self) -> None:
        """End the reading soon after the server's death: a descendant may hold the pipe for ever."""
        await self._process.exited()
        self._reading.deadline = anyio.current_time() + _DRAIN
        self._idle.cancel()

    # From the server.

    async def _read(self) -> None:
        lines = Lines(self._limit)
        async with self._receiving:
            with self._reading:
                while chunk := await self._chunk():
                    for line in lines.feed(chunk):
                        await self._take(line)
                    if lines.skipped > _ENDLESS * self._limit:
                        self._process.fail(f"wrote {_size(lines.skipped)} without a line break (messageBytes)")
                        break
                    await self._release()
                    await anyio.lowlevel.checkpoint()
            await self._ended("its output")

    async def _chunk(self) -> bytes:
        """The next bytes; none at the end of the pipe, and once it is dry after the server's death."""
        while True:
            dead = self._process.returncode is not None
            try:
                chunk = self._process.stdout.read(_CHUNK)
                if chunk is not None:
                    return chunk
                if dead:
                    self._orphaned()
                    return b""
                with anyio.move_on_after(_RELEASE if self._flood.kept else math.inf) as self._idle:
                    await anyio.wait_readable(self._process.stdout)
            except (OSError, ValueError, anyio.ClosedResourceError):  # ValueError: closed by stop()
                return b""
            await self._release()

    async def _take(self, line: bytes | Oversized) -> None:
        if isinstance(line, Oversized):
            await self._oversized(line)
        elif not self._flood.refuses_line(line):
            items = await anyio.to_thread.run_sync(decode, line) if len(line) > _IN_THREAD else decode(line)
            for item in items:
                if isinstance(item, Stray):
                    self._stray(item.text)
                elif not self._flood.refuses(item):
                    await self._give(item)
        if self._flood.dropped and not self._flooded:
            self._flooded = True
            self._noise(self._flood.complaint)

    async def _oversized(self, line: Oversized) -> None:
        if line.id is None:
            self._stray(f"(a message larger than {_size(self._limit)}, see messageBytes)")
        else:
            await self._give(failure(line.id, f"its answer is larger than {_size(self._limit)} (messageBytes)"))

    async def _give(self, message: t.JSONRPCMessage) -> None:
        try:
            await self._receiving.send(SessionMessage(message))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):  # nobody listens any more
            pass

    async def _release(self) -> None:
        for change in self._flood.released():
            await self._give(change)

    def _stray(self, text: str) -> None:
        if not self._process.stray:
            self._noise(f"writes to its standard output what is no MCP message: {one_line(text)}")
        self._process.stray.append(text)

    def _orphaned(self) -> None:
        if self._process.returncode == 0:
            self._process.explain("exited with code 0 but left a child running; start that program itself, or exec it")

    async def _ended(self, pipe: str) -> None:
        """A pipe is closed: mostly because the server exited, which then is the reason."""
        with anyio.move_on_after(_EXIT):
            await self._process.exited()
        if self._process.returncode is None and not self._closing:
            self._process.fail(f"closed {pipe}")

    # To the server.

    async def _write(self) -> None:
        async with self._sent:
            try:
                async for message in self._sent:
                    if data := self._encoded(message.message):
                        await self._send(data)
            except TimeoutError:
                self._process.fail(f"read nothing for {self._limits.blocked_write:g} s (blockedWriteSeconds)")
            except (OSError, ValueError, anyio.ClosedResourceError):
                await self._ended("its input")
            self._flushed.set()
            async for _ in self._sent:  # the SDK learns of the end from the other stream
                pass

    def _encoded(self, message: t.JSONRPCMessage) -> bytes | None:
        try:
            return encode(message)
        except (TypeError, ValueError, RecursionError) as error:
            what = f"cannot be written as JSON: {one_line(str(error))}"
        if isinstance(message, t.JSONRPCRequest):
            self._tasks.start_soon(self._give, failure(message.id, f"the request {what}"))
        elif isinstance(message, t.JSONRPCResponse):
            error_data = t.ErrorData(code=t.INTERNAL_ERROR, message=f"the answer {what}")
            return encode(t.JSONRPCError(jsonrpc="2.0", id=message.id, error=error_data))
        return None

    async def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = self._process.stdin.write(rest)
            if written is None:
                with anyio.fail_after(self._limits.blocked_write):
                    await anyio.wait_writable(self._process.stdin)
            else:
                rest = rest[written:]


def encode(message: t.JSONRPCMessage) -> bytes:
    """`message` as one line; unpaired surrogates, which models can write and UTF-8 cannot, are replaced.

    Raises:
        TypeError, ValueError, RecursionError: it holds what JSON cannot.
    """
    try:
        # model_dump_json would decode it, for us to encode it again
        return message.__pydantic_serializer__.to_json(message, by_alias=True, exclude_unset=True) + b"\n"
    except PydanticSerializationError:
        value = _clean(message.model_dump(by_alias=True, exclude_unset=True))
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _clean(value: Any) -> Any:
    match value:
        case str():
            return encodable(value)
        case dict():
            return {_clean(key): _clean(member) for key, member in value.items()}
        case list() | tuple():
            return [_clean(member) for member in value]
        case _:
            return value


def _size(count: int) -> str:
    return f"{count / 1024 / 1024:.0f} MiB" if count >= 1024 * 1024 else f"{count} bytes"
