"""The notes themselves: one SQLite file, or memory, with full-text search. No MCP here.

A number is never given twice, so that an old number cannot delete a new note.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

_SCHEMA = """
CREATE TABLE IF NOT EXISTS note (
    id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, text TEXT NOT NULL, created TEXT NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS note_index USING fts5 (title, text, content='note', content_rowid='id');
CREATE TRIGGER IF NOT EXISTS note_added AFTER INSERT ON note BEGIN
    INSERT INTO note_index (rowid, title, text) VALUES (new.id, new.title, new.text);
END;
CREATE TRIGGER IF NOT EXISTS note_deleted AFTER DELETE ON note BEGIN
    INSERT INTO note_index (note_index, rowid, title, text) VALUES ('delete', old.id, old.title, old.text);
END;
"""


class NoteStoreError(Exception):
    """The file cannot hold notes; the message says which file and why."""


class Note(BaseModel):
    id: int
    title: str
    text: str
    created: str


class NoteStore:
    """Notes in the file `path`, or in memory. Used from one thread.

    Raises NoteStoreError if the file cannot be opened or is something else.
    """

    def __init__(self, path: Path | None = None) -> None:
        try:
            self._database = sqlite3.connect(path or ":memory:", isolation_level=None)
        except sqlite3.Error as error:
            raise NoteStoreError(f"cannot open the notes file {path}: {error}") from error
        self._database.row_factory = sqlite3.Row
        try:
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._database.close()
            raise NoteStoreError(f"cannot keep notes in {path}: {error}") from error

    def close(self) -> None:
        self._database.close()

    def add(self, title: str, text: str) -> Note:
        created = datetime.now(UTC).isoformat(timespec="seconds")
        row = self._database.execute(
            "INSERT INTO note (title, text, created) VALUES (?, ?, ?) RETURNING *", (title, text, created)
        ).fetchone()
        return Note(**row)

    def get(self, id: int) -> Note | None:
        return next(iter(self._select("SELECT * FROM note WHERE id = ?", id)), None)

    def all(self) -> list[Note]:
        """Every note, oldest first."""
        return self._select("SELECT * FROM note ORDER BY id")

    def search(self, query: str, limit: int = 20) -> list[Note]:
        """The notes with every word of `query`, as a word or its beginning; best first."""
        words = " ".join('"' + word.replace('"', '""') + '"*' for word in query.split())
        return self._select(
            "SELECT note.* FROM note JOIN note_index ON note.id = note_index.rowid"
            " WHERE note_index MATCH ? ORDER BY rank LIMIT ?",
            words,
            limit,
        )

    def delete(self, id: int) -> Note | None:
        """The note that was deleted; None if there was none."""
        rows = self._database.execute("DELETE FROM note WHERE id = ? RETURNING *", (id,)).fetchall()
        return Note(**rows[0]) if rows else None

    def _select(self, statement: str, *values: object) -> list[Note]:
        return [Note(**row) for row in self._database.execute(statement, values)]


def as_markdown(notes: Iterable[Note]) -> str:
    return "\n\n".join(f"## {note.id}. {note.title}\n\n{note.text}" for note in notes)
