"""What a pattern covers: the tools that its server listed when the rule was first seen, also in later sessions (law 2).

A rule of a file was given once, so what it covers is kept in a file of the user's; one of the command line is given
anew each time. A rule that is written otherwise, or whose server's entry changed, is a new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias, cast

from mcphost.config import private
from mcphost.config.schema import Rule
from mcphost.errors import UsageError
from mcphost.tools import Tool

VERSION = 1
_KEPT = 8  # of one pattern and server: its entry may differ from shell to shell

_Key: TypeAlias = tuple[str, str, str, str, str]
_Definitions: TypeAlias = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Covered:
    """The tools of one server that a pattern covers: their pins by name. `file` is the rule's, "" of the command
    line's; `seen` is a date and time (UTC)."""

    file: str
    server: str
    pattern: str
    conditions: str
    server_pin: str
    seen: str
    tools: Mapping[str, str]

    @property
    def key(self) -> _Key:
        return self.file, self.server, self.pattern, self.conditions, self.server_pin

    @property
    def id(self) -> str:
        """What a person revokes it by."""
        return sha256(json.dumps(self.key).encode()).hexdigest()[:8]


class Coverage:
    """What each pattern covers. `file` keeps it; None: it lasts as long as this object.

    Raises:
        UsageError: the file cannot be read, or is none that only its owner can have written.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known, self._definitions = self._read()
        self._new: dict[_Key, tuple[Covered, Sequence[Tool]]] = {}

    def of(self, rule: Rule, tool: Tool) -> Covered | None:
        """What `rule` covers of the tool's server as it is configured now; None: it was never seen."""
        return self._known.get(_key(rule, tool))

    def kept(self) -> Sequence[Covered]:
        """What rules of files cover."""
        return tuple(covered for covered in self._known.values() if covered.file)

    def latest(self, server: str, tool: str) -> str | None:
        """The pin that this tool had when it was covered last."""
        pins = [covered.tools[tool] for covered in self.kept() if covered.server == server and tool in covered.tools]
        return pins[-1] if pins else None

    def definition(self, pin: str) -> Mapping[str, Any] | None:
        """The definition with this pin, as it was covered."""
        return self._definitions.get(pin)

    def see(self, rule: Rule, tools: Sequence[Tool]) -> None:
        """`tools` are what one server lists: if `rule` was not seen with it before, it covers those that it fits."""
        key = _key(rule, tools[0])
        if key in self._known:
            return
        fitting = [tool for tool in tools if fnmatchcase(tool.tool, rule.tool)]
        seen = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        covered = Covered(*key, seen, {tool.tool: tool.pin for tool in fitting})
        self._known = {**self._known, key: covered}
        self._definitions = {**self._definitions, **_definitions(fitting)}
        if covered.file:
            self._new[key] = covered, fitting

    @property
    def unsaved(self) -> bool:
        return self._file is not None and bool(self._new)

    def save(self) -> None:
        """Write down what rules of files cover that were seen first. What another process wrote before stays.

        Raises:
            UsageError: the file cannot be written.
        """
        new, self._new = self._new, {}
        if self._file is None:
            return
        with private.changing(self._file):
            known, definitions = self._read()
            added = {key: covered for key, (covered, _) in new.items() if key not in known}
            tools = [tool for key in added for tool in new[key][1]]
            self._write(_newest([*known.values(), *added.values()]), {**definitions, **_definitions(tools)})
            self._known = {**self._known, **known}

    def forget(self, ids: Iterable[str]) -> None:
        """Forget these: the rules cover what is listed next. Raises as `save`."""
        gone = set(ids)
        self._known = {key: covered for key, covered in self._known.items() if covered.id not in gone}
        if self._file is not None:
            with private.changing(self._file):
                known, definitions = self._read()
                self._write([covered for covered in known.values() if covered.id not in gone], definitions)

    def _write(self, known: Sequence[Covered], definitions: _Definitions) -> None:
        assert self._file is not None
        pins = {pin for covered in known for pin in covered.tools.values()}
        document = {
            "version": VERSION,
            "rules": [asdict(covered) for covered in known],
            "definitions": {pin: definition for pin, definition in definitions.items() if pin in pins},
        }
        data = json.dumps(document).encode()
        if len(data) > private.SIZE:  # then a change can be told, but not shown
            data = json.dumps({**document, "definitions": {}}).encode()
        private.replace(self._file, data)

    def _read(self) -> tuple[Mapping[_Key, Covered], _Definitions]:
        data = private.read(self._file) if self._file else None
        if data is None:
            return {}, {}
        try:
            document = json.loads(data)
            if document["version"] != VERSION:
                raise ValueError("another version of mcphost wrote it")
            known = [Covered(**covered) for covered in document["rules"]]
            return {covered.key: covered for covered in known}, dict(document["definitions"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self._file}: what the rules cover cannot be read: {error}",
                hint="Remove the file: patterns then cover what is listed next.",
            ) from error


def _key(rule: Rule, tool: Tool) -> _Key:
    file = str(rule.source.file.absolute()) if rule.source.file else ""
    conditions = repr((rule.arguments, rule.annotations, rule.origin))
    return file, tool.server, rule.tool, conditions, tool.server_pin


def _definitions(tools: Iterable[Tool]) -> _Definitions:
    return {tool.pin: cast("Mapping[str, Any]", tool.definition) for tool in tools}


def _newest(known: Sequence[Covered]) -> list[Covered]:
    """Those that are kept of so many: of each pattern and server the last few."""
    by_rule: dict[tuple[str, ...], list[Covered]] = {}
    for covered in known:
        by_rule.setdefault(covered.key[:-1], []).append(covered)
    return [covered for group in by_rule.values() for covered in group[-_KEPT:]]
