import dataclasses
from typing import Any

import pytest

from mcphost.servers.weight import measured
from mcphost.servers.wire import WireTool
from mcphost.text import safe
from mcphost.tools import Tool
from mcphost.tools.definitions import MAX_DEFINITION, MAX_DEPTH, MAX_DESCRIPTION, Hopeless, pin_of

HIDDEN = "a\u200b\U000e0041\x1b[2Jb"


def tool(trusted: bool = False, **definition: Any) -> Tool:
    wire: WireTool = {"name": "t", "inputSchema": {"type": "object"}, **definition}  # type: ignore[typeddict-item]
    return Tool("s__t", "s", "t", wire, pin_of(wire), trusted)


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_nothing_hidden_in_any_field_reaches_the_model() -> None:
    schema = {
        "type": "object",
        "title": HIDDEN,
        "properties": {HIDDEN: {"description": HIDDEN, "enum": [HIDDEN, 1], "default": HIDDEN, "minLength": 2}},
        "required": [HIDDEN],
    }
    told = tool(description=HIDDEN, inputSchema=schema).for_model()
    assert all(text == safe(text) for text in (told.description, *strings(told.schema)))
    assert told.schema["properties"][safe(HIDDEN)]["minLength"] == 2


def test_a_clean_schema_reaches_the_model_as_it_is() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x", None, 1, True]}}, "required": ["a"]}
    assert tool(inputSchema=schema).for_model().schema == schema


def test_names_that_differ_only_in_hidden_characters_become_no_duplicates() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x\u200b", "x\u200e", "y"]}}}
    assert tool(inputSchema=schema).for_model().schema["properties"]["a"]["enum"] == ["x\ufffd", "y"]


@pytest.mark.parametrize("text", ["x" * 5000, "é" * 5000, "\U0001f469\u200d\U0001f4bb" * 2000])
def test_a_long_description_is_cut_to_its_cap_and_says_so(text: str) -> None:
    told = tool(description=text).for_model().description
    assert len(told.encode()) <= MAX_DESCRIPTION
    assert told.endswith("too long]")


def test_the_title_stands_in_for_a_missing_description() -> None:
    assert tool(title="Title").for_model().description == "s says: Title"
    assert tool(title="Title", description="Text").for_model().description == "s says: Text"
    assert tool().for_model().description == ""


def test_hints_count_only_when_the_server_is_trusted_and_says_exactly_true() -> None:
    hints = {"readOnlyHint": True, "idempotentHint": True}
    assert tool(trusted=True, annotations=hints).read_only
    assert tool(trusted=True, annotations=hints).idempotent
    assert not tool(annotations=hints).read_only
    assert not tool(trusted=True, annotations={"readOnlyHint": "yes"}).read_only
    assert not tool(trusted=True).idempotent


def test_the_pin_changes_with_any_part_of_the_definition_but_not_with_key_order() -> None:
    one: WireTool = {"name": "t", "description": "d", "inputSchema": {"type": "object"}}
    assert pin_of(one) == pin_of({"inputSchema": {"type": "object"}, "description": "d", "name": "t"})
    changed: list[WireTool] = [
        {**one, "description": "D"},
        {**one, "annotations": {"readOnlyHint": True}},
        {**one, "inputSchema": {"type": "object", "properties": {"a": {"default": "\ud800"}}}},
    ]
    assert len({pin_of(definition) for definition in [one, *changed]}) == 4


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("definition", "word"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 300}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"inputSchema": {"type": "array"}}, "object"),
        ({"inputSchema": {"type": ["null", "string"]}}, "object"),
        ({"inputSchema": nested(MAX_DEPTH)}, "deeper"),
        ({"inputSchema": nested(900)}, "deeper"),
        ({"description": "x" * MAX_DEFINITION}, "larger"),
    ],
)
def test_a_hopeless_tool_is_told_by_what_makes_it_so(definition: dict[str, Any], word: str) -> None:
    with pytest.raises(Hopeless, match=word):
        pin_of({"name": "t", "inputSchema": {}, **definition})  # type: ignore[typeddict-item]


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": ["object", "null"]}, nested(MAX_DEPTH - 1)])
def test_an_ordinary_tool_is_not_hopeless(schema: dict[str, Any]) -> None:
    assert len(pin_of({"name": "t", "inputSchema": schema})) == 64


def test_depth_and_values_of_json() -> None:
    assert measured(1, 9) == (0, 1)
    assert measured({"a": [1, {"b": 2}], "c": "x"}, 9) == (3, 6)


def test_a_tool_is_a_frozen_value() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        tool().name = "other"  # type: ignore[misc]
    assert tool() == tool()
