"""The part of `mcphost run` that has an event loop: from a Host to an exit code."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from mcphost.agent import Reply
from mcphost.cli.exits import DONE, ERROR, LIMIT, REFUSED
from mcphost.cli.lock import offers
from mcphost.errors import Drift, McpHostError, ServerUnavailable, UsageError
from mcphost.events import Noticed
from mcphost.frontends import Denied, Ending, Opening, RunFrontend, ServerRow
from mcphost.host import Chat, Host
from mcphost.journal import Record
from mcphost.messages import Message

if TYPE_CHECKING:
    from mcphost.cli.run import Wish

SERVERS_SECONDS = 30.0


async def do(host: Host, frontend: RunFrontend, task: str | Sequence[Message] | Record, wish: Wish) -> int:
    """Enter `host`, do the task or go on with the recorded one, tell `frontend` how it ended; returns the exit code."""
    try:
        async with host:
            reply, drifted = await _answer(host, frontend, task, wish)
            ending = host.secrets.redacted(_ending(host, reply))
    except McpHostError as error:
        frontend.finish(_failure(host, "error", host.secrets.redacted(error.envelope()["error"])))
        raise
    except anyio.get_cancelled_exc_class():
        frontend.finish(_failure(host, "cancelled", None))
        raise
    frontend.finish(ending)
    if wish.output:
        _write(wish.output, ending.result)
    code = _code(reply)
    return REFUSED if drifted and code == DONE else code


async def _answer(
    host: Host, frontend: RunFrontend, task: str | Sequence[Message] | Record, wish: Wish
) -> tuple[Reply, bool]:
    """The reply, and whether the servers are no longer what was locked."""
    began = time.monotonic()
    limit = math.inf if wish.timeout is None else wish.timeout
    chat = host.chat(frontend=frontend, patience=0, resume=task if isinstance(task, Record) else None)
    try:
        await host.settled(min(SERVERS_SECONDS, limit))
        _require_any(host)
        if host.policy.lock:
            host.policy.lock.check_offers(offers(chat))
    finally:
        frontend.begin(
            Opening(chat.id, chat.model.name, wish.mode, wish.yolo, _rows(host), widening=host.config.widening)
        )
    timer = None
    if wish.timeout is not None:
        timer = asyncio.get_running_loop().call_later(began + limit - time.monotonic(), chat.cancel)
    try:
        reply = await (chat.resume(on_unknown=wish.on_unknown) if isinstance(task, Record) else chat.send(task))
    finally:
        if timer is not None:
            timer.cancel()
    return reply, await _drifted(chat, frontend)


async def _drifted(chat: Chat, frontend: RunFrontend) -> bool:
    """Whether a server became another one meanwhile, which is said. Nothing ran that was not locked."""
    lock = chat.host.policy.lock
    try:
        if lock:
            lock.check_offers(offers(chat))
    except Drift as drift:
        for line in drift.message.splitlines():
            await frontend.show(Noticed(text=line.strip(), level="warning"))
        return True
    return False


def _require_any(host: Host) -> None:
    """Raises ServerUnavailable where servers are enabled and none came up: the task was meant for some."""
    enabled = [server for server in host.servers.values() if server.state != "disabled"]
    if enabled and not any(server.state == "ready" for server in enabled):
        reasons = "; ".join(f"{server.name}: {server.detail or server.state}" for server in enabled)
        raise ServerUnavailable(
            f"no server is ready ({reasons})", hint="`mcphost servers -v` shows what each one said."
        )


def _ending(host: Host, reply: Reply) -> Ending:
    return Ending(
        result=reply.text,
        stop="timeout" if reply.stop == "cancelled" else reply.stop,
        steps=reply.steps,
        usage=reply.usage,
        is_error=_code(reply) not in (DONE, REFUSED),
        denied=tuple(
            Denied(called.call.id, called.call.name, called.denied or "", called.unasked, called.suggestion)
            for called in reply.denied
        ),
        waiting=reply.waiting,
        servers=_rows(host),
        run=reply.run,
    )


def _failure(host: Host, stop: str, error: Mapping[str, Any] | None) -> Ending:
    return Ending(result="", stop=stop, is_error=True, servers=_rows(host), error=error)


def _rows(host: Host) -> tuple[ServerRow, ...]:
    return tuple(
        ServerRow(
            server.name,
            server.state,
            server.detail,
            transport=server.transport,
            era=server.era,
            version=server.version,
            tools=len(server.tools) if server.state == "ready" else None,
            pid=server.pid if server.state == "ready" else None,
            latency=server.latency,
        )
        for server in host.servers.values()
    )


def _code(reply: Reply) -> int:
    if reply.stop in ("limit", "cancelled"):
        return LIMIT
    if reply.stop == "paused":
        return REFUSED
    if reply.stop != "answered" or not reply.text.strip():
        return ERROR
    return REFUSED if any(called.unasked for called in reply.denied) else DONE


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the answer cannot be written to {path}: {error.strerror}") from error
