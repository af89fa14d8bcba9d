"""Bytes of a newline-delimited JSON-RPC stream turned into messages; no input or output happens here.

Law 4: no line costs more than its length, holds more than the limit, or hides the id of the call that it answers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, TypeAlias

import mcp_types as t
from pydantic import ValidationError
from pydantic_core import from_json

from mcphost.servers.adapter.errors import first_error, local_error, refusal
from mcphost.servers.adapter.piecewise import piecewise

MAX_VALUES = 500_000  # in one message; more would stall the loop and take 30 times its size in memory
MAX_BATCH = 1_000  # messages in one array (2025-03-26)

_HEAD = 64 * 1024  # bytes of an oversized or broken line that are searched for its id
_TAIL = 1024
_ID = r'(-?(?:0|[1-9]\d{0,17})|"[^"\\]{1,200}")'
_TOKEN = re.compile(r'"(?P<text>[^"\\]*+(?:\\.[^"\\]*+)*+)"|(?P<open>[{\[])|(?P<close>[}\]])')
_MEMBER = re.compile(rf"\s*:\s*(?:{_ID}\s*[,}}])?")
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.")
_LAST_MEMBERS = re.compile(rf'[,{{]\s*"id"\s*:\s*{_ID}\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?}}\s*$')


@dataclass(frozen=True, slots=True)
class Oversized:
    """A line over the limit: what is known of the call that it answers. Its other bytes are gone."""

    id: t.RequestId | None


@dataclass(frozen=True, slots=True)
class Stray:
    """A line, or a member of a batch, that is no message and answers nobody."""

    text: str


Item: TypeAlias = t.JSONRPCMessage | Stray


@dataclass(slots=True)
class Lines:
    """Splits a stream at newlines. `skipped` counts the bytes of the current line once it is over `limit`."""

    limit: int
    skipped: int = 0
    _pieces: list[bytes] = field(default_factory=list)
    _size: int = 0
    _tail: bytes = b""
    _told: bool = False

    def feed(self, chunk: bytes) -> Iterator[bytes | Oversized]:
        """The lines that end in `chunk`; of an oversized one its Oversized, as soon as its id is known."""
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield from self._add(piece)
            yield from self._end()
        yield from self._add(rest)

    def _add(self, piece: bytes) -> Iterator[Oversized]:
        if self.skipped:
            self.skipped += len(piece)
            self._tail = (self._tail + piece)[-_TAIL:]
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > self.limit:
            line = b"".join(self._pieces)
            self.skipped, self._tail = len(line), line[-_TAIL:]
            self._pieces.clear()
            found = find_id(line[:_HEAD].decode(errors="replace"), "")
            self._told = found is not None
            if self._told:
                yield Oversized(found)

    def _end(self) -> Iterator[bytes | Oversized]:
        if not self.skipped:
            yield b"".join(self._pieces)
        elif not self._told:
            yield Oversized(find_id("", self._tail.decode(errors="replace")))
        self._pieces.clear()
        self.skipped = self._size = 0


def decode(line: bytes | str) -> list[Item]:
    """The messages of one line: one, several for a batch, none for a blank line.

    An invalid answer whose call can be told becomes a local error for that call; of a list that cannot be read whole,
    the items stay that can; other rubbish is Stray.
    """
    text = line if isinstance(line, str) else line.decode(errors="replace")
    text = text.lstrip("\ufeff").strip()
    if not text.startswith(("{", "[")):
        return [Stray(text[:200])] if text else []
    try:
        value = _load(text)
    except ValueError as error:
        value = piecewise(text, _load)
        if value is None:
            found = find_id(text[:_HEAD], text[-_TAIL:])
            return [Stray(text[:200]) if found is None else failure(found, f"its answer is not valid JSON: {error}")]
    members = value[:MAX_BATCH] if isinstance(value, list) else [value]
    return [_message(member) for member in members]


def failure(id: t.RequestId, message: str) -> t.JSONRPCError:
    """The local error that fails our call `id`."""
    return t.JSONRPCError(jsonrpc="2.0", id=id, error=local_error("invalid", message))


def find_id(head: str, tail: str) -> t.RequestId | None:
    """The id of the answer that begins with `head` and ends with `tail`, which need not be valid JSON.

    None also for a request or notification: its id, if any, is the server's and names no call of ours.
    """
    depth = 0
    for token in _TOKEN.finditer(head):
        depth += bool(token["open"]) - bool(token["close"])
        if depth == 0 or (token.start() == 0 and token[0] != "{"):
            return None
        member = _MEMBER.match(head, token.end()) if depth == 1 and token["text"] else None
        if member and token["text"] == "method":
            return None
        if member and token["text"] == "id" and member[1]:
            return _as_id(json.loads(member[1]))
    last = _LAST_MEMBERS.search(tail)
    return _as_id(json.loads(last[1])) if last else None


def _as_id(value: Any) -> t.RequestId | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _load(text: str) -> Any:
    _check_values(text)
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        paired = _paired(text)
        if paired is None:
            raise
        value = from_json(paired, allow_inf_nan=False)
    _check_numbers(value)
    return value


def _paired(text: str) -> str | None:
    """`text` with the escapes of unpaired surrogates replaced; None: it has none. Only these are kept while looking, as
    there may be millions of others."""
    written, at = StringIO(), 0
    for escape in _ESCAPE.finditer(text):
        if len(escape[0]) == 6:
            written.write(text[at : escape.start()])
            written.write(r"\ufffd")
            at = escape.end()
    return written.getvalue() + text[at:] if at else None


def _check_numbers(value: Any) -> None:
    """Find what overflowed: 1e999 is read as infinity, which no JSON that we write could hold."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, float) and math.isinf(value):
            raise ValueError("it holds a number out of range")


def _check_values(text: str) -> None:
    """Count strings and what stands between them, in steps that leave other threads their turn.

    Raises:
        ValueError: more than MAX_VALUES.
    """
    if text.count(",") + text.count("{") + text.count("[") + text.count('"') // 2 <= MAX_VALUES:
        return
    count = at = 0
    while at < len(text):
        quote = text.find('"', at)
        end = len(text) if quote < 0 else quote
        count += 1 + text.count(",", at, end) + text.count("{", at, end) + text.count("[", at, end)
        if count > MAX_VALUES:
            raise ValueError(f"it holds more than {MAX_VALUES:,} values")
        at = _string_end(text, quote) if quote >= 0 else end


def _string_end(text: str, quote: int) -> int:
    close = text.find('"', quote + 1)
    while close >= 0:
        back = close - 1
        while text[back] == "\\":
            back -= 1
        if (close - back) % 2:
            return close + 1
        close = text.find('"', close + 1)
    return len(text)


def _message(value: Any) -> Item:
    if not isinstance(value, dict):
        return Stray(json.dumps(value)[:200])
    kind = _kind(value)
    try:
        message = kind.model_validate(value, by_name=False)
        return refusal(message) if isinstance(message, t.JSONRPCError) else message
    except ValidationError as error:
        answers = _as_id(value.get("id")) if "method" not in value else None
        if answers is None:
            return Stray(json.dumps(value)[:200])
        return failure(answers, f"its answer is no valid message: {first_error(error)}")


def _kind(value: dict[str, Any]) -> type[t.JSONRPCMessage]:
    if "method" in value:
        return t.JSONRPCNotification if value.get("id") is None else t.JSONRPCRequest
    return t.JSONRPCResponse if value.get("error") is None else t.JSONRPCError
