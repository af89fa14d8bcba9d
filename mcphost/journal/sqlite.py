"""The journal in a SQLite file: it survives kill -9, and with `sync` the loss of power.

One thread owns the connection: it opens the file, and writes what has queued up in one transaction. Nothing of it runs
on the event loop. Where the file cannot be used, runs go on unrecorded and a person is told once: an answer is never
lost to its record.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from mcphost.config import private
from mcphost.config.schema import Sync
from mcphost.errors import Busy, JournalError
from mcphost.events import Event, Noticed, Show
from mcphost.journal import audit, chats, file, rows
from mcphost.journal.base import Effect, Record, Run
from mcphost.journal.claims import Claims
from mcphost.messages import AssistantMessage, ToolResult
from mcphost.questions import WaitingCall

T = TypeVar("T")

Act: TypeAlias = Callable[[sqlite3.Connection], T]
Connect: TypeAlias = Callable[[Path, Claims], tuple[sqlite3.Connection, Path | None]]


@dataclass
class _Work:
    act: Act[Any]
    full: bool = False
    answer: asyncio.Future[Any] | None = None
    value: Any = None
    error: Exception | None = None

    def resolve(self) -> None:
        if self.answer is None or self.answer.done():
            return
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.value)


async def _nobody(event: Event) -> None:
    return None


class SqliteJournal:
    """A Journal; also a context manager. `with SqliteJournal(path) as journal: Host(…, journal=journal)`.

    Args:
        path: the file, made if it is missing.
        sync: when a commit waits for the disk (`config.schema.Sync`).
        directory: where chats that begin here belong, for whoever looks for "the latest one here".
        show: gets a Noticed when the journal cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync: Sync = "normal",
        directory: Path | None = None,
        show: Show = _nobody,
        connect: Connect = file.connect_or_replace,
    ) -> None:
        self.path = path
        self._sync = sync
        self.directory = None if directory is None else str(directory)
        self._show = show
        self._connect = connect
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._claims: Claims | None = None
        self._db: sqlite3.Connection | None = None
        self._lost: JournalError | None = None
        self._warning: str | None = None
        self._thread = threading.Thread(target=self._serve, name="mcphost-journal", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is queued and close the file. Waits for it."""
        self._queue.put(None)
        self._thread.join()

    # -- the Journal protocol ------------------------------------------------------------------------------------------

    async def begin(self, run: Run) -> None:
        def act(db: sqlite3.Connection) -> None:
            if self._claims is not None and not self._claims.take(run.chat):
                raise Busy(
                    f"chat {run.chat} is open in another process",
                    hint=f"End it there, or go on in a copy: mcphost chats fork {run.chat}",
                )
            rows.begin(db, run, self.directory)

        await self._write(act)

    async def intent(self, effect: Effect) -> None:
        await self._write(partial(rows.intent, effect=effect), full=effect.kind == "tool" and not effect.safe)

    async def outcome(self, effect: str, message: AssistantMessage | ToolResult) -> None:
        await self._write(partial(rows.outcome, effect=effect, message=message))

    async def settle(self, effect: Effect, message: ToolResult) -> None:
        await self._write(partial(rows.settle, effect=effect, message=message))

    async def wait(self, run: str, waiting: WaitingCall) -> None:
        await self._write(partial(rows.wait, run=run, waiting=waiting))

    async def finish(self, run: str, stop: str) -> None:
        await self._write(partial(rows.finish, run=run, stop=stop))
        self._queue.put(_Work(chats.index))

    async def fold(self, run: str) -> Record:
        return await self.read(partial(rows.fold, run=run))

    # -- beside it -----------------------------------------------------------------------------------------------------

    async def note(self, event: Event) -> None:
        """Keep what an audit asks for. A listener of a Host; written with whatever is written next."""
        if isinstance(event, audit.KEPT):
            self._queue.put(_Work(partial(audit.note, event=event, at=time.time())))

    def trim(self, *, days: int | None, megabytes: int | None) -> None:
        """Delete old chats (`chats.trim`), when there is time for it."""

        def act(db: sqlite3.Connection) -> None:
            chats.trim(db, days=days, megabytes=megabytes, free=self._free)

        self._queue.put(_Work(act))

    async def read(self, act: Act[T]) -> T:
        """What `act` returns for the connection, in a transaction, on the journal's thread.

        Raises:
            JournalError: the journal cannot be used. And what `act` raises.
        """
        value: T = await self._do(act)
        return value

    async def _write(self, act: Act[None], *, full: bool = False) -> None:
        try:
            await self._do(act, full=full)
        except JournalError:
            pass
        if self._warning is not None:
            text, self._warning = self._warning, None
            await self._show(Noticed(text=text, level="warning"))

    async def _do(self, act: Act[Any], *, full: bool = False) -> Any:
        work = _Work(act, full, asyncio.get_running_loop().create_future())
        self._queue.put(work)
        assert work.answer is not None
        return await work.answer

    # -- the writer thread ---------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        self._db = self._open()
        closing = False
        while not closing:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            closing = None in batch
            works = [work for work in batch if work is not None]
            if self._db is not None and works:
                self._commit(self._db, works)
            for work in works:
                work.error = self._lost or work.error
            _hand_back(works)
        if self._db is not None:
            self._db.close()
        if self._claims is not None:
            self._claims.close()

    def _free(self, chat: str) -> bool:
        return self._claims is not None and self._claims.free(chat)

    def _open(self) -> sqlite3.Connection | None:
        try:
            private.make(self.path.parent)
            self._claims = Claims(self.path.with_name(self.path.name + ".lock"))
            db, aside = self._connect(self.path, self._claims)
            db.execute(f"PRAGMA synchronous = {'FULL' if self._sync == 'full' else 'NORMAL'}")
        except (OSError, sqlite3.Error, JournalError) as error:
            self._lose(error)
            return None
        if aside is not None:
            self._warning = f"the journal was damaged: it is kept as {aside}, and a new one is begun"
        return db

    def _commit(self, db: sqlite3.Connection, works: Sequence[_Work]) -> None:
        """One transaction for all of `works`. What one of them raises by itself undoes and concerns that one only."""
        full = self._sync == "intents" and any(work.full for work in works)
        try:
            if full:
                db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            for work in works:
                _try(db, work)
            db.execute("COMMIT")
            if full:
                db.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error as error:
            self._lose(error)
            self._db = None
            db.close()  # gives back its locks at once
            if file.corrupt(error):
                file.set_aside(self.path)

    def _lose(self, error: Exception) -> None:
        said = error.message if isinstance(error, JournalError) else str(error)
        self._lost = JournalError(f"the journal {self.path} cannot be used: {said}", hint=_HINT)
        self._warning = f"{self._lost.message}. From here on nothing is recorded; this run goes on without."


_HINT = "Make it writable, or name another file in mcphost.journal.path."


def _try(db: sqlite3.Connection, work: _Work) -> None:
    db.execute("SAVEPOINT work")
    try:
        work.value = work.act(db)
    except sqlite3.Error:
        raise
    except Exception as error:
        work.error = error
        db.execute("ROLLBACK TO work")
    db.execute("RELEASE work")


def _hand_back(works: Sequence[_Work]) -> None:
    """Resolve each work on the event loop that waits for it; a loop that has ended waits for nothing."""
    waiting: dict[asyncio.AbstractEventLoop, list[_Work]] = {}
    for work in works:
        if work.answer is not None:
            waiting.setdefault(work.answer.get_loop(), []).append(work)
    for loop, those in waiting.items():
        try:
            loop.call_soon_threadsafe(_resolve, those)
        except RuntimeError:
            pass


def _resolve(works: Sequence[_Work]) -> None:
    for work in works:
        work.resolve()
