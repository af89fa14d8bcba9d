"""HTTP: both eras against the SDK's own server, and every fault contained to the request it hits."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Elicit, MCPServer, Resolve
from pydantic import BaseModel

from mcphost.config.schema import Limits, ServerConfig
from mcphost.errors import ServerError, ServerLost, ServerRefused, ServerTimeout, ServerUnavailable
from mcphost.servers import Server
from tests.proxy import relay
from tests.servers.serving import Fault, Peer, Request, events, http, result, serving
from tests.servers.test_pool import adder, pool


@asynccontextmanager
async def connected(url: str, **changes: Any) -> AsyncIterator[Server]:
    limits = changes.pop("limits", Limits())
    config = ServerConfig("web", url=url, **{"transport": "http", **changes})
    async with pool({"web": config}, limits=limits) as running:
        assert await running.settled(15)
        yield running.servers["web"]


@asynccontextmanager
async def faulty(fault: Fault, **changes: Any) -> AsyncIterator[tuple[Server, Peer]]:
    async with Peer(fault).serve() as peer, connected(peer.url, protocol="legacy", **changes) as server:
        yield server, peer


def on_call(answer: bytes, first: int = 1) -> Fault:
    """`answer` to the first calls, health to the later ones."""
    calls = iter([answer] * first)
    return lambda request: next(calls, None) if request.rpc == "tools/call" else None


@pytest.mark.parametrize(("protocol", "era"), [("auto", "modern"), ("legacy", "legacy")])
@pytest.mark.parametrize("json_response", [True, False])
async def test_a_streamable_http_server_works_in_both_eras(protocol: str, era: str, json_response: bool) -> None:
    app = adder().streamable_http_app(json_response=json_response)
    async with serving(app) as origin, connected(f"{origin}/mcp", protocol=protocol) as server:
        assert (server.state, server.era, server.transport) == ("ready", era, "http")
        outcomes = await asyncio.gather(*(server.call("add", {"a": n, "b": 1}) for n in range(20)))
        assert [outcome.structured for outcome in outcomes] == [{"result": n + 1} for n in range(20)]


CLOSED = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Connection closed"}}'


async def test_headers_of_the_entry_go_with_every_request_and_no_cookie_comes_back() -> None:
    def cookie(request: Request) -> bytes | None:
        return result(request, {"content": []}, set_cookie="a=b") if request.rpc == "tools/call" else None

    async with faulty(cookie, headers={"Authorization": "Bearer canary"}) as (server, peer):
        await server.call("work", {})
        await server.call("work", {})
        assert {request.headers.get("authorization") for request in peer.requests} == {"Bearer canary"}
        assert not [request for request in peer.requests if "cookie" in request.headers]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"", ServerLost, "may or may not have run"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\ncontent-type: application/json\r\n\r\n{", ServerLost, "broke off"),
        (b"nonsense\r\n\r\n", ServerLost, "may or may not have run"),
        (http(kind="text/html", body=b"<h1>login</h1>"), ServerError, "answered with text/html"),
        (http("202 Accepted"), ServerError, "HTTP 202 is no answer"),
        (http("204 No Content"), ServerError, "HTTP 204 is no answer"),
        (http("302 Found"), ServerError, "HTTP 302 is no answer"),
        (http("302 Found", location=""), ServerError, "HTTP 302 is no answer"),
        (http("307 Temporary Redirect", location="http://[::bad"), ServerError, "HTTP 307 is no answer"),
        (http("403 Forbidden", b"no scope", "text/plain"), ServerUnavailable, "HTTP 403 Forbidden: no scope"),
        (http("500 Oops", b"<h1>oops</h1>", "text/html"), ServerUnavailable, r"HTTP 500 Oops\n"),
        (http(body=b"{not json"), ServerError, "work"),
        (events("data: {bad"), ServerError, "work"),
        (events(), ServerLost, "may or may not have run"),
        (http(body=b'{"jsonrpc":"2.0","id":99,"result":{}}'), ServerError, "no answer to this request"),
        (events('data: {"jsonrpc":"2.0","id":99,"result":{}}'), ServerLost, "without a response"),
        (http("400 Bad Request", CLOSED), ServerRefused, "refused the call of work: Connection closed"),
        (http("500 \x1b[31mOops"), ServerUnavailable, "HTTP 500 \ufffd"),
        (http(kind="\x1b[31mtext/html"), ServerError, "answered with \ufffd"),
        (http("307 Temporary Redirect", location="http://127.0.0.2:9/elsewhere"), ServerError, "Redirect"),
    ],
)
async def test_a_broken_answer_fails_its_call_and_the_next_one_works(
    answer: bytes, error: type[ServerError], words: str
) -> None:
    async with faulty(on_call(answer)) as (server, _):
        with pytest.raises(error, match=words):
            await server.call("work", {})
        assert (await server.call("work", {})).content[0]["text"] == "done"
        assert server.state == "ready"


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_what_is_almost_an_answer_is_read_as_over_stdio(kind: str) -> None:
    answer = b'[{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"a\\ud800\xff"}]}},7]'

    def fault(request: Request) -> bytes | None:
        body = answer.replace(b"ID", json.dumps(request.message.get("id")).encode())
        framed = body if kind == "application/json" else b"data: " + body + b"\n\n"
        return http(body=framed, kind=kind) if request.rpc == "tools/call" else None

    async with faulty(fault) as (server, _):
        assert (await server.call("work", {})).content[0]["text"] == "a\ufffd\ufffd"


async def test_a_rate_limit_names_the_wait() -> None:
    async with faulty(on_call(http("429 Too Many Requests", retry_after="7"))) as (server, _):
        with pytest.raises(ServerUnavailable, match="wait of 7 s") as caught:
            await server.call("work", {})
        assert caught.value.detail["retry_after"] == 7
        assert caught.value.detail["status"] == 429


@pytest.mark.parametrize("wait", ["9" * 5000, "\xb2", "Mon, 99999999999999999999 Jan 2026 00:00:00 GMT", "soon", "-1"])
async def test_a_wait_that_is_none_costs_nothing_but_its_call(wait: str) -> None:
    async with faulty(on_call(http("429 Too Many Requests", retry_after=wait))) as (server, _):
        with pytest.raises(ServerUnavailable, match="429") as caught:
            await server.call("work", {})
        assert "retry_after" not in caught.value.detail
        assert (await server.call("work", {})).content[0]["text"] == "done"


async def test_an_answer_over_the_limit_is_refused_also_when_it_was_compressed() -> None:
    bomb = gzip.compress(b"0" * 8_000_000)
    limits = Limits(message_bytes=1_000_000)
    async with faulty(on_call(http(body=bomb, content_encoding="gzip")), limits=limits) as (server, _):
        with pytest.raises(ServerError, match="larger than"):
            await server.call("work", {})


async def test_a_compressed_answer_is_understood() -> None:
    def compressed(request: Request) -> bytes | None:
        if request.rpc != "tools/call":
            return None
        body = {"jsonrpc": "2.0", "id": request.message["id"], "result": {"content": [{"type": "text", "text": "z"}]}}
        return http(body=gzip.compress(json.dumps(body).encode()), content_encoding="gzip")

    async with faulty(compressed) as (server, _):
        assert (await server.call("work", {})).content == ({"type": "text", "text": "z"},)


async def test_a_redirect_within_the_origin_is_followed() -> None:
    def moved(request: Request) -> bytes | None:
        return http("307 Temporary Redirect", location="/moved") if request.path == "/mcp" else None

    async with faulty(moved) as (server, peer):
        assert server.state == "ready"
        assert {request.path for request in peer.requests if request.method == "POST"} == {"/mcp", "/moved"}


async def test_401_means_that_sign_in_is_needed() -> None:
    async with faulty(lambda request: http("401 Unauthorized", b'{"error":"invalid_token"}')) as (server, _):
        assert server.state == "needs-auth"
        with pytest.raises(ServerUnavailable, match="needs-auth"):
            await server.call("work", {})


async def test_401_to_the_listing_means_the_same() -> None:
    async with faulty(lambda request: http("401 Unauthorized") if request.rpc == "tools/list" else None) as (server, _):
        assert server.state == "needs-auth"
        assert "HTTP 401" in server.detail


async def test_when_the_older_transport_fails_as_well_the_first_reason_is_told() -> None:
    def fault(request: Request) -> bytes:
        return http("404 Not Found") if request.method == "POST" else http("405 Method Not Allowed")

    async with faulty(fault) as (server, _):
        assert server.state == "failed"
        assert "HTTP 404 Not Found" in server.detail


async def test_401_in_the_midst_of_it_means_the_same() -> None:
    expired = False

    def fault(request: Request) -> bytes | None:
        return http("401 Unauthorized") if expired else None

    async with faulty(fault) as (server, _):
        assert server.state == "ready"
        expired = True
        with pytest.raises(ServerUnavailable, match="web needs sign-in: HTTP 401"):
            await server.call("work", {})
        await server.ready()
        assert "web needs sign-in" in server.detail
        with pytest.raises(ServerUnavailable, match="web is needs-auth"):
            await server.call("work", {})


async def test_a_server_that_is_busy_for_a_moment_is_asked_again() -> None:
    busy = iter([http("503 Service Unavailable")])
    async with faulty(lambda request: next(busy, None)) as (server, _):
        assert server.state == "ready"


@dataclass(eq=False)
class Named:
    """A Caller that says its name."""

    name: str

    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"action": "accept", "content": {"name": self.name}}

    async def sample(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        raise AssertionError("nobody asks for that")


class Answer(BaseModel):
    name: str


async def question() -> Elicit[Answer]:
    return Elicit("Who are you?", Answer)


def greeter() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("greeter")

    async def greet(answer: Annotated[ElicitationResult[Answer], Resolve(question)]) -> str:
        """Greet whoever calls."""
        return f"hello {answer.data.name}" if isinstance(answer, AcceptedElicitation) else "hello"

    server.tool()(greet)
    return server


@pytest.mark.parametrize("protocol", ["legacy", "auto"])
async def test_over_http_each_call_is_answered_by_its_own_caller(protocol: str) -> None:
    app = greeter().streamable_http_app()
    async with serving(app) as origin, connected(f"{origin}/mcp", protocol=protocol) as server:
        callers = [Named(name) for name in ("Ada", "Bob", "Cyd")]
        found = await asyncio.gather(*(server.call("greet", {}, caller=caller) for caller in callers))
        assert [outcome.content[0]["text"] for outcome in found] == ["hello Ada", "hello Bob", "hello Cyd"]


async def test_the_answer_behind_a_flood_of_logs_arrives() -> None:
    log = b'data: {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}\n\n'

    def fault(request: Request) -> bytes | None:
        done = {"content": [{"type": "text", "text": "done"}]}
        answer = json.dumps({"jsonrpc": "2.0", "id": request.message.get("id"), "result": done}).encode()
        body = 50_000 * log + b"data: " + answer + b"\n\n"
        return http(body=body, kind="text/event-stream") if request.rpc == "tools/call" else None

    async with faulty(fault, timeout=20) as (server, _):
        assert (await server.call("work", {})).content[0]["text"] == "done"


async def test_what_a_server_does_wrong_reaches_no_terminal() -> None:
    """In a process of its own: pytest's log capture would hide it."""
    script = """
import asyncio, sys
from tests.servers.serving import http
from tests.servers.test_http import faulty, on_call

async def main() -> None:
    for answer in (http(body=b"{not json"), http("307 Temporary Redirect", location="http://127.0.0.2:9/x"), b""):
        async with faulty(on_call(answer)) as (server, _):
            try:
                await server.call("work", {})
            except Exception:
                pass
            else:
                sys.exit("no error")

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=Path(__file__).parents[2]
    )
    said, _ = await process.communicate()
    assert (process.returncode, said.decode()) == (0, "")


async def test_nobody_listening_is_one_clear_line() -> None:
    async with connected("http://127.0.0.1:9/mcp") as server:
        assert server.state == "failed"
        assert server.detail.startswith("web cannot be reached: http://127.0.0.1:9: ")


async def test_a_forgotten_session_costs_one_call_and_is_renewed() -> None:
    async with faulty(on_call(http("404 Not Found"))) as (server, peer):
        with pytest.raises(ServerLost, match="forgot this session"):
            await server.call("work", {})
        assert (await server.call("work", {})).content[0]["text"] == "done"
        assert peer.count("initialize") == 2


async def test_a_handshake_that_breaks_off_says_how() -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    async with faulty(lambda request: half) as (server, _):
        assert server.state == "failed"
        assert "its answer broke off" in server.detail


async def test_a_server_without_a_stream_at_its_address_still_has_its_session() -> None:
    async with faulty(lambda request: http("404 Not Found") if request.method == "GET" else None) as (server, peer):
        assert (await server.call("work", {})).content[0]["text"] == "done"
        assert peer.count("initialize") == 1


async def test_a_session_that_is_never_deleted_does_not_hold_up_the_end() -> None:
    async def hang(request: Request) -> bytes:
        await asyncio.sleep(30)
        return b""

    async with faulty(lambda request: hang(request) if request.method == "DELETE" else None):
        started = time.monotonic()
    assert time.monotonic() - started < 3


async def test_silence_ends_at_the_limit_and_other_calls_go_on() -> None:
    async def hang(request: Request) -> bytes:
        await asyncio.sleep(30)
        return b""

    def fault(request: Request) -> Any:
        slow = request.rpc == "tools/call" and request.message["params"]["arguments"].get("slow")
        return hang(request) if slow else None

    async with faulty(fault, timeout=0.5) as (server, _):
        slow = asyncio.create_task(server.call("work", {"slow": True}))
        assert (await server.call("work", {})).content[0]["text"] == "done"
        with pytest.raises(ServerTimeout, match=r"no answer within 0\.5 s"):
            await slow


async def test_a_server_that_ends_its_streams_at_once_is_not_stormed() -> None:
    stream = events("id: 1\nretry: 0\ndata:")

    def fault(request: Request) -> bytes | None:
        return stream if request.rpc == "tools/call" or request.method == "GET" else None

    async with faulty(fault, timeout=1) as (server, peer):
        with pytest.raises(ServerError):
            await server.call("work", {})
        assert sum(request.method == "GET" for request in peer.requests) < 20


@pytest.mark.parametrize("configured", [False, True])
async def test_a_server_is_reached_through_its_proxy(configured: bool) -> None:
    async with relay() as (proxy, asked):
        config = ServerConfig(
            "web",
            url="http://server.invalid/mcp",
            transport="http",
            plain_http=True,
            proxy=proxy if configured else None,
        )
        async with pool(
            {"web": config}, environ={"http_proxy": "http://127.0.0.1:1" if configured else proxy}
        ) as running:
            assert await running.settled(15)
            assert "HTTP 503" in running.servers["web"].detail
    assert asked[0] == "POST http://server.invalid/mcp HTTP/1.1"


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"https_proxy": "nonsense://proxy"}, "nonsense"),
        ({"SSL_CERT_FILE": "/no/such/file.pem"}, "No such file"),
    ],
)
async def test_a_proxy_or_certificates_that_cannot_be_used_fail_that_server_alone(
    environ: dict[str, str], says: str
) -> None:
    config = ServerConfig("web", url="https://server.invalid/mcp", transport="http")
    async with pool({"web": config}, live={"adder": adder()}, environ=environ) as running:
        assert await running.settled(15)
        web = running.servers["web"]
        assert (web.state, running.servers["adder"].state) == ("failed", "ready")
        assert says in web.detail
        assert "SSL_CERT_FILE" in (web.status.hint or "")


@pytest.mark.parametrize(
    ("status", "hint"),
    [("403 Forbidden", "does not allow it"), ("429 Slow", "too many requests"), ("502 Bad Gateway", "on its side")],
)
async def test_statuses_come_with_advice_of_their_own(status: str, hint: str) -> None:
    async with faulty(on_call(http(status))) as (server, _):
        with pytest.raises(ServerUnavailable, match=status) as caught:
            await server.call("work", {})
        assert hint in (caught.value.hint or "")


async def test_a_busy_server_is_asked_again_no_sooner_than_it_says() -> None:
    busy = iter([http("429 Too Many Requests", retry_after="1")])
    async with faulty(lambda request: next(busy, None)) as (server, peer):
        assert server.state == "ready"
        assert peer.requests[1].at - peer.requests[0].at >= 1


async def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for() -> None:
    async with Peer(lambda request: http("429 Too Many Requests", retry_after="3600")).serve() as peer:
        async with connected(peer.url, protocol="legacy") as server:
            assert server.state == "failed"
            assert "a wait of 3600 s" in server.detail
        assert len(peer.requests) == 1
