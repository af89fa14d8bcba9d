from __future__ import annotations

import asyncio
import itertools
import json
import os
import sqlite3
import stat
import time
from pathlib import Path

import pytest

from mcphost.errors import Busy, JournalError
from mcphost.events import Event, Noticed
from mcphost.journal import Effect, chats
from mcphost.journal.file import MIGRATIONS
from mcphost.journal.sqlite import SqliteJournal
from mcphost.messages import Block, ToolResult, UserMessage
from tests.journal.conversation import reply, result, run, user


class Told:
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def __call__(self, event: Event) -> None:
        assert isinstance(event, Noticed)
        assert event.level == "warning"
        self.texts.append(event.text)


async def whole_run(journal: SqliteJournal, id: str = "r1", *, chat: str = "c1") -> None:
    await journal.begin(run(id, chat=chat))
    await journal.intent(Effect(f"{id}-e1", id, "model"))
    await journal.outcome(f"{id}-e1", reply())
    await journal.finish(id, "answered")


async def test_another_process_reads_what_was_written(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        await whole_run(journal)
        written = await journal.fold("r1")
    with SqliteJournal(tmp_path / "j.db") as journal:
        assert await journal.fold("r1") == written


async def test_a_clock_that_jumps_changes_no_order_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = itertools.cycle([2e9, 1e9, 0.0, 1.8e9])
    monkeypatch.setattr(time, "time", lambda: next(moments))
    with SqliteJournal(tmp_path / "j.db", directory=tmp_path) as journal:
        await whole_run(journal)
        await journal.begin(run("r2", user("more"), parent="r1"))
        await journal.intent(Effect("r2-e1", "r2", "model"))
        await journal.outcome("r2-e1", reply())
        await journal.finish("r2", "answered")
        record = await journal.fold("r2")
        assert record.messages == (*run().opening, reply(), user("more"), reply())
        latest = await journal.read(lambda db: chats.find(db, "latest", directory=str(tmp_path)))
        assert latest == "c1"


async def test_the_file_is_the_users_alone(tmp_path: Path) -> None:
    file = tmp_path / "made" / "here" / "j.db"
    with SqliteJournal(file) as journal:
        await whole_run(journal)
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}
    assert modes == dict.fromkeys(("j.db", "j.db-wal", "j.db-shm", "j.db.lock"), 0o600)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "j.db").touch(mode=0o644)
    with SqliteJournal(tmp_path / "j.db") as journal:
        await whole_run(journal)
    assert stat.S_IMODE((tmp_path / "j.db").stat().st_mode) == 0o600


async def test_large_strings_are_kept_once(tmp_path: Path) -> None:
    image: Block = {"type": "image", "data": "A" * 1_000_000, "mimeType": "image/png"}
    with SqliteJournal(tmp_path / "j.db") as journal:
        await journal.begin(run())
        for index in range(5):
            await journal.intent(Effect(f"e{index}", "r1", "tool"))
            await journal.outcome(f"e{index}", ToolResult(f"k{index}", (image, image)))
        record = await journal.fold("r1")
        assert all(message.content == (image, image) for message in record.messages if isinstance(message, ToolResult))
    assert (tmp_path / "j.db").stat().st_size < 1_200_000


async def test_nothing_a_server_says_is_mistaken_for_a_kept_string(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        await journal.begin(run("r1", UserMessage(({"type": "text", "text": "secret" * 1000},))))
        digest = await journal.read(lambda db: db.execute("SELECT digest FROM pieces").fetchone()[0].hex())
        sly: Block = {"type": "text", "text": "", "blob": digest, "$ref": digest, "pieces": [["text", digest]]}  # type: ignore[typeddict-unknown-key]
        await journal.begin(run("r2", UserMessage((sly,)), chat="c2"))
        assert (await journal.fold("r2")).messages == (UserMessage((sly,)),)


async def test_text_that_is_no_unicode_survives(tmp_path: Path) -> None:
    for length in (1, 5000):
        with SqliteJournal(tmp_path / "j.db") as journal:
            message = user("\ud800\x00" * length)
            await journal.begin(run(f"r{length}", message))
            assert (await journal.fold(f"r{length}")).messages == (message,)


async def test_writes_that_queue_up_share_a_transaction(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        await journal.begin(run())
        effects = [Effect(f"e{index}", "r1", "tool") for index in range(200)]
        await asyncio.gather(*map(journal.intent, effects))
        await asyncio.gather(*(journal.outcome(effect.id, result(effect.id)) for effect in effects))
        [(commits,)] = await journal.read(lambda db: db.execute("SELECT count(DISTINCT at) FROM messages").fetchall())
        assert len((await journal.fold("r1")).messages) == 201
    assert commits > 1


async def test_a_cancelled_caller_leaves_the_journal_whole(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        await journal.begin(run())
        task = asyncio.ensure_future(journal.intent(Effect("e1", "r1", "tool")))
        await asyncio.sleep(0)
        task.cancel()
        await journal.settle(Effect("e1", "r1", "tool"), result("k1"))
        record = await journal.fold("r1")
    assert record.pending == ()
    assert record.messages[-1] == result("k1")


# -- two at once -------------------------------------------------------------------------------------------------------

OTHER = """
import asyncio, sys
from pathlib import Path
from tests.journal.test_sqlite import whole_run
from mcphost.journal.sqlite import SqliteJournal
async def main():
    with SqliteJournal(Path(sys.argv[1])) as journal:
        for index in range(int(sys.argv[3])):
            await whole_run(journal, f"{sys.argv[2]}-{index}", chat=sys.argv[2])
        print("done", flush=True)
        sys.stdin.read()
asyncio.run(main())
"""


async def other(file: Path, chat: str, runs: int) -> asyncio.subprocess.Process:
    import sys

    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-c", OTHER, str(file), chat, str(runs))
    return await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[2])


async def test_processes_write_side_by_side_from_the_first_moment_on(tmp_path: Path) -> None:
    file = tmp_path / "j.db"
    processes = [await other(file, f"p{index}", 30) for index in range(4)]
    for process in processes:
        out, _ = await process.communicate(b"")
        assert (out, process.returncode) == (b"done\n", 0)
    with SqliteJournal(file) as journal:
        for index in range(4):
            for number in range(30):
                assert (await journal.fold(f"p{index}-{number}")).stop == "answered"


async def test_a_chat_is_one_processs_until_that_ends_however_it_ends(tmp_path: Path) -> None:
    process = await other(tmp_path / "j.db", "theirs", 1)
    assert process.stdout is not None
    await process.stdout.readline()
    with SqliteJournal(tmp_path / "j.db") as journal:
        with pytest.raises(Busy, match="open in another process"):
            await journal.begin(run("theirs-0", chat="theirs"))
        await whole_run(journal, chat="ours")
        process.kill()
        await process.wait()
        await journal.begin(run("theirs-0", chat="theirs"))


# -- when the file cannot be used --------------------------------------------------------------------------------------


async def unusable(file: Path) -> str:
    """What a person is told when `file` cannot be used; the run itself must not notice."""
    told = Told()
    with SqliteJournal(file, show=told) as journal:
        await whole_run(journal)
        await whole_run(journal, "r2")
        with pytest.raises(JournalError):
            await journal.fold("r1")
    [text] = told.texts
    assert str(file) in text
    return text


async def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "j.db").symlink_to(tmp_path / "target")
    assert "no regular file" in await unusable(tmp_path / "j.db")
    assert (tmp_path / "target").read_bytes() == b""


async def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "j.db.lock").symlink_to(tmp_path / "target")
    await unusable(tmp_path / "j.db")
    assert not (tmp_path / "target").exists()


