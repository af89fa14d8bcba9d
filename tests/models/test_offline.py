from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from mcphost.messages import (
    AssistantMessage,
    Block,
    Message,
    Notice,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    ToolsChanged,
    Usage,
    UserMessage,
    text_block,
)
from mcphost.models.base import Model, ModelOptions, ModelRequest, TextDelta
from mcphost.models.offline import OfflineModel

HERE = Path(__file__).parent
LISTED: dict[str, list[dict[str, Any]]] = json.loads((HERE / "offline_tools.json").read_text("utf-8"))


def offered(*servers: str) -> tuple[ToolDefinition, ...]:
    return tuple(
        ToolDefinition(f"{server}__{tool['name']}", tool["description"], tool["inputSchema"])
        for server in servers
        for tool in LISTED[server]
    )


DEMO = offered("demo")


def user(text: str) -> UserMessage:
    return UserMessage((text_block(text),))


def result(call: ToolCall, said: str, **more: Any) -> ToolResult:
    return ToolResult(call.id, (text_block(said),), **more)


async def reply(
    *messages: Message, tools: Sequence[ToolDefinition] = DEMO, model: Model | None = None, **more: Any
) -> AssistantMessage:
    pieces = [piece async for piece in (model or OfflineModel()).stream(ModelRequest(messages, tuple(tools), **more))]
    last = pieces[-1]
    assert isinstance(last, AssistantMessage)
    assert sum(isinstance(piece, AssistantMessage) for piece in pieces) == 1
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == last.text
    return last


async def called(text: str, tools: Sequence[ToolDefinition] = DEMO) -> tuple[str, dict[str, Any]]:
    message = await reply(user(text), tools=tools)
    assert message.stop == "tools", message.text
    (call,) = message.calls
    assert json.loads(call.text) == call.arguments
    return call.name, dict(call.arguments or {})


async def talk(text: str, answers: Sequence[str | ToolResult], tools: Sequence[ToolDefinition] = DEMO) -> list[Any]:
    """The calls that `text` leads to when they are answered like this, and the answer at the end."""
    messages: list[Message] = [user(text)]
    made: list[Any] = []
    for said in (*answers, None):
        message = await reply(*messages, tools=tools)
        messages.append(message)
        if message.stop != "tools":
            return [*made, message.text]
        (call,) = message.calls
        made.append((call.name, call.arguments))
        assert said is not None, f"one call too many: {call}"
        messages.append(result(call, said) if isinstance(said, str) else said)
    raise AssertionError("it went on calling")


