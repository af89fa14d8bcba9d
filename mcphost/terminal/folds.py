"""What the chat shows in one line and keeps whole for whoever wants to see it: reasoning, arguments, results.

Law: a chat of any length keeps a bounded amount; the oldest goes first.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MOST = 2_000_000  # characters that are kept


@dataclass(frozen=True, slots=True)
class Fold:
    title: str
    body: str


class Folds:
    """Stacks of what was folded, one per turn."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._turns: deque[list[Fold]] = deque([[]])
        self._kept = 0

    def begin(self) -> None:
        """A turn begins."""
        if self._turns[-1]:
            self._turns.append([])

    def add(self, title: str, body: str) -> None:
        self._turns[-1].append(Fold(title, body))
        self._kept += len(body)
        while self._kept > self._most and (len(self._turns) > 1 or len(self._turns[0]) > 1):
            if self._turns[0]:
                self._kept -= len(self._turns[0].pop(0).body)
            else:
                self._turns.popleft()

    def open(self) -> list[Fold]:
        """What the latest turn folded, and at the next call the turn before; [] where nothing is left."""
        while len(self._turns) > 1 and not self._turns[-1]:
            self._turns.pop()
        opened, self._turns[-1] = self._turns[-1], []
        self._kept -= sum(len(fold.body) for fold in opened)
        return opened
