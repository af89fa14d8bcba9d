"""How often a server may ask, so that a flood costs a refusal each and nothing else (law 4)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable


class Rate:
    """At most `limit` takes in any `seconds`, counted for each key alone."""

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._taken: defaultdict[str, deque[float]] = defaultdict(deque)

    def take(self, key: str) -> bool:
        """Whether one more is allowed now; if so, it counts."""
        now, taken = self._clock(), self._taken[key]
        while taken and taken[0] <= now - self._seconds:
            taken.popleft()
        if len(taken) >= self._limit:
            return False
        taken.append(now)
        return True
