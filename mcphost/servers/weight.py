"""How large a JSON value is, and how much work a schema may cause on it: known before anybody starts.

Law 4: schemas are written by servers. Alternatives that multiply through `$ref` would stop the event loop for hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote

MAX_SCHEMAS = 5_000  # subschemas one value may have to be held against, references unfolded
MAX_WORK = 20_000_000  # subschemas times values: about 0.1 s
HEAVY = 5_000  # values, or as many pieces of 64 characters: about 10 ms to look through
MAX_EXPLAINED_WORK = 20_000  # finding out what is wrong costs a thousand times more than finding out that it is

_ONE_LEVEL_DOWN = {
    *("properties", "patternProperties", "additionalProperties", "unevaluatedProperties"),
    *("items", "prefixItems", "additionalItems", "unevaluatedItems", "contains"),
}
_NAMED = {"properties", "patternProperties", "dependentSchemas", "dependencies"}
_NO_SCHEMAS = {"$defs", "definitions", "enum", "const", "default", "examples"}
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_IDS = ("$id", "id")
_TWICE = ("unevaluatedProperties", "unevaluatedItems")  # these look through what stands beside them again

_Schema: TypeAlias = Mapping[str, Any]


def measured(value: Any, most: int) -> tuple[int, int]:
    """How deep a JSON value is nested (a scalar is not) and of how many values it consists; no recursion.

    Counting ends past `most` levels.
    """
    depth, level, count = -1, [value], 0
    while level and depth <= most:
        depth, count = depth + 1, count + len(level)
        level = [child for node in level for child in children(node)]
    return depth, count


def is_heavy(value: Any) -> bool:
    """Whether looking through a JSON value is more than the event loop should do in one go."""
    work, rest = 0, [value]
    while rest:
        found = rest.pop()
        work += 1 + (len(found) // 64 if isinstance(found, str) else 0)
        rest += children(found)
        if work + len(rest) > HEAVY:
            return True
    return False


def children(node: Any) -> Iterable[Any]:
    """The values directly within a JSON value."""
    if isinstance(node, str):
        return ()
    if isinstance(node, Mapping):
        return node.values()
    return node if isinstance(node, (list, tuple)) else ()


def unfolded(root: _Schema, depth: int) -> int | None:
    """How many subschemas a value `depth` levels deep meets, counting each time it is met; None: over MAX_SCHEMAS.

    Also None for references that lead out of the document or through anchors: their cost cannot be told beforehand.
    """
    met = 0
    open_schemas: list[tuple[_Schema, int]] = [(root, depth)]
    while open_schemas:
        schema, levels = open_schemas.pop()
        met += 1
        targets = [_target(root, schema[key]) for key in _REFERENCES if isinstance(schema.get(key), str)]
        if None in targets or (schema is not root and any(isinstance(schema.get(key), str) for key in _IDS)):
            return None
        found = [(target, levels) for target in targets]
        for keyword, value in schema.items():
            if keyword not in _NO_SCHEMAS:
                below = levels - 1 if keyword in _ONE_LEVEL_DOWN else levels
                found += [(child, below) for child in _subschemas(keyword, value)]
        times = 2 if any(keyword in schema for keyword in _TWICE) else 1
        open_schemas += [(child, left) for child, left in found if isinstance(child, Mapping) and left >= 0] * times
        if met + len(open_schemas) > MAX_SCHEMAS:
            return None
    return met


def _subschemas(keyword: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping):
        return list(value.values()) if keyword in _NAMED else [value]
    return []


def _target(root: _Schema, reference: str) -> Any:
    """What a local JSON pointer leads to; None for anything else."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    node: Any = root
    for step in unquote(reference).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and key.isdecimal() and len(key) < 6 and int(key) < len(node):
            node = node[int(key)]
        elif isinstance(node, Mapping):
            node = node.get(key)
        else:
            return None
    return node
