"""The stdio transport under the real client, against a hand-written server that breaks every rule on request."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import mcp_types as t
import psutil
import pytest
from mcp import Client, MCPError
from mcp.shared.message import SessionMessage

from mcphost.config.schema import Limits, ServerConfig
from mcphost.servers.adapter.stdio import encode, stdio
from mcphost.servers.process import Process, Reaper, spawn

PEER = str(Path(__file__).with_name("peers") / "peer.py")


@dataclass
class Peer:
    client: Client
    process: Process
    noise: list[str]
    heard: list[str] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, tool: str, **arguments: object) -> str:
        result = await self.client.call_tool(tool, arguments)
        [block] = result.content
        assert isinstance(block, t.TextContent)
        return block.text

    async def fault(self, kind: str) -> str:
        return await self.call("fault", kind=kind)

    async def error(self, kind: str) -> str:
        with pytest.raises(MCPError) as caught:
            await self.fault(kind)
        assert not -32768 <= caught.value.code <= -32000
        return caught.value.error.message

    async def lost(self, kind: str) -> str | None:
        """The reason for which the connection ends during this fault."""
        with pytest.raises(MCPError) as caught:
            await self.fault(kind)
        assert caught.value.code == t.CONNECTION_CLOSED
        return self.process.reason


LIMITS = Limits()


@pytest.fixture
def reaper() -> Iterator[Reaper]:
    reaper = Reaper()
    yield reaper
    reaper.close()


@asynccontextmanager
async def peer(reaper: Reaper, *args: str, mode: str = "legacy", limits: Limits = LIMITS) -> AsyncIterator[Peer]:
    process = spawn(ServerConfig("peer", sys.executable, (PEER, *args)), os.environ, reaper=reaper)
    noise: list[str] = []

    async def hear(message: object) -> None:
        server.heard.append(type(message).__name__)
        server.more.set()

    transport = stdio(process, limits=limits, noise=noise.append)
    server = Peer(Client(transport, mode=mode, message_handler=hear), process, noise)
    async with server.client:
        await server.client.list_tools()
        yield server
    assert process.returncode is not None


@asynccontextmanager
async def unstalled() -> AsyncIterator[None]:
    """The event loop is never away for long. Time that other programs took does not count."""
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            wall, cpu = time.monotonic(), time.process_time()
            await asyncio.sleep(0.005)
            worst = max(worst, min(time.monotonic() - wall, time.process_time() - cpu))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        yield
        tasks.cancel_scope.cancel()
    assert worst < 0.15, f"the loop stood still for {worst:.3f} s"


# The healthy path.


@pytest.mark.parametrize(
    ("era", "mode", "version"),
    [
        ("--legacy", "legacy", "2025-11-25"),
        ("--legacy", "auto", "2025-11-25"),
        ("--modern", "auto", "2026-07-28"),
        ("--both", "auto", "2026-07-28"),
        ("--both", "legacy", "2025-11-25"),
    ],
)
async def test_a_healthy_server_works_in_both_eras(era: str, mode: str, version: str, reaper: Reaper) -> None:
    async with peer(reaper, era, mode=mode) as server:
        assert server.client.protocol_version == version
        answers = await asyncio.gather(*(server.call("echo", text=f"hé {number}") for number in range(50)))
        assert answers == [f"hé {number}" for number in range(50)]
        names = (await server.call("names")).split()
        assert "MCPHOST_RUN" in names
        assert "PYTEST_CURRENT_TEST" not in names
    assert (server.process.returncode, server.noise) == (0, [])


async def test_large_messages_travel_both_ways_without_a_stall(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        text = "é\n" * 2_000_000
        async with unstalled():
            assert await server.call("echo", text=text) == text


# Bytes that are almost a message.


async def test_answers_in_odd_shapes_arrive(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        for kind in ("stray", "bom", "crlf", "split", "batch", "id last"):
            assert await server.fault(kind) in ("ok", "VALUE"), kind


async def test_stray_lines_are_kept_and_told_once(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        for _ in range(15):
            await server.fault("stray")
        assert server.noise == ["writes to its standard output what is no MCP message: Listening on port 80"]
        assert list(server.process.stray)[-2:] == ["Listening on port 80", "\x1b[31mred\x1b[0m"]
        assert len(server.process.stray) == 20


async def test_bytes_that_are_not_utf_8_are_replaced(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        assert await server.fault("bad utf-8") == "a\ufffdb"


async def test_an_invalid_answer_fails_its_call_at_once_and_no_other(reaper: Reaper) -> None:
    faults = {
        "nan": "expected value",
        "huge number": "it holds a number out of range",
        "control character": "control character",
        "deep": "recursion limit exceeded",
        "deep, id last": "recursion limit exceeded",
        "no version": "/jsonrpc: Field required",
        "float id": "/id",
        "result is a list": "/result: Input should be a valid dictionary",
        "truncated": "EOF while parsing",
        "garbage after id": "not valid JSON",
        "many objects": "it holds more than 500,000 values",
        "many lists": "it holds more than 500,000 values",
    }
    async with peer(reaper) as server, unstalled():
        for kind, message in faults.items():
            assert message in await server.error(kind)
            assert await server.call("echo", text="still here") == "still here"


async def test_a_long_string_full_of_commas_is_no_flood_of_values(reaper: Reaper) -> None:
    async with peer(reaper) as server, unstalled():
        assert len(await server.fault("many commas in a string")) == 6 << 20


# Size.


async def test_a_message_over_the_limit_is_refused_and_the_session_lives(reaper: Reaper) -> None:
    async with peer(reaper) as server, unstalled():
        assert len(await server.fault("15 MiB")) == 15 << 20
        for kind in ("50 MB", "50 MB, id last"):
            started = time.monotonic()
            assert await server.error(kind) == "its answer is larger than 16 MiB (messageBytes)"
            assert time.monotonic() - started < 1
        assert await server.call("echo", text="still here") == "still here"


async def test_an_endless_line_ends_the_server(reaper: Reaper) -> None:
    async with peer(reaper, limits=Limits(message_bytes=1 << 20)) as server:
        before = psutil.Process().memory_info().rss
        assert await server.lost("endless") == "wrote 4 MiB without a line break (messageBytes)"
        assert psutil.Process().memory_info().rss - before < 50 << 20


# Floods.


@pytest.mark.parametrize("kind", ["log flood", "odd log flood", "ping flood"])
async def test_the_answer_behind_a_flood_arrives(kind: str, reaper: Reaper) -> None:
    async with peer(reaper) as server:
        async with unstalled():
            assert await server.fault(kind) == "ok"
        (noise,) = server.noise
        assert noise == (
            "sends more than 500 notifications (notificationsPerSecond) or 50 requests (requestsPerSecond) a second; "
            "the rest is dropped"
        )
        assert len(server.heard) < 10_000


async def test_a_flood_of_changes_ends_with_the_news_that_there_was_one(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        assert await server.fault("change flood") == "ok"
        heard = len(server.heard)
        assert 2000 <= heard < 10_000
        server.more.clear()
        await server.more.wait()


async def test_stderr_without_end_delays_no_answer(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        assert await server.fault("chatter") == "ok"
        assert await server.call("echo", text="still here") == "still here"
        assert len(server.process.stderr_tail) == 64 * 1024


# Ends.


async def test_a_server_that_dies_in_a_call_is_lost_with_its_code_and_last_words(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        assert await server.lost("die") == "exited with code 3"
        assert server.process.stderr_tail == "last words\n"


async def test_a_dead_leader_is_noticed_though_a_child_holds_the_pipe(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        assert await server.fault("die leaving a child") == "said before death"
        started = time.monotonic()
        await server.process.exited()
        with pytest.raises(MCPError):
            await server.call("echo", text="anybody?")
        assert time.monotonic() - started < 0.5
        assert server.process.reason is not None
        assert server.process.reason.startswith("exited with code 0 but left a child running")
    members = [process for process in psutil.process_iter() if os.getpgid(process.pid) == server.process.pid]
    assert [process for process in members if process.status() != psutil.STATUS_ZOMBIE] == []


async def test_a_server_that_closes_its_output_is_lost_at_once(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        started = time.monotonic()
        assert await server.lost("close stdout") == "closed its output"
        assert time.monotonic() - started < 1


async def test_a_server_that_closes_its_input_is_lost(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        assert await server.fault("close stdin") == "ok"
        with pytest.raises(MCPError):
            await server.call("echo", text="anybody?")
        assert server.process.reason == "closed its input"


async def test_a_server_that_stops_reading_is_lost(reaper: Reaper) -> None:
    async with peer(reaper, limits=Limits(blocked_write=0.3)) as server, anyio.create_task_group() as tasks:

        async def losing() -> None:
            assert await server.lost("stop reading") == "read nothing for 0.3 s (blockedWriteSeconds)"

        tasks.start_soon(losing)
        await asyncio.sleep(0)
        with pytest.raises(MCPError):
            await server.call("echo", text="x" * 1_000_000)


async def test_a_server_that_never_was_one_ends_the_handshake_with_its_reason(reaper: Reaper) -> None:
    script = "import sys; print('usage: ...'); sys.exit('no such option')"
    process = spawn(ServerConfig("s", sys.executable, ("-c", script)), os.environ, reaper=reaper)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the SDK's groups, unwrapped by the adapter
        async with Client(stdio(process, limits=Limits())):
            pass
    assert (process.reason, process.stderr_tail) == ("exited with code 1", "no such option\n")


async def test_cancelling_the_owner_stops_the_server(reaper: Reaper) -> None:
    process = spawn(ServerConfig("s", sys.executable, (PEER,)), os.environ, reaper=reaper)
    with anyio.move_on_after(0.5):
        async with Client(stdio(process, limits=Limits())):
            await anyio.sleep_forever()
    assert process.returncode == 0


# What we write.


async def test_unpaired_surrogates_are_replaced_before_they_are_sent(reaper: Reaper) -> None:
    async with peer(reaper) as server:
        assert await server.call("echo", text="a\ud800b") == "a\ufffdb"


async def test_what_json_cannot_hold_fails_that_request_only(reaper: Reaper) -> None:
    process = spawn(ServerConfig("s", sys.executable, (PEER,)), os.environ, reaper=reaper)
    circle: dict[str, object] = {}
    circle["self"] = circle
    async with stdio(process, limits=Limits()) as (received, sending):
        for number, value in enumerate((object(), circle)):
            request = t.JSONRPCRequest(jsonrpc="2.0", id=number, method="ping", params={"x": value})
            await sending.send(SessionMessage(request))
            answer = await received.receive()
            assert isinstance(answer, SessionMessage)
            assert isinstance(answer.message, t.JSONRPCError)
            assert answer.message.id == number
            assert answer.message.error.message.startswith("the request cannot be written as JSON")
        await sending.send(SessionMessage(t.JSONRPCRequest(jsonrpc="2.0", id=9, method="ping")))
        answer = await received.receive()
        assert isinstance(answer, SessionMessage)
        assert answer.message == t.JSONRPCResponse(jsonrpc="2.0", id=9, result={})


def test_keys_are_cleaned_too() -> None:
    message = t.JSONRPCNotification(jsonrpc="2.0", method="m", params={"\ud800": ["\udfff", 1, None, True]})
    assert (
        encode(message)
        == '{"jsonrpc": "2.0", "method": "m", "params": {"\ufffd": ["\ufffd", 1, null, true]}}\n'.encode()
    )


async def test_a_transport_that_is_entered_when_its_time_is_over_already_ends_its_process(reaper: Reaper) -> None:
    process = spawn(ServerConfig("peer", sys.executable, (PEER,)), os.environ, reaper=reaper)
    with anyio.move_on_after(0):
        async with stdio(process, limits=LIMITS):
            await anyio.sleep_forever()
    assert process.returncode is not None
