"""How servers were met, remembered: a warm start saves a round trip, a wrong memory costs one."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcphost.config.schema import ServerConfig
from mcphost.servers.eras import MOST, EraFile, Verdict
from mcphost.servers.server import Server
from tests.servers.serving import Peer, Request, http, result
from tests.servers.test_pool import Seen, pool

LEGACY = Verdict("http", "2025-11-25")


class Kept:
    """Eras in memory, for every definition the same; `news` counts what was kept."""

    def __init__(self, verdict: Verdict | None = None) -> None:
        self.verdict = verdict
        self.news = 0

    def recall(self, definition: str) -> Verdict | None:
        return self.verdict

    def keep(self, definition: str, verdict: Verdict | None) -> None:
        self.verdict = verdict
        self.news += 1


def modern(request: Request, **changes: Any) -> bytes | None:
    """A modern server's answers, where they differ from a legacy one's."""
    match request.rpc:
        case "server/discover":
            said = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, **changes}
            return result(request, {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", **said})
        case "initialize":
            return http("400 Bad Request", b"no such thing")
        case _:
            return None


async def met(peer: Peer, eras: Any, **changes: Any) -> Server:
    """The server at `peer` after one start, one call, and an end in order."""
    peer.requests.clear()
    config = ServerConfig("it", url=peer.url, transport="http", **changes)
    async with pool({"it": config}, eras=eras) as running:
        await running.settled(10)
        server = running.servers["it"]
        if server.state == "ready":
            await server.call("work", {})
            await anyio.sleep(0.05)  # for what is done after the server is ready
    return server


async def test_a_legacy_server_is_not_probed_a_second_time() -> None:
    eras = Kept()
    async with Peer().serve() as peer:
        await met(peer, eras)
        assert (peer.count("server/discover"), peer.count("initialize")) == (1, 1)
        assert eras.verdict == LEGACY
        server = await met(peer, eras)
        assert (peer.count("server/discover"), peer.count("initialize")) == (0, 1)
        assert server.era == "legacy"
    assert eras.news == 1


async def test_a_modern_server_is_met_again_without_a_round_trip_and_looked_at_later() -> None:
    eras = Kept()
    async with Peer(modern).serve() as peer:
        await met(peer, eras)
        assert eras.verdict is not None
        assert eras.verdict.discover is not None
        server = await met(peer, eras)
        order = [request.rpc for request in peer.requests]
        assert order.index("tools/list") < order.index("server/discover")
        assert server.era == "modern"
        assert server.version == "2026-07-28"
    assert eras.news == 1


async def test_what_a_server_says_differently_by_now_is_taken_up() -> None:
    eras, seen = Kept(), Seen()
    async with Peer(modern).serve() as peer:
        await met(peer, eras)
        peer.fault = lambda request: modern(request, instructions="Be kind.")
        config = ServerConfig("it", url=peer.url, transport="http")
        async with pool({"it": config}, eras=eras, show=seen) as running:
            await running.settled(10)
            await seen.until(lambda: seen.states("it").count("ready") == 2)
            assert running.servers["it"].instructions == "Be kind."
    assert eras.verdict is not None
    assert eras.verdict.discover is not None
    assert eras.verdict.discover["instructions"] == "Be kind."


@pytest.mark.parametrize(
    "wrong",
    [
        Verdict("http", "2026-07-28", {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}),
        Verdict("http", "2026-07-28", {"nonsense": 1}),
        Verdict("http", "1999-01-01", {"supportedVersions": ["1999-01-01"], "capabilities": {}}),
        Verdict("sse", "2024-11-05"),
    ],
)
async def test_a_memory_that_is_wrong_is_dropped_and_the_server_met_anew(wrong: Verdict) -> None:
    def fault(request: Request) -> bytes | None:
        greeted = any(earlier.rpc == "initialize" for earlier in peer.requests)
        if request.rpc == "tools/list" and not greeted:
            return http("400 Bad Request", b"who are you?")
        return None

    eras = Kept(wrong)
    async with Peer(fault).serve() as peer:
        server = await met(peer, eras)
    assert server.era == "legacy"
    assert eras.verdict == LEGACY


async def test_a_memory_is_kept_where_something_else_is_wrong() -> None:
    eras = Kept(LEGACY)
    async with Peer(lambda request: http("401 Unauthorized")).serve() as peer:
        server = await met(peer, eras)
    assert server.state == "needs-auth"
    assert eras.verdict == LEGACY


async def test_a_server_whose_protocol_is_configured_needs_no_memory() -> None:
    eras = Kept(Verdict("http", "2026-07-28", {"supportedVersions": ["2026-07-28"], "capabilities": {}}))
    async with Peer().serve() as peer:
        server = await met(peer, eras, protocol="legacy")
    assert server.era == "legacy"
    assert eras.news == 0


def test_the_file_is_private_and_survives_a_new_start(tmp_path: Path) -> None:
    path = tmp_path / "state" / "eras.json"
    verdict = Verdict("stdio", "2026-07-28", {"capabilities": {}})
    EraFile(path).keep("a", verdict)
    EraFile(path).keep("b", LEGACY)
    assert (EraFile(path).recall("a"), EraFile(path).recall("b")) == (verdict, LEGACY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    EraFile(path).keep("a", None)
    assert EraFile(path).recall("a") is None


def test_the_file_forgets_the_oldest_and_what_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "state" / "eras.json"
    path.parent.mkdir(mode=0o700)
    path.write_text(json.dumps({str(number): {"transport": "http", "version": "x"} for number in range(MOST)}))
    path.chmod(0o600)
    EraFile(path).keep("new", LEGACY)
    assert [EraFile(path).recall(name) is None for name in ("0", "1", "new")] == [True, False, False]
    EraFile(path).keep("long", Verdict("http", "2026-07-28", {"instructions": "x" * 100_000}))
    assert EraFile(path).recall("long") is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{", pytest.param("[" * 9999, id="deep"), '{"a": 1, "b": {"transport": "x", "version": 1}}']
)
def test_a_file_that_is_no_use_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "eras.json"
    path.write_text(content)
    assert EraFile(path).recall("a") is None
    assert EraFile(path).recall("b") is None
    EraFile(tmp_path / "eras.json" / "below").keep("a", LEGACY)
