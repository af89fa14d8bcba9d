from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcphost.errors import UsageError
from mcphost.journal import Effect, chats, file, rows
from mcphost.messages import AssistantMessage, Message, Origin, Text, ToolCall, ToolResult, UserMessage, text_block
from tests.journal.conversation import run, user


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = file.connect(tmp_path / "j.db")
    yield connection
    connection.close()


def chat(db: sqlite3.Connection, id: str, *said: str, directory: str | None = None) -> None:
    """A chat of one turn for each two of `said`: what the person and what the model said."""
    parent = None
    for number, (asked, answered) in enumerate(zip(said[::2], said[1::2], strict=True)):
        one = run(f"{id}-run-{number}", user(asked), chat=id, parent=parent)
        rows.begin(db, one, directory)
        rows.intent(db, Effect(f"{one.id}-e", one.id, "model"))
        rows.outcome(db, f"{one.id}-e", AssistantMessage((Text(answered),)))
        rows.finish(db, one.id, "answered")
        parent = one.id


def titles(found: list[chats.Summary]) -> list[str]:
    return [one.title for one in found]


def test_chats_are_listed_the_one_used_last_first_with_titles_of_their_first_messages(db: sqlite3.Connection) -> None:
    chat(db, "aaaa", "\n  What time\nis it?  ", "late", "and now?", "later")
    chat(db, "bbbb", "x" * 500, "y")
    chat(db, "cccc", "   ", "y")
    third, second, first = chats.summaries(db)
    assert first.title == "What time is it?"
    assert (first.turns, first.stop, first.model) == (2, "answered", "scripted/model")
    assert len(second.title) == 72
    assert third.title == "(no text)"


def test_the_latest_chat_is_the_one_of_this_directory(db: sqlite3.Connection) -> None:
    chat(db, "aaaa", "1", "1", directory="/here")
    chat(db, "bbbb", "2", "2", directory="/there")
    assert chats.find(db, "latest", directory="/here") == "aaaa"
    with pytest.raises(UsageError, match="in this directory"):
        chats.find(db, "latest", directory="/nowhere")


def test_a_chat_is_found_by_its_id_a_run_or_a_beginning_that_is_one_chats_alone(db: sqlite3.Connection) -> None:
    chat(db, "abcde1", "1", "1", "2", "2")
    chat(db, "abcde2", "2", "2")
    assert chats.find(db, "abcde1") == "abcde1"
    assert chats.find(db, "abcde1-run-1") == "abcde1"
    assert chats.find(db, "abcde2-r") == "abcde2"
    for handle, says in (("abcde", "2 chats"), ("zzzz", "no chats"), ("ab", "no chats"), ("", "no chats")):
        with pytest.raises(UsageError, match=says):
            chats.find(db, handle)


def test_a_fork_is_a_chat_of_its_own_from_a_message_on(db: sqlite3.Connection) -> None:
    chat(db, "aaaa", "one", "1", "two", "2")
    copy = chats.fork(db, "aaaa", at=3)
    record = rows.fold(db, chats.last_run(db, copy))
    assert record.messages == (user("one"), AssistantMessage((Text("1"),)), user("two"))
    assert record.run.tools == run().tools
    chats.delete(db, "aaaa")
    assert rows.fold(db, chats.last_run(db, copy)) == record
    assert titles(chats.summaries(db)) == ["one (fork)"]
    for wrong in (0, 4, -1):
        with pytest.raises(UsageError, match="messages 1 to 3"):
            chats.fork(db, copy, at=wrong)


def test_a_chat_that_was_rewound_goes_on_from_there_and_keeps_what_was_said(db: sqlite3.Connection) -> None:
    chat(db, "aaaa", "one", "1", "two", "2")
    chats.rewind(db, "aaaa", 2)
    record = rows.fold(db, chats.last_run(db, "aaaa"))
    assert record.messages == (user("one"), AssistantMessage((Text("1"),)))
    assert record.ended
    assert titles(chats.summaries(db)) == ["one"]
    chats.index(db)
    assert chats.search(db, "two"), "still in the file"
    with pytest.raises(UsageError, match="messages 1 to 2"):
        chats.rewind(db, "aaaa", 3)


def test_archived_chats_are_listed_apart(db: sqlite3.Connection) -> None:
    chat(db, "aaaa", "one", "1")
    chat(db, "bbbb", "two", "2")
    chats.archive(db, "aaaa", True)
    chats.rename(db, "bbbb", "better")
    assert titles(chats.summaries(db)) == ["better"]
    assert titles(chats.summaries(db, archived=True)) == ["one"]


# -- search ------------------------------------------------------------------------------------------------------------


def excerpts(db: sqlite3.Connection, query: str) -> list[str]:
    return [hit.excerpt for hit in chats.search(db, query)]


