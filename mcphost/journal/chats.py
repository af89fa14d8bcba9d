"""The chats in a journal's file: found, searched, renamed, forked, deleted. Every function works inside the transaction
of its caller; what it returns is text from outside, for `text.safe` to clean."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mcphost.errors import UsageError
from mcphost.journal import rows
from mcphost.messages import AssistantMessage, Block, Message, Notice, ToolResult, UserMessage
from mcphost.text import encodable, safe

INDEXED_CHARACTERS = 20_000
SHORTEST_PREFIX = 4
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Summary:
    """A chat in a list. `stop` is how its last turn ended, None: it has not, or was interrupted."""

    id: str
    title: str
    directory: str | None
    created: datetime
    updated: datetime
    archived: bool
    turns: int
    model: str
    stop: str | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that a search found; `excerpt` has the words that matched in [brackets]."""

    chat: str
    title: str
    at: datetime
    excerpt: str


_SUMMARY = """SELECT chats.id, title, directory, created, updated, archived, count(*), model, stop, max(seq)
    FROM chats JOIN runs ON runs.chat = chats.id"""


def summaries(
    db: sqlite3.Connection, *, directory: str | None = None, archived: bool = False, limit: int = -1
) -> list[Summary]:
    """The chats, the one used last first; those begun in `directory` only, where one is given."""
    found = db.execute(
        f"""{_SUMMARY} WHERE archived = ?1 AND (?2 IS NULL OR directory = ?2)
        GROUP BY chats.id ORDER BY updated DESC, max(seq) DESC LIMIT ?3""",
        (archived, directory, limit),
    )
    return [_summary(row) for row in found]


def summary(db: sqlite3.Connection, chat: str) -> Summary:
    return _summary(db.execute(f"{_SUMMARY} WHERE chats.id = ? GROUP BY chats.id", (chat,)).fetchone())


def find(db: sqlite3.Connection, handle: str, *, directory: str | None = None) -> str:
    """The chat that `handle` names: "latest" (in `directory`), its id, the id of one of its runs, or how one of these
    begins.

    Raises:
        UsageError: there is none, or more than one.
    """
    if handle == "latest":
        latest = summaries(db, directory=directory, limit=1)
        if not latest:
            raise UsageError("nothing was recorded in this directory", hint=_LIST)
        return latest[0].id
    exact = db.execute("SELECT chat FROM runs WHERE id = ?1 OR chat = ?1 LIMIT 1", (handle,)).fetchall()
    begin = handle if len(handle) >= SHORTEST_PREFIX else None
    found = exact or db.execute(
        "SELECT DISTINCT chat FROM runs WHERE substr(chat, 1, length(?1)) = ?1 OR substr(id, 1, length(?1)) = ?1",
        (begin,),
    )
    chats = [chat for (chat,) in found]
    if len(chats) != 1:
        raise UsageError(f"{len(chats) or 'no'} chats are named {handle!r}", hint=_LIST)
    return str(chats[0])


def last_run(db: sqlite3.Connection, chat: str) -> str:
    [(run,)] = db.execute("SELECT id FROM runs WHERE chat = ? ORDER BY seq DESC LIMIT 1", (chat,)).fetchall()
    return str(run)


def rename(db: sqlite3.Connection, chat: str, title: str) -> None:
    db.execute("UPDATE chats SET title = ? WHERE id = ?", (title, chat))


def archive(db: sqlite3.Connection, chat: str, archived: bool) -> None:
    db.execute("UPDATE chats SET archived = ? WHERE id = ?", (archived, chat))


def fork(db: sqlite3.Connection, chat: str, *, at: int | None = None) -> str:
    """A copy of `chat` up to and with its message number `at`, counted from 1; all of it without one. Returns its id.

    Raises:
        UsageError: it has no such message.
    """
    copy, origin = uuid.uuid4().hex[:12], summary(db, chat)
    _begin_anew(db, chat, copy, at, "forked", origin.directory)
    rename(db, copy, f"{origin.title} (fork)")
    return copy


def rewind(db: sqlite3.Connection, chat: str, at: int) -> None:
    """Let `chat` go on from its message number `at`, counted from 1; what was said later stays in the file.

    Raises:
        UsageError: it has no such message.
    """
    _begin_anew(db, chat, chat, at, "rewound", summary(db, chat).directory)


def _begin_anew(
    db: sqlite3.Connection, chat: str, target: str, at: int | None, stop: str, directory: str | None
) -> None:
    """Let `target` go on from the first messages of `chat`."""
    record = rows.fold(db, last_run(db, chat))
    if at is not None and not 1 <= at <= len(record.messages):
        raise UsageError(f"chat {chat} has messages 1 to {len(record.messages)}, none {at}")
    run = uuid.uuid4().hex
    rows.begin(db, replace(record.run, id=run, chat=target, opening=record.messages[:at], parent=None), directory)
    rows.finish(db, run, stop)


