"""What changes while a turn runs: the open block, calls on their way, messages that wait. Drawn above the input line.

The lines are made anew at most once per frame, and the work for one frame does not grow with the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mcphost.frontends.paint import Paint
from mcphost.terminal.blocks import BlockStream
from mcphost.terminal.cells import fit, hang
from mcphost.terminal.rows import SPINNER, Row
from mcphost.text import one_line, safe

if TYPE_CHECKING:
    from mcphost.terminal.render import Renderer

FRAME = 0.125  # seconds
MAX_OPEN = 12  # lines of the open block
MAX_ROWS = 6
MAX_QUEUED = 3
MAX_THOUGHT = 4  # lines of the model's reasoning
_TAIL = 4000  # characters of the open block that are laid out


class Live:
    """Its fields are set by whoever learns of a fact; `text` reads them."""

    def __init__(self, paint: Paint, renderer: Callable[[], Renderer], clock: Callable[[], float] = time.monotonic):
        self.stream = BlockStream()
        self.rows: dict[str, Row] = {}
        self.queued: list[str] = []
        self.doing = ""  # what is waited for while there is nothing else to see: "thinking", "waiting for servers"
        self.thought = ""  # the model's reasoning, while it goes on
        self._since = 0.0
        self._paint = paint
        self._renderer = renderer
        self._clock = clock
        self._drawn: tuple[object, str] = (None, "")

    @property
    def moving(self) -> bool:
        """Whether the next frame will look different."""
        return bool(self.doing or self.rows)

    @property
    def waited(self) -> float:
        """Seconds since `wait_for`."""
        return self._clock() - self._since

    def wait_for(self, what: str) -> None:
        self.doing, self._since = what, self._clock()

    def changed(self) -> None:
        """Something was taken away that must not be seen twice: do not wait for the next frame."""
        self._drawn = None, ""

    def clear(self) -> None:
        """The turn is over. What was queued stays."""
        self.stream.finish()
        self.rows.clear()
        self.doing = self.thought = ""
        self.changed()

    def undecided(self) -> int:
        """How many calls wait for the answer to a question, or to be asked about."""
        return sum(1 for row in self.rows.values() if not row.decided)

    def text(self, width: int, height: int) -> str:
        """At most `height` lines of at most `width` columns, as ANSI text without a line end at its end."""
        key = (int(self._clock() / FRAME), width, height, len(self.queued), len(self.rows))
        if key != self._drawn[0]:
            self._drawn = key, "\n".join(self._lines(width, max(height, 1)))
        return self._drawn[1]

    def _lines(self, width: int, height: int) -> list[str]:
        below = [*self._row_lines(width), *self._queued_lines(width)][-height:]
        room = min(MAX_OPEN, height - len(below))
        above = self._open_lines(width, room)
        if room and not above and not self.rows and self.doing:
            above = [*self._thought_lines(width, room - 1), self._doing_line(width)]
        return [*above, *below]

    def _thought_lines(self, width: int, room: int) -> list[str]:
        if not self.thought or room < 1:
            return []
        lines = [
            piece for line in safe(self.thought[-_TAIL:]).split("\n") for piece in hang(line, width - 2).split("\n")
        ]
        return [self._paint.dim(fit(f"│ {line}", width)) for line in lines if line.strip()][-min(MAX_THOUGHT, room) :]

    def _open_lines(self, width: int, room: int) -> list[str]:
        """The end of the open block; of a table, its head too."""
        source = self.stream.open_text
        if not source.strip() or not room:
            return []
        if self.stream.in_code:
            return [fit(source.expandtabs(4), width)]
        head = 2 if source.startswith("|") and room > 4 else 0
        if len(source) > _TAIL:
            first = "".join(source.splitlines(keepends=True)[:head])
            source = first + (source[-_TAIL:].partition("\n")[2] or source[-_TAIL:])
        lines = self._renderer().markdown(source, width).split("\n")
        return lines if len(lines) <= room else [*lines[:head], *lines[len(lines) - room + head :]]

    def _row_lines(self, width: int) -> list[str]:
        now = self._clock()
        rows = sorted(self.rows.values(), key=lambda row: row.since is None)
        lines = [row.line(width, now, self._paint) for row in rows[:MAX_ROWS]]
        if len(rows) > MAX_ROWS:
            lines.append(self._paint.dim(f"  and {len(rows) - MAX_ROWS} more"))
        return lines

    def _queued_lines(self, width: int) -> list[str]:
        lines = [self._paint.dim(fit(f"queued: {one_line(text)}", width)) for text in self.queued[:MAX_QUEUED]]
        if len(self.queued) > MAX_QUEUED:
            lines.append(self._paint.dim(f"  and {len(self.queued) - MAX_QUEUED} more"))
        return lines

    def _doing_line(self, width: int) -> str:
        mark = SPINNER[int(self._clock() * 8) % len(SPINNER)]
        return f"{self._paint.yellow(mark)} {self._paint.dim(fit(f'{self.doing} … {self.waited:.0f}s', width - 2))}"
