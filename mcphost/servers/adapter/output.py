"""Whether a tool's structuredContent is what its outputSchema promises.

Law: a mismatch is a note beside the result, never its loss; a schema that cannot be checked cheaply is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio.to_thread
import jsonschema_rs

from mcphost.servers.adapter.salvage import too_deep
from mcphost.servers.weight import MAX_EXPLAINED_WORK, MAX_WORK, measured, unfolded
from mcphost.text import one_line

MAX_NODES = 5000  # of a schema; content with more of them is checked in a thread
MAX_DEPTH = 32
MAX_VALUES = 100_000  # of structured content: more would hold up the whole process, thread or not


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
        if not holds_more(structured, MAX_NODES):
            return self._check(structured)
        if holds_more(structured, MAX_VALUES):
            return f"structured content unchecked: it holds more than {MAX_VALUES:,} values"
        return await anyio.to_thread.run_sync(self._check, structured)

    def _check(self, structured: Any) -> str | None:
        if self._validator is None and self._unusable is None:
            self._build()
        if self._validator is None:
            return f"structured content unchecked: {self._unusable}"
        depth, values = measured(structured, MAX_VALUES)
        work = (unfolded(self._schema, depth) or MAX_WORK + 1) * values
        if work > MAX_WORK:
            return "structured content unchecked: it could take for ever, or the schema refers out of itself"
        if self._validator.is_valid(structured):
            return None
        if work > MAX_EXPLAINED_WORK:
            return "structured content does not match the tool's output schema"
        try:
            error = next(iter(self._validator.iter_errors(structured)), None)
        except ValueError as failure:
            return f"structured content unchecked: {one_line(str(failure))}"
        if error is None:
            return None
        pointer = "/".join(str(part) for part in error.instance_path)
        return f"structured content does not match the tool's output schema: /{pointer}: {one_line(error.message)}"

    def _build(self) -> None:
        if too_deep(self._schema, MAX_DEPTH) or holds_more(self._schema, MAX_NODES):
            self._unusable = f"its schema is larger than {MAX_NODES} nodes or deeper than {MAX_DEPTH} levels"
            return
        try:
            self._validator = jsonschema_rs.validator_for(
                dict(self._schema), offline=True, pattern_options=jsonschema_rs.RegexOptions()
            )
        except ValueError as error:
            self._unusable = f"its schema does not build: {one_line(str(error))}"


def holds_more(value: Any, limit: int) -> bool:
    """Whether a JSON value holds more than `limit` values; stops counting there."""
    count, rest = 0, [value]
    while rest:
        found = rest.pop()
        count += 1
        if count + len(rest) > limit:
            return True
        if isinstance(found, Mapping):
            rest.extend(found.values())
        elif isinstance(found, list):
            rest.extend(found)
    return False
