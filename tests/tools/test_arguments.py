import socket
import time
from typing import Any

import pytest

from mcphost.servers.wire import WireTool
from mcphost.tools import Tool
from mcphost.tools.arguments import ArgumentChecker
from mcphost.tools.definitions import pin_of


def tool(schema: dict[str, Any]) -> Tool:
    definition: WireTool = {"name": "t", "inputSchema": schema}
    return Tool("s__t", "s", "t", definition, pin_of(definition))


def check(schema: dict[str, Any], arguments: dict[str, Any]) -> str | None:
    return ArgumentChecker().check(tool(schema), arguments)


def of_a(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, **more}


def test_a_violation_names_the_place_and_what_is_wrong() -> None:
    assert check(of_a({"type": "integer"}), {"a": "1"}) == 'a: "1" is not of type "integer"'
    assert check(of_a({}, required=["b"]), {}) == '"b" is a required property'
    assert check(of_a({"items": {"type": "string"}}), {"a": ["x", 1]}) == 'a/1: 1 is not of type "string"'
    assert check(of_a({"type": "integer"}), {"a": 1}) is None


def test_null_for_an_optional_argument_counts_as_left_out() -> None:
    assert check(of_a({"type": "integer"}), {"a": None}) is None
    assert check(of_a({"type": "integer"}, required=["a"]), {"a": None}) is not None


def test_a_message_stays_short_and_clean_whatever_the_arguments_are() -> None:
    found = check(of_a({"type": "integer"}), {"a": "\x1b[2J" + "x" * 100_000})
    assert found is not None
    assert len(found) < 400
    assert "\x1b" not in found
    many = check({"type": "object", "additionalProperties": {"type": "integer"}}, {str(i): "x" for i in range(100)})
    assert many is not None
    assert len(many.splitlines()) == 3


@pytest.mark.parametrize(
    ("value", "word"), [("\ud800", "surrogate"), (float("nan"), "NaN"), ([float("inf")], "Infinity")]
)
def test_what_cannot_be_sent_as_json_is_a_violation(value: Any, word: str) -> None:
    found = check({"type": "object"}, {"a": value})
    assert found is not None
    assert word in found


def test_arguments_nested_too_deeply_are_a_violation() -> None:
    value: Any = 1
    for _ in range(5000):
        value = [value]
    assert "deeper" in (check({"type": "object"}, {"a": value}) or "")


@pytest.mark.parametrize(
    "dialect",
    ["http://json-schema.org/draft-04/schema#", "https://json-schema.org/draft/2020-12/schema", "urn:my-own-dialect"],
)
def test_every_dialect_is_read(dialect: str) -> None:
    checker = ArgumentChecker()
    checked = tool({"$schema": dialect, **of_a({"type": "integer"})})
    assert checker.check(checked, {"a": "x"}) is not None
    assert not checker.unchecked


def test_a_pattern_with_look_around_is_checked_too() -> None:
    schema = of_a({"pattern": "^(?!x)[a-z]+$"})
    assert check(schema, {"a": "hello"}) is None
    assert check(schema, {"a": "xello"}) is not None


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a+)+$", r"^(a+)+\1$", "^(a|a)*$"])
def test_a_pattern_bomb_costs_nothing(pattern: str) -> None:
    started = time.process_time()
    assert check(of_a({"pattern": pattern}), {"a": "a" * 50 + "!"}) is not None
    assert time.process_time() - started < 0.2


def test_a_reference_is_never_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as capture:
        checker = ArgumentChecker()
        remote = tool(of_a({"$ref": f"http://127.0.0.1:{capture.getsockname()[1]}/schema.json"}))
        assert checker.check(remote, {"a": 1}) is None
        assert ("s", "t") in checker.unchecked
        capture.settimeout(0.05)
        with pytest.raises(TimeoutError):
            capture.accept()


