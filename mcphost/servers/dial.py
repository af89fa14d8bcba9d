"""How a server is reached, and how that ended: values shared by the owner task and the adapter, free of the SDK."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mcphost.errors import ServerError, ServerUnavailable


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
    """One way to try: over which transport, and with which handshake."""

    transport: Literal["stdio", "http", "sse", "live"]
    mode: Literal["auto", "legacy"] = "auto"

    def after(self, failure: ServerError) -> Dial | None:
        """What to try after `failure`, if anything."""
        if isinstance(failure, ProbeUnanswered) and self.transport == "stdio":
            return replace(self, mode="legacy")
        if self.transport == "http" and failure.detail.get("status") in (400, 404, 405):
            return Dial("sse", "legacy")
        return None
