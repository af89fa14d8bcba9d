"""The input line and the commands, on an emulated terminal."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from mcphost.demo.notes import NoteStore
from mcphost.demo.server import create_server
from mcphost.journal.sqlite import SqliteJournal
from mcphost.messages import ToolResult, UserMessage
from mcphost.models.scripted import ScriptedModel, call
from mcphost.terminal.keys import KEYS
from tests.terminal.test_repl import Gate, sent
from tests.terminal.tty import CTRL_C, CTRL_S, ENTER, ESC, Streaming, chatting

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
BACKSPACE, CTRL_X_E = "\x7f", "\x18\x05"
ANSWER = "Here:\n\n```python\nprint(1)\n```\n\nand\n\n```\nplain\n```"


def texts(messages: list[object]) -> list[str]:
    """What was sent to the model in the person's name."""
    return [block["text"] for one in messages if isinstance(one, UserMessage) for block in one.content]


async def test_esc_cancels_the_running_calls_and_the_model_goes_on() -> None:
    gate = Gate()
    model = ScriptedModel([call("local__wait"), "I see it was cancelled."])
    async with chatting(model, tools=[gate.wait]) as tty:
        await tty.ready()
        await sent(tty, "wait")
        await tty.choose("wants to run wait", "y")
        await gate.started.wait()
        tty.type(ESC)
        await tty.see("I see it was cancelled.", "ready ·")
        [cancelled] = [one for one in tty.conversation if isinstance(one, ToolResult)]
        assert cancelled.content[0]["text"].startswith("Cancelled by user.")


async def test_a_long_paste_is_one_piece_and_is_sent_whole() -> None:
    pasted = "\n".join(f"line {number}" for number in range(30))
    async with chatting(ScriptedModel(["ok", "ok"])) as tty:
        await tty.ready()
        tty.type("\x1b[31mlook ")  # a colour is no key, nor an error
        tty.paste(pasted)
        tty.type(" at it")
        await tty.see("look [pasted 30 lines] at it")
        await tty.press(*(BACKSPACE for _ in " at it"), BACKSPACE)
        await tty.see("> look")
        await tty.miss("pasted")
        tty.paste(pasted)
        tty.type(ENTER)
        await tty.see("> look [pasted 30 lines]", "ok", "ready ·")
        assert texts(tty.conversation) == [f"look {pasted}"]


