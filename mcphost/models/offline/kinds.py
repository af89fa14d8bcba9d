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
_KEYWORDS: Mapping[str, type | tuple[type, ...]] = {
    "type": str,
    "format": str,
    "description": str,
    "enum": list,
    "required": list,
    "minimum": (int, float),
    "maximum": (int, float),
}
_DEPTH, _NODES = 4, 400
_FORMATS = {"uri": "url", "url": "url", "date": "date", "time": "time", "uri-reference": "url"}
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.I)


def simplified(schema: Mapping[str, Any]) -> Schema:
    """`schema` as the rest of this package reads it, whatever a server wrote: local references and unions resolved,
    keywords of a wrong type dropped, at most `_NODES` subschemas, `_DEPTH` deep."""
    return _simplified(schema, schema, _DEPTH, [_NODES])


def _simplified(node: Any, root: Mapping[str, Any], depth: int, left: list[int]) -> dict[str, Any]:
    node = _resolved(node, root)
    left[0] -= 1
    simple = {key: node[key] for key, kind in _KEYWORDS.items() if isinstance(node.get(key), kind)}
    if "default" in node:
        simple["default"] = node["default"]
    if isinstance(node.get("type"), list):
        simple["type"] = next((kind for kind in node["type"] if isinstance(kind, str) and kind != "null"), "")
    if depth and isinstance(node.get("items"), Mapping):
        simple["items"] = _simplified(node["items"], root, depth - 1, left)
    if depth and isinstance(node.get("properties"), Mapping):
        simple["properties"] = {
            str(name): _simplified(part, root, depth - 1, left)
            for name, part in node["properties"].items()
            if left[0] > 0
        }
    return simple


def _resolved(node: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """`node` merged with what it points to and with the first of its alternatives that is not null."""
    merged: dict[str, Any] = dict(node) if isinstance(node, Mapping) else {}
    for _ in range(_DEPTH):
        reference = merged.pop("$ref", None)
        unions = [merged.pop(word, None) for word in ("anyOf", "oneOf", "allOf")]
        options = [option for union in unions if isinstance(union, list) for option in union]
        if isinstance(reference, str):
            options.insert(0, _pointed(reference, root))
        chosen = next((o for o in options if isinstance(o, Mapping) and o.get("type") != "null"), None)
        if chosen is None:
            break
        merged = {**chosen, **merged}
    return merged


def _pointed(reference: str, root: Any) -> Any:
    for key in reference.removeprefix("#/").split("/"):
        root = root.get(key) if isinstance(root, Mapping) else None
    return root


def properties(schema: Schema) -> Mapping[str, Schema]:
    found: Mapping[str, Schema] = schema.get("properties", {})
    return found


def required(schema: Schema) -> list[str]:
    return [name for name in schema.get("required", ()) if isinstance(name, str)]


def takes_kind(name: str, prop: Schema) -> str:
    """The kind of value an argument takes: a key of _AFFINITY, or "" for one that only a caller can spell out."""
    kind = prop.get("type")
    if kind == "array":
        return takes_kind(name, prop.get("items", {}))
    if kind in ("number", "integer"):
        return "number"
    if kind != "string" or prop.get("enum") or listed(prop):
        return ""
    by_name = (_BY_WORD[word] for word in reversed(words(name)) if word in _BY_WORD)
    return _FORMATS.get(str(prop.get("format"))) or next(by_name, "text")


def listed(prop: Schema) -> list[str]:
    """The values that a description lists, as in "local branches ('local') or all ('all')"."""
    values = re.findall(r"\(['\"`](\w+)['\"`]\)", prop.get("description", ""))
    return values if len(values) > 1 else []


def coerced(entity: Entity, prop: Schema) -> Any:
    """`entity` as the JSON value that `prop` takes; None if it has no such form."""
    kind, value = prop.get("type"), entity.value
    if kind == "array":
        return _array(entity, prop)
    if kind in ("number", "integer"):
        return _number(entity, prop)
    if kind == "boolean":
        return _BOOLEANS.get(str(value).lower())
    if kind == "object" or entity.kind == "json":
        return value if entity.kind == "json" else None
    return str(value)


def _array(entity: Entity, prop: Schema) -> list[Any] | None:
    item = prop.get("items", {})
    if entity.kind == "json":
        return entity.value if isinstance(entity.value, list) else None
    if entity.kind == "result" and item.get("type") in ("number", "integer"):
        return [found for text in _NUMBER.findall(entity.value) if (found := number(text)) is not None] or None
    parts = re.split(r",\s*|\s+and\s+", str(entity.value)) if entity.kind == "phrase" else [entity.value]
    values = [coerced(replace(entity, value=part), item) for part in parts]
    return None if None in values else values


def _number(entity: Entity, prop: Schema) -> int | float | None:
    value = entity.value
    if isinstance(value, str):  # a result may say more than its number; anything else must be one
        found = _NUMBER.findall(value)
        value = number(found[-1]) if found and (entity.kind == "result" or found[0] == value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    least, most = prop.get("minimum"), prop.get("maximum")
    if value < 0 and (prop.get("type") == "integer" or least is not None):
        value = -value  # "log -3" and "head -n 3" count lines, they do not go below zero
    if prop.get("type") == "integer" and not float(value).is_integer():
        return None
    if (least is not None and value < least) or (most is not None and value > most):
        return None
    return int(value) if prop.get("type") == "integer" else value
