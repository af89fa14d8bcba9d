"""HTTP+SSE of 2024-11-05, found by itself behind "http" or named as "sse"."""

from __future__ import annotations

import asyncio

import pytest

from mcphost.config.schema import Limits
from tests.servers.serving import Peer, Request, events, http, serving
from tests.servers.test_http import connected
from tests.servers.test_pool import adder


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_an_old_sse_server_works_whether_named_or_found(transport: str) -> None:
    async with (
        serving(adder().sse_app()) as origin,
        connected(f"{origin}/sse", transport=transport) as server,
    ):
        assert (server.state, server.era, server.transport) == ("ready", "legacy", "sse")
        outcomes = await asyncio.gather(*(server.call("add", {"a": n, "b": 1}) for n in range(10)))
        assert [outcome.structured for outcome in outcomes] == [{"result": n + 1} for n in range(10)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (events("event: endpoint\ndata: http://127.0.0.2:9/steal"), "sent elsewhere, to 127.0.0.2"),
        (events("event: message\ndata: {}"), "no endpoint event"),
        (events(), "no endpoint event"),
        (http("403 Forbidden", b"not you", "text/plain"), "HTTP 403 Forbidden: not you"),
        (http(body=b"{}"), "text/event-stream"),
    ],
)
async def test_a_stream_that_is_none_is_a_reason(answer: bytes, words: str) -> None:
    def fault(request: Request) -> bytes | None:
        return answer if request.method == "GET" else None

    async with Peer(fault).serve() as peer, connected(peer.url, transport="sse", limits=Limits(connect=3)) as server:
        assert server.state == "failed"
        assert words in server.detail