async def test_an_editor_takes_the_line_and_gives_it_back(tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf " and more" >> "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    async with chatting(ScriptedModel(["ok", "ok"]), environ={"EDITOR": str(editor)}) as tty:
        await tty.ready()
        tty.type("some words" + CTRL_X_E)
        await tty.see("> some words and more")
        tty.type(ENTER)
        await tty.see("ok", "ready ·")
        await sent(tty, "/edit")
        await tty.see("> some words and more and more")
        assert texts(tty.conversation) == ["some words and more"]


async def test_vi_keys_edit_the_line_and_esc_still_stops_a_turn() -> None:
    model = Streaming()
    async with chatting(model, editing="vi") as tty:
        await tty.ready()
        await tty.press(*"wrong words", ESC)
        await tty.press(*"0dwihello ", ESC)
        await tty.press("0", ENTER)
        await tty.see("> hello words")
        model.say("partial ")
        await tty.see("partial")
        tty.type(ESC)
        await tty.see("! Stopped.")
        await tty.press(*"inserted", ESC)
        await tty.press(CTRL_C, *"again")
        await tty.see("> again")


async def test_a_shell_command_is_shown_and_not_sent_and_esc_ends_it(tmp_path: Path) -> None:
    async with chatting(ScriptedModel(["ok"])) as tty:
        await tty.ready()
        await sent(tty, "!echo one; echo two >&2; exit 3")
        await tty.see("one", "two", "exit code 3")
        await sent(tty, "!echo begun; sleep 60")
        await tty.see("begun", "Esc stops")
        tty.type(ESC)
        await tty.see("! Stopped.", "ready ·")
        await sent(tty, "hello")
        await tty.see("ok", "ready ·")
        assert texts(tty.conversation) == ["hello"]


async def test_a_shell_or_an_editor_that_cannot_be_started_is_said() -> None:
    async with chatting(ScriptedModel([]), environ={"SHELL": "/no/shell", "EDITOR": "vi 'x"}) as tty:
        await tty.ready()
        await sent(tty, "!echo one")
        await tty.see("the shell '/no/shell' cannot be started: No such file or directory")
        tty.type("two\x18\x05")
        await tty.see("is no editor's command: No closing quotation", "> two")


async def test_a_home_that_nobody_has_is_a_name_like_any_other() -> None:
    async with chatting(ScriptedModel(["one"])) as tty:
        await tty.ready()
        await sent(tty, "see @~nobody.here/x")
        await tty.see("one", "ready ·")
        await sent(tty, "/save ~nobody.here/x")
        await tty.see("~nobody.here/x cannot be written")


async def test_what_has_spaces_is_completed_in_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my notes").mkdir()
    (tmp_path / "my notes" / "one two.txt").write_text("three")
    monkeypatch.chdir(tmp_path)
    model = ScriptedModel(["ok"])
    async with chatting(model) as tty:
        await tty.ready()
        tty.type("@my")
        await tty.see("directory")
        tty.type("\t")
        await tty.see('> @"my notes/')
        tty.type("one")
        await tty.see("file, 5 bytes")
        tty.type("\t")
        await tty.see('> @"my notes/one two.txt"')
        tty.type(ENTER)
        await tty.see("attached", "ok")
    assert "three" in str(model.requests[0].messages)


async def test_answers_go_to_the_clipboard_and_to_files(tmp_path: Path) -> None:
    async with chatting(ScriptedModel([ANSWER])) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.see("plain", "ready ·")
        await sent(tty, "/copy 1")
        await tty.see("clipboard")
        assert f"\x1b]52;c;{base64.b64encode(b'print(1)' + bytes([10])).decode()}\x07" in tty.screen.raw
        await sent(tty, f"/save {tmp_path}/answer.md")
        await tty.see("Written:")
        await sent(tty, f"/save {tmp_path}/answer.md")
        await tty.see("exists already")
        await sent(tty, f"/export {tmp_path}/chat.json")
        await tty.screen.until(lambda: (tmp_path / "chat.json").exists(), "the export")
    assert (tmp_path / "answer.md").read_text() == ANSWER + "\n"


async def test_conversations_are_left_forked_and_taken_up_again(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db") as journal:
        async with chatting(ScriptedModel(["one", "two", "three"]), journal=journal) as tty:
            await tty.ready()
            await sent(tty, "the first")
            await tty.see("one", "ready ·")
            assert tty.repl.chat is not None
            first = tty.repl.chat.id
            await sent(tty, "/new")
            await tty.see(f"/resume {first} goes back.")
            await sent(tty, "the second")
            await tty.see("two", "ready ·")
            assert texts(tty.conversation) == ["the second"]
            await sent(tty, "/resume")
            await tty.see("Which chat?", "the first")
            tty.type("first")
            await tty.see(f"> /resume first\n {first}")
            tty.type("\t")
            await tty.see(f"> /resume {first}")
            tty.type(ENTER)
            await tty.see(f"Chat {first} goes on.")
            await sent(tty, "/fork 1")
            await tty.see("A copy of 1 message goes on.")
            await sent(tty, "otherwise")
            await tty.see("three", "ready ·")
            assert texts(tty.conversation) == ["the first", "otherwise"]
            assert tty.repl.chat.id != first


async def test_what_a_steering_message_mentions_goes_along() -> None:
    gate = Gate()
    model = ScriptedModel([call("local__wait"), "done"])
    async with chatting(model, tools=[gate.wait], servers={"demo": create_server(NoteStore())}) as tty:
        await tty.see("1/1 ready")
        await sent(tty, "go")
        await tty.choose("wants to run wait", "y")
        await gate.started.wait()
        tty.type("read @demo:demo://about" + CTRL_S)
        await tty.see("» read @demo:demo://about")
        gate.go_on.set()
        await tty.see("done")
        [steered] = [one for one in tty.conversation if isinstance(one, UserMessage) and one.origin == "steer"]
        assert [block["type"] for block in steered.content] == ["text", "resource"]


async def test_letters_in_order_find_a_command_and_its_arguments() -> None:
    async with chatting(ScriptedModel([])) as tty:
        await tty.ready()
        tty.type("/mdl")
        await tty.see("show the model, or switch to another")
        tty.type(CTRL_C)
        tty.type("/mode rdo")
        await tty.see("only what you call read-only runs")


async def test_esc_closes_the_menu_first_and_then_stops_the_turn() -> None:
    model = Streaming()
    async with chatting(model) as tty:
        await tty.ready()
        await sent(tty, "go")
        model.say("partial ")
        await tty.see("partial")
        tty.type("/mdl")
        await tty.see("show the model")
        tty.type(ESC)
        await tty.miss("show the model")
        assert "Stopped." not in tty.screen.text
        tty.type(ESC)
        await tty.see("! Stopped.", "> /mdl")


async def test_help_names_every_key_as_the_guide_does() -> None:
    async with chatting(ScriptedModel([]), size=(120, 60)) as tty:
        await tty.ready()
        await sent(tty, "/help")
        await tty.see(*(f"{key}  " for key in KEYS), "/model  ")
    for key in KEYS:
        assert f"| {key} " in GUIDE.read_text()
