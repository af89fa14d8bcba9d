"""The Edge: whatever shape a server's answers have, the good parts arrive as they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcphost.config.schema import Limits
from mcphost.errors import ServerError, ServerRefused
from mcphost.servers import CallOutcome, Server
from tests.servers.scripted import ALL, Refuse, Scripted, text, tool
from tests.servers.test_pool import pool


@asynccontextmanager
async def connected(scripted: Scripted, **changes: Any) -> AsyncIterator[Server]:
    async with pool({}, live={"it": scripted}, **changes) as running:
        assert await running.settled(10)
        assert running.servers["it"].state == "ready", running.servers["it"].detail
        yield running.servers["it"]


async def outcome(result: dict[str, Any], **members: Any) -> CallOutcome:
    answers = {"tools/list": {"tools": [tool("work", **members)]}, "tools/call": result}
    async with connected(Scripted(answers)) as server:
        return await server.call("work", {})


@pytest.mark.parametrize("modern", [True, False])
async def test_one_malformed_piece_of_a_list_costs_that_piece(modern: bool) -> None:
    listed = [
        tool("good", title="Good", unknown={"kept": [1]}),
        {"name": "no schema"},
        tool("bad annotations", annotations={"readOnlyHint": "sometimes"}),
        tool("good", title="again"),
        7,
        {"inputSchema": {"type": "object"}},
        tool("deep", inputSchema={"type": "object", "not": _nested(100)}),
        tool("odd type", inputSchema={"properties": []}),
        tool(""),
    ]
    answers = {
        "tools/list": {"tools": listed},
        "resources/list": {"resources": [{"uri": "a:b", "name": "ok", "x": 1}, {"name": "no uri"}]},
        "resources/templates/list": lambda params: (_ for _ in ()).throw(Refuse(-32601, "no")),
        "prompts/list": {"prompts": "none"},
    }
    async with connected(Scripted(answers, modern=modern)) as server:
        assert server.tools == (listed[0], listed[7])
        assert server.resources == ({"uri": "a:b", "name": "ok", "x": 1},)
        assert server.problems == (
            "tools/no schema: /inputSchema: Field required",
            "tools/bad annotations: /annotations/readOnlyHint: Input should be a valid boolean, "
            "unable to interpret input",
            "tools/#4: /: Input should be a valid dictionary or instance of Tool",
            "tools/#5: /name: Field required",
            "tools/deep: nested deeper than 64 levels (schemaDepth)",
            "tools/#8: /name: empty",
            "tools/good: listed more than once",
            "resources/#1: /uri: Field required",
            "prompts: the page holds no list",
        )


def _nested(levels: int) -> dict[str, Any]:
    return {"not": _nested(levels - 1)} if levels else {}


async def test_content_arrives_as_it_came_and_what_we_do_not_know_becomes_a_note() -> None:
    known = [
        {"type": "text", "text": "a", "annotations": {"priority": 0.5}, "more": {"kept": True}},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "resource_link", "uri": "a:b", "name": "n"},
        {"type": "resource", "resource": {"uri": "a:b", "blob": "AAAA"}},
    ]
    found = await outcome({"content": [*known, {"type": "hologram", "data": "x"}, {"type": "image"}, "text"]})
    assert list(found.content[:4]) == known
    assert [block["text"] for block in found.content[4:]] == [
        '[content of a kind this host does not know: {"type": "hologram", "data": "x"}]',
        '[malformed image content: {"type": "image"}]',
        '[content of a kind this host does not know: "text"]',
    ]


async def test_results_without_the_members_of_a_modern_result_are_complete() -> None:
    assert (await outcome({})).content == ()
    assert (await outcome({"content": None, "isError": True})).is_error


async def test_an_unknown_result_type_is_an_error_of_that_call() -> None:
    with pytest.raises(ServerError, match="unknown resultType 'half'"):
        await outcome({"resultType": "half", "content": []})


@pytest.mark.parametrize(
    ("result", "note"),
    [
        ({"structuredContent": {"n": 1}}, None),
        ({"structuredContent": {"n": "x"}}, "structured content does not match the tool's output schema: /n: "),
        ({"structuredContent": None}, "structured content does not match"),
        ({}, "the tool promises structured content and sent none"),
        ({"isError": True}, None),
    ],
)
async def test_a_structured_result_is_checked_and_kept(result: dict[str, Any], note: str | None) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    found = await outcome({"content": [], **result}, outputSchema=schema)
    assert found.structured == result.get("structuredContent")
    assert found.note == note if note is None else note in (found.note or "")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"$ref": "http://127.0.0.1:9/schema"},
        {"type": "string", "pattern": "(?=a)b"},
        {"enum": list(range(6000))},
        {"properties": {"a": {"anyOf": [{"not": {"not": {"not": {"not": {"not": {}}}}}}] * 2}}, "$ref": "#/nowhere"},
    ],
)
async def test_a_schema_that_cannot_be_checked_is_said_to_be_unchecked(schema: dict[str, Any]) -> None:
    found = await outcome({"content": [], "structuredContent": {"a": 1}}, outputSchema=schema)
    assert found.structured == {"a": 1}
    assert (found.note or "").startswith("structured content unchecked: its schema ")


async def test_a_pattern_that_would_never_end_is_checked_in_no_time() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    found = await outcome({"content": [], "structuredContent": {"a": "a" * 50_000 + "b"}}, outputSchema=schema)
    assert "does not match" in (found.note or "")


def doubling(levels: int) -> dict[str, Any]:
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"type": "object", "$ref": "#/$defs/d0", "$defs": {**twice, f"d{levels}": {"required": ["n"]}}}


async def test_a_schema_whose_references_multiply_is_checked_only_while_that_is_cheap() -> None:
    found = await outcome({"content": [], "structuredContent": {}}, outputSchema=doubling(3))
    assert "does not match" in (found.note or "")
    found = await outcome({"content": [], "structuredContent": {}}, outputSchema=doubling(40))
    assert "unchecked: it could take for ever" in (found.note or "")


async def test_pages_are_followed_to_their_end_and_no_further() -> None:
    def page(params: dict[str, Any]) -> dict[str, Any]:
        number = int(params.get("cursor", "0"))
        return {"tools": [tool(f"t{number}")], **({"nextCursor": str(number + 1)} if number < 4 else {})}

    async with connected(Scripted({"tools/list": page})) as server:
        assert [found["name"] for found in server.tools] == ["t0", "t1", "t2", "t3", "t4"]


@pytest.mark.parametrize(
    "page",
    [
        lambda params: {"tools": [tool("t")], "nextCursor": "same"},
        lambda params: {"tools": [], "nextCursor": params.get("cursor", "") + "x"},
        lambda params: {"tools": [tool("t")], "nextCursor": 7},
        lambda params: {"tools": [tool(f"{params.get('cursor', '')}t{n}") for n in range(900)], "nextCursor": "more"},
    ],
)
async def test_a_list_without_an_end_is_cut(page: Any) -> None:
    scripted = Scripted({"tools/list": page})
    async with connected(scripted) as server:
        assert scripted.count("tools/list") <= 100
        assert len(server.tools) <= 2000
        assert any("list truncated" in problem for problem in server.problems)


async def test_only_what_we_do_is_declared() -> None:
    for modern in (True, False):
        scripted = Scripted({}, modern=modern)
        async with connected(scripted):
            pass
        opening = "server/discover" if modern else "initialize"
        params = next(message["params"] for message in scripted.received if message["method"] == opening)
        where = params["_meta"]["io.modelcontextprotocol/clientCapabilities"] if modern else params["capabilities"]
        extensions: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}} if modern else {}
        assert where == {"sampling": {"tools": {}}, "elicitation": {"form": {}, "url": {}}, **extensions}


async def test_an_unpaired_surrogate_in_the_arguments_ends_no_connection() -> None:
    answers = {"tools/list": {"tools": [tool("work")]}, "tools/call": lambda params: text(params["arguments"]["a"][0])}
    async with connected(Scripted(answers)) as server:
        assert (await server.call("work", {"a": ["x\ud800y"]})).content[0]["text"] == "x\ufffdy"


async def test_refusals_and_wrong_shapes_are_errors_of_their_call() -> None:
    def refuse(params: dict[str, Any]) -> dict[str, Any]:
        raise Refuse(-32602, "no \x1b[31msuch thing")

    answers = {"prompts/get": refuse, "completion/complete": {"completion": "?"}}
    async with connected(Scripted(answers, capabilities={**ALL, "completions": {}})) as server:
        with pytest.raises(ServerRefused, match="it refused the prompt p: no \ufffd") as caught:
            await server.get_prompt("p", {})
        assert caught.value.detail == {"server": "it", "rpc_code": -32602}
        with pytest.raises(ServerError, match="invalid answer to completion of a: /completion"):
            await server.complete({"type": "ref/prompt", "name": "p"}, "a", "v")


async def test_a_server_that_cannot_list_its_tools_has_failed() -> None:
    def refuse(params: dict[str, Any]) -> dict[str, Any]:
        raise Refuse(-32603, "database is down")

    async with pool({}, live={"it": Scripted({"tools/list": refuse})}) as running:
        await running.settled(10)
        server = running.servers["it"]
        assert (server.state, server.detail) == ("failed", "it refused tools/list: database is down (code -32603)")


async def test_a_list_that_never_comes_ends_at_its_limit() -> None:
    async def hang(params: dict[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async with connected(Scripted({"resources/list": hang}), limits=Limits(listing=0.2)) as server:
        assert server.problems == ("it gave no answer within 0.2 s (listTimeoutSeconds) to resources/list",)
