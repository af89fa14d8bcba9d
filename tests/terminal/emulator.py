"""A terminal's screen: what a person would see of what was written to it.

Terminals differ in how many columns an emoji of several characters takes: `clusters` is one that shows it as one, two
columns wide, like the newer ones; else each character takes its own.
"""

from __future__ import annotations

import pyte
from pyte.screens import Char
from wcwidth import wcwidth

JOINER, WIDE = "\u200d", "\ufe0f"


class Emulator(pyte.HistoryScreen):
    """Shows dim text as bright black: the base knows no dim."""

    def __init__(self, columns: int, rows: int, *, clusters: bool = False) -> None:
        super().__init__(columns, rows, history=100_000, ratio=0.5)
        self._clusters = clusters

    @property
    def display(self) -> list[str]:
        return [self._row(self.buffer[y]) for y in range(self.lines)]

    @property
    def text(self) -> str:
        """What was scrolled away, and the display."""
        return "\n".join([*(self._row(line) for line in self.history.top), *self.display])

    def _row(self, line: dict[int, Char]) -> str:
        return "".join(line[column].data for column in range(self.columns)).rstrip()

    def column(self, text: str) -> list[int]:
        """The column in which `text` begins, for each row that shows it."""
        found = []
        for y in range(self.lines):
            cells = [self.buffer[y][x].data for x in range(self.columns)]
            shown = "".join(cells)
            if text in shown:
                before = shown.index(text)
                found.append(next(x for x, cell in enumerate(cells) if cell and len("".join(cells[:x])) == before))
        return found

    def select_graphic_rendition(self, *attrs: int, private: bool = False) -> None:
        if not private:
            super().select_graphic_rendition(*(90 if attr == 2 else attr for attr in attrs))

    def draw(self, data: str) -> None:
        for char in data:
            if not (wcwidth(char) == 0 or self._goes_on(char)) or not self._join(char):
                self._place(char)

    def _goes_on(self, char: str) -> bool:
        """Whether it is shown in one with what stands before the cursor."""
        before = self._before().data if self._clusters else ""
        flag = len(before) == 1 and _is_flag(before) and _is_flag(char)
        return bool(before) and (before.endswith(JOINER) or "\U0001f3fb" <= char <= "\U0001f3ff" or flag)

    def _before(self) -> Char:
        line, x = self.buffer[self.cursor.y], self.cursor.x
        return line[x - 1] if x == 0 or line[x - 1].data else line[x - 2]

    def _join(self, char: str) -> bool:
        line, x = self.buffer[self.cursor.y], self.cursor.x
        if x == 0:
            return wcwidth(char) == 0  # there is nothing to join
        at = x - 1 if line[x - 1].data else x - 2
        line[at] = line[at]._replace(data=line[at].data + char)
        if char == WIDE and self._clusters and at == x - 1 and x < self.columns:
            line[x] = line[at]._replace(data="")
            self.cursor.x += 1
        return True

    def _place(self, char: str) -> None:
        width = wcwidth(char)
        if self.cursor.x + width > self.columns and pyte.modes.DECAWM in self.mode:
            self.carriage_return()
            self.linefeed()
        line, x = self.buffer[self.cursor.y], min(self.cursor.x, self.columns - width)
        if line[x].data == "":  # half of a wide one is none
            line[x - 1] = line[x - 1]._replace(data=" ")
        super().draw(char)
        if line[x + width].data == "":
            line[x + width] = line[x + width]._replace(data=" ")


def _is_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
