"""Tool definitions that model APIs accept, from whatever JSON Schema a server wrote.

Law: one bad tool never fails a request. What can be repaired is; the rest raises `Hopeless` and is left out. The
original schema stays with the host, which checks the model's arguments against it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mcphost.messages import ToolDefinition
from mcphost.text import safe

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}
_COMBINATORS = ("allOf", "anyOf", "oneOf")
_NOT_AT_ROOT = (*_COMBINATORS, "not", "enum", "const", "if", "then", "else")
_NOTE_LIMIT = 1000
_DEPTH_LIMIT = 64
_NODE_LIMIT = 5000

_SCHEMA = {
    *("items", "additionalProperties", "additionalItems", "unevaluatedItems", "unevaluatedProperties"),
    *("contains", "propertyNames", "not", "if", "then", "else"),
}
_SCHEMA_LISTS = {*_COMBINATORS, "prefixItems"}
_SCHEMA_MAPS = {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
_STRINGS = {"$ref", "$id", "$schema", "$anchor", "$comment", "pattern", "format", "title", "description"}
_SHOWN = {"title", "description"}
_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}


class Hopeless(ValueError):
    """No model API would take this tool; the text says why."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A tool as an API accepts it. `restore` maps property names that had to change back to the tool's own."""

    name: str
    description: str
    schema: dict[str, Any]
    restore: Mapping[str, str] = field(default_factory=dict)


