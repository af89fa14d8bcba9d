"""The time a request may take: an idle limit that progress pushes back, and a total that nothing does.

Law: both stand still while a person is asked on behalf of the request.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from mcphost.servers.wire import Progress

PROGRESS_INTERVAL = 0.1  # seconds between two reports of one call


class Clock:
    """Limits of one request in seconds, and the settings that change them. Run the request inside `scope`: it is
    cancelled when a limit is reached."""

    def __init__(self, idle: float, total: float, *, settings: tuple[str, str]) -> None:
        now = anyio.current_time()
        self.scope = anyio.CancelScope()
        self.idle = idle
        self.total = total
        self._settings = settings
        self._quiet_until = now + idle
        self._end = now + total
        self._resting = 0
        self._rested_since = now
        self._wind()

    def touch(self) -> None:
        """The peer showed a sign of life: the idle limit starts anew."""
        self._quiet_until = anyio.current_time() + self.idle
        self._wind()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Both limits stand still inside; may be nested and may overlap."""
        if not self._resting:
            self._rested_since = anyio.current_time()
        self._resting += 1
        self._wind()
        try:
            yield
        finally:
            self._resting -= 1
            if not self._resting:
                self._end += anyio.current_time() - self._rested_since
                self.touch()

    @property
    def limit(self) -> str:
        """The limit that comes first, in words."""
        if self._end <= self._quiet_until:
            return f"no answer within {self.total:g} s ({self._settings[1]})"
        return f"neither an answer nor progress for {self.idle:g} s ({self._settings[0]})"

    def _wind(self) -> None:
        self.scope.deadline = math.inf if self._resting else min(self._quiet_until, self._end)


class ProgressReports:
    """Passes progress on at most ten times a second, the last value winning, and keeps the clock going."""

    def __init__(self, clock: Clock, progress: Progress | None) -> None:
        self._clock = clock
        self._progress = progress
        self._latest: tuple[float, float | None, str | None] | None = None  # that was not passed on yet
        self._waiting = False
        self._next = 0.0
        self.closed = False

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self._clock.touch()
        if self._progress is None or self.closed:
            return
        self._latest = (progress, total, message)
        if self._waiting:
            return
        self._waiting = True
        try:
            await anyio.sleep_until(self._next)
            if not self.closed:
                await self._pass_on(self._progress)
        finally:
            self._waiting = False
            self._next = anyio.current_time() + PROGRESS_INTERVAL

    async def end(self) -> None:
        """The call has its answer: the last report, if it still waits for its turn, is passed on at once."""
        self.closed = True
        if self._progress is not None:
            await self._pass_on(self._progress)

    async def _pass_on(self, progress: Progress) -> None:
        latest, self._latest = self._latest, None
        if latest is not None:
            await progress(*latest)
