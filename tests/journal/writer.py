"""A process that writes runs into a journal and says on stdout how many records have been acknowledged:

    python -m tests.journal.writer FILE RUNS [--kill-at N] [--file-size BYTES]

`--kill-at N`: kill -9 itself at SQLite's N-th statement. `--file-size`: the system refuses to let a file grow beyond.
A line "lost" means that the journal said it records no more; "answered" that the run itself came to its end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

from mcphost.events import Event, Noticed
from mcphost.journal import Effect, file
from mcphost.journal.claims import Claims
from mcphost.journal.sqlite import SqliteJournal
from mcphost.messages import AssistantMessage, Text, ToolCall, ToolResult, text_block
from tests.journal.conversation import run, user

STEPS = 3
RECORDS = 2 + 4 * STEPS  # of one run


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())  # one call, unbuffered: what was acknowledged is out before anything else happens


async def write_run(journal: SqliteJournal, number: int) -> AsyncIterator[None]:
    """One run, record by record. Results are large, so that the file grows by several pages each."""
    id = f"r{number}"

    await journal.begin(run(id, user(f"task {number}"), chat=f"c{number}"))
    yield
    for step in range(STEPS):
        model, tool, call = f"{id}-m{step}", f"{id}-t{step}", ToolCall(f"k{step}", "demo__add", {"step": step}, "{}")
        await journal.intent(Effect(model, id, "model"))
        yield
        await journal.outcome(model, AssistantMessage((Text(f"{id} {step}"), call), "tools"))
        yield
        await journal.intent(Effect(tool, id, "tool", call=call))
        yield
        await journal.outcome(tool, ToolResult(call.id, (text_block(f"{id} {step} " * 800),)))
        yield
    await journal.finish(id, "answered")
    yield


def records_in(db: sqlite3.Connection, number: int) -> list[bool]:
    """Which records of a run are there, in the order of writing."""
    id = f"r{number}"

    def there(query: str, *values: object) -> bool:
        return bool(db.execute(f"SELECT EXISTS ({query})", values).fetchone()[0])

    found = [there("SELECT 1 FROM runs JOIN messages ON run = runs.seq WHERE id = ?", id)]
    for step in range(STEPS):
        for effect in (f"{id}-m{step}", f"{id}-t{step}"):
            found.append(there("SELECT 1 FROM effects WHERE id = ?", effect))
            found.append(there("SELECT 1 FROM effects WHERE id = ? AND ended IS NOT NULL", effect))
    return [*found, there("SELECT 1 FROM runs WHERE id = ? AND stop = 'answered'", id)]


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("runs", type=int)
    parser.add_argument("--kill-at", type=int, default=0)
    parser.add_argument("--file-size", type=int)
    wish = parser.parse_args()
    if wish.file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wish.file_size, wish.file_size))
    statements = 0

    def count(statement: str) -> None:
        nonlocal statements
        statements += 1
        if statements == wish.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect(path: Path, claims: Claims) -> tuple[sqlite3.Connection, Path | None]:
        db, aside = file.connect_or_replace(path, claims)
        db.execute("PRAGMA wal_autocheckpoint = 8")  # pages: the main file is written to now and then, too
        db.set_trace_callback(count)
        return db, aside

    lost = False

    async def told(event: Event) -> None:
        nonlocal lost
        assert isinstance(event, Noticed)
        if "nothing is recorded" in event.text:
            lost = True
            say("lost")

    acknowledged = 0
    with SqliteJournal(wish.file, show=told, connect=connect) as journal:
        for number in range(wish.runs):
            async for _ in write_run(journal, number):
                acknowledged += not lost
                if not lost:
                    say(str(acknowledged))
    say("answered")


if __name__ == "__main__":
    asyncio.run(main())
