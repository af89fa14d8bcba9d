"""How a server is, for whoever looks: its state, why, what comes next."""

from __future__ import annotations

from typing import Literal, TypeAlias

import anyio

from mcphost.errors import ServerError
from mcphost.text import one_line

State: TypeAlias = Literal["pending", "needs-auth", "ready", "restarting", "failed", "stopped", "disabled"]

_UNSETTLED = ("pending", "restarting")


class Status:
    """`detail` says why and what next in a line, `reason` only why, `hint` what to do about it. `attempt` counts the
    starts after a loss, from 1, and is 0 for a first start; `exit_code` is that of the process that was lost last."""

    def __init__(self, state: State, detail: str = "") -> None:
        self.state = state
        self.detail = detail
        self.reason = detail
        self.hint: str | None = None
        self.exit_code: int | None = None
        self.attempt = 0
        self._starts: float | None = None
        self._settled = anyio.Event()
        if state not in _UNSETTLED:
            self._settled.set()

    @property
    def next_start(self) -> float | None:
        """Seconds until the next attempt; None unless one is waited for."""
        return None if self._starts is None else max(0.0, self._starts - anyio.current_time())

    def enter(self, state: State, detail: str = "", *, hint: str | None = None) -> None:
        self.state = state
        self.detail = self.reason = detail
        self.hint = hint
        self._starts = None
        if state == "ready":
            self.attempt = 0
        if state not in _UNSETTLED:
            self._settled.set()
        elif self._settled.is_set():
            self._settled = anyio.Event()

    def lost(self, failure: ServerError, *, attempt: int, delay: float) -> None:
        """It went away and is started again in `delay` seconds, for the `attempt`th time."""
        self.failed_with(failure)
        soon = f"attempt {attempt} in {delay:.0f} s" if delay else "connecting again"
        self.enter("restarting", f"{line(failure)}; {soon}", hint=failure.hint)
        self.reason = line(failure)
        self.attempt = attempt
        self._starts = anyio.current_time() + delay

    def failed_with(self, failure: ServerError) -> None:
        code = failure.detail.get("exit_code")
        self.exit_code = code if isinstance(code, int) else None

    async def settled(self) -> None:
        """Wait until it is ready, or cannot become so."""
        await self._settled.wait()


def line(failure: ServerError) -> str:
    return one_line(failure.message, 500)
