"""Values to rows and back. Every function works inside the transaction of its caller.

Long strings of a message (results, images) are kept once, by digest, whatever message they stand in; which ones were
taken out of a message is noted beside it, never inside it, so that nothing a server wrote can be mistaken for one.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from mcphost.journal.base import Effect, Record, Run, in_call_order
from mcphost.messages import AssistantMessage, Message, ToolResult, UserMessage, from_json, to_json
from mcphost.questions import WaitingCall
from mcphost.text import one_line

PIECE_CHARACTERS = 4096
TITLE_CHARACTERS = 72

_Path: TypeAlias = tuple[str | int, ...]


def begin(db: sqlite3.Connection, run: Run, directory: str | None) -> None:
    now = time.time()
    if db.execute("UPDATE runs SET stop = NULL, ended = NULL WHERE id = ?", (run.id,)).rowcount:
        return
    db.execute(
        """INSERT INTO chats (id, title, directory, created, updated) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET updated = excluded.updated""",
        (run.chat, title(run.opening), directory, now, now),
    )
    told = db.execute("SELECT system, tools FROM runs WHERE id = ?", (run.parent,)).fetchone()
    system, tools = told or (_keep(db, run.system), _keep(db, _dumps([to_json(tool) for tool in run.tools])))
    seq = db.execute(
        """INSERT INTO runs (id, chat, parent, model, system, tools, opening, started)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (run.id, run.chat, run.parent, run.model, system, tools, len(run.opening), now),
    ).lastrowid
    _add(db, seq, run.opening, now)


def intent(db: sqlite3.Connection, effect: Effect) -> None:
    now = time.time()
    seq = _seq(db, effect.run)
    known = db.execute("UPDATE effects SET intended = ?, ended = NULL WHERE id = ?", (now, effect.id)).rowcount
    if not known:
        _add(db, seq, effect.added, now)
        _insert(db, seq, effect, now, None)
    if effect.call is not None:
        db.execute("DELETE FROM waiting WHERE run = ? AND call = ?", (seq, effect.call.id))


def outcome(db: sqlite3.Connection, effect: str, message: AssistantMessage | ToolResult) -> None:
    now = time.time()
    [(seq,)] = db.execute("UPDATE effects SET ended = ? WHERE id = ? RETURNING run", (now, effect)).fetchall()
    _add(db, seq, (message,), now)


def settle(db: sqlite3.Connection, effect: Effect, message: ToolResult) -> None:
    now = time.time()
    seq = _seq(db, effect.run)
    if not db.execute("UPDATE effects SET ended = ? WHERE id = ?", (now, effect.id)).rowcount:
        _insert(db, seq, effect, None, now)
    db.execute("DELETE FROM waiting WHERE run = ? AND call = ?", (seq, message.call_id))
    _add(db, seq, (message,), now)


def wait(db: sqlite3.Connection, run: str, waiting: WaitingCall) -> None:
    row = (_seq(db, run), waiting.call, time.time(), _dumps(to_json(waiting)))
    db.execute("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?)", row)


def waiting(db: sqlite3.Connection, run: str) -> tuple[WaitingCall, ...]:
    """The calls that this run waits for, those first that it asked about first."""
    found = db.execute("SELECT body FROM waiting WHERE run = ? ORDER BY asked, call", (_seq(db, run),))
    return tuple(WaitingCall.from_json(json.loads(body)) for (body,) in found)


def finish(db: sqlite3.Connection, run: str, stop: str) -> None:
    now = time.time()
    db.execute("UPDATE runs SET stop = ?, ended = ? WHERE id = ?", (stop, now, run))
    db.execute("UPDATE chats SET updated = ? WHERE id = (SELECT chat FROM runs WHERE id = ?)", (now, run))


def fold(db: sqlite3.Connection, run: str) -> Record:
    row = db.execute(
        "SELECT seq, chat, parent, model, system, tools, opening, stop FROM runs WHERE id = ?", (run,)
    ).fetchone()
    if row is None:
        raise KeyError(run)
    seq, chat, parent, model, system, tools, opening, stop = row
    found = list(messages(db, run))
    own = sum(owner == seq for owner, _ in found)
    start = len(found) - own + opening
    conversation = tuple(message for _, message in found)
    pending = db.execute(
        "SELECT id, kind, call, safe FROM effects WHERE run = ? AND ended IS NULL ORDER BY rowid", (seq,)
    )
    definitions = tuple(map(from_json, json.loads(_kept(db, tools))))
    return Record(
        Run(run, chat, model, _kept(db, system), definitions, conversation[start - opening : start], parent),
        in_call_order(conversation),
        start,
        tuple(
            Effect(id, run, kind, call=from_json(json.loads(call)) if call else None, safe=bool(safe))
            for id, kind, call, safe in pending
        ),
        waiting(db, run),
        stop,
    )


