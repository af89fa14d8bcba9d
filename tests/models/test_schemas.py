from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcphost.messages import ToolDefinition
from mcphost.models.schemas import Hopeless, accept, repair, safe_keys


def _tool(schema: Any, name: str = "demo__x", description: str = "Does x.") -> ToolDefinition:
    return ToolDefinition(name, description, schema)


def test_a_plain_schema_stays_as_it_is() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x"}}, "required": ["a"]}
    assert repair(schema) == (schema, "")


def test_no_schema_at_all_takes_no_arguments() -> None:
    assert repair({}) == ({"type": "object", "properties": {}}, "")


def test_a_reference_at_the_root_is_followed() -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": {"type": "integer"}}}}}
    repaired, _ = repair(schema)
    assert repaired["properties"] == {"a": {"type": "integer"}}
    assert "$ref" not in repaired


def test_combinators_at_the_root_become_properties_and_words() -> None:
    either = [
        {"properties": {"a": {"type": "string"}}, "required": ["a", "c"]},
        {"properties": {"b": {"type": "string"}, "c": {}}, "required": ["b", "c"]},
    ]
    repaired, note = repair({"type": "object", "anyOf": either})
    assert set(repaired["properties"]) == {"a", "b", "c"}
    assert repaired["required"] == ["c"]
    assert note.startswith('Arguments must also satisfy: {"anyOf":')
    together, _ = repair({"type": "object", "allOf": either})
    assert together["required"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "array", "items": {}},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"type": "object", "properties": {"a": {"default": float("nan")}}},
        {"properties": {"a": b"bytes"}},
        {"$ref": ["odd"]},
    ],
)
def test_what_no_api_would_take_is_hopeless_and_says_why(schema: dict[str, Any]) -> None:
    with pytest.raises(Hopeless, match="its "):
        repair(schema)


def test_endless_nesting_and_endless_size_are_hopeless() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"type": "object", "properties": {"a": deep}}
    wide = {"type": "object", "properties": {f"p{number}": {} for number in range(6000)}}
    for schema in (deep, wide):
        with pytest.raises(Hopeless, match="too large or nested too deeply"):
            repair(schema)


def test_nested_nonsense_is_dropped_and_the_rest_kept() -> None:
    repaired, _ = repair(
        {
            "type": "object",
            "properties": {
                "a": {"type": "any", "required": True, "minimum": "1", "description": "kept\u202e"},
                "b": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]},
                "c": {"$ref": "http://example.com/x"},
                "d": "not a schema",
            },
        }
    )
    assert repaired["properties"] == {
        "a": {"description": "kept\ufffd"},
        "b": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
        "c": {},
    }


def test_local_grammars_get_neither_patterns_nor_formats_nor_references() -> None:
    schema = {
        "type": "object",
        "properties": {
            "when": {"type": "string", "format": "date", "pattern": "^2"},
            "tree": {"$ref": "#/$defs/Node"},
        },
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "value": {}}}},
    }
    repaired, _ = repair(schema, grammar=True)
    assert repaired["properties"]["when"] == {"type": "string"}
    assert repaired["properties"]["tree"] == {"type": "object", "properties": {"next": {}, "value": {}}}
    assert "$ref" not in json.dumps(repaired)


def test_references_that_multiply_are_stopped() -> None:
    defs = {
        f"A{level}": {"properties": {side: {"$ref": f"#/$defs/A{level + 1}"} for side in "lr"}} for level in range(30)
    }
    with pytest.raises(Hopeless):
        repair({"type": "object", "properties": {"a": {"$ref": "#/$defs/A0"}}, "$defs": defs}, grammar=True)


def test_keys_that_an_api_refuses_are_renamed_and_found_again() -> None:
    schema = {"type": "object", "properties": {"filter[id]": {}, "filter_id_": {}, "$top": {}}, "required": ["$top"]}
    renamed, restore = safe_keys(schema)
    assert list(restore.values()) == ["filter[id]", "$top"]
    assert renamed["required"] == ["_top"]
    assert len(renamed["properties"]) == 3


def test_the_note_survives_a_description_that_is_cut() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    accepted = accept(_tool(schema, description="x" * 5000), description_limit=1024)
    assert len(accepted.description) <= 1024
    assert '"oneOf"' in accepted.description


@pytest.mark.parametrize("name", ["", "a.b", "x" * 65, "größe"])
def test_a_name_that_no_api_takes_is_hopeless(name: str) -> None:
    with pytest.raises(Hopeless, match="name"):
        accept(_tool({}, name))


_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["object", "string", "#/$defs/a", "x"])
)
_KEYS = st.sampled_from(
    ["type", "properties", "items", "anyOf", "allOf", "required", "$ref", "$defs", "a", "enum", "minimum", "pattern"]
)
_SCHEMAS = st.dictionaries(
    _KEYS,
    st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4)),
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(_SCHEMAS, st.booleans())
def test_whatever_a_server_wrote_becomes_a_valid_object_schema_or_is_hopeless(schema: Any, grammar: bool) -> None:
    try:
        repaired, _ = repair(schema, grammar=grammar)
    except Hopeless:
        return
    assert repaired["type"] == "object"
    assert not {"anyOf", "allOf", "oneOf", "enum", "const", "not", "$ref"} & repaired.keys()
    jsonschema_rs.Draft202012Validator(repaired)
