"""Messages that wait for the running turn to end, shown in the live region meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcphost.terminal.live import Live
    from mcphost.terminal.typed import Typed


class Queue:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._lines: deque[Typed] = deque()
        self._filled = asyncio.Event()

    def put(self, line: Typed) -> None:
        self._lines.append(line)
        self._changed()

    async def next(self) -> Typed:
        """The first, once there is one; it waits no longer."""
        while (line := self.first()) is None:
            await self._filled.wait()
        return line

    def first(self) -> Typed | None:
        """The first; it waits no longer."""
        line = self._lines.popleft() if self._lines else None
        self._changed()
        return line

    def last(self) -> Typed | None:
        """The last; it waits no longer."""
        line = self._lines.pop() if self._lines else None
        self._changed()
        return line

    def _changed(self) -> None:
        self._live.queued = [line.shown for line in self._lines]
        self._live.changed()
        (self._filled.set if self._lines else self._filled.clear)()
