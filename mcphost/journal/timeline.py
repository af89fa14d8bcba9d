"""What a chat's time went into: requests to the model, tool calls, and waiting for a person's consent."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mcphost.messages import Usage, from_json


@dataclass(frozen=True, slots=True)
class Span:
    """`turn` counts from 1; `start` and `end` are POSIX times, `end` None: it never ended. `label` is a model's or a
    tool's name: text from outside."""

    kind: Literal["model", "tool", "consent"]
    turn: int
    label: str
    start: float
    end: float | None
    usage: Usage | None = None


def spans(db: sqlite3.Connection, chat: str) -> tuple[Span, ...]:
    """Everything that took time in this chat, in the order in which it began."""
    usages = _usages(db, chat)
    found = []
    replied = []
    turns: dict[int, int] = {}
    for run, model, kind, call, intended, ended in db.execute(
        """SELECT runs.seq, model, kind, call, intended, effects.ended FROM effects JOIN runs ON runs.seq = effects.run
        WHERE chat = ? AND intended IS NOT NULL ORDER BY intended""",
        (chat,),
    ):
        turn = turns.setdefault(run, len(turns) + 1)
        if kind == "model":
            found.append(Span("model", turn, model, intended, ended, usages.get(ended)))
            replied.append((ended or intended, turn))
        else:
            found.append(Span("tool", turn, json.loads(call)["name"], intended, ended))
    return tuple(sorted([*found, *_waits(db, chat, sorted(replied))], key=lambda span: span.start))


def _waits(db: sqlite3.Connection, chat: str, replied: list[tuple[float, int]]) -> list[Span]:
    """From the reply that wished for a call to the answer about it."""
    waits = []
    for at, body in db.execute("SELECT at, body FROM events WHERE chat = ? AND kind = 'call_decided'", (chat,)):
        decided: Mapping[str, Any] = json.loads(body)
        before = bisect_right(replied, at, key=lambda reply: reply[0])
        if decided["asked"] and before:
            start, turn = replied[before - 1]
            waits.append(Span("consent", turn, f"{decided['server']}__{decided['tool']}", start, at))
    return waits


def _usages(db: sqlite3.Connection, chat: str) -> dict[float, Usage]:
    """What each reply used, by the time it was written down, which is when its request ended."""
    found = {}
    for at, body in db.execute(
        "SELECT at, body FROM messages JOIN runs ON runs.seq = messages.run WHERE chat = ?", (chat,)
    ):
        written: Mapping[str, Any] = json.loads(body)
        if written["type"] == "assistant_message":
            found[at] = from_json(written["usage"])
    return found