def messages(db: sqlite3.Connection, run: str) -> Iterator[tuple[int, Message]]:
    """The conversation that `run` ends, in the order it was written; each with the seq of the run that wrote it."""
    db.execute("DROP TABLE IF EXISTS temp.chain")
    db.execute(
        """CREATE TEMP TABLE chain AS WITH RECURSIVE up (seq, parent, depth) AS (
            SELECT seq, parent, 0 FROM runs WHERE id = ?
            UNION ALL SELECT runs.seq, runs.parent, depth + 1 FROM runs JOIN up ON runs.id = up.parent)
        SELECT seq, depth FROM up""",
        (run,),
    )
    pieces: dict[int, list[tuple[str, bytes]]] = {}
    for seq, path, data in db.execute(
        """SELECT message, path, data FROM temp.chain JOIN messages ON messages.run = chain.seq
        JOIN pieces ON pieces.message = messages.seq JOIN blobs USING (digest)"""
    ):
        pieces.setdefault(seq, []).append((path, data))
    for seq, owner, body in db.execute(
        """SELECT messages.seq, chain.seq, body FROM temp.chain JOIN messages ON messages.run = chain.seq
        ORDER BY depth DESC, messages.seq"""
    ):
        yield owner, from_json(_attached(json.loads(body), pieces.get(seq, ())))


def messages_after(db: sqlite3.Connection, seq: int) -> Iterator[tuple[int, Message]]:
    """Every message recorded after the one with this seq, in order, each with its own."""
    for found, body in db.execute("SELECT seq, body FROM messages WHERE seq > ? ORDER BY seq", (seq,)):
        pieces = db.execute("SELECT path, data FROM pieces JOIN blobs USING (digest) WHERE message = ?", (found,))
        yield found, from_json(_attached(json.loads(body), pieces))


def title(opening: Iterable[Message]) -> str:
    """A chat's name made of its first message."""
    texts = (
        block.get("text", "") for message in opening if isinstance(message, UserMessage) for block in message.content
    )
    return one_line(next(filter(str.strip, texts), ""), TITLE_CHARACTERS) or "(no text)"


def _add(db: sqlite3.Connection, run: int | None, added: Iterable[Message], now: float) -> None:
    for message in added:
        body, pieces = _detached(to_json(message))
        seq = db.execute("INSERT INTO messages (run, at, body) VALUES (?, ?, ?)", (run, now, _dumps(body))).lastrowid
        for path, text in pieces:
            db.execute("INSERT INTO pieces VALUES (?, ?, ?)", (seq, _dumps(path), _keep(db, text)))


def _insert(db: sqlite3.Connection, run: int, effect: Effect, intended: float | None, ended: float | None) -> None:
    call = None if effect.call is None else _dumps(to_json(effect.call))
    db.execute(
        "INSERT INTO effects VALUES (?, ?, ?, ?, ?, ?, ?)",
        (effect.id, run, effect.kind, call, effect.safe, intended, ended),
    )


def _seq(db: sqlite3.Connection, run: str) -> int:
    [(seq,)] = db.execute("SELECT seq FROM runs WHERE id = ?", (run,)).fetchall()
    return int(seq)


def _keep(db: sqlite3.Connection, text: str) -> bytes:
    # JSON from outside may hold lone surrogates, which are no UTF-8.
    data = text.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(data).digest()
    db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?)", (digest, data))
    return digest


def _kept(db: sqlite3.Connection, digest: bytes) -> str:
    (data,) = db.execute("SELECT data FROM blobs WHERE digest = ?", (digest,)).fetchone()
    return _text(data)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _detached(body: Any) -> tuple[Any, list[tuple[_Path, str]]]:
    """`body` without its long strings, and these with their places."""
    pieces: list[tuple[_Path, str]] = []

    def strip(value: Any, path: _Path) -> Any:
        if isinstance(value, str) and len(value) >= PIECE_CHARACTERS:
            pieces.append((path, value))
            return ""
        if isinstance(value, Mapping):
            return {key: strip(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [strip(item, (*path, index)) for index, item in enumerate(value)]
        return value

    return strip(body, ()), pieces


def _attached(body: Any, pieces: Iterable[tuple[str, bytes]]) -> Any:
    for path, data in pieces:
        *parents, last = json.loads(path)
        place = body
        for key in parents:
            place = place[key]
        place[last] = _text(data)
    return body
