"""Models over real sockets: every scenario on both wires, which must send the same and yield the same."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx2
import pytest

from mcphost.errors import ContextOverflow, McpHostError, ModelBusy, ModelCut, ModelError, SignInNeeded
from mcphost.messages import AssistantMessage, Block, ToolDefinition, UserMessage
from mcphost.models.base import Piece, TextDelta, ToolQuarantined, Waiting
from mcphost.models.endpoints import Endpoint
from mcphost.models.http_model import AnthropicModel, ChatModel, HttpModel, ResponsesModel
from mcphost.models.retries import Retries
from mcphost.models.wires import Connection
from mcphost.models.wires.sdk import official_client
from tests.models.conversation import ADD, APIS, QUICK, ask, behind, endpoint, pieces, request, result
from tests.providers.fake import KEY, FakeApi
from tests.providers.script import Call, Json, Reply, Say, Scripted, Silence, Status, Think, reply

WIRES = ("direct", "sdk")
every_api = pytest.mark.parametrize("api", APIS)
every_wire = pytest.mark.parametrize("wire", WIRES)

_QUICK = Connection(connect=2, first_byte=0.2, idle=0.2)


Outcome = tuple[list[Piece], tuple[Any, ...] | None]


async def outcome(asked: HttpModel) -> Outcome:
    """The pieces of one request (waits without their length, which is random), and how it failed."""
    found, error = await until_failure(asked)
    found = [Waiting(0, piece.why) if isinstance(piece, Waiting) else piece for piece in found]
    return found, (type(error), error.message, error.hint, error.detail) if error else None


async def until_failure(asked: HttpModel) -> tuple[list[Piece], McpHostError | None]:
    found: list[Piece] = []
    try:
        async with aclosing(asked.stream(request("hi"))) as stream:
            async for piece in stream:
                found.append(piece)  # noqa: PERF401 what came before a failure counts
    except McpHostError as error:
        return found, error
    return found, None


_LONG = "hello there, how are you, and what may I do for you on this fine day?"
_CALLS = (Think("hm"), Say("let me see"), Call("demo__add", {"a": 2, "b": 3}), Call("demo__add", "{"))
_SCENARIOS: dict[str, list[Scripted]] = {
    "text": ["hello there"],
    "calls": [reply(*_CALLS)],
    "one byte at a time": [reply(*_CALLS, chunk=1)],
    "carriage returns": [reply(*_CALLS, newline="\r\n", chunk=5)],
    "rate limited once": [Status(429, {"retry-after": "0"}), "hello"],
    "overloaded for good": [Status(529)] * 4,
    "too long a wait": [Status(429, {"retry-after": "3600"})],
    "server error": [Status(500, body=b"<html><b>oops</b></html>", content_type="text/html"), "hello"],
    "bad request": [Status(400, message="nonsense")],
    "no credit": [Status(429, type="insufficient_quota", message="You exceeded your quota")],
    "not found": [Status(404, message="no such model")],
    "too long": [Status(400, message="prompt is too long: 300000 tokens > 200000 maximum")],
    "too large": [Status(413)],
    "redirected": [Status(307, {"location": "http://127.0.0.1:9/elsewhere"})],
    "forbidden": [Status(403, type="permission_error")],
    "a page with status 200": [Status(200, body=b"<html></html>", content_type="text/html")],
    "JSON with status 200": [Status(200, body=b"{}")],
    "a huge error": [Status(400, body=b"x" * 300_000, content_type="text/plain")],
    "cut before anything": [reply("hello", after=0, fault="cut"), "again"],
    "cut before anything, twice": [reply("hello", after=0, fault="cut")] * 2,
    "cut amid text": [reply(_LONG, after=7, fault="cut")],
    "failed amid text": [reply(_LONG, after=7, fault="error")],
    "failed at once": [reply("hello", after=0, fault="error"), "again"],
    "reset amid text": [reply(_LONG, after=7, fault="reset")],
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("scenario", _SCENARIOS)
async def test_both_wires_send_the_same_and_yield_the_same(api: str, scenario: str) -> None:
    outcomes: list[Outcome] = []
    seen: list[list[tuple[bytes, str, str]]] = []
    for wire in WIRES:
        async with behind(api, *_SCENARIOS[scenario], wire=wire) as (fake, asked):
            found, error = await outcome(asked)
            outcomes.append((found, error and tuple(_without_port(part, fake) for part in error)))
            seen.append([_essence(entry.raw, entry.headers) for entry in fake.requests])
            assert not [entry.refused for entry in fake.requests if entry.refused]
    assert outcomes[0] == outcomes[1]
    assert seen[0] == seen[1]
    assert seen[0]


def _essence(raw: bytes, headers: dict[str, str]) -> tuple[bytes, str, str]:
    return raw, headers["authorization"], headers.get("anthropic-version", "")


def _without_port(part: Any, fake: FakeApi) -> Any:
    return part.replace(fake.base_url, "URL") if isinstance(part, str) else part


async def failure(api: str, *script: Scripted, **changes: Any) -> tuple[list[Piece], McpHostError]:
    """What one request yields before it fails, and how."""
    async with behind(api, *script, **changes) as (_, asked):
        found, error = await until_failure(asked)
        assert error is not None
        return found, error


@every_api
async def test_a_conversation_with_calls_goes_through(api: str) -> None:
    async with behind(api, reply(*_CALLS[:3]), lambda body: f"{len(body)} fields") as (fake, asked):
        first = await ask(asked, request("what is 2 + 3?"))
        assert (first.stop, first.text, first.calls[0].arguments) == ("tools", "let me see", {"a": 2, "b": 3})
        assert (first.usage.input, first.usage.output, first.usage.cache_read) == (11, 7, 3)
        second = await ask(asked, request("what is 2 + 3?", first, result(first.calls[0].id, "5")))
        assert second.text.endswith("fields")
        assert fake.connections == 1, "the connection is used again"


@every_api
async def test_waits_are_seen_and_then_the_answer_comes(api: str) -> None:
    script: list[Scripted] = [Status(529), Status(429, {"retry-after-ms": "20"}), Status(503), "hello"]
    async with behind(api, *script) as (_, asked):
        found = await pieces(asked.stream(request("hi")))
        waits = [piece for piece in found if isinstance(piece, Waiting)]
        assert len(waits) == 3
        assert waits[1].seconds == 0.02
        assert "'fake' is busy (HTTP 529)" in waits[0].why
        assert isinstance(found[-1], AssistantMessage)


async def test_four_tries_are_all() -> None:
    found, error = await failure("anthropic", *[Status(500)] * 9)
    assert isinstance(error, ModelBusy)
    assert len(found) == 3


async def test_a_wait_beyond_a_minute_is_an_error_that_names_it() -> None:
    found, error = await failure("anthropic", Status(429, {"retry-after": "90"}))
    assert isinstance(error, ModelBusy)
    assert found == []
    assert error.hint == "Try again in 90 s, or use another model."
    assert error.detail["retry_after"] == 90


async def test_nothing_is_repeated_once_something_was_shown() -> None:
    for fault, kind in (("cut", ModelCut), ("reset", ModelCut), ("error", ModelBusy)):
        answer = reply(_LONG, after=7, fault=fault)
        found, error = await failure("openai-chat", answer, "never asked for")
        assert isinstance(error, kind)
        assert [type(piece) for piece in found] == [TextDelta] * len(found)


async def test_a_stream_that_broke_before_anything_was_shown_is_asked_for_once_more() -> None:
    async with behind("openai-chat", reply("hello", after=0, fault="reset"), "again") as (_, asked):
        found = await pieces(asked.stream(request("hi")))
        assert isinstance(found[0], Waiting)
        assert isinstance(found[-1], AssistantMessage)
        assert found[-1].text == "again"


@every_api
@every_wire
async def test_refused_credentials_name_where_the_key_is_set_and_never_the_key(api: str, wire: str) -> None:
    async with behind(api, wire=wire, key="another") as (fake, asked):
        with pytest.raises(SignInNeeded) as caught:
            await ask(asked, request("hi"))
        assert caught.value.hint == "Check FAKE_KEY."
        assert KEY not in repr(caught.value.envelope())
        assert len(fake.requests) == 1


@every_wire
async def test_an_api_that_echoes_the_key_does_not_make_us_show_it(wire: str) -> None:
    _, error = await failure("openai-chat", Status(400, message=f"bad header Bearer {KEY}"), wire=wire)
    assert KEY not in str(error)
    assert "[key]" in str(error)


async def test_a_conversation_that_does_not_fit_says_so() -> None:
    _, error = await failure("openai-responses", Status(400, message="Your input exceeds the context window"))
    assert isinstance(error, ContextOverflow)


async def test_a_web_page_is_told_from_the_api() -> None:
    _, error = await failure("anthropic", Status(200, body=b"<html>", content_type="text/html"))
    assert "did not speak the model API: its answer is text/html" in error.message
    assert "base URL http://127.0.0.1" in (error.hint or "")


@every_wire
async def test_an_api_that_is_not_there_is_named_after_all_tries(wire: str) -> None:
    async with FakeApi() as fake:
        gone = endpoint(fake, "openai-chat")
    found, error = await failure("openai-chat", wire=wire, endpoint=gone)
    assert isinstance(error, ModelBusy)
    assert len(found) == 3
    assert "'fake' cannot be reached: " in error.message
    assert "Is it running" in (error.hint or "")


@every_wire
async def test_silence_before_the_answer_and_within_it_have_their_limits(wire: str) -> None:
    found, error = await failure("anthropic", *[Silence()] * 2, wire=wire, connection=_QUICK, retries=Retries(tries=2))
    assert isinstance(error, ModelBusy)
    assert len(found) == 1
    hanging = reply(_LONG, after=7, fault="silence")
    found, error = await failure("anthropic", hanging, wire=wire, connection=_QUICK)
    assert isinstance(error, ModelCut)
    assert "fell silent for 0.2 s" in error.message
    assert found


@every_wire
async def test_within_an_answer_the_longer_limit_holds(wire: str) -> None:
    # The head comes at once, the first event later than the limit for the first byte.
    patient = Connection(connect=2, first_byte=0.3, idle=10)
    async with behind("openai-chat", reply("x", delay=0.4), wire=wire, connection=patient) as (_, asked):
        assert (await ask(asked, request("hi"))).text == "x"


@every_wire
@every_api
async def test_cancelling_closes_the_stream_at_once(api: str, wire: str) -> None:
    hanging = reply(_LONG, after=7, fault="silence")
    async with behind(api, hanging, wire=wire) as (fake, asked):
        shown = asyncio.Event()

        async def read() -> None:
            async with aclosing(asked.stream(request("hi"))) as stream:
                async for _ in stream:
                    shown.set()

        reading = asyncio.create_task(read())
        await shown.wait()
        start = time.monotonic()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await fake.hung_up.wait()
        assert time.monotonic() - start < 1


async def test_a_wait_can_be_cancelled() -> None:
    async with behind("anthropic", Status(429, {"retry-after": "59"})) as (_, asked):
        stream = asked.stream(request("hi"))
        assert isinstance(await anext(stream), Waiting)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_stream_that_stays_open_after_its_end_does_not_hold_the_reply_back() -> None:
    async with behind("openai-responses", reply("hello", after=99, fault="silence")) as (_, asked):
        assert (await ask(asked, request("hi"))).text == "hello"


async def test_a_tool_that_the_api_refuses_is_left_out_from_then_on_and_told_once() -> None:
    bad = ToolDefinition("demo__bad", "Bad.", {"type": "object"})

    def picky(body: Json) -> Status | str:
        names = [tool["name"] for tool in body["tools"]]
        place = names.index("demo__bad") if "demo__bad" in names else -1
        return Status(400, message=f"tools.{place}.custom.input_schema: odd") if place >= 0 else "fine"

    async with behind("anthropic", picky, picky, picky) as (fake, asked):
        found = await pieces(asked.stream(request("hi", tools=(ADD, bad))))
        [told] = [piece for piece in found if isinstance(piece, ToolQuarantined)]
        assert told.name == "demo__bad"
        assert "tools.1.custom.input_schema: odd" in told.why
        again = await pieces(asked.stream(request("hi", tools=(ADD, bad))))
        assert not [piece for piece in again if isinstance(piece, ToolQuarantined)]
        assert len(fake.requests) == 3


async def test_a_tool_may_be_named_by_the_refusal_instead_of_counted() -> None:
    bad = ToolDefinition("demo__bad", "Bad.", {"type": "object"})
    refusal = Status(400, message="Invalid schema for function 'demo__bad'")
    async with behind("openai-chat", refusal, "fine") as (_, asked):
        found = await pieces(asked.stream(request("hi", tools=(ADD, bad))))
        assert [piece.name for piece in found if isinstance(piece, ToolQuarantined)] == ["demo__bad"]


async def test_a_temperature_that_the_model_refuses_is_left_out() -> None:
    async with behind("openai-responses") as (fake, asked):
        assert (await ask(asked, request("hi", temperature=0.2))).text == "You said: hi"
        assert [entry.refused is None for entry in fake.requests] == [False, True]


async def test_headers_of_the_endpoint_win() -> None:
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    async with FakeApi() as fake:
        asked = AnthropicModel("x", Endpoint("mine", "anthropic", fake.base_url, headers=headers))
        await ask(asked, request("hi"))
        await asked.aclose()
        assert "authorization" not in fake.requests[0].headers
        assert fake.requests[0].headers["anthropic-version"] == "2023-06-01"


_KINDS: list[Callable[..., Any]] = [AnthropicModel, ResponsesModel, ChatModel]


@pytest.mark.parametrize(("api", "kind"), list(zip(APIS, _KINDS, strict=True)))
async def test_an_embedders_own_client_is_used_and_stays_open(api: str, kind: Callable[..., Any]) -> None:
    async with FakeApi() as fake:
        client: Any = official_client(endpoint(fake, api), Connection())
        asked = kind("claude-x", client=client)
        assert (await ask(asked, request("hi"))).text == "You said: hi"
        await asked.aclose()
        assert not client.is_closed()
        await client.close()


async def test_an_embedders_client_follows_no_redirect_and_retries_nothing() -> None:
    from openai import AsyncOpenAI

    async with FakeApi() as fake, FakeApi() as capture:
        fake.script(Status(307, {"location": f"{capture.openai_url}/chat/completions"}), Status(500), "hello")
        http = httpx2.AsyncClient(follow_redirects=True)
        client = AsyncOpenAI(api_key=KEY, base_url=fake.openai_url, http_client=http, max_retries=5)
        asked = ChatModel("x", client=client, retries=QUICK)
        with pytest.raises(ModelError, match="redirects"):
            await ask(asked, request("hi"))
        assert capture.requests == []
        found = await pieces(asked.stream(request("hi")))
        assert [type(piece) for piece in found] == [Waiting, *([TextDelta] * (len(found) - 2)), AssistantMessage]
        await client.close()


async def test_large_media_travels_both_ways() -> None:
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(1_000_000)).decode()
    image: Block = {"type": "image", "mimeType": "image/png", "data": data}
    async with behind("anthropic", Reply((Say("x" * 300_000),), chunk=4096)) as (fake, asked):
        found = await ask(asked, request(UserMessage((image,))))
        assert len(found.text) == 300_000
        assert len(fake.requests[0].raw) > 1_300_000


def test_the_direct_wire_imports_no_sdk_and_the_package_not_even_httpx2() -> None:
    code = """
import sys
import mcphost.models
heavy = {"httpx2", "anthropic", "openai", "mcp", "pydantic"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
model = mcphost.models.open_model("anthropic", endpoints={}, environ={"ANTHROPIC_API_KEY": "x"})
assert not heavy & set(sys.modules), heavy & set(sys.modules)
model.warm()
assert "httpx2" in sys.modules and not (heavy - {"httpx2"}) & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
