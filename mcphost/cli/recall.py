"""The journal as the command line opens it: for a run to be recorded in, and for commands that look into it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcphost.errors import JournalError, UsageError
from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.cli.setup import Boot, Paths
    from mcphost.config.schema import Config
    from mcphost.events import Show
    from mcphost.journal import Record
    from mcphost.journal.claims import Claims
    from mcphost.journal.sqlite import SqliteJournal

PICKED = 20  # chats to choose from


def file_of(config: Config, paths: Paths) -> Path:
    return config.journal.path or paths.state / "journal.db"


def open_journal(config: Config, paths: Paths, show: Show) -> SqliteJournal:
    """The journal of this user, for chats that begin in the working directory; opened in a thread of its own."""
    from mcphost.journal.sqlite import SqliteJournal

    wanted = config.journal
    journal = SqliteJournal(file_of(config, paths), sync=wanted.sync, directory=here(), show=show)
    if wanted.keep_days or wanted.keep_megabytes:
        journal.trim(days=wanted.keep_days, megabytes=wanted.keep_megabytes)
    return journal


def here() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


@contextmanager
def opened(path: Path, *, compact: bool = False) -> Iterator[tuple[sqlite3.Connection, Claims]]:
    """The journal at `path` in a transaction, which leaving the block commits; `compact` then makes the file smaller.

    Raises:
        UsageError: nothing was recorded yet.
        JournalError: it cannot be used.
    """
    from mcphost.journal import file
    from mcphost.journal.claims import Claims

    if not path.exists():
        raise UsageError(f"nothing is recorded yet: there is no {path}")
    with ExitStack() as stack:
        try:
            claims = stack.enter_context(closing(Claims(path.with_name(path.name + ".lock"))))
            db = stack.enter_context(closing(file.connect(path)))
            db.execute("BEGIN IMMEDIATE")
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from error
        try:
            yield db, claims
            db.execute("COMMIT")
            if compact:
                file.compact(db)
        except sqlite3.Error as error:
            raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> JournalError:
    return JournalError(f"the journal {path} cannot be used: {error}")


def recorded(path: Path, handle: str) -> Record:
    """What is recorded of the last run of the chat that `handle` names (`journal.chats.find`).

    Raises:
        UsageError: there is none.
        JournalError: the journal cannot be used.
    """
    from mcphost.journal import chats, rows

    with opened(path) as (db, _):
        directory = here()
        chat = chats.find(db, handle, directory=str(directory) if directory else None)
        return rows.fold(db, chats.last_run(db, chat))


def wanted(started: Boot, handle: str | None, model: str | None) -> Record | None:
    """The chat to go on with, if there is to be one: `handle` as for `find`, or "?" to choose from a list. It brings
    its model along, unless `model` names another.

    Raises:
        UsageError: there is none, or nothing is recorded.
        JournalError: the journal cannot be used.
    """
    if handle is None:
        return None
    if not started.config.journal.enabled:
        raise UsageError("nothing can be resumed without the journal", hint="Leave out --no-journal.")
    path = file_of(started.config, started.paths)
    record = recorded(path, pick(path) if handle == "?" else handle)
    started.config = replace(started.config, model=model or record.run.model)
    return record


def pick(path: Path) -> str:
    """Let the person choose a chat; returns its id."""
    from mcphost.journal import chats

    with opened(path) as (db, _):
        found = chats.summaries(db, limit=PICKED)
    for number, chat in enumerate(found, 1):
        click.echo(f"{number:3}  {when(chat.updated)}  {one_line(chat.title, 80)}")
    number = click.prompt("Which one", type=click.IntRange(1, len(found)), default=1)
    return found[number - 1].id


def write(text: str, path: Path | None) -> None:
    """To the file at `path`, or to stdout.

    Raises:
        UsageError: it cannot be written.
    """
    if path is None:
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def when(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
