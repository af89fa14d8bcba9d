"""Real servers in mcphost's own pool, with somebody to answer what they ask."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mcphost.config.schema import Limits, ServerConfig
from mcphost.errors import McpHostError
from mcphost.events import Event
from mcphost.servers.pool import ServerPool
from mcphost.servers.server import Server
from mcphost.servers.wire import CallOutcome, RequestRefused

Protocol: TypeAlias = Literal["auto", "modern", "legacy"]


class Person:
    """A Caller that answers at once as it was told, and remembers what it was asked, by whom."""

    def __init__(self, form: Mapping[str, Any] | None = None, *, refuses: bool = False) -> None:
        self.form = form
        self.refuses = refuses
        self.sampled: list[tuple[str, Mapping[str, Any]]] = []
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def sample(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.sampled.append((server, params))
        if self.refuses:
            raise RequestRefused(-1, "the user said no")
        content = {"type": "text", "text": "roses are red"}
        return {"role": "assistant", "content": content, "model": "scripted", "stopReason": "endTurn"}

    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((server, params))
        return {"action": "decline"} if self.form is None else {"action": "accept", "content": dict(self.form)}


class Seen:
    """What the pool showed; `until` waits for an event."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Condition()

    async def show(self, event: Event) -> None:
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    async def until(self, wanted: Callable[[Event], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: any(map(wanted, self.events)))


class Steps:
    """Collects progress; `first` is set by the first report."""

    def __init__(self) -> None:
        self.reports: list[tuple[float, float | None, str | None]] = []
        self.first = asyncio.Event()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.reports.append((progress, total, message))
        self.first.set()


@asynccontextmanager
async def connected(
    *configs: ServerConfig, roots: tuple[Path, ...] = (), seen: Seen | None = None
) -> AsyncIterator[Mapping[str, Server]]:
    """The servers of a pool, every one ready."""
    show = (seen or Seen()).show
    named = {config.name: config for config in configs}
    async with ServerPool(named, limits=Limits(), environ=dict(os.environ), roots=roots, show=show) as pool:
        await pool.settled(25)
        failed = {name: server.detail for name, server in pool.servers.items() if server.state != "ready"}
        assert not failed, failed
        yield pool.servers


def stdio(
    name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, protocol: Protocol = "auto"
) -> ServerConfig:
    return ServerConfig(name, command=command[0], args=tuple(command[1:]), env=env or {}, protocol=protocol)


def text(outcome: CallOutcome) -> str:
    """The text of the only block; fails on an error."""
    assert not outcome.is_error, outcome.content
    (block,) = outcome.content
    assert block["type"] == "text"
    return str(block["text"])


async def cancelled_midway(server: Server, tool: str, arguments: Mapping[str, Any]) -> None:
    """Call a tool that reports progress, and give up after the first report."""
    steps = Steps()
    call = asyncio.create_task(server.call(tool, arguments, progress=steps))
    await steps.first.wait()
    call.cancel()
    try:
        await call
    except asyncio.CancelledError:
        return
    except McpHostError as error:
        raise AssertionError("a cancelled call ends as cancelled") from error
    raise AssertionError("the call was over before it could be cancelled")
