"""Server-sent events from bytes, however they were cut into chunks.

Law: linear in the bytes fed, and one event may be large (some APIs echo every tool in one line), but not endless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from mcphost.errors import ModelError

Pair: TypeAlias = tuple[str, str]
"""One event: its name ("message" where the stream gave none) and its data."""

EVENT_LIMIT = 16 * 1024 * 1024

_NEWLINE = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class EventReader:
    """Feed it the bytes of one stream. Events without data are dropped, as is an event that the stream's end cut off.

    Raises:
        ModelError: one event is larger than `limit` bytes.
    """

    def __init__(self, limit: int = EVENT_LIMIT) -> None:
        self._limit = limit
        self._size = 0  # bytes of the event being read
        self._line: list[bytes] = []
        self._first = True
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Pair]:
        for line in self._lines(chunk):
            if line:
                self._field(line)
                continue
            data, event = "\n".join(self._data), self._event or "message"
            self._event, self._data, self._size = "", [], 0
            if data:
                yield event, data

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        if self._after_cr and chunk.startswith(b"\n"):
            chunk, self._after_cr = chunk[1:], False
        if not chunk:
            return
        self._after_cr = chunk.endswith(b"\r")
        *complete, rest = _NEWLINE.split(chunk)
        for end in complete:
            self._keep(end)
            line = b"".join(self._line)
            self._line = []
            if self._first:
                line, self._first = line.removeprefix(_BOM), False
            yield line
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise ModelError(
                f"The model API sent one event of more than {self._limit} bytes.",
                hint="Offer fewer tools, or report this to the API's provider.",
            )
        self._line.append(part)

    def _field(self, line: bytes) -> None:
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
