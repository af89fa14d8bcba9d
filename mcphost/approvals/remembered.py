"""What a person answered for good, in a file of their own, never in a repository.

An answer holds for the definition of the tool and of the server that it was given about (law 2): a changed one is asked
about again, with the difference. Only "never" outlives a change, as a server could otherwise lift it by an edit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast

from mcphost.approvals.conditions import equal
from mcphost.config import private
from mcphost.errors import UsageError
from mcphost.tools import Tool

VERSION = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """ "always" or "never" about one tool; `arguments`: only with exactly these. `given` is a date and time (UTC)."""

    server: str
    tool: str
    decision: Literal["allow", "deny"]
    pin: str
    server_pin: str
    arguments: Mapping[str, Any] | None = None
    definition: Mapping[str, Any] = field(default_factory=dict)
    entry: Mapping[str, Any] = field(default_factory=dict)
    given: str = ""

    @classmethod
    def about(
        cls, tool: Tool, decision: Literal["allow", "deny"], *, arguments: Mapping[str, Any] | None = None
    ) -> Answer:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        definition = cast("Mapping[str, Any]", tool.definition)
        return cls(
            tool.server,
            tool.tool,
            decision,
            tool.pin,
            tool.server_pin,
            arguments,
            definition,
            tool.entry,
            now.replace("+00:00", "Z"),
        )

    @property
    def id(self) -> str:
        """What a person revokes it by."""
        key = json.dumps([self.server, self.tool, self.decision, self.arguments], sort_keys=True)
        return sha256(key.encode()).hexdigest()[:8]

    def is_about(self, tool: Tool, arguments: Mapping[str, Any]) -> bool:
        same = (self.server, self.tool) == (tool.server, tool.tool)
        return same and (self.arguments is None or equal(self.arguments, arguments))

    def holds(self, tool: Tool) -> bool:
        """Whether `tool` is still what the answer was given about."""
        return self.decision == "deny" or (self.pin, self.server_pin) == (tool.pin, tool.server_pin)


class Remembered:
    """The answers in `file`; None: nowhere, they last as long as this object. Other processes' answers are seen when
    this one adds its own.

    Raises:
        UsageError: the file cannot be read, or is none that only its owner can have written.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._answers = self._read()

    @property
    def answers(self) -> Sequence[Answer]:
        return self._answers

    def add(self, answers: Iterable[Answer]) -> None:
        """Remember these, in place of earlier ones about the same.

        Raises:
            UsageError: the file cannot be written.
        """
        new = {answer.id: answer for answer in answers}
        self._change(lambda known: [*(answer for answer in known if answer.id not in new), *new.values()])

    def forget(self, ids: Iterable[str]) -> None:
        """Forget the answers with these ids. Raises as `add`."""
        gone = set(ids)
        self._change(lambda known: [answer for answer in known if answer.id not in gone])

    def _change(self, change: Callable[[Sequence[Answer]], list[Answer]]) -> None:
        if self.file is None:
            self._answers = tuple(change(self._answers))
            return
        with private.changing(self.file):
            self._answers = tuple(change(self._read()))
            document = {"version": VERSION, "answers": [asdict(answer) for answer in self._answers]}
            private.replace(self.file, json.dumps(document, indent=1).encode())

    def _read(self) -> tuple[Answer, ...]:
        data = private.read(self.file) if self.file else None
        if data is None:
            return ()
        try:
            document = json.loads(data)
            if document["version"] != VERSION:
                raise ValueError("another version of mcphost wrote it")
            return tuple(Answer(**answer) for answer in document["answers"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self.file}: the remembered answers cannot be read: {error}",
                hint="Remove the file: what you allowed for good is then asked again.",
            ) from error
