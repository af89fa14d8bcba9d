from __future__ import annotations

from typing import Any

import pytest

from mcphost.models.offline.arguments import Filled, fill
from mcphost.models.offline.entities import read, steps
from mcphost.models.offline.kinds import simplified

TEXT, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def filled(text: str, properties: dict[str, Any], *required: str, **root: Any) -> Filled:
    schema = simplified({"type": "object", "properties": properties, "required": list(required), **root})
    return fill(schema, read(text), frozenset(), frozenset())


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("say 'it's here' now", "quoted", "it's here"),
        ('say "a; b"', "quoted", "a; b"),
        ("see https://x.org/a?b=c.", "url", "https://x.org/a?b=c"),
        ("see x.org/a", "url", "https://x.org/a"),
        ("read /tmp/a.txt.", "path", "/tmp/a.txt"),
        ("read ~/notes, please", "path", "~/notes"),
        ("log of .", "path", "."),
        ("read '/tmp/my file'", "quoted", "/tmp/my file"),
        ("read '/tmp/x'", "path", "/tmp/x"),
        ("stage README.md", "file", "README.md"),
        ("find **/*.py", "glob", "**/*.py"),
        ("at 9:05", "time", "09:05"),
        ("at 12 am", "time", "00:00"),
        ("at 5:30pm", "time", "17:30"),
        ("on 2026-01-05", "date", "2026-01-05"),
        ("in Europe/Berlin", "zone", "Europe/Berlin"),
        ("in new york", "zone", "America/New_York"),
        ("in Munich", "zone", "Europe/Berlin"),
        ("commit 3f2a9bc", "hash", "3f2a9bc"),
        ("minus -2.50", "number", -2.5),
        ("the three of us", "number", 3),
        ('with {"a": [1]}', "json", {"a": [1]}),
    ],
)
def test_typed_values_are_found(text: str, kind: str, value: object) -> None:
    assert [(entity.kind, entity.value) for entity in read(text).entities] == [(kind, value)]


@pytest.mark.parametrize(
    ("text", "words"),
    [("8*7", ["times"]), ("12x8", ["times"]), ("100 / 4", ["divided"]), ("81 - 9", ["minus"]), ("2-1", ["minus"])],
)
def test_operators_between_numbers_are_words(text: str, words: list[str]) -> None:
    reading = read(text)
    assert [word.text for word in reading.words] == words
    assert [entity.kind for entity in reading.entities] == ["number", "number"]


def test_steps_are_told_apart() -> None:
    assert steps("add 1, then list; and then stop after that go on") == ["add 1", "list", "stop", "go on"]
    assert steps("what time is it then?") == ["what time is it"]


def test_values_go_where_the_words_beside_them_point() -> None:
    properties = {"steps": NUMBER, "duration": NUMBER}
    assert filled("run 6 seconds in 3 steps", properties).arguments == {"steps": 3, "duration": 6}


def test_from_and_to_are_told_apart_in_any_order() -> None:
    properties = {"source": TEXT, "destination": TEXT}
    assert filled("to 'b' from 'a'", properties, "source", "destination").arguments == {
        "source": "a",
        "destination": "b",
    }


def test_key_value_pairs_are_taken_as_they_stand() -> None:
    properties = {"maxCount": INTEGER, "name": TEXT, "flag": {"type": "boolean"}}
    assert filled("max_count=3 --name='a b' flag=yes", properties).arguments == {
        "maxCount": 3, "name": "a b", "flag": True
    }  # fmt: skip


def test_an_optional_argument_is_filled_only_when_asked_for_and_never_with_its_default() -> None:
    properties = {"query": TEXT, "limit": {"type": "integer", "default": 5}}
    assert filled("search 'x'", properties, "query").arguments == {"query": "x"}
    assert filled("search 'x' limit 5", properties, "query").arguments == {"query": "x"}
    assert filled("search 'x' limit 7", properties, "query").arguments == {"query": "x", "limit": 7}


def test_choices_and_flags_are_named_by_words() -> None:
    properties = {
        "sortBy": {"enum": ["name", "size"]},
        "city": {"enum": ["New York", "Chicago"]},
        "includeImage": {"type": "boolean"},
        "raw": {"type": "boolean"},
    }
    assert filled("by size for new york with images but not raw", properties).arguments == {
        "sortBy": "size", "city": "New York", "includeImage": True, "raw": False
    }  # fmt: skip


def test_arrays_take_all_values_of_one_kind() -> None:
    properties = {"values": {"type": "array", "items": NUMBER}, "title": TEXT}
    assert filled("3, 1 and 4 titled 'Sales'", properties, "values").arguments == {
        "values": [3, 1, 4],
        "title": "Sales",
    }


def test_nested_objects_are_filled_through_references_and_unions() -> None:
    pair = {"properties": {"from": TEXT, "to": {"anyOf": [{"type": "null"}, TEXT]}}, "required": ["from", "to"]}
    properties = {"relations": {"type": "array", "items": {"$ref": "#/$defs/Pair"}}}
    found = filled("from 'Alice' to 'Acme'", properties, "relations", **{"$defs": {"Pair": pair}})
    assert found.arguments == {"relations": [{"from": "Alice", "to": "Acme"}]}


def test_limits_and_whole_numbers_are_respected() -> None:
    assert filled("people 0", {"people": {"type": "integer", "minimum": 1}}, "people").missing == ["people"]
    assert filled("people 2.5", {"people": INTEGER}, "people").missing == ["people"]
    assert filled("log -3", {"max_count": INTEGER}).arguments == {"max_count": 3}


def test_what_has_no_place_is_reported_as_unused() -> None:
    found = filled("read /tmp/a at 9:00 colour=red", {"path": TEXT}, "path")
    assert found.arguments == {"path": "/tmp/a"}
    assert [entity.value for entity in found.unused] == ["09:00", "red"]