def test_search_finds_all_words_in_any_order_the_last_as_a_beginning(db: sqlite3.Connection) -> None:
    chat(db, "aaaa", "the quick brown fox", "a lazy dog")
    chats.index(db)
    assert excerpts(db, "fox quick") == ["the [quick] brown [fox]"]
    assert excerpts(db, "la") == ["a [lazy] dog"]
    assert excerpts(db, "quick dog") == []
    assert excerpts(db, "  ") == []


@pytest.mark.parametrize("query", ['"', "AND", "a OR", "text:", "NEAR(", "-x", "*", "tool:", "col:umn", "(("])
def test_any_query_is_only_words(db: sqlite3.Connection, query: str) -> None:
    chat(db, "aaaa", "hello", "there")
    chats.index(db)
    assert excerpts(db, query) == []


def test_search_may_name_a_tool_or_a_server(db: sqlite3.Connection) -> None:
    chat(db, "aaaa", "look", "I look")
    one = run("r2", user("call"), chat="bbbb")
    rows.begin(db, one, None)
    added: tuple[Message, ...] = (
        AssistantMessage((ToolCall("k", "files__read", {"path": "look.txt"}, "{}"),), "tools"),
        ToolResult("k", (text_block("look here"),), origin=Origin("files", "read")),
    )
    for number, message in enumerate(added):
        assert isinstance(message, AssistantMessage | ToolResult)
        rows.intent(db, Effect(f"e{number}", "r2", "model"))
        rows.outcome(db, f"e{number}", message)
    chats.index(db)
    assert len(excerpts(db, "look")) == 4
    assert excerpts(db, "server:notes look") == []
    assert excerpts(db, "here server:files") == ["look [here]"]
    assert len(excerpts(db, "tool:read")) == 2


def test_what_is_no_unicode_does_not_stop_the_search(db: sqlite3.Connection) -> None:
    rows.begin(db, run("r", user("call"), chat="aaaa"), None)
    rows.intent(db, Effect("e", "r", "model"))
    calls = (Text("needle \ud800"), ToolCall("k", "fil\ud800es__read", {"path": "\ud800"}, "{}"))
    rows.outcome(db, "e", AssistantMessage(calls, "tools"))
    chats.index(db)
    assert len(excerpts(db, "needle")) == 1
    assert excerpts(db, "\udcff") == []


def test_what_is_indexed_is_indexed_once_and_large_results_too(db: sqlite3.Connection) -> None:
    chat(db, "aaaa", "needle " + "hay " * 3000, "ok")
    chats.index(db)
    chats.index(db)
    assert len(excerpts(db, "needle")) == 1


# -- deleting ----------------------------------------------------------------------------------------------------------


def test_nothing_of_a_deleted_chat_is_left_in_the_file(db: sqlite3.Connection, tmp_path: Path) -> None:
    chat(db, "aaaa", "marmalade", "m" + "armalade " * 1000)
    chat(db, "bbbb", "stays", "yes")
    chats.index(db)
    chats.delete(db, "aaaa")
    assert excerpts(db, "marmalade") == []
    before = (tmp_path / "j.db").stat().st_size
    file.compact(db)
    content = (tmp_path / "j.db").read_bytes()
    assert b"marmalade" not in content
    assert len(content) <= max(before, 4096 * 40)
    assert titles(chats.summaries(db)) == ["stays"]
    for table in ("effects", "messages", "pieces"):
        [(owners,)] = db.execute(f"SELECT count(*) FROM {table}").fetchall()
        assert owners == {"effects": 1, "messages": 2, "pieces": 0}[table]


def test_old_chats_are_trimmed_and_those_in_use_stay(db: sqlite3.Connection) -> None:
    for id in ("aaaa", "bbbb", "cccc"):
        chat(db, id, id, "1")
    db.execute("UPDATE chats SET updated = updated - 86400 * 10 WHERE id <> 'cccc'")
    assert chats.trim(db, days=9, megabytes=None, free=lambda chat: chat != "aaaa") == 1
    assert sorted(titles(chats.summaries(db))) == ["aaaa", "cccc"]
    assert chats.trim(db, days=11, megabytes=None, free=lambda chat: True) == 0


def test_the_oldest_chats_go_until_the_rest_fits(db: sqlite3.Connection) -> None:
    for id in ("aaaa", "bbbb", "cccc"):
        chat(db, id, "1", id * 300_000)
    assert chats.trim(db, days=None, megabytes=3, free=lambda chat: True) == 1
    assert [one.id for one in chats.summaries(db)] == ["cccc", "bbbb"]


def test_a_message_with_no_text_is_no_hit(db: sqlite3.Connection) -> None:
    rows.begin(db, run("r1", UserMessage(({"type": "image", "data": "AAAA"},))), None)
    chats.index(db)
    assert excerpts(db, "AAAA") == []
