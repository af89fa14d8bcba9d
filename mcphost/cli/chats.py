"""`mcphost chats …`: what was recorded, found again and put in order."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcphost.cli import options, recall
from mcphost.cli.exits import DONE
from mcphost.cli.setup import Paths, configured
from mcphost.config.secrets import Secrets
from mcphost.errors import Busy, UsageError
from mcphost.text import one_line, safe

if TYPE_CHECKING:
    from datetime import datetime

    from mcphost.journal import Record
    from mcphost.journal.chats import Summary
    from mcphost.journal.claims import Claims

CHAT = click.argument("chat", metavar="CHAT|latest")
LIMIT = click.option("-n", "--limit", type=click.IntRange(min=1), default=20, help="At most so many.  [default: 20]")


@click.group()
def chats() -> None:
    """Look into what was recorded of chats and runs.

    CHAT is a chat's id or how it begins; latest is the last one of this directory.
    """


@chats.command("list")
@click.option("--here", is_flag=True, help="Only chats that began in this directory.")
@click.option("--archived", is_flag=True, help="The archived ones instead.")
@LIMIT
@options.JSON
def list_(here: bool, archived: bool, limit: int, as_json: bool) -> int:
    """List chats, the one used last first."""
    from mcphost.journal import chats

    with _journal() as (db, _):
        directory = str(recall.here()) if here else None
        found = chats.summaries(db, directory=directory, archived=archived, limit=limit)
    if as_json:
        click.echo(json.dumps([_summary(chat) for chat in found], indent=2))
        return DONE
    for chat in found:
        turns = f"{chat.turns} turn{'' if chat.turns == 1 else 's'}"
        state = "" if chat.stop in ("answered", "forked", "rewound") else f"  ({chat.stop or 'interrupted'})"
        click.echo(f"{chat.id}  {recall.when(chat.updated)}  {turns:>9}  {one_line(chat.title, 80)}{state}")
    return DONE


@chats.command()
@click.argument("words", nargs=-1, required=True)
@LIMIT
@options.JSON
def search(words: tuple[str, ...], limit: int, as_json: bool) -> int:
    """Find messages with all of WORDS, the newest first.

    The last word may be a beginning; tool:NAME and server:NAME look at calls and results of that tool or server.
    """
    from mcphost.journal import chats

    with _journal() as (db, _):
        chats.index(db)
        hits = chats.search(db, " ".join(words), limit=limit)
    if as_json:
        found = [{"chat": hit.chat, "title": hit.title, "at": _stamp(hit.at), "excerpt": hit.excerpt} for hit in hits]
        click.echo(json.dumps(found, indent=2))
        return DONE
    for hit in hits:
        click.echo(f"{hit.chat}  {recall.when(hit.at)}  {one_line(hit.title, 40)}: {one_line(hit.excerpt, 200)}")
    return DONE


@chats.command()
@CHAT
def show(chat: str) -> int:
    """Print a chat; the numbers are those of `fork --at`."""
    from mcphost.journal import export

    with _journal() as (db, _):
        summary, record = _read(db, chat)
    click.echo(f"{one_line(summary.title, 200)}\n")
    for message in export.plain(record):
        click.echo(message)
    return DONE


@chats.command()
@CHAT
@click.option("--json", "as_json", is_flag=True, help="JSON, with everything in it, instead of Markdown.")
@click.option("--html", "as_html", is_flag=True, help="One page to read, search and see where the time went.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write to FILE, not stdout."
)
def export(chat: str, as_json: bool, as_html: bool, output: Path | None) -> int:
    """Write a chat as Markdown, as JSON, or as an HTML page of its own; secrets of the configuration are left out."""
    from mcphost.journal import export, html, timeline

    if as_json and as_html:
        raise UsageError("--json and --html are two formats", hint="Choose one.")
    with _journal() as (db, _):
        summary, record = _read(db, chat)
        spans = timeline.spans(db, summary.id) if as_html else ()
    summary, record = Secrets.of(configured(()), os.environ).redacted((summary, record))
    if as_json:
        text = json.dumps(export.document(summary, record), indent=2) + "\n"
    else:
        text = html.render(summary, record, spans) if as_html else export.markdown(summary, record)
    recall.write(text, output)
    return DONE


@chats.command()
@CHAT
@click.argument("title")
def rename(chat: str, title: str) -> int:
    """Give a chat another title."""
    from mcphost.journal import chats

    with _journal() as (db, _):
        chats.rename(db, _find(db, chat), safe(title))
    return DONE


@chats.command()
@CHAT
@click.option("--at", type=click.IntRange(min=1), metavar="N", help="Only up to and with message N, as `show` counts.")
def fork(chat: str, at: int | None) -> int:
    """Copy a chat, to go on differently; prints the id of the copy."""
    from mcphost.journal import chats

    with _journal() as (db, _):
        click.echo(chats.fork(db, _find(db, chat), at=at))
    return DONE


@chats.command()
@CHAT
@click.option(
    "--to", type=click.IntRange(min=1), required=True, metavar="N", help="The last message to keep, as `show` counts."
)
def rewind(chat: str, to: int) -> int:
    """Let a chat go on from message N, as if nothing had been said after it."""
    from mcphost.journal import chats

    with _journal() as (db, claims):
        named = _find(db, chat)
        if not claims.free(named):
            raise Busy(f"chat {named} is open in another process", hint="There, /rewind does the same.")
        chats.rewind(db, named, to)
    return DONE


@chats.command()
@CHAT
@click.option("--undo", is_flag=True, help="Put it back among the others.")
def archive(chat: str, undo: bool) -> int:
    """Take a chat out of the list; it can still be found and resumed."""
    from mcphost.journal import chats

    with _journal() as (db, _):
        chats.archive(db, _find(db, chat), not undo)
    return DONE


@chats.command()
@click.argument("handles", metavar="CHAT…", nargs=-1, required=True)
def delete(handles: tuple[str, ...]) -> int:
    """Delete chats for good, with every result and decision recorded of them."""
    from mcphost.journal import chats

    with _journal(compact=True) as (db, claims):
        for chat in [_find(db, handle) for handle in handles]:
            if not claims.free(chat):
                raise Busy(f"chat {chat} is open in another process", hint="End it there first.")
            chats.delete(db, chat)
    return DONE


@contextmanager
def _journal(*, compact: bool = False) -> Iterator[tuple[sqlite3.Connection, Claims]]:
    with recall.opened(recall.file_of(configured(()), Paths.of_user()), compact=compact) as opened:
        yield opened


def _find(db: sqlite3.Connection, handle: str) -> str:
    from mcphost.journal import chats

    directory = recall.here()
    return chats.find(db, handle, directory=str(directory) if directory else None)


def _read(db: sqlite3.Connection, handle: str) -> tuple[Summary, Record]:
    from mcphost.journal import chats, rows

    chat = _find(db, handle)
    return chats.summary(db, chat), rows.fold(db, chats.last_run(db, chat))


def _summary(chat: Summary) -> dict[str, object]:
    return {
        "id": chat.id,
        "title": chat.title,
        "directory": chat.directory,
        "created": _stamp(chat.created),
        "updated": _stamp(chat.updated),
        "archived": chat.archived,
        "turns": chat.turns,
        "model": chat.model,
        "stop": chat.stop,
    }


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
