"""Who allowed what: the decisions about calls and what became of them, kept with the journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mcphost.events import CallAnswered, CallDecided, CallEnded, CallPaused, CallStarted, Event, RequestAnswered
from mcphost.messages import to_json

KEPT = (CallDecided, CallPaused, CallAnswered, CallStarted, CallEnded, RequestAnswered)
_STAMPS = ("type", "chat")


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact. `kind` is the event's snake_case name, `body` its other fields, results left out."""

    at: datetime
    chat: str
    kind: str
    server: str | None
    body: Mapping[str, Any]


def note(db: sqlite3.Connection, event: Event, at: float) -> None:
    body = to_json(event)
    server = body.get("server")
    if isinstance(event, CallEnded):
        result = event.result
        server = result.origin.server if result.origin else None
        body["result"] = {"is_error": result.is_error, "note": result.note}
    kept = json.dumps({key: value for key, value in body.items() if key not in _STAMPS}, separators=(",", ":"))
    db.execute(
        "INSERT INTO events (at, chat, kind, server, body) VALUES (?, ?, ?, ?, ?)",
        (at, event.chat, body["type"], server, kept),
    )


def entries(db: sqlite3.Connection, *, server: str | None = None, since: datetime | None = None) -> Iterator[Entry]:
    """What is kept, oldest first."""
    found = db.execute(
        """SELECT at, chat, kind, server, body FROM events
        WHERE (?1 IS NULL OR server = ?1) AND at >= ?2 ORDER BY seq""",
        (server, since.timestamp() if since else 0.0),
    )
    for at, chat, kind, named, body in found:
        yield Entry(datetime.fromtimestamp(at, UTC), chat, kind, named, json.loads(body))