def doubling(keyword: str, levels: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"d{level}": {keyword: [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)
    }
    definitions[f"d{levels}"] = {"type": "string", "minLength": 5}
    return of_a({"$ref": "#/$defs/d0"}, **{"$defs": definitions})


def unevaluated(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": {"z": True}}
    for _ in range(levels):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    return schema


TREE = {"anyOf": [{"properties": {"a": {"$ref": "#"}}, "required": [name]} for name in "yz"]}


def chain(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (doubling("anyOf", 40), {"a": "x"}),
        (doubling("allOf", 40), {"a": "x"}),
        (doubling("oneOf", 40), {"a": "x"}),
        (TREE, chain(30)),
        (unevaluated(20), {"a": 1}),
        (of_a({"dependencies": {"enum": doubling("anyOf", 40)["$defs"]["d0"]}}, **doubling("anyOf", 40)), {"a": {}}),
        (of_a({"allOf": [{"pattern": f"^{number}"} for number in range(1000)]}), {"a": "x"}),
        (of_a({"patternProperties": {f"^{number}": {} for number in range(1000)}}), {"a": {}}),
        (of_a({}, additionalProperties={"properties": {str(n): {"$ref": "#"} for n in range(900)}}), chain(30)),
        ({"$ref": "#"}, {"a": 1}),
        ({"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"$ref": "#/$defs/x"}}}, {}),
        (of_a({"$ref": "#name"}, **{"$defs": {"x": {"$anchor": "name"}}}), {"a": 1}),
        (of_a({"$id": "urn:inner", "$ref": "#"}), {"a": 1}),
        (of_a({"$dynamicRef": "#x"}), {"a": 1}),
        (of_a({"$ref": "#/a/b"}), {"a": 1}),
        (of_a({"$ref": "#/required/0/x"}, required=["a"]), {"a": 1}),
        (of_a({}, **{"x-note": {"$ref": "#/type/x"}}), {"a": 1}),
        (of_a({"type": "strange"}), {"a": 1}),
        (of_a({"pattern": "("}), {"a": "x"}),
        (of_a({"pattern": "((a{1000}){1000}){1000}"}), {"a": "x"}),
    ],
)
def test_a_schema_that_cannot_be_checked_in_bounds_is_left_to_the_server(
    schema: dict[str, Any], arguments: dict[str, Any]
) -> None:
    checker = ArgumentChecker()
    started = time.process_time()
    assert checker.check(tool(schema), arguments) is None
    assert time.process_time() - started < 0.2
    assert list(checker.unchecked) == [("s", "t")]


def test_alternatives_and_recursion_of_an_honest_size_are_checked() -> None:
    assert check(doubling("anyOf", 5), {"a": "x"}) is not None
    assert check(doubling("anyOf", 5), {"a": "xxxxx"}) is None
    assert check(TREE, chain(4)) is not None
    assert check(unevaluated(3), {"a": 1}) is not None
    assert check(unevaluated(3), {"z": 1}) is None


def test_a_reference_may_point_into_a_list() -> None:
    assert check(of_a({"$ref": "#/allOf/7"}, allOf=[{}]), {"a": 1}) is None
    schema = of_a({"$ref": "#/allOf/1"}, allOf=[{}, {"type": ["integer", "object"]}])
    assert check(schema, {"a": 1}) is None
    assert check(schema, {"a": "x"}) is not None


def test_what_was_built_of_a_schema_is_used_again() -> None:
    checker, checked = ArgumentChecker(), tool(of_a({"type": "integer"}))
    assert [checker.check(checked, {"a": value}) for value in (1, 2)] == [None, None]
    assert checker.check(checked, {"a": "x"}) is not None


def test_properties_called_like_keywords_are_only_names() -> None:
    schema = of_a({"type": "integer"}, **{"$defs": {}})
    schema["properties"] |= {"enum": {"type": "string"}, "$ref": {"type": "string"}, "$id": {"type": "string"}}
    assert check(schema, {"a": 1, "enum": "x", "$ref": "y"}) is None
    assert check(schema, {"$ref": 1}) == '$ref: 1 is not of type "string"'


def test_a_violation_in_a_lot_of_data_is_told_without_its_place() -> None:
    schema = of_a({"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}})
    assert check(schema, {"a": ["x"] * 50_000}) is None
    assert check(schema, {"a": ["x"] * 50_000 + [1]}) == "The arguments do not fit the tool's input schema."


def test_more_data_than_can_be_checked_is_left_to_the_server() -> None:
    checker = ArgumentChecker()
    wide = tool(of_a({"items": {"anyOf": [{"const": number} for number in range(2000)]}}))
    assert checker.check(wide, {"a": [-1] * 20_000}) is None
    assert checker.unchecked
