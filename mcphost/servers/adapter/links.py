"""The ways to a server: what the owner task opens, asks for the reason when it breaks, and closes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import anyio
from mcp.client._memory import InMemoryTransport
from mcp.server import Server as LowLevelServer
from mcp.server.mcpserver import MCPServer

from mcphost.config.schema import Limits
from mcphost.servers.adapter.edge import Transport
from mcphost.servers.adapter.stdio import stdio
from mcphost.servers.dial import Loss
from mcphost.servers.process import Process
from mcphost.text import one_line

EXIT = 0.5  # seconds that the reason of a loss may wait for the exit code
LAST_LINES = 5


class Link(Protocol):
    """One attempt at a server."""

    transport: Transport

    @property
    def pid(self) -> int | None: ...

    @property
    def stderr_tail(self) -> str: ...

    @property
    def forgotten(self) -> bool:
        """Whether only the session was lost: the server itself is well, and a new handshake gives another."""

    def on_forgotten(self, end: Callable[[], None]) -> None:
        """Have `end` called when that happens: the transport would not notice."""

    async def why(self) -> Loss:
        """Why it ended."""

    async def close(self) -> None: ...


class _Lasting:
    """A link without sessions."""

    forgotten = False

    def on_forgotten(self, end: Callable[[], None]) -> None:
        return None


class StdioLink(_Lasting):
    """A link to a process of our own."""

    def __init__(self, process: Process, *, limits: Limits, noise: Callable[[str], None]) -> None:
        process.stderr_bytes = limits.stderr_bytes
        self.transport: Transport = stdio(process, limits=limits, noise=noise)
        self._process = process
        self._limits = limits

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def stderr_tail(self) -> str:
        return self._process.stderr_tail

    async def why(self) -> Loss:
        with anyio.move_on_after(EXIT):
            await self._process.exited()
        code = self._process.returncode
        reason = self._process.reason or "closed the connection"
        words = self._process.stderr_tail.strip().splitlines()[-LAST_LINES:]
        lines = [one_line(line, 300) for line in words]
        return Loss(
            f"{reason} ({lines[-1]})" if lines else reason,
            hint="\n  ".join(["its last words on stderr:", *lines]) if len(lines) > 1 else None,
            detail={} if code is None else {"exit_code": code},
        )

    async def close(self) -> None:
        await self._process.stop(eof=self._limits.stop, term=self._limits.kill)


class LiveLink(_Lasting):
    """A link to a server inside this process, or over a transport that the library's user built."""

    pid = None
    stderr_tail = ""

    def __init__(self, target: object) -> None:
        inside = isinstance(target, MCPServer | LowLevelServer)
        self.transport = cast(Transport, InMemoryTransport(cast(Any, target)) if inside else target)

    async def why(self) -> Loss:
        return Loss("closed the connection")

    async def close(self) -> None:
        return None
