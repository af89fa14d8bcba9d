"""How often a server that was lost is started again: soon, ever later, and not for ever."""

from __future__ import annotations

import random

import anyio

LIMIT = 5  # losses within WINDOW after which the server stays down
WINDOW = 180.0  # seconds
HEALTHY = 60.0  # seconds of health after which the past is forgotten
FIRST, LONGEST = 1.0, 30.0  # seconds before the first and any later restart


class Restarts:
    def __init__(self) -> None:
        self._losses: list[float] = []

    @property
    def losses(self) -> int:
        """How often it was lost lately."""
        return len(self._losses)

    def delay(self, since: float | None, *, renewed: bool = False) -> float | None:
        """Seconds to wait before the next start of a server that was ready from `since` until now; None: give up.

        A start that failed (`since` None) counts as a loss, but for the first of all, after which there is no other. A
        server that only forgot its session (`renewed`) is asked for another at once, the first time.
        """
        if since is None and not self._losses:
            return None
        now = anyio.current_time()
        if since is not None and now - since >= HEALTHY:
            self._losses.clear()
        self._losses = [loss for loss in self._losses if now - loss < WINDOW] + [now]
        if len(self._losses) >= LIMIT:
            return None
        if renewed and len(self._losses) == 1:
            return 0.0
        longest = min(LONGEST, FIRST * 2.0 ** (len(self._losses) - 1))
        return longest * random.uniform(0.8, 1.0)
