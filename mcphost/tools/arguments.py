"""Arguments against the schema a tool came with, before anybody is asked about the call.

Law 4: schemas and their patterns are written by servers. They are checked offline (no `$ref` is fetched), with patterns
in linear time, and only if the work they can cause is small: alternatives that multiply through `$ref`, which would
stop the event loop for hours, make a schema "unchecked". The server then judges the arguments itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from mcphost import text
from mcphost.servers.weight import MAX_EXPLAINED_WORK, MAX_WORK, children, measured, unfolded
from mcphost.tools.definitions import MAX_DEPTH, Tool

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator


_PATTERNS = 200  # in one schema; each takes up to a millisecond to compile
_PATTERN_BYTES = 1_000_000  # of a compiled pattern
_BACKTRACKS = 10_000  # in a pattern with look-around, for which no linear engine exists
_SHOWN = 3  # violations named to the model

_Schema: TypeAlias = Mapping[str, Any]


class ArgumentChecker:
    """Checks arguments; remembers what it built of a schema by the tool's pin."""

    def __init__(self) -> None:
        self.unchecked: dict[tuple[str, str], str] = {}  # (server, tool) -> why nobody here checks its arguments
        self._validators: dict[str, Validator | None] = {}
        self._subschemas: dict[tuple[str, int], int | None] = {}

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with `arguments`, in words for the model, or None."""
        depth, values = measured(arguments, MAX_DEPTH)
        if problem := _unsendable(arguments, depth):
            return problem
        validator = self._validator(tool)
        work = self._work(tool, depth, values) if validator else None
        # Many models write null where they mean to leave an optional argument out; the server sees it as written.
        stated = {name: value for name, value in arguments.items() if value is not None}
        if validator is None or work is None or validator.is_valid(dict(arguments)) or validator.is_valid(stated):
            return None
        if work > MAX_EXPLAINED_WORK:
            return "The arguments do not fit the tool's input schema."
        return _described(validator.iter_errors(dict(arguments)))

    def _validator(self, tool: Tool) -> Validator | None:
        if tool.pin not in self._validators:
            try:
                self._validators[tool.pin] = _built(tool.definition["inputSchema"])
            except ValueError as error:  # what the library raises for every schema that it cannot build
                self._validators[tool.pin] = None
                self.unchecked[tool.server, tool.tool] = text.one_line(str(error).partition("\n")[0], 120)
        return self._validators[tool.pin]

    def _work(self, tool: Tool, depth: int, values: int) -> int | None:
        """An upper bound of the (subschema, value) pairs that checking looks at; None: too many."""
        key = (tool.pin, depth)
        if key not in self._subschemas:
            self._subschemas[key] = unfolded(tool.definition["inputSchema"], depth)
        subschemas = self._subschemas[key]
        if subschemas is None or subschemas * values > MAX_WORK:
            self.unchecked[tool.server, tool.tool] = "it could take for ever, or refers out of its schema"
            return None
        return subschemas * values


def _unsendable(arguments: Mapping[str, Any], depth: int) -> str | None:
    if depth > MAX_DEPTH:
        return f"The arguments are nested deeper than {MAX_DEPTH} levels."
    try:
        json.dumps(dict(arguments), ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "The arguments contain half of a surrogate pair, which is no Unicode text."
    except ValueError:
        return "The arguments contain a number that JSON cannot carry, such as NaN or Infinity."
    return None


def _built(schema: _Schema) -> Validator:
    import jsonschema_rs

    if _patterns(schema) > _PATTERNS:
        raise ValueError(f"its schema has more than {_PATTERNS} patterns")
    known = dict(schema)
    if "json-schema.org/" not in str(known.get("$schema")):
        known.pop("$schema", None)  # a dialect of somebody's own reads as 2020-12, the protocol's default
    linear = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
    try:
        return jsonschema_rs.validator_for(known, offline=True, pattern_options=linear)
    except ValueError:
        bounded = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS, size_limit=_PATTERN_BYTES)
        return jsonschema_rs.validator_for(known, offline=True, pattern_options=bounded)


def _patterns(schema: _Schema) -> int:
    count = 0
    level: list[Any] = [schema]
    while level:
        for node in level:
            if isinstance(node, Mapping):
                named = node.get("patternProperties")
                count += isinstance(node.get("pattern"), str) + (len(named) if isinstance(named, Mapping) else 0)
        level = [child for node in level for child in children(node)]
    return count


def _described(errors: Iterator[ValidationError]) -> str:
    lines = []
    for error in islice(errors, _SHOWN):
        where = text.one_line("/".join(str(step) for step in error.instance_path), 100)
        lines.append(f"{where}: {text.one_line(error.message)}" if where else text.one_line(error.message))
    return "\n".join(lines)
