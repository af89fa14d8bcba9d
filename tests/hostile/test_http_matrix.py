"""Every fault of an HTTP server, in both eras, next to a healthy neighbour. The rows are the peer's own list."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from mcphost import Host
from mcphost.config.schema import ServerConfig
from mcphost.errors import ServerError
from mcphost.models.scripted import call
from mcphost.servers import Server
from tests.hostile import http_peer, stdio_peer
from tests.hostile.http_peer import FAULTS, Fault
from tests.hostile.invariants import Held, a_turn, arguments, config, holding, rows, said

PEER = Path(http_peer.__file__)


ROWS = rows(FAULTS.values(), "eras", each=lambda fault: (fault.kind, fault.expect == "answer"))


@asynccontextmanager
async def peer(fault: str, era: str, log: Path) -> AsyncIterator[str]:
    """The URL of a peer, which lives as long as the block."""
    pipe = asyncio.subprocess.PIPE
    command = arguments(PEER, fault, era=era, log=log)
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


def neighbour(era: str, pids: Path) -> ServerConfig:
    command = arguments(Path(stdio_peer.__file__), "nothing", era=era, pids=pids)
    return ServerConfig("healthy", command=sys.executable, args=command)


@pytest.mark.parametrize(("fault", "era"), ROWS)
@pytest.mark.deadline(40)
async def test_a_fault_of_an_http_server_stays_with_that_server(fault: Fault, era: str, tmp_path: Path) -> None:
    expected = fault.expect.split("|")
    limits = {"call_idle": 0.8, "call_total": 2.0} if "limit" in expected else {"call_idle": 6.0, "call_total": 10.0}
    log = tmp_path / "log"
    async with peer(fault.name, era, log) as url:
        hostile = ServerConfig("hostile", url=url, transport="http", headers={"Authorization": "Bearer canary"})
        servers = {"healthy": neighbour(era, tmp_path / "pids"), "hostile": hostile}
        limited = config(servers, connect=4.0, **limits)
        async with holding(tmp_path / "pids") as held, held.host(limited, "offline/") as host:
            assert await host.pool.settled(5.0, ["healthy"])
            async with held.neighbour(host.servers["healthy"]):
                outcome = await befalls(fault, held, host, host.servers["hostile"])
                assert outcome in expected, f"{outcome}, not {fault.expect}: {held.shown}"
                if outcome in ("answer", "error", "lost", "limit", "up", "stale"):
                    await works(held, host.servers["hostile"])
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    assert [entry for entry in entries if entry["what"] == "captured"] == []
    received = [entry for entry in entries if entry["what"] == "received"]
    assert not [entry for entry in received if "cookie" in entry["headers"]]
    assert len([entry for entry in received if entry["method"] == "GET"]) < 25


async def befalls(fault: Fault, held: Held, host: Host, server: Server) -> str:
    """What becomes of the server, in the peer's words; the reason is checked."""
    await server.ready()
    state: str = server.state
    if state == "needs-auth":
        return "auth"
    if state == "failed":
        assert re.search(fault.says, server.detail), server.detail
        return "down"
    assert state == "ready"
    if fault.moment not in ("call", "never") or fault.expect == "up":
        await a_turn(held, host, "done")
        return "up"
    _, results = await a_turn(held, host, call("hostile__fault"), "done")
    (result,) = results.values()
    text = said(result)
    for _ in range(3 if fault.expect == "stale" else 0):  # one of these gets its connection
        with suppress(ServerError):
            await server.call("echo", {"text": "at once"})
    if not result.is_error:
        return "stale" if fault.expect == "stale" else "answer"
    held.shown.append(result.content[0]["text"])
    if "no answer within" in text or "neither an answer nor progress" in text:
        return "limit"
    if fault.expect == "gone":
        return "gone"
    assert re.search(fault.says, text), text[:500]
    if server.state == "needs-auth":
        return "auth"
    return "lost" if "was lost" in text else "error"


async def works(held: Held, server: Server) -> None:
    """The server is as good as before, at once or as soon as it is back."""
    await held.screen.until(server, "ready", seconds=5)
    assert (await server.call("echo", {"text": "again"})).content[0]["text"] == "again"
    added = await server.call("add", {"a": 1, "b": 2})
    assert (added.structured, added.note) == ({"sum": 3}, None)


async def test_the_healthy_peer_is_healthy(tmp_path: Path) -> None:
    for era in ("modern", "legacy"):
        async with peer("nothing", era, tmp_path / "log") as url, holding(tmp_path / "pids") as held:
            servers = {"hostile": ServerConfig("hostile", url=url, transport="http")}
            async with held.host(config(servers), "offline/") as host:
                assert await host.pool.settled(5.0)
                assert host.servers["hostile"].era == era
                await works(held, host.servers["hostile"])