async def test_a_place_where_nothing_can_be_made_costs_the_record_only(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    await unusable(tmp_path / "file" / "j.db")
    await unusable(Path("/proc/j.db"))


async def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "j.db")
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = (tmp_path / "j.db").read_bytes()
    assert "another program" in await unusable(tmp_path / "j.db")
    assert (tmp_path / "j.db").read_bytes() == before


async def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        await whole_run(journal)
    db = sqlite3.connect(tmp_path / "j.db")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    assert "newer mcphost" in await unusable(tmp_path / "j.db")


async def test_a_locked_file_costs_the_record_only(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        await whole_run(journal)
    holder = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert "locked" in await unusable(tmp_path / "j.db")
    holder.close()


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 100, None])
async def test_a_corrupt_file_is_kept_aside_and_a_new_one_begun(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "j.db"
    with SqliteJournal(file) as journal:
        await whole_run(journal)
    damaged = content or file.read_bytes()[:100] + os.urandom(5000)
    file.write_bytes(damaged)
    told = Told()
    with SqliteJournal(file, show=told) as journal:
        await whole_run(journal)
        assert (await journal.fold("r1")).stop == "answered"
    [aside] = [one for one in os.listdir(tmp_path) if "corrupt" in one and not one.endswith(("-wal", "-shm"))]
    assert (tmp_path / aside).read_bytes() == damaged
    assert aside in told.texts[0]


async def test_damage_that_shows_later_costs_this_runs_record_and_no_later_one(tmp_path: Path) -> None:
    file = tmp_path / "j.db"
    with SqliteJournal(file) as journal:
        for index in range(50):
            await whole_run(journal, f"r{index}")
    content = bytearray(file.read_bytes())
    for start in range(4096 * 3, len(content), 4096):  # past the schema's own pages
        content[start : start + 4096] = os.urandom(4096)
    file.write_bytes(content)
    told = Told()
    with SqliteJournal(file, show=told) as journal:
        await whole_run(journal, "after")
    assert len(told.texts) == 1
    with SqliteJournal(file) as journal:
        await whole_run(journal, "again")
        assert (await journal.fold("again")).stop == "answered"


# -- schema ------------------------------------------------------------------------------------------------------------


async def test_every_released_schema_opens(tmp_path: Path) -> None:
    """`schema/N.sql` is a dump written by the release whose schema was N; it is never edited."""
    dumps = sorted((Path(__file__).parent / "schema").glob("*.sql"))
    assert len(dumps) == len(MIGRATIONS)
    for dump in dumps:
        file = tmp_path / f"{dump.stem}.db"
        db = sqlite3.connect(file)
        db.executescript(dump.read_text())
        db.close()
        with SqliteJournal(file) as journal:
            record = await journal.fold("r1")
            assert record.messages == (*run().opening, reply())
            await whole_run(journal, "r2")
            assert await journal.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()) == ("ok",)


def test_the_dump_of_the_newest_schema_is_what_migrations_make(tmp_path: Path) -> None:
    from mcphost.journal import file

    made, dumped = file.connect(tmp_path / "j.db"), sqlite3.connect(":memory:")
    dumped.executescript((Path(__file__).parent / "schema" / f"{len(MIGRATIONS)}.sql").read_text())
    query = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY name"
    assert json.dumps(made.execute(query).fetchall()) == json.dumps(dumped.execute(query).fetchall())
    made.close()
    dumped.close()
