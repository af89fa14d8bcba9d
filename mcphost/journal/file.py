"""The journal's file: where it may be, its schema, and what to do when it is broken.

The file is the user's alone (0600, its directory 0700 where it is made here) and never a symbolic link. A corrupt file
is moved aside, never deleted. A schema version once released is never edited: changes are added as migrations.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from pathlib import Path

from mcphost.config import private
from mcphost.errors import JournalError
from mcphost.journal.claims import Claims

LOCKED_SECONDS = 2.0
_APPLICATION = 0x6D637068  # "mcph"; tells our files from other programs' databases

# The statements that lead from version n to n + 1.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE chats (
            id TEXT PRIMARY KEY, title TEXT NOT NULL, directory TEXT, created REAL NOT NULL, updated REAL NOT NULL,
            archived INTEGER NOT NULL DEFAULT 0)""",
        "CREATE INDEX chats_by_age ON chats (updated)",
        """CREATE TABLE runs (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            chat TEXT NOT NULL REFERENCES chats ON DELETE CASCADE, parent TEXT, model TEXT NOT NULL,
            system BLOB NOT NULL, tools BLOB NOT NULL, opening INTEGER NOT NULL,
            started REAL NOT NULL, ended REAL, stop TEXT)""",
        "CREATE INDEX runs_by_chat ON runs (chat, seq)",
        "CREATE INDEX runs_by_parent ON runs (parent)",
        """CREATE TABLE effects (
            id TEXT PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, kind TEXT NOT NULL,
            call TEXT, safe INTEGER NOT NULL, intended REAL, ended REAL)""",
        "CREATE INDEX effects_by_run ON effects (run)",
        """CREATE TABLE messages (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
            at REAL NOT NULL, body TEXT NOT NULL)""",
        "CREATE INDEX messages_by_run ON messages (run, seq)",
        "CREATE TABLE blobs (digest BLOB PRIMARY KEY, data BLOB NOT NULL)",
        """CREATE TABLE pieces (
            message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE, path TEXT NOT NULL, digest BLOB NOT NULL,
            PRIMARY KEY (message, path)) WITHOUT ROWID""",
        "CREATE INDEX pieces_by_digest ON pieces (digest)",
        """CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, chat TEXT NOT NULL, kind TEXT NOT NULL,
            server TEXT, body TEXT NOT NULL)""",
        "CREATE INDEX events_by_age ON events (at)",
        "CREATE INDEX events_by_chat ON events (chat)",
        "CREATE VIRTUAL TABLE words USING fts5 (text, tool, server, tokenize = 'unicode61 remove_diacritics 2')",
        # `words` has a row for each message up to this one.
        "CREATE TABLE indexed (message INTEGER NOT NULL)",
        "INSERT INTO indexed VALUES (0)",
    ),
    (
        """CREATE TABLE waiting (
            run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, call TEXT NOT NULL, asked REAL NOT NULL,
            body TEXT NOT NULL, PRIMARY KEY (run, call)) WITHOUT ROWID""",
    ),
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the journal at `path`, made or brought to this version's schema if need be.

    Raises:
        JournalError: it is another program's, or a newer mcphost's.
        OSError, sqlite3.Error: it cannot be opened.
    """
    _prepare(path)
    db = sqlite3.connect(path, timeout=LOCKED_SECONDS, isolation_level=None)
    try:
        _refuse_foreign(db, path)
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _enter_wal(db)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    return db


def connect_or_replace(path: Path, claims: Claims) -> tuple[sqlite3.Connection, Path | None]:
    """`connect`; a corrupt file is moved aside first. Returns the connection and where the old file went."""
    try:
        return connect(path), None
    except sqlite3.DatabaseError as error:
        if not corrupt(error):
            raise
    with claims.opening():
        try:
            return connect(path), None  # another process was quicker
        except sqlite3.DatabaseError as error:
            if not corrupt(error):
                raise
        aside = set_aside(path)
        return connect(path), aside


def set_aside(path: Path) -> Path:
    """Move a corrupt journal out of the way; returns its new path."""
    aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    # The log first: beside a new file, an old log would be applied to it.
    for suffix in ("-wal", "-shm", ""):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(aside.with_name(aside.name + suffix))
    return aside


def compact(db: sqlite3.Connection) -> None:
    """Give back the space of what was deleted, and leave nothing of it in the log or the search index."""
    db.execute("INSERT INTO words (words) VALUES ('optimize')")
    db.execute("PRAGMA incremental_vacuum").fetchall()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def corrupt(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _prepare(path: Path) -> None:
    """Make what is missing, refuse what is no file of ours.

    An existing file is looked at without being opened: closing it would drop every lock that SQLite holds on it for
    this process.
    """
    private.make(path.parent)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
            raise JournalError(
                f"{path} is no regular file of yours", hint="Move it away, or name another path."
            ) from None
        if found.st_mode & 0o077:
            path.chmod(0o600)


def _refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != _APPLICATION and tables:
        raise JournalError(f"{path} is a database of another program", hint="Name another path for the journal.")


def _enter_wal(db: sqlite3.Connection) -> None:
    """Switching does not wait for other processes by itself, as every other statement does."""
    deadline = time.monotonic() + LOCKED_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    if _version(db) == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db)  # perhaps another process was quicker
        if version > len(MIGRATIONS):
            raise JournalError(
                f"{path} was written by a newer mcphost (schema {version}; this one knows {len(MIGRATIONS)})",
                hint="Update mcphost, or name another path for the journal.",
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version
