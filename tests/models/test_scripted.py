from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcphost.errors import ConfigError, ModelBusy, ModelError
from mcphost.messages import AssistantMessage, Text, ToolCall
from mcphost.models.base import CallDelta, ModelRequest, TextDelta
from mcphost.models.scripted import ScriptedModel, call
from tests.models.conversation import pieces, request


async def test_it_says_what_it_is_told_to_and_remembers_what_it_was_asked() -> None:
    model = ScriptedModel(["hello", call("demo__add", a=1), [call("x__y"), call("x__z")]])
    assert await pieces(model.stream(request("hi"))) == [TextDelta("hello"), AssistantMessage((Text("hello"),))]
    delta, message = await pieces(model.stream(request("add")))
    assert delta == CallDelta("call_1", "demo__add")
    assert message == AssistantMessage((ToolCall("call_1", "demo__add", {"a": 1}, '{"a": 1}'),), "tools")
    last = (await pieces(model.stream(request("more"))))[-1]
    assert isinstance(last, AssistantMessage)
    assert [made.id for made in last.calls] == ["call_2", "call_3"]
    assert [asked.messages[0] for asked in model.requests] == [
        request(text).messages[0] for text in ("hi", "add", "more")
    ]


async def test_functions_answer_by_the_request_and_exceptions_are_raised() -> None:
    def echo(asked: ModelRequest) -> str:
        return f"{len(asked.messages)} messages"

    model = ScriptedModel([echo, ModelBusy("busy")])
    assert (await pieces(model.stream(request("a", "b"))))[0] == TextDelta("2 messages")
    with pytest.raises(ModelBusy):
        await pieces(model.stream(request("a")))


async def test_it_does_not_invent_replies() -> None:
    with pytest.raises(ModelError, match="no reply left for request 1"):
        await pieces(ScriptedModel([]).stream(request("hi")))


async def test_a_file_holds_texts_and_calls(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps([{"text": "so", "calls": [{"name": "demo__add", "arguments": {"a": 1}}]}, "done"]))
    model = ScriptedModel.from_file(path)
    first = (await pieces(model.stream(request("hi"))))[-1]
    assert isinstance(first, AssistantMessage)
    assert (first.text, first.stop, first.calls[0].arguments) == ("so", "tools", {"a": 1})
    assert model.name == f"scripted/{path}"


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[" * 100_000])
def test_a_file_that_is_no_script_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "script.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is no script"):
        ScriptedModel.from_file(path)