def delete(db: sqlite3.Connection, chat: str) -> None:
    """Delete a chat and everything that only it needed, decisions about its calls included."""
    db.execute(
        """DELETE FROM words WHERE rowid IN (
            SELECT messages.seq FROM messages JOIN runs ON runs.seq = messages.run WHERE chat = ?)""",
        (chat,),
    )
    db.execute("DELETE FROM events WHERE chat = ?", (chat,))
    db.execute("DELETE FROM chats WHERE id = ?", (chat,))
    db.execute(
        """DELETE FROM blobs WHERE digest NOT IN
            (SELECT digest FROM pieces UNION SELECT system FROM runs UNION SELECT tools FROM runs)"""
    )


def trim(db: sqlite3.Connection, *, days: int | None, megabytes: int | None, free: Callable[[str], bool]) -> int:
    """Delete the chats not used for `days`, then the oldest ones until `megabytes` hold the rest. Returns how many.

    Chats for which `free` is false are somebody's, and stay.
    """
    oldest = [
        (chat, updated) for chat, updated in db.execute("SELECT id, updated FROM chats ORDER BY updated") if free(chat)
    ]
    deleted = 0
    for chat, updated in oldest:
        old = days is not None and updated < time.time() - days * DAY
        if not old and (megabytes is None or _size(db) <= megabytes * 1_000_000):
            break
        delete(db, chat)
        deleted += 1
    return deleted


# -- search ------------------------------------------------------------------------------------------------------------


def index(db: sqlite3.Connection) -> None:
    """Add the messages that were recorded since the last time to the search index."""
    [(done,)] = db.execute("SELECT message FROM indexed").fetchall()
    last = done
    for last, message in rows.messages_after(db, done):
        text, tool, server = _words(message)
        if text or tool:
            values = (last, safe(text), safe(tool), safe(server))
            db.execute("INSERT INTO words (rowid, text, tool, server) VALUES (?, ?, ?, ?)", values)
    if last != done:
        db.execute("UPDATE indexed SET message = ?", (last,))


def search(db: sqlite3.Connection, query: str, *, limit: int = 20) -> list[Hit]:
    """The newest messages with all the words of `query`, the last of which may be a beginning; `tool:NAME` and
    `server:NAME` limit it to calls and results."""
    wanted = _match(encodable(query))
    if not wanted:
        return []
    found = db.execute(
        """SELECT chats.id, title, at, snippet(words, 0, '[', ']', '…', 16)
        FROM words JOIN messages ON messages.seq = words.rowid
        JOIN runs ON runs.seq = messages.run JOIN chats ON chats.id = runs.chat
        WHERE words MATCH ? ORDER BY words.rowid DESC LIMIT ?""",
        (wanted, limit),
    )
    return [Hit(chat, title, datetime.fromtimestamp(at, UTC), excerpt) for chat, title, at, excerpt in found]


def _match(query: str) -> str:
    terms = []
    for word in query.split():
        column, colon, rest = word.partition(":")
        limited = bool(colon and rest) and column in ("tool", "server")
        quoted = '"' + (rest if limited else word).replace('"', '""') + '"'
        terms.append(f"{column}:{quoted}" if limited else f"text:{quoted}")
    return " AND ".join(terms) + "*" if terms else ""


def _words(message: Message) -> tuple[str, str, str]:
    """The text, tools and servers by which a message is found."""
    match message:
        case UserMessage(content):
            return _text(content), "", ""
        case AssistantMessage():
            said = [message.text, *(json.dumps(call.arguments, ensure_ascii=False) for call in message.calls)]
            names = [call.name for call in message.calls]
            return "\n".join(said)[:INDEXED_CHARACTERS], " ".join(names), " ".join(n.partition("__")[0] for n in names)
        case ToolResult(origin=origin):
            return _text(message.content), origin.tool if origin else "", origin.server if origin else ""
        case Notice(text):
            return text, "", ""
        case _:
            return "", "", ""


def _text(content: tuple[Block, ...]) -> str:
    return "\n".join(block.get("text", "") for block in content)[:INDEXED_CHARACTERS]


def _summary(row: tuple[str, str, str | None, float, float, int, int, str, str | None, int]) -> Summary:
    chat, title, directory, created, updated, archived, turns, model, stop, _ = row
    began, used = (datetime.fromtimestamp(at, UTC) for at in (created, updated))
    return Summary(chat, title, directory, began, used, bool(archived), turns, model, stop)


def _size(db: sqlite3.Connection) -> int:
    """Bytes in use; what was deleted does not count."""
    pages, unused, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - unused) * size)


_LIST = "`mcphost chats list` shows what there is."
