from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphost.frontends import form


def field(**spec: Any) -> form.Field:
    (only,) = form.fields({"properties": {"x": spec}})
    return only


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "string", "enum": ["r", "g"]},
        {"enum": ["r", "g"]},
        {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]},
        {"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]},
        {"type": "array", "items": {"type": "string", "enum": ["r", "g"]}},
        {"type": "array", "items": {"anyOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]}},
    ],
)
def test_every_spelling_of_choices_is_read(spec: dict[str, Any]) -> None:
    known = field(**spec)
    several = spec.get("type") == "array"
    assert [choice.value for choice in known.choices] == ["r", "g"]
    assert known.kind == ("choices" if several else "choice")
    assert known.problem(["g"] if several else "g") is None
    assert known.problem(["b"] if several else "b")
    assert known.read("2") == (["g"] if several else "g")


def test_choices_are_taken_by_value_before_title_before_number() -> None:
    known = field(type="string", enum=["2", "b"], enumNames=["b", "Two"])
    assert [known.read(line) for line in ("2", "b", "two", "1")] == ["2", "b", "b", "2"]
    for line in ("0", "3", "", "no"):
        with pytest.raises(ValueError, match="one of the choices"):
            known.read(line)


def test_several_choices_are_counted_and_never_repeat() -> None:
    known = field(type="array", items={"enum": ["a", "b", "c"]}, minItems=1, maxItems=2)
    assert known.read(" a, c ") == ["a", "c"]
    for line in ("", "a, a", "a,b,c"):
        with pytest.raises(ValueError, match="expected"):
            known.read(line)


@pytest.mark.parametrize(
    ("format", "good", "bad"),
    [
        ("email", ["ada@example.org"], ["ada", "a@b@c", "a b@c"]),
        ("uri", ["https://example.org/x", "urn:isbn:1"], ["example.org", "https://exa mple.org", "https://[x"]),
        ("date", ["2026-02-28"], ["2026-02-30", "20260228", "2026-W01", "２026-01-01"]),
        ("date-time", ["2026-01-31T12:00:00Z", "2026-01-31t12:00:00.5+02:00"], ["2026-01-31", "2026-01-31T12:00:00"]),
    ],
)
def test_formats_are_checked(format: str, good: list[str], bad: list[str]) -> None:
    known = field(type="string", format=format)
    assert [known.problem(text) for text in good] == [None] * len(good)
    assert all(known.problem(text) for text in bad)


def test_numbers_are_finite_and_booleans_are_none() -> None:
    number, whole = field(type="number", minimum=0.5, maximum=2), field(type="integer")
    assert [number.read(line) for line in ("1", "1.5", "5e-1")] == [1, 1.5, 0.5]
    assert number.problem(2.5) == "expected at most 2"
    assert all(number.problem(value) for value in (True, float("nan"), "1"))
    assert all(whole.problem(value) for value in (True, 1.0, None))
    for line in ("nan", "inf", "1e999", "1.5.5", ""):
        with pytest.raises(ValueError, match="expected a number"):
            number.read(line)


def test_yes_and_no_are_booleans() -> None:
    known = field(type="boolean")
    assert [known.read(line) for line in ("y", "No", "true", "0")] == [True, False, True, False]
    with pytest.raises(ValueError, match="yes or no"):
        known.read("maybe")


def test_an_optional_field_as_older_servers_write_it_is_read() -> None:
    known = field(anyOf=[{"type": "integer", "minimum": 1}, {"type": "null"}], default=None, title="Count")
    assert (known.kind, known.low, known.default, known.title) == ("integer", 1, None, "Count")


def test_a_default_that_does_not_fit_is_none() -> None:
    assert field(type="integer", default="many").default is None
    assert field(type="array", items={"enum": ["a"]}, default=["a"]).default == ["a"]


def test_a_pattern_is_checked_in_linear_time_or_left_to_the_server() -> None:
    letters = field(type="string", pattern="^[A-Z]+$", minLength=2)
    assert letters.explained == "text, at least 2 characters, matching ^[A-Z]+$"
    assert (letters.problem("AB"), letters.problem("Ab")) == (None, "expected text that matches ^[A-Z]+$")
    assert field(type="string", pattern="(a+)+$").problem("a" * 10_000 + "!")
    for pattern in ("(?=x)y", "(", "((x{1000}){1000}){1000}", r"(a)\1"):
        assert field(type="string", pattern=pattern).problem("a") is None


@pytest.mark.parametrize(
    "name",
    [
        *("password", "apiKey", "api_key", "access_token", "cardNumber", "CVV", "user_pin", "pwd", "Pass", "sshKey"),
        *("seed_phrase", "mfa-code", "Social Security Number", "verification code", "PIN code", "パスワード"),
    ],
)
def test_secrets_are_recognised(name: str) -> None:
    (known,) = form.fields({"properties": {name: {"type": "string"}}})
    assert known.secret


@pytest.mark.parametrize("name", ["name", "max_tokens", "postcard", "shipping", "keyword", "secretary", "passenger"])
def test_what_is_no_secret_is_not_taken_for_one(name: str) -> None:
    (known,) = form.fields({"properties": {name: {"type": "string"}}})
    assert not known.secret


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "type",
        "enum",
        "enumNames",
        "oneOf",
        "anyOf",
        "items",
        "default",
        "format",
        "title",
        "minLength",
        "maximum",
        "minItems",
    ]
)
TYPES = st.sampled_from(["string", "number", "integer", "boolean", "array", "object"])
SPECS = st.builds(lambda spec, kind: {**spec, "type": kind}, st.dictionaries(KEYS, JSON, max_size=5), TYPES)


@given(st.dictionaries(st.text(max_size=5), SPECS | JSON, max_size=4), st.dictionaries(st.text(max_size=5), JSON), JSON)
def test_any_form_and_any_answer_give_fields_or_a_value_error(
    properties: dict[str, Any], content: dict[str, Any], required: Any
) -> None:
    try:
        known = form.fields({"properties": properties, "required": required})
    except ValueError:
        return
    form.problems(known, content)
    for each in known:
        assert each.default is None or each.problem(each.default) is None
        assert isinstance(each.secret, bool)


@given(SPECS, st.text(max_size=12))
def test_whatever_a_typed_line_is_read_as_is_a_value_without_problem(spec: dict[str, Any], line: str) -> None:
    try:
        known = field(**spec)
        value = known.read(line)
    except ValueError:
        return
    assert known.problem(value) is None
