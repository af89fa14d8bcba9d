"""How each server was met, remembered from one run to the next, so that a warm start needs neither probe nor handshake.

Law 12: a host that is given no memory remembers nothing. What is remembered is a guess: a server that does not live up
to it is met anew, as if it were unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from mcphost.config import private
from mcphost.errors import UsageError

MOST = 500  # servers; beyond, the ones that were met first are forgotten
LONGEST = 64 * 1024  # characters of what a server says of itself


@dataclass(frozen=True, slots=True)
class Verdict:
    """Over which transport a server was met, in which version of the protocol, and what it said of itself: a modern
    server's answer to server/discover, None for a legacy one."""

    transport: Literal["stdio", "http", "sse"]
    version: str
    discover: Mapping[str, Any] | None = None


class Eras(Protocol):
    """By the hash of a server's definition. Neither verb raises; `keep` may block and is called in threads."""

    def recall(self, definition: str) -> Verdict | None: ...

    def keep(self, definition: str, verdict: Verdict | None) -> None:
        """None: what was remembered turned out to be wrong."""


class EraFile:
    """Eras in a file of this user alone. One that cannot be read or written is as good as none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: Mapping[str, Any] | None = None

    def recall(self, definition: str) -> Verdict | None:
        if self._known is None:
            self._known = self._read()
        return _verdict(self._known.get(definition))

    def keep(self, definition: str, verdict: Verdict | None) -> None:
        try:
            with private.changing(self._path):
                known = self._read()
                known.pop(definition, None)
                if verdict is not None and len(json.dumps(verdict.discover)) <= LONGEST:
                    known[definition] = asdict(verdict)
                kept = dict(list(known.items())[-MOST:])
                private.replace(self._path, json.dumps(kept).encode())
        except UsageError:
            pass

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(private.read(self._path) or b"{}")
        except (UsageError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def _verdict(written: Any) -> Verdict | None:
    try:
        verdict = Verdict(**written)
    except TypeError:
        return None
    good = verdict.transport in ("stdio", "http", "sse") and isinstance(verdict.version, str)
    return verdict if good and isinstance(verdict.discover, dict | None) else None
