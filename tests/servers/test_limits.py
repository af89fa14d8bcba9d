"""Limits: of one server beside those of all, and the setting that each names when it is hit."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from mcphost.config.schema import Limits, ServerConfig
from mcphost.errors import ServerTimeout
from mcphost.servers.dial import limits_of
from tests.servers.scripted import Scripted, text, tool
from tests.servers.test_edge import connected
from tests.servers.test_pool import pool
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
