"""A server's flat form: the fields that it asks for, and whether an answer fits them.

It knows the restricted schema of every revision that has elicitation. Law 4: a form has a bounded size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mcphost.frontends.fields import FORMATS, LIMITS, Choice, Field, Kind

__all__ = ["Choice", "Field", "fields", "problems"]

MAX_FIELDS = 50
MAX_CHOICES = 200
MAX_SIZE = 200_000  # characters of its JSON


def fields(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of a requestedSchema, in its order.

    Raises:
        ValueError: it is not the flat form that the protocol allows; the message names the property.
    """
    if len(json.dumps(schema, default=str)) > MAX_SIZE:
        raise ValueError(f"the form is larger than {MAX_SIZE:,} characters")
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        raise ValueError("properties is no object")
    if len(properties) > MAX_FIELDS:
        raise ValueError(f"the form has {len(properties)} fields; at most {MAX_FIELDS} are taken")
    required = schema.get("required") or []
    if not isinstance(required, list) or any(name not in list(properties) for name in required):
        raise ValueError("required names a property that the form does not have")
    return tuple(_field(name, spec, name in required) for name, spec in properties.items())


def problems(form: Sequence[Field], content: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with an answer, by property name; empty: nothing. None stands for "left out"."""
    found = {}
    for field in form:
        value = content.get(field.name)
        if value is not None and (problem := field.problem(value)):
            found[field.name] = problem
        elif value is None and field.required:
            found[field.name] = "must be filled in"
    return found


def _field(name: str, spec: Any, required: bool) -> Field:
    try:
        return _read(name, _without_null(spec), required)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"property {name!r} is no field that a form may have") from error


def _read(name: str, spec: Mapping[str, Any], required: bool) -> Field:
    choices = _choices(spec["items"] if spec.get("type") == "array" else spec)
    low, high = LIMITS.get(kind := _kind(spec, choices), ("", ""))
    field = Field(
        name,
        kind,
        title=_text(spec, "title") or name,
        description=_text(spec, "description"),
        required=required,
        default=spec.get("default"),
        choices=choices,
        format=spec.get("format") if kind == "string" and spec.get("format") in FORMATS else None,
        pattern=_text(spec, "pattern") or None if kind == "string" else None,
        low=_bound(spec, low),
        high=_bound(spec, high),
    )
    return field if field.problem(field.default) is None else replace(field, default=None)


def _without_null(spec: dict[str, Any]) -> dict[str, Any]:
    """`anyOf` of one type and null, as older servers write an optional field, read as that type."""
    types = [entry for entry in spec.get("anyOf", ()) if entry.get("type") != "null"]
    if "type" in spec or len(types) != 1:
        return spec
    return {**{key: value for key, value in spec.items() if key != "anyOf"}, **types[0]}


def _kind(spec: Mapping[str, Any], choices: tuple[Choice, ...]) -> Kind:
    match spec.get("type", "string" if choices else None):
        case "array" if choices:
            return "choices"
        case "string":
            return "choice" if choices else "string"
        case "number" | "integer" | "boolean" as kind:
            return kind  # type: ignore[no-any-return]
        case other:
            raise TypeError(other)


def _choices(spec: Mapping[str, Any]) -> tuple[Choice, ...]:
    """The four spellings: `enum`, `enum` with `enumNames`, `oneOf` and `anyOf` of const and title."""
    options = spec.get("oneOf") or spec.get("anyOf") or ()
    pairs = [(option["const"], option.get("title", option["const"])) for option in options]
    if values := spec.get("enum"):
        names = spec.get("enumNames") or values
        pairs = list(zip(values, names, strict=True)) if len(names) == len(values) else [(v, v) for v in values]
    if len(pairs) > MAX_CHOICES or not all(isinstance(part, str) for pair in pairs for part in pair):
        raise TypeError("choices")
    return tuple(Choice(value, title) for value, title in pairs)


def _text(spec: Mapping[str, Any], key: str) -> str:
    value = spec.get(key, "")
    return value if isinstance(value, str) else ""


def _bound(spec: Mapping[str, Any], key: str) -> float | None:
    value = spec.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise TypeError(key)
    return value
