"""Whether a tool's structuredContent is what its outputSchema promises.

Law: a mismatch is a note beside the result, never its loss; a schema that cannot be checked cheaply is not checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio.to_thread
import jsonschema_rs

from mcphost.text import one_line

MAX_NODES = 5000
MAX_DEPTH = 32
OFF_LOOP = 64 * 1024  # bytes of structured content from which the check leaves the event loop


class OutputSchema:
    """One tool's outputSchema, built on first use."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._validator: jsonschema_rs.Validator | None = None
        self._unusable: str | None = None

    async def note(self, structured: Any, *, present: bool) -> str | None:
        """What is wrong with `structured` in a line, or None."""
        if not present:
            return "the tool promises structured content and sent none"
        text = json.dumps(structured)
        if len(text) > OFF_LOOP:
            return await anyio.to_thread.run_sync(self._check, structured)
        return self._check(structured)

    def _check(self, structured: Any) -> str | None:
        if self._validator is None and self._unusable is None:
            self._build()
        if self._validator is None:
            return f"structured content unchecked: {self._unusable}"
        try:
            error = next(iter(self._validator.iter_errors(structured)), None)
        except ValueError as failure:
            return f"structured content unchecked: {one_line(str(failure))}"
        if error is None:
            return None
        pointer = "/".join(str(part) for part in error.instance_path)
        return f"structured content does not match the tool's output schema: /{pointer}: {one_line(error.message)}"

    def _build(self) -> None:
        if not bounded(self._schema):
            self._unusable = f"its schema is larger than {MAX_NODES} nodes or deeper than {MAX_DEPTH} levels"
            return
        try:
            self._validator = jsonschema_rs.validator_for(
                dict(self._schema), offline=True, pattern_options=jsonschema_rs.RegexOptions()
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            self._unusable = f"its schema does not build: {one_line(str(error).splitlines()[0])}"


def bounded(schema: Any) -> bool:
    """Whether `schema` is small enough to be built and walked."""
    level, nodes = [schema], 0
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        if nodes > MAX_NODES:
            return False
        level = [child for item in level for child in _children(item)]
        if not level:
            return True
    return False


def _children(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []
