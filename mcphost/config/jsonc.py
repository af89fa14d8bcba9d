"""JSON as people write it by hand: a BOM, comments and trailing commas are fine, and every value knows its place.

The law: each error names file, line and key path, and what to do; it never quotes a string, which may be a secret.
"""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mcphost.config.schema import Source
from mcphost.errors import ConfigError

DEPTH = 64  # lists and objects inside each other; real files need ten

Value: TypeAlias = "bool | int | float | str | list[Node] | dict[str, Node] | None"

_SPACE = re.compile(r"(?:[ \t\r\n]++|//[^\r\n]*+|/\*.*?\*/)*+", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*+)(?:\.\d++)?+(?:[eE][+-]?\d++)?+(?![\w.])", re.ASCII)
_WORD = re.compile(r"[^\W\d][\w-]*+")
_LITERALS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
_OTHER_LITERALS = ("True", "False", "None", "NaN", "Infinity", "undefined", "yes", "no", "on", "off")
_PLAIN_KEY = re.compile(r"[\w@/$-]+")


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and where it stands; of an object's member, `source` is the line of its key."""

    value: Value
    path: str = ""
    source: Source = field(default_factory=Source)

    def plain(self) -> Any:
        """The value as `json.loads` would give it."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def fault(node: Node, what: str, *, hint: str | None = None) -> ConfigError:
    """The error that `node` is to blame for: its file, line and key path, then `what`."""
    return ConfigError(
        describe(node, what),
        hint=hint,
        file=str(node.source.file) if node.source.file else None,
        line=node.source.line,
        path=node.path or None,
    )


def describe(node: Node, what: str) -> str:
    """`FILE:LINE: KEY.PATH: what`, without the parts that `node` does not have."""
    place = str(node.source) if node.source.file else ""
    return ": ".join(part for part in (place, node.path, what) if part)


def parse(text: str, file: Path) -> Node:
    """The document in `text`, read from `file`.

    Raises:
        ConfigError: not JSON, a key twice in one object, or deeper than `DEPTH`.
    """
    return _Parser(text.removeprefix("\ufeff"), file).document()


def from_plain(value: Any, path: str = "", depth: int = 0) -> Node:
    """Python values as nodes without a file: mappings, lists, tuples, paths and what JSON knows.

    Raises:
        ConfigError: anything else is in it, or it is deeper than `DEPTH`.
    """
    here = Node(None, path)
    if depth > DEPTH:
        raise fault(here, f"more than {DEPTH} lists and objects inside each other")
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise fault(here, f"found a key of type {type(odd[0]).__name__}; expected strings")
        return Node({key: from_plain(item, child(path, key), depth + 1) for key, item in value.items()}, path)
    if isinstance(value, list | tuple):
        return Node([from_plain(item, child(path, at), depth + 1) for at, item in enumerate(value)], path)
    if isinstance(value, os.PathLike):
        return Node(os.fsdecode(value), path)
    if value is None or isinstance(value, bool | int | float | str):
        return Node(value, path)
    raise fault(here, f"found a {type(value).__name__}; expected a value that JSON can hold")


def child(path: str, key: str | int) -> str:
    """The key path of a member or an item: `a.b`, `a[0]`, `a["b c"]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key


class _Parser:
    def __init__(self, text: str, file: Path) -> None:
        self._text = text
        self._file = file
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]

    def document(self) -> Node:
        self._skip()
        if self._at == len(self._text):
            raise self._error("the file is empty", 'Write at least {}, or {"mcpServers": {}}.')
        node = self._value("", self._line(), 0)
        self._skip()
        if self._at < len(self._text):
            raise self._unexpected(
                "the end of the file", "One value, the outermost { … }, is all that a file may hold."
            )
        return node

    def _value(self, path: str, line: int, depth: int) -> Node:
        if depth > DEPTH:
            raise self._error(f"more than {DEPTH} lists and objects inside each other", "Write the file flatter.")
        source = Source(self._file, line)
        match self._text[self._at : self._at + 1]:
            case "{":
                return Node(self._object(path, depth), path, source)
            case "[":
                return Node(self._list(path, depth), path, source)
            case '"':
                return Node(self._string(), path, source)
        return Node(self._scalar(), path, source)

    def _object(self, path: str, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        for _ in self._elements("}"):
            if self._text[self._at] != '"':
                raise self._unexpected("a key or }", "Keys stand in straight double quotes.")
            start, line = self._at, self._line()
            key = self._string()
            if key in members:
                first = members[key].source.line
                self._at = start
                hint = "Keep one of the two."
                raise self._error(
                    f"{child(path, key)}: the key stands here and on line {first}", hint, child(path, key)
                )
            self._skip()
            if self._text[self._at : self._at + 1] != ":":
                raise self._unexpected('":"', "A key and its value are joined by a colon.")
            self._at += 1
            self._skip()
            members[key] = self._value(child(path, key), line, depth + 1)
        return members

    def _list(self, path: str, depth: int) -> list[Node]:
        items: list[Node] = []
        for _ in self._elements("]"):
            items.append(self._value(child(path, len(items)), self._line(), depth + 1))
        return items

    def _elements(self, close: str) -> Iterator[None]:
        """Stand at each element in turn, then behind `close`."""
        opened = self._line()
        comma = True
        self._at += 1
        while True:
            self._skip()
            found = self._text[self._at : self._at + 1]
            if not found:
                kind = "object" if close == "}" else "list"
                raise self._error(
                    f"the file ends inside the {kind} that begins on line {opened}", f"Close it with {close}"
                )
            if found == close:
                self._at += 1
                return
            if not comma:
                raise self._unexpected(f'"," or "{close}"', "Is the comma missing after the value before it?")
            yield
            self._skip()
            comma = self._text[self._at : self._at + 1] == ","
            self._at += comma

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        assert match, "called at a double quote"
        end = match.end()
        if self._text[end : end + 1] == '"':
            self._at = end + 1
            return str(json.loads(match.group() + '"'))
        if self._text[end : end + 1] == "\\":
            self._at = end
            raise self._error("a backslash that begins no escape", r"Write \\ for a backslash, as in C:\\Users.")
        if self._text[end : end + 1] in ("", "\n", "\r"):
            raise self._error(
                "the string that begins here does not end on its line", 'Close it with ", write \\n for a newline.'
            )
        self._at = end
        code = f"U+{ord(self._text[end]):04X}"
        raise self._error(
            f"a control character ({code}) in a string", r"Write \t for a tab, \u and four digits for others."
        )

    def _scalar(self) -> bool | int | float | None:
        if number := _NUMBER.match(self._text, self._at):
            value = self._number(number.group())
            self._at = number.end()
            return value
        word = _WORD.match(self._text, self._at)
        if word and word.group() in _LITERALS:
            self._at = word.end()
            return _LITERALS[word.group()]
        if word and word.group() in _OTHER_LITERALS:
            raise self._error(f"found {word.group()}; expected a value", "JSON has true, false and null.")
        raise self._unexpected("a value", "Texts stand in straight double quotes.")

    def _number(self, digits: str) -> int | float:
        if len(digits) > 300 or abs(float(digits)) == float("inf"):
            raise self._error("a number too large to be meant", "Write fewer digits.")
        return float(digits) if set(digits) & set(".eE") else int(digits)

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match, "white space may be empty"
        self._at = match.end()
        if self._text.startswith("/*", self._at):
            raise self._error("the comment that begins here does not end", "Close it with */")

    def _unexpected(self, expected: str, hint: str) -> ConfigError:
        found = self._text[self._at : self._at + 1]
        if not found:
            shown = "the end of the file"
        elif found == '"':
            shown = "a string"
        elif found.isalnum() or found == "_":
            shown = "text without quotes"
        else:
            shown = f'"{found}"' if found.isprintable() else f"the character U+{ord(found):04X}"
        return self._error(f"found {shown}; expected {expected}", hint)

    def _line(self) -> int:
        return bisect_left(self._newlines, self._at) + 1

    def _error(self, what: str, hint: str, path: str | None = None) -> ConfigError:
        line = self._line()
        column = self._at - (self._newlines[line - 2] if line > 1 else -1)
        return ConfigError(
            f"{self._file}:{line}:{column}: {what}",
            hint=hint,
            file=str(self._file),
            line=line,
            column=column,
            path=path,
        )
