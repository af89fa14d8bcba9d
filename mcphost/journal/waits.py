"""Runs that did not end: they wait for an answer, or were interrupted. Every function works inside the transaction of
its caller; what it returns is text from outside, for `text.safe` to clean."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mcphost.journal import rows
from mcphost.messages import to_json
from mcphost.questions import Approval, WaitingCall


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that can be resumed, and the calls that it waits for, if any."""

    id: str
    chat: str
    title: str
    directory: str | None
    started: datetime
    waiting: tuple[WaitingCall, ...]


def open_runs(db: sqlite3.Connection) -> list[OpenRun]:
    """Those that are the last of their chat, the newest first."""
    found = db.execute(
        """SELECT runs.id, chat, title, directory, started FROM runs JOIN chats ON chats.id = runs.chat
        WHERE (stop IS NULL OR stop = 'paused') AND seq = (SELECT max(seq) FROM runs AS one WHERE one.chat = runs.chat)
        ORDER BY seq DESC"""
    ).fetchall()
    return [
        OpenRun(id, chat, title, directory, datetime.fromtimestamp(started, UTC), rows.waiting(db, id))
        for id, chat, title, directory, started in found
    ]


def answer(db: sqlite3.Connection, run: str, waiting: WaitingCall, approval: Approval) -> None:
    """Keep the answer for when the run goes on; a later one takes the place of an earlier one."""
    body = json.dumps(to_json(replace(waiting, answer=approval)), separators=(",", ":"))
    db.execute(
        "UPDATE waiting SET body = ? WHERE run = (SELECT seq FROM runs WHERE id = ?) AND call = ?",
        (body, run, waiting.call),
    )
