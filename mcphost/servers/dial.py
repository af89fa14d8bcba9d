"""How a server is reached, and how that ended: values shared by the owner task and the adapter, free of the SDK."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mcphost.config.schema import Limits, ServerConfig
from mcphost.config.secrets import NONE, Secrets
from mcphost.errors import ServerError, ServerUnavailable
from mcphost.servers.eras import Verdict
from mcphost.servers.wire import Tap

BUSY = (429, 500, 502, 503, 504)  # HTTP statuses of a server that may do better in a moment
MAX_TRIES = 3  # of a handshake with a server that is busy
FIRST_WAIT = 0.5  # seconds before the second try
LONGEST_WAIT = 60.0  # seconds that a busy server may ask for


def limits_of(config: ServerConfig | None, limits: Limits) -> Limits:
    """`limits` as the server's own entry changes them; its `timeout` is for a whole call, however much progress."""
    if config is None:
        return limits
    timeout = {"call_idle": config.timeout, "call_total": config.timeout} if config.timeout else {}
    return replace(limits, **{**timeout, **config.limits})


class ProbeUnanswered(ServerUnavailable):
    """The server died or fell silent after the era probe: a new process that never sees one may do better."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a connection ended, in words that can follow the server's name."""

    reason: str
    hint: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dial:
    """One way to try: over which transport, and with which handshake. `tries` counts those before it that were the same
    and met a server too busy to answer, `told` is the wait in seconds that it asked for. `known`: as the
    server was met before, which saves a probe or the handshake."""

    transport: Literal["stdio", "http", "sse", "live"]
    mode: Literal["auto", "legacy"] = "auto"
    tries: int = 0
    told: float = 0.0
    known: Verdict | None = None

    def with_memory(self, known: Verdict | None) -> Dial:
        if known is None:
            return self
        return Dial(known.transport, "auto" if known.discover else "legacy", known=known)

    def misled(self, failure: ServerError) -> bool:
        """Whether `failure` may be due to what was remembered."""
        return self.known is not None and failure.detail.get("status") not in (401, 403, *BUSY)

    @property
    def wait(self) -> float:
        """Seconds to wait before this try."""
        if not self.tries:
            return 0.0
        return max(self.told, FIRST_WAIT * 4.0 ** (self.tries - 1) * random.uniform(0.8, 1.2))

    def after(self, failure: ServerError) -> Dial | None:
        """What else to try after `failure`, if anything."""
        if isinstance(failure, ProbeUnanswered) and self.transport == "stdio":
            return replace(self, mode="legacy")
        status = failure.detail.get("status")
        if self.transport == "http" and status in (400, 404, 405):
            return Dial("sse", "legacy")
        told = failure.detail.get("retry_after", 0)
        if status in BUSY and self.tries < MAX_TRIES - 1 and told <= LONGEST_WAIT:
            return replace(self, tries=self.tries + 1, told=told)
        return None


@dataclass(frozen=True, slots=True)
class Settings:
    """How to talk to one server. `connect`: seconds for the handshake; `probe`: of these, for the era probe;
    `known`: as it was met before; `headers`: the transport mirrors `x-mcp-header` parameters; `secrets` must not come
    back from it; `tap` is shown every message."""

    server: str
    limits: Limits
    mode: Literal["auto", "legacy"] = "auto"
    connect: float = math.inf
    probe: float = math.inf
    known: Verdict | None = None
    sampling: bool = True
    roots: Sequence[Path] = ()
    headers: bool = False
    secrets: Secrets = NONE
    tap: Tap | None = None
