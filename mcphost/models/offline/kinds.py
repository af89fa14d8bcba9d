"""What an argument takes by its JSON Schema, and values in the form that it takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from mcphost.models.offline.entities import Entity, number
from mcphost.ranking import stem, words

Schema: TypeAlias = Mapping[str, Any]

_STRING_KINDS = {  # words in an argument's name -> what it takes
    "url": "url uri link href",
    "zone": "timezone zone tz",
    "glob": "pattern glob",
    "date": "date day",
    "path": "path file filename filepath dir directory folder cwd repo repository",
    "time": "time",
    "hash": "revision commit sha hash ref rev",
    "id": "id identifier key code",
}
_BY_WORD = {stem(word): kind for kind, line in _STRING_KINDS.items() for word in line.split()}
_FORMATS = {"uri": "url", "url": "url", "date": "date", "time": "time", "uri-reference": "url"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.I)


def properties(schema: Schema) -> dict[str, Schema]:
    found = schema.get("properties")
    return {k: v for k, v in found.items() if isinstance(v, Mapping)} if isinstance(found, Mapping) else {}


def required(schema: Schema) -> list[str]:
    names = schema.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def takes_kind(name: str, prop: Schema) -> str:
    """The kind of value an argument takes: a key of _AFFINITY, or "" for one that only a caller can spell out."""
    if prop.get("enum") or "const" in prop or listed(prop):
        return ""
    kinds = prop.get("type") or [option.get("type") for option in prop.get("anyOf", ()) if isinstance(option, Mapping)]
    if "array" in kinds:
        items = prop.get("items")
        return takes_kind(name, items) if isinstance(items, Mapping) and items.get("type") != "object" else ""
    if "number" in kinds or "integer" in kinds:
        return "number"
    if "string" not in kinds:
        return ""
    by_name = (_BY_WORD[word] for word in reversed(words(name)) if word in _BY_WORD)
    return _FORMATS.get(str(prop.get("format"))) or next(by_name, "text")


def listed(prop: Schema) -> list[str]:
    """The values that a description lists, as in "local branches ('local') or all ('all')"."""
    values = re.findall(r"\(['\"`](\w+)['\"`]\)", str(prop.get("description", "")))
    return values if len(values) > 1 else []


def coerced(entity: Entity, prop: Schema) -> Any:
    """`entity` as the JSON value that `prop` takes; None if it has no such form."""
    kind, value = prop.get("type"), entity.value
    if kind == "array":
        return _array(entity, prop)
    if kind in ("number", "integer"):
        return _number(entity, prop)
    if kind == "boolean":
        return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
            str(value).lower()
        )
    if kind == "object" or entity.kind == "json":
        return value if entity.kind == "json" else None
    return str(value)


def _array(entity: Entity, prop: Schema) -> list[Any] | None:
    items = prop.get("items")
    item = items if isinstance(items, Mapping) else {}
    if entity.kind == "json":
        return entity.value if isinstance(entity.value, list) else None
    if entity.kind == "result" and item.get("type") in ("number", "integer"):
        return [number(found) for found in _NUMBER.findall(str(entity.value))] or None
    parts = re.split(r",\s*|\s+and\s+", str(entity.value)) if entity.kind == "phrase" else [entity.value]
    values = [coerced(replace(entity, value=part), item) for part in parts]
    return None if None in values else values


def _number(entity: Entity, prop: Schema) -> int | float | None:
    found = _NUMBER.findall(str(entity.value))
    if not found or (entity.kind != "result" and found[0] != str(entity.value)):
        return None
    value = number(found[-1])
    least, most = prop.get("minimum"), prop.get("maximum")
    if value < 0 and (prop.get("type") == "integer" or least is not None):
        value = -value  # "log -3" and "head -n 3" count lines, they do not go below zero
    if prop.get("type") == "integer" and not float(value).is_integer():
        return None
    if (least is not None and value < least) or (most is not None and value > most):
        return None
    return int(value) if prop.get("type") == "integer" else value
