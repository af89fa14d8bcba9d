"""How much a server may say unasked: token buckets in front of everything that would act on it (law 4).

Answers always pass, cancellations have a budget of their own. Of list changes and resource updates the last of each
kind is kept until there is room, because its news is that there is news. The rest over the budget is dropped and
counted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import mcp_types as t

from mcphost.config.schema import Limits

MAX_KEPT = 100  # different changes waiting at once

# Only at the very start of a line, where it cannot be a part of somebody's answer.
_CHATTER = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"method"\s*:\s*"notifications/(?:progress|message)"')


@dataclass(slots=True)
class Bucket:
    """`rate` tokens a second, at most `burst` at once."""

    rate: float
    burst: float
    _tokens: float = field(init=False)
    _filled: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def take(self) -> bool:
        """Whether there was a token; it is gone now."""
        if not self.has():
            return False
        self._tokens -= 1
        return True

    def has(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        return self._tokens >= 1


@dataclass(slots=True)
class Flood:
    """The budgets of one connection. `dropped` counts what was left out; `kept` holds changes that wait for room."""

    chatter: Bucket
    news: Bucket
    requests: Bucket
    cancellations: Bucket
    dropped: int = 0
    kept: dict[str, t.JSONRPCNotification] = field(default_factory=dict)

    @classmethod
    def of(cls, limits: Limits) -> Flood:
        """Cancellations may be as many as the requests that they can be about."""
        notifications, requests = limits.notifications, limits.requests
        return cls(
            chatter=Bucket(notifications, 4 * notifications),
            news=Bucket(notifications, 4 * notifications),
            requests=Bucket(requests, 10 * requests),
            cancellations=Bucket(requests, 10 * requests),
        )

    def refuses_line(self, line: bytes) -> bool:
        """Whether `line` is progress or a log message over the budget: dropped before it costs a parse."""
        refused = not self.chatter.has() and is_chatter(line)
        self.dropped += refused
        return refused

    def refuses(self, message: t.JSONRPCMessage) -> bool:
        """Whether `message` must not pass now; a change may be kept for later."""
        if self.admits(message):
            return False
        if not (isinstance(message, t.JSONRPCNotification) and self._keep(message)):
            self.dropped += 1
        return True

    def admits(self, message: t.JSONRPCMessage) -> bool:
        """Whether `message` was within its budget."""
        match message:
            case t.JSONRPCNotification(method="notifications/cancelled"):
                return self.cancellations.take()
            case t.JSONRPCNotification(method="notifications/progress" | "notifications/message"):
                return self.chatter.take()
            case t.JSONRPCNotification():
                return self.news.take()
            case t.JSONRPCRequest():
                return self.requests.take()
            case _:
                return True

    @property
    def complaint(self) -> str:
        """What the server does wrong, in words that can follow its name."""
        notifications = f"{self.news.rate:.0f} notifications (notificationsPerSecond)"
        requests = f"{self.requests.rate:.0f} requests (requestsPerSecond)"
        return f"sends more than {notifications} or {requests} a second; the rest is dropped"

    def released(self) -> Iterator[t.JSONRPCNotification]:
        """The kept changes for which there is room by now."""
        while self.kept and self.news.take():
            yield self.kept.pop(next(iter(self.kept)))

    def _keep(self, message: t.JSONRPCNotification) -> bool:
        key = f"{message.method} {(message.params or {}).get('uri', '')}"
        if not message.method.endswith(("/list_changed", "/updated")):
            return False
        if key not in self.kept and len(self.kept) >= MAX_KEPT:
            return False
        self.kept[key] = message
        return True


def is_chatter(line: bytes) -> bool:
    """Whether `line` is progress or a log message, as far as its beginning tells."""
    return _CHATTER.match(line) is not None