def without_defaults(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    server, _, own = tool.partition("__")
    properties = next(t for t in LISTED[server] if t["name"] == own)["inputSchema"].get("properties", {})
    return {key: value for key, value in arguments.items() if properties[key].get("default") != value}


async def score(name: str) -> tuple[float, int]:
    """The share of requests with the right tool and arguments, and how many calls were made where none is needed."""
    data = json.loads((HERE / name).read_text("utf-8"))
    model, right, asked, false = OfflineModel(), 0, 0, 0
    for group in data["groups"]:
        tools = offered(*group["servers"])
        for request in group["requests"]:
            calls = (await reply(user(request["ask"]), tools=tools, model=model)).calls
            want = (request["tool"], without_defaults(request["tool"], request["arguments"]))
            right += [(call.name, without_defaults(call.name, dict(call.arguments or {}))) for call in calls] == [want]
            asked += 1
    for servers in (*(group["servers"] for group in data["groups"]), LISTED):
        for text in data["no_tool"]:
            false += len((await reply(user(text), tools=offered(*servers), model=model)).calls)
    return right / asked, false


async def test_the_held_out_requests_are_routed_and_none_of_the_others() -> None:
    right, false = await score("offline_held_out.json")
    assert right >= 0.75
    assert false == 0


async def test_the_requests_it_was_tuned_on_are_routed() -> None:
    right, false = await score("offline_dev.json")
    assert right >= 0.95
    assert false == 0


def test_it_says_that_it_is_no_language_model() -> None:
    model: Model = OfflineModel()
    assert model.name == "offline"
    assert not model.info.is_llm


async def test_the_same_conversation_gives_the_same_reply() -> None:
    first, second = await reply(user("add 2 and 3")), await reply(user("add 2 and 3"))
    assert first == second
    assert first.usage == Usage()


async def test_steps_run_in_order_and_a_later_one_uses_the_result() -> None:
    assert await talk(
        "what is 12.5 times 8, then save a note titled 'Total' saying the result", ["100", "Saved note 1."]
    ) == [
        ("demo__multiply", {"a": 12.5, "b": 8}),
        ("demo__add_note", {"title": "Total", "text": "100"}),
        "100\nSaved note 1.",
    ]


async def test_it_and_no_word_at_all_stand_for_the_result_too() -> None:
    assert await talk("add 2 and 3 then multiply by 4; and then divide it by 10", ["5", "20", "2"]) == [
        ("demo__add", {"a": 2, "b": 3}),
        ("demo__multiply", {"a": 5, "b": 4}),
        ("demo__divide", {"a": 20, "b": 10}),
        "5\n20\n2",
    ]


async def test_a_result_keeps_its_place_among_the_operands() -> None:
    calls = await talk("subtract 10 from 50, then subtract 5 from the result", ["40", "35"])
    assert calls[1] == ("demo__subtract", {"a": 40, "b": 5})


async def test_then_within_quotes_is_no_step() -> None:
    name, arguments = await called("save a note titled 'Now; then later' saying 'wash; then dry'")
    assert (name, arguments) == ("demo__add_note", {"title": "Now; then later", "text": "wash; then dry"})


async def test_an_error_is_reported_and_ends_the_request() -> None:
    failed = ToolResult("offline_1", (text_block("there is no note 7"),), is_error=True)
    assert await talk("delete note 7, then list my notes", [failed]) == [
        ("demo__delete_note", {"id": 7}),
        "demo__delete_note failed: there is no note 7\nNot done after that: list my notes",
    ]


async def test_a_later_step_that_it_cannot_decide_does_not_lose_what_was_done() -> None:
    calls = await talk("add 1 and 2, then sing for me", ["3"])
    assert calls[0] == ("demo__add", {"a": 1, "b": 2})
    assert calls[1].startswith("3\nI am the offline model")


@pytest.mark.parametrize(
    "text",
    ["use demo__add with a=2 b=3", 'demo__add {"a": 2, "b": 3}', "demo__add 2 3", "please call demo__add: a=2, b=3"],
)
async def test_a_tool_can_be_called_by_its_name(text: str) -> None:
    assert await called(text) == ("demo__add", {"a": 2, "b": 3})


async def test_a_tool_name_within_a_value_calls_nothing() -> None:
    name, arguments = await called("save a note titled 'Later' saying 'use demo__delete_note id=3'")
    assert (name, arguments) == ("demo__add_note", {"title": "Later", "text": "use demo__delete_note id=3"})


async def test_large_numbers_stay_exact_and_endless_ones_are_no_numbers() -> None:
    assert (await called("add 12345678901234567890 and 1"))[1] == {"a": 12345678901234567890, "b": 1}
    assert not (await reply(user("add 1e999 and 1"))).calls
    assert (await talk("add 1 and 2 then add 1", ["9" * 5000]))[1].startswith("9999")


async def test_its_own_name_is_enough_if_only_one_server_has_it() -> None:
    assert await called("add_note title='A b' text=hello") == ("demo__add_note", {"title": "A b", "text": "hello"})


async def test_a_named_tool_without_its_arguments_is_explained_and_not_called() -> None:
    message = await reply(user("demo__add a=2"))
    assert not message.calls
    assert "demo__add needs b." in message.text
    assert "demo__add a=… b=…" in message.text


async def test_a_name_that_is_not_offered_is_never_replaced_by_another_tool() -> None:
    message = await reply(user("demo__substract a=3 b=2"))
    assert message.text == "No tool is named demo__substract. Did you mean demo__subtract?"


async def test_a_refusal_says_who_speaks_and_lists_three_guesses_with_how_to_ask() -> None:
    message = await reply(user("could the note be a number or a chart?"))
    assert not message.calls
    assert message.text.startswith("I am the offline model: rules, no language model.")
    guesses = [line for line in message.text.splitlines() if line.startswith("  demo__")]
    assert len(guesses) == 3
    assert any("=…" in guess for guess in guesses)


async def test_only_the_latest_turn_is_looked_at() -> None:
    first = await reply(user("add 1 and 2"))
    history: list[Message] = [user("add 1 and 2"), first, result(first.calls[0], "3"), AssistantMessage((Text("3"),))]
    again = await reply(*history, Notice("a server went away"), user("multiply 4 by 5"))
    assert [(call.id, call.name) for call in again.calls] == [("offline_2", "demo__multiply")]


async def test_a_message_that_steers_begins_anew() -> None:
    first = await reply(user("add 1 and 2, then list my notes"))
    steer = UserMessage((text_block("no, divide 9 by 3"),), origin="steer")
    again = await reply(user("add 1 and 2, then list my notes"), first, result(first.calls[0], "3"), steer)
    assert again.calls[0].name == "demo__divide"


async def test_attached_resources_are_not_read_as_requests() -> None:
    attached = UserMessage((text_block("delete note 3"),), origin="resource")
    assert (await reply(attached, user("list my notes"))).calls[0].name == "demo__list_notes"


async def test_tools_that_came_can_be_called_and_those_that_went_cannot() -> None:
    add = next(tool for tool in DEMO if tool.name == "demo__add")
    came = await reply(ToolsChanged((add,), ()), user("add 2 and 3"), tools=())
    went = await reply(ToolsChanged((), ("demo__add",)), user("demo__add a=2 b=3"))
    assert came.calls[0].name == "demo__add"
    assert not went.calls


async def test_without_tools_it_gives_a_labelled_extract() -> None:
    text = "The cat sat on the mat. It was warm. " + "Nobody came. " * 100
    message = await reply(user(text), tools=(), max_tokens=40)
    assert message.text.startswith("[offline model: no language model, only an extract] The cat sat on the mat.")
    assert len(message.text) <= 160


async def test_tool_choice_is_honoured() -> None:
    none = await reply(user("add 2 and 3"), options=ModelOptions(tool_choice="none"))
    some = await reply(user("a note, maybe, 'x' 'y'"), options=ModelOptions(tool_choice="required"))
    assert not none.calls
    assert len(some.calls) == 1


@pytest.mark.parametrize(
    ("content", "structured", "said"),
    [
        ([text_block("one"), text_block("two")], None, "one\ntwo"),
        ([text_block("100.0")], {"result": 100.0}, "100"),
        ([text_block("[" * 5_000)], {"result": 1}, "[" * 5_000),
        ([], {"zone": "UTC", "ok": True}, "zone: UTC\nok: true"),
        ([text_block('{"notes": []}')], {"notes": [{"id": 1, "title": "T"}]}, '{"notes": []}'),
        ([], {"notes": [{"id": 1, "title": "T"}, {"id": 2, "title": "U"}]},
         "notes:\n  - id: 1, title: T\n  - id: 2, title: U"),
        ([{"type": "image", "mimeType": "image/png", "data": "A" * 4000}], None, "[image, image/png, 3,000 bytes]"),
        ([{"type": "resource_link", "name": "log", "uri": "file:///l"}], None, "[resource link, log, file:///l]"),
        ([{"type": "resource", "resource": {"uri": "a://b", "text": "inside"}}], None, "inside"),
        ([{"type": "hologram"}], None, "[hologram]"),
        ([], None, "(no content)"),
    ],
)  # fmt: skip
async def test_results_are_said_in_plain_text(content: list[dict[str, Any]], structured: Any, said: str) -> None:
    blocks = tuple(cast("Block", block) for block in content)
    assert (await talk("list my notes", [ToolResult("offline_1", blocks, structured)]))[-1] == said


async def test_a_note_of_the_host_is_passed_on() -> None:
    edited = ToolResult("offline_1", (text_block("5"),), note="ran with a=1")
    assert (await talk("add 2 and 3", [edited]))[-1] == "5\n(ran with a=1)"


async def test_a_long_text_after_the_request_is_one_value() -> None:
    text = "line; then another\n" * 200
    assert await called(f"save a note titled 'Log' saying:\n{text}") == (
        "demo__add_note", {"title": "Log", "text": text.strip()}
    )  # fmt: skip


@pytest.mark.deadline(5)
@pytest.mark.parametrize("text", ["'" * 50_000, "[" * 50_000, "a " * 50_000, "/" * 50_000, "1-" * 50_000, "", "?!"])
async def test_no_text_is_too_odd(text: str) -> None:
    assert not (await reply(user(text))).calls


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": [], "required": "a"},
        {"properties": {"a": 1, "b": {"type": 3, "enum": "x", "minimum": "0", "items": []}}, "required": ["b", 4, []]},
        {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}, "required": ["a"]},
    ],
)
async def test_a_malformed_schema_does_no_harm(schema: dict[str, Any]) -> None:
    odd = ToolDefinition("odd__add_things", "Adds things.", schema)
    message = await reply(user("add things 3 4, b is 'x'"), tools=(odd, *DEMO))
    assert message.stop in ("end", "tools")


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, mcphost.models; before = set(sys.modules); import mcphost.models.offline;"
        "print({'httpx2', 'anyio', 'mcp', 'pydantic', 'asyncio', 'importlib.resources'} & (set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
