"""Limits: of one server beside those of all, and the setting that each names when it is hit."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from mcphost.config.schema import Limits, ServerConfig
from mcphost.errors import ServerError, ServerTimeout
from mcphost.events import Noticed
from mcphost.servers.dial import limits_of
from tests.servers.scripted import Scripted, text, tool
from tests.servers.serving import Request, result
from tests.servers.test_edge import connected
from tests.servers.test_http import faulty
from tests.servers.test_pool import Seen, pool
from tests.servers.test_server import PEER


def test_a_servers_own_limits_come_first_then_its_timeout_then_those_of_all() -> None:
    config = ServerConfig("s", command="x", timeout=5.0, limits={"call_total": 9.0})
    assert limits_of(config, Limits(call_idle=1, call_total=2, listing=3)) == Limits(
        call_idle=5.0, call_total=9.0, listing=3
    )
    assert limits_of(None, Limits(listing=3)) == Limits(listing=3)


async def test_a_servers_own_limit_ends_its_call_and_is_named() -> None:
    config = ServerConfig("peer", command=sys.executable, args=(PEER,), limits={"call_idle": 0.2})
    async with pool({"peer": config}) as running:
        assert await running.settled(10)
        with pytest.raises(ServerTimeout, match=r"neither an answer nor progress for 0\.2 s \(callTimeoutSeconds\)"):
            await running.servers["peer"].call("fault", {"kind": "stop reading"})


@pytest.mark.parametrize(
    ("limits", "page", "problem"),
    [
        ({"list_items": 1}, {}, "tools: list truncated after 1 (listItems)"),
        ({"list_pages": 2}, {"nextCursor": "more"}, "tools: list truncated after 4 (listPages)"),
        ({"schema_depth": 2}, {}, "tools/deep: nested deeper than 2 levels (schemaDepth)"),
        ({}, {"nextCursor": "x"}, "tools: list truncated after 4 (its cursors go in circles)"),
    ],
)
async def test_what_a_limit_leaves_out_of_a_list_is_said_with_its_name(
    limits: dict[str, Any], page: dict[str, Any], problem: str
) -> None:
    cursors = iter(range(1000))

    def listing(params: dict[str, Any]) -> dict[str, Any]:
        number = next(cursors)
        deep = {"type": "object", "properties": {"a": {"type": "object"}}}
        tools = [tool(f"work{number}"), tool("deep" if number == 0 else f"deep{number}", inputSchema=deep)]
        cursor = {"nextCursor": str(number)} if page.get("nextCursor") == "more" else page
        return {"tools": tools, **cursor}

    async with connected(Scripted({"tools/list": listing}), limits=Limits(**limits)) as server:
        assert problem in server.problems


async def test_requests_over_the_limit_are_dropped_and_said_once() -> None:
    async def work(params: dict[str, Any]) -> dict[str, Any]:
        pings = [asyncio.create_task(peer.ask("ping")) for _ in range(12)]
        await asyncio.wait(pings[:10])
        for ping in pings[10:]:
            ping.cancel()
        return text(str([ping.done() for ping in pings].count(True)))

    seen = Seen()
    peer = Scripted({"tools/list": {"tools": [tool("work")]}, "tools/call": work}, modern=False)
    async with connected(peer, limits=Limits(requests=1), show=seen) as server:
        assert (await server.call("work", {})).content[0]["text"] == "10"
        await seen.until(lambda: any(isinstance(event, Noticed) for event in seen.events))
    assert [event.text for event in seen.events if isinstance(event, Noticed)] == [
        "it sends more than 500 notifications (notificationsPerSecond) or 1 requests (requestsPerSecond) a second; "
        "the rest is dropped"
    ]


async def test_the_head_of_an_answer_may_be_as_large_as_the_limit_and_no_larger() -> None:
    size = 1000

    def padded(request: Request) -> bytes | None:
        if request.rpc != "tools/call":
            return None
        lines = result(request, text("done"), x="").partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        taken = sum(len(line) - len(": ") for line in lines)
        return result(request, text("done"), x="x" * (size - taken))

    async with faulty(padded, limits=Limits(header_bytes=1000)) as (server, _):
        assert (await server.call("work", {})).content[0]["text"] == "done"
        size = 1001
        with pytest.raises(ServerError, match=r"the head of its answer is larger than 1000 bytes \(headerBytes\)"):
            await server.call("work", {})
        size = 200_000
        with pytest.raises(ServerError, match=r"the head of its answer is larger than 102400 bytes \(headerBytes\)"):
            await server.call("work", {})


async def test_questions_over_the_limit_are_refused_with_its_name() -> None:
    asked = asyncio.Event()

    class Slow:
        async def sample(self, server: str, params: Any) -> dict[str, Any]:
            raise AssertionError

        async def elicit(self, server: str, params: Any) -> dict[str, Any]:
            await asked.wait()
            return {"action": "decline"}

    async def work(params: dict[str, Any]) -> dict[str, Any]:
        form = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}
        questions = [asyncio.create_task(peer.ask("elicitation/create", **form)) for _ in range(3)]
        done, _ = await asyncio.wait(questions, return_when=asyncio.FIRST_COMPLETED)
        asked.set()
        await asyncio.wait(questions)
        return text(str(done.pop().result()["error"]["message"]))

    peer = Scripted({"tools/list": {"tools": [tool("work")]}, "tools/call": work}, modern=False)
    async with connected(peer, limits=Limits(waiting_requests=2)) as server:
        outcome = await server.call("work", {}, caller=Slow())
    assert outcome.content[0]["text"] == "too many requests: 2 are waiting already (waitingRequests)"
