"""Every fault of a stdio server, in both eras, next to a healthy neighbour. The rows are the peer's own list."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from mcphost import Host
from mcphost.config.schema import ServerConfig
from mcphost.models.scripted import call
from mcphost.servers import Server
from tests.hostile import stdio_peer
from tests.hostile.invariants import Held, a_turn, arguments, config, holding, rows, said
from tests.hostile.stdio_peer import FAULTS, Fault

PEER = Path(stdio_peer.__file__)


ROWS = rows(FAULTS.values(), "eras", each=lambda fault: (fault.kind, fault.expect in ("answer", "up")))


def peer(name: str, fault: str, era: str, pids: Path) -> ServerConfig:
    args = arguments(PEER, fault, era=era, pids=pids)
    # With a secret, whatever the peer says is searched for it.
    return ServerConfig(name, command=sys.executable, args=args, env={"PEER_TOKEN": "canary-of-a-peer"})


@pytest.mark.parametrize(("fault", "era"), ROWS)
@pytest.mark.deadline(40)
async def test_a_fault_of_a_stdio_server_stays_with_that_server(fault: Fault, era: str, tmp_path: Path) -> None:
    expected = fault.expect.split("|")
    patient = {"call_idle": 6.0, "call_total": 10.0}
    limits = {"call_idle": 0.8, "call_total": 2.0} if {"limit", "wedged"} & {*expected} else patient
    pids = tmp_path / "pids"
    servers = {
        "healthy": peer("healthy", "nothing", era, tmp_path / "neighbour"),
        "hostile": peer("hostile", fault.name, era, pids),
    }
    async with holding(pids) as held, held.host(config(servers, **limits), "offline/") as host:
        assert await host.pool.settled(5.0, ["healthy"])
        async with held.neighbour(host.servers["healthy"]):
            outcome = await befalls(fault, held, host, host.servers["hostile"])
            assert outcome in expected, f"{outcome}, not {fault.expect}: {held.shown}"
            if outcome in ("answer", "error", "limit", "lost", "returns", "up"):
                await works(host.servers["hostile"])


async def befalls(fault: Fault, held: Held, host: Host, server: Server) -> str:
    """What becomes of the server, in the peer's words; the reason is checked."""
    await server.ready()
    if server.state == "failed":
        assert re.search(fault.says, server.detail), server.detail
        return "down"
    assert server.state == "ready"
    if fault.expect == "returns":
        await held.screen.until(server, "restarting", seconds=2)
        assert re.search(fault.says, server.detail), server.detail
        await held.screen.until(server, "ready", seconds=5)
        return "returns"
    if "answer" not in fault.expect and fault.moment != "call":
        problems = "\n".join(server.problems)
        assert not fault.says or re.search(fault.says, problems), problems
        if server.tools:
            await a_turn(held, host, "done")
        return "up" if server.tools else "up-empty"
    return await called(fault, held, host, server)


async def called(fault: Fault, held: Held, host: Host, server: Server) -> str:
    pid = server.pid
    _, results = await a_turn(held, host, call("hostile__fault"), "done")
    (result,) = results.values()
    text = said(result)
    held.shown += [result.note or ""]
    if not result.is_error:
        assert re.search(fault.says, text), text[:500]
        if "wedged" in fault.expect:
            return "wedged"
        if "exit" in fault.name:  # it may not have been noticed yet
            await held.screen.until_back(server, pid, seconds=5)
        return "answer"
    held.shown.append(result.content[0]["text"] if fault.kind != "k" else "")
    if "was lost" in text:
        assert re.search(fault.says, text), text[:500]
        await held.screen.until_back(server, pid, seconds=5)
        return "lost"
    if "no answer within" in text or "neither an answer nor progress" in text:
        return "wedged" if "wedged" in fault.expect else "limit"
    assert re.search(fault.says, text) or "limit" in fault.expect, text[:500]
    return "error"


async def works(server: Server) -> None:
    """The server is as good as before: its healthy tools answer, and what is cancelled is told."""
    assert (await server.call("echo", {"text": "again"})).content[0]["text"] == "again"
    added = await server.call("add", {"a": 1, "b": 2})
    assert (added.structured, added.note) == ({"sum": 3}, None)


async def test_the_healthy_peer_is_healthy(tmp_path: Path) -> None:
    servers = {era: peer(era, "nothing", era, tmp_path / "pids") for era in ("modern", "legacy", "both")}
    async with holding(tmp_path / "pids") as held, held.host(config(servers), "offline/") as host:
        assert await host.pool.settled(5.0)
        for era, server in host.servers.items():
            assert server.era == ("legacy" if era == "legacy" else "modern")
            await works(server)
            names = (await server.call("names", {})).content[0]["text"].split()
            assert "MCPHOST_RUN" in names