def accept(tool: ToolDefinition, *, description_limit: int | None = None, grammar: bool = False) -> Accepted:
    """`tool` as every API in use accepts it.

    `grammar`: for servers that compile schemas into grammars and know neither `pattern`, `format` nor `$ref`;
    `description_limit` is in characters and never cuts what the repair had to say.

    Raises:
        Hopeless: nothing acceptable can be made of it.
    """
    if not _NAME.fullmatch(tool.name):
        raise Hopeless("its name is not made of 1 to 64 letters, digits, _ and -")
    schema, note = repair(tool.schema, grammar=grammar)
    schema, restore = safe_keys(schema)
    description = safe(tool.description).strip() or tool.name
    if description_limit is not None:
        note = note[: description_limit // 2]
        description = description[: description_limit - len(note) - 2]
    return Accepted(tool.name, f"{description}\n\n{note}" if note else description, schema, restore)


def repair(schema: Mapping[str, Any], *, grammar: bool = False) -> tuple[dict[str, Any], str]:
    """An object schema without combinators at its root, and in words what that took away.

    Raises:
        Hopeless: it is no JSON, its root is no object, or it is nested too deeply.
    """
    root = _plain(schema)
    opened = _resolve(root, root)
    if _types(opened.get("type")) and "object" not in _types(opened.get("type")):
        raise Hopeless("its arguments are not an object")
    cleaner = _Cleaner(root, grammar)
    clean = cleaner.schema(opened, 0, frozenset())
    removed = {key: clean.pop(key) for key in _NOT_AT_ROOT if key in clean}
    for key in ("$schema", "$id", "$comment"):
        clean.pop(key, None)
    _merge_variants(clean, removed, root, cleaner)
    ordered = {"type": "object", "properties": clean.pop("properties", {}), **clean}
    ordered["type"] = "object"
    return ordered, _in_words(removed)


def safe_keys(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """`schema` whose top-level property names are safe for every API, and the way back for those that changed."""
    properties: dict[str, Any] = schema["properties"]
    taken = {key for key in properties if _KEY.fullmatch(key)}
    forward: dict[str, str] = {}
    for key in properties:
        if key not in taken:
            forward[key] = _safe_key(key, taken)
            taken.add(forward[key])
    if not forward:
        return schema, {}
    renamed = {**schema, "properties": {forward.get(key, key): value for key, value in properties.items()}}
    if "required" in schema:
        renamed["required"] = [forward.get(key, key) for key in schema["required"]]
    return renamed, {new: old for old, new in forward.items()}


def _safe_key(key: str, taken: set[str]) -> str:
    name = re.sub(r"[^a-zA-Z0-9_.-]", "_", key)[:64] or "_"
    if name in taken:
        name = f"{name[:55]}_{hashlib.blake2s(key.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"
    return name


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    try:
        root = json.loads(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise Hopeless("its schema is no JSON, or nested too deeply") from None
    if not isinstance(root, dict):
        raise Hopeless("its schema is no object")
    return root


def _types(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [name for name in listed if isinstance(name, str) and name in _TYPES]


def _target(ref: Any, root: dict[str, Any]) -> dict[str, Any] | None:
    """What a reference inside `root` points at; None: nothing there, or outside."""
    if not isinstance(ref, str) or not ref.startswith("#"):
        return None
    found: Any = root
    for step in ref[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and (ref == "#" or ref.startswith("#/")) else None


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """`schema` with the references at its own root followed."""
    seen: set[str] = set()
    while "$ref" in schema:
        ref = schema["$ref"]
        target = _target(ref, root)
        if target is None or ref in seen:
            raise Hopeless("its schema refers to something that it does not contain")
        seen.add(ref)
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _merge_variants(clean: dict[str, Any], removed: Mapping[str, Any], root: dict[str, Any], cleaner: _Cleaner) -> None:
    """Put what the combinators at the root said about properties where the root can say it."""
    properties = clean.setdefault("properties", {})
    required = list(clean.get("required", ()))
    for key in _COMBINATORS:
        variants = [cleaner.variant(_resolve(entry, root)) for entry in removed.get(key, ()) if isinstance(entry, dict)]
        needed = [set(variant.get("required", ())) for variant in variants]
        for variant in variants:
            for name, value in variant.get("properties", {}).items():
                properties.setdefault(name, value)
        if needed:
            both = set.union(*needed) if key == "allOf" else set.intersection(*needed)
            required += sorted(both - set(required))
    clean.pop("required", None)
    if kept := [name for name in required if name in properties]:
        clean["required"] = kept


def _in_words(removed: Mapping[str, Any]) -> str:
    if not removed:
        return ""
    said = json.dumps(removed, separators=(",", ":"), ensure_ascii=False)
    return f"Arguments must also satisfy: {safe(said[:_NOTE_LIMIT])}"


class _Cleaner:
    """Drops from a schema, at any depth, what JSON Schema 2020-12 does not allow there."""

    def __init__(self, root: dict[str, Any], grammar: bool) -> None:
        self._root = root
        self._grammar = grammar
        self._nodes = 0

    def variant(self, schema: dict[str, Any]) -> dict[str, Any]:
        return self.schema(schema, 1, frozenset())

    def schema(self, schema: dict[str, Any], depth: int, open_refs: frozenset[str]) -> dict[str, Any]:
        self._nodes += 1
        if depth > _DEPTH_LIMIT or self._nodes > _NODE_LIMIT:
            raise Hopeless("its schema is too large or nested too deeply")
        schema = self._tuples(schema)
        if self._grammar and "$ref" in schema:
            schema, open_refs = self._inlined(schema, open_refs)
        clean: dict[str, Any] = {}
        for key, value in schema.items():
            self._keyword(clean, key, value, depth, open_refs)
        return clean

    def _keyword(self, clean: dict[str, Any], key: str, value: Any, depth: int, open_refs: frozenset[str]) -> None:
        if key in _SCHEMA:
            self._put(clean, key, value, depth, open_refs)
        elif key in _SCHEMA_LISTS:
            entries: dict[str, Any] = {}
            for index, entry in enumerate(value if isinstance(value, list) else ()):
                self._put(entries, str(index), entry, depth, open_refs)
            if entries:
                clean[key] = list(entries.values())
        elif key in _SCHEMA_MAPS:
            if isinstance(value, dict) and not (self._grammar and key in ("$defs", "definitions")):
                clean[key] = {}
                for name, entry in value.items():
                    self._put(clean[key], name, entry, depth, open_refs)
        elif self._allowed(key, value):
            clean[key] = safe(value) if key in _SHOWN else value

    def _put(self, into: dict[str, Any], key: str, value: Any, depth: int, open_refs: frozenset[str]) -> None:
        if isinstance(value, dict):
            into[key] = self.schema(value, depth + 1, open_refs)
        elif isinstance(value, bool):
            into[key] = value

    def _allowed(self, key: str, value: Any) -> bool:
        if key == "type":
            return bool(_types(value)) and len(_types(value)) == (len(value) if isinstance(value, list) else 1)
        if key == "required":
            return isinstance(value, list) and all(isinstance(name, str) for name in value)
        if key == "enum":
            return isinstance(value, list) and bool(value)
        if key in _NUMBERS:
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        if key in _COUNTS:
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if self._grammar and key in ("pattern", "format", "$ref"):
            return False
        if key == "$ref":
            return _target(value, self._root) is not None
        return key not in _STRINGS or isinstance(value, str)

    def _tuples(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Before 2020-12 a list of `items` meant what `prefixItems` means now."""
        if not isinstance(schema.get("items"), list):
            return schema
        rest = {key: value for key, value in schema.items() if key not in ("items", "additionalItems")}
        return {**rest, "prefixItems": schema["items"]}

    def _inlined(self, schema: dict[str, Any], open_refs: frozenset[str]) -> tuple[dict[str, Any], frozenset[str]]:
        while "$ref" in schema:
            ref = schema["$ref"]
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            target = _target(ref, self._root)
            if target is None or ref in open_refs:
                return rest, open_refs
            open_refs |= {ref}
            schema = {**target, **rest}
        return schema, open_refs
