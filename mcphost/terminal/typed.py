"""The input line as it was typed: which parts of it came from a paste.

Law 5: a pasted `/`, `@` or `!` is text like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prompt_toolkit.buffer import Buffer

_PASTED = re.compile(rb"\x01+")


@dataclass(frozen=True, slots=True)
class Typed:
    """A line, and where in it pasted text stands."""

    text: str
    pasted: tuple[range, ...] = ()

    def stripped(self) -> Typed:
        """Without empty lines and spaces at its end."""
        return Typed(self.text.rstrip(), self.pasted)


class PasteMarks:
    """Follows every change of `buffer`. What comes back from the history counts as typed."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._text = buffer.text
        self._marks = bytes(len(self._text))
        self._pasting = False
        buffer.on_text_changed += self._changed

    def paste(self, text: str) -> None:
        """Insert `text` at the cursor as pasted."""
        self._pasting = True
        try:
            self._buffer.insert_text(text)
        finally:
            self._pasting = False

    def typed(self) -> Typed:
        return Typed(self._text, tuple(range(*match.span()) for match in _PASTED.finditer(self._marks)))

    def put_back(self, line: Typed) -> None:
        """Let `line` stand in the buffer again."""
        self._buffer.text = line.text
        self._buffer.cursor_position = len(line.text)
        marks = bytearray(len(line.text))
        for span in line.pasted:
            marks[span.start : span.stop] = b"\x01" * len(marks[span.start : span.stop])
        self._marks = bytes(marks)

    def _changed(self, buffer: Buffer) -> None:
        old, new = self._text, buffer.text
        most = min(len(old), len(new))
        head = _common(old, new, most)
        tail = _common(old[::-1], new[::-1], most - head)
        inserted = (b"\x01" if self._pasting else b"\x00") * (len(new) - head - tail)
        self._marks = self._marks[:head] + inserted + self._marks[len(old) - tail :]
        self._text = new


def _common(left: str, right: str, most: int) -> int:
    """How many characters both begin with, at most `most`."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
