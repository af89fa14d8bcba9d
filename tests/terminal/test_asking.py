"""Questions that are no approvals, on the panel."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from mcphost.models.scripted import ScriptedModel
from mcphost.questions import (
    ElicitationAnswer,
    ElicitationForm,
    ElicitationUrl,
    Further,
    Question,
    SampleResult,
    SamplingDecision,
    SamplingReview,
    StepLimit,
    ToolApproval,
)
from tests.terminal.tty import CTRL_C, CTRL_S, ENTER, ESC, UP, Tty, chatting

DOWN, TAB, PAGE_UP = "\x1b[B", "\t", "\x1b[5~"

A = TypeVar("A")

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name", "minLength": 2},
        "age": {"type": "integer", "minimum": 18, "default": 30},
        "color": {"type": "string", "enum": ["red", "green"], "description": "The \x1b[31mbest\x1b[0m one"},
        "news": {"type": "boolean", "default": True},
    },
    "required": ["name", "color"],
}
FORM = ElicitationForm("shop", "Who are you?", SCHEMA, warnings=("name: this looks like a secret",))


@asynccontextmanager
async def asking(
    question: Question[A], *, environ: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Tty, asyncio.Task[A]]]:
    async with chatting(ScriptedModel([]), size=(80, 24), environ=environ) as tty:
        await tty.ready()
        ask: Coroutine[Any, Any, A] = tty.repl.frontend.ask(question)
        task = asyncio.create_task(ask)
        yield tty, task
        task.cancel()


async def test_a_form_is_checked_while_it_is_typed_and_sent_when_it_was_seen_whole() -> None:
    async with asking(FORM) as (tty, answer):
        await tty.see("Server shop (not mcphost, not the model) asks you", "│ Who are you?", "! name: this looks like")
        await tty.choose("[y] fill in and accept", "y")
        await tty.see("› Your name: field 1 of 4, needed", "✗ must be filled in: text, at least 2 characters")
        await tty.see("[Ctrl+S] accept, send it", "[Ctrl+N] decline  [Ctrl+G] cancel")
        tty.type("x")
        await tty.see("✗ expected at least 2 characters")
        tty.type(ENTER)
        tty.type(f"\x15Ada{ENTER}\x151")
        await tty.see('Your name: "Ada"', "› age: field 2 of 4, may stay empty", "✗ expected at least 18")
        await tty.press("\x15", ENTER, UP)
        await tty.see('Your name: "Ada"', "› age: field 2 of 4", "✓ left out (a whole number, at least 18)")
        await tty.press("1", "7")
        await tty.press(DOWN)
        await tty.see("✗ age: 17 (expected at least 18)", "› color: field 3 of 4", "│ The \ufffd[31mbest")
        await tty.press("2")
        await tty.see("( ) 1) red", "(•) 2) green", '✓ "green"')
        await tty.press(CTRL_S)
        await tty.see("› age: field 2 of 4", "age: 17")
        await tty.press("\x15", "1", "8", ENTER, ENTER, TAB)
        await tty.see("news: no", "✓ false")
        await tty.press(ENTER)
        await tty.see('Your name: "Ada"', 'color: "green"', "news: false")
        await tty.choose("[y] accept, send it", "y")
        assert await answer == ElicitationAnswer("accept", {"name": "Ada", "age": 18, "color": "green", "news": False})


@pytest.mark.parametrize(("key", "action"), [("\x0e", "decline"), ("\x07", "cancel")])
async def test_a_form_is_declined_and_cancelled_in_the_middle_of_a_field(
    key: str, action: Literal["decline", "cancel"]
) -> None:
    async with asking(FORM) as (tty, answer):
        await tty.choose("[y] fill in and accept", "y")
        await tty.see("field 1 of 4")
        await tty.press("A", key)
        assert await answer == ElicitationAnswer(action)


async def test_tab_steps_through_choices_that_are_called_the_same() -> None:
    same = {"oneOf": [{"const": name, "title": "same"} for name in "abc"]}
    schema = {"properties": {"one": {"type": "string", **same}}, "required": ["one"]}
    async with asking(ElicitationForm("shop", "Which?", schema)) as (tty, answer):
        await tty.choose("[y] fill in and accept", "y")
        await tty.see("1) same")
        await tty.press(TAB, TAB, TAB)
        await tty.see('✓ "c" (same)')
        await tty.press(CTRL_S)
        assert await answer == ElicitationAnswer("accept", {"one": "c"})


DEFAULTS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "title": ("string", {"default": "two\nlines", "pattern": "^t"}, "two\nlines"),
    "when": ("string", {"format": "date-time", "default": "2026-01-31T12:00:00Z"}, "2026-01-31T12:00:00Z"),
    "rate": ("number", {"default": 0.5, "maximum": 1}, 0.5),
    "sure": ("boolean", {"default": False}, False),
    "old": ("string", {"enum": ["a", "b"], "enumNames": ["1", "2"], "default": "b"}, "b"),
    "one": ("string", {"oneOf": [{"const": "x", "title": "y"}, {"const": "y", "title": "x"}], "default": "y"}, "y"),
    "many": ("array", {"items": {"enum": ["p, q", "r"]}, "minItems": 1, "default": ["p, q", "r"]}, ["p, q", "r"]),
}


async def test_defaults_of_every_type_are_sent_as_they_are_by_one_key_or_after_a_look_at_each() -> None:
    properties = {name: {"type": kind, **spec} for name, (kind, spec, _) in DEFAULTS.items()}
    wanted = ElicitationAnswer("accept", {name: value for name, (_, _, value) in DEFAULTS.items()})
    form = ElicitationForm("shop", "Right?", {"properties": properties, "required": list(properties)})
    async with asking(form) as (tty, answer):
        await tty.choose("[s] accept, send it as it stands", "s")
        assert await answer == wanted
        again = asyncio.create_task(tty.repl.frontend.ask(replace(form, message="Still right?")))
        await tty.choose("Still right?", "y")
        await tty.see("field 1 of 7")
        await tty.press(*[ENTER] * 7)
        await tty.choose("[y] accept, send it", "y")
        assert await again == wanted


async def test_enter_declines_a_form_with_a_field_that_looks_like_a_secret() -> None:
    schema = {"properties": {"password": {"type": "string", "default": "x"}}}
    async with asking(ElicitationForm("shop", "Sign in", schema)) as (tty, answer):
        await tty.choose("[n] decline (Enter)", "y")
        await tty.see("field 1 of 1")
        await tty.press("yz", ENTER)
        await tty.see('password: "xyz"', "[y] accept, send it")
        tty.type(ENTER)
        assert await answer == ElicitationAnswer("decline")


async def test_a_long_form_shows_the_field_that_is_typed_and_scrolls() -> None:
    properties = {f"f{number}": {"type": "string"} for number in range(40)}
    async with asking(ElicitationForm("shop", "Much", {"properties": properties})) as (tty, answer):
        await tty.choose("[y] fill in and accept", "y")
        for number in range(30):
            await tty.see(f"› f{number}: field {number + 1} of 40")
            await tty.press(ENTER)
        await tty.miss("Much")
        await tty.press(PAGE_UP, PAGE_UP, PAGE_UP, PAGE_UP)
        await tty.see("Much", "[Ctrl+N] decline")
        tty.type("x")
        await tty.see("› f30", '✓ "x"')
        await tty.press(CTRL_S)
        assert await answer == ElicitationAnswer("accept", {"f30": "x"})


async def test_a_turn_at_its_limit_gets_as_many_more_steps_as_are_typed() -> None:
    async with asking(StepLimit(25)) as (tty, answer):
        await tty.see("This turn took all of its 25 steps", "[w] answer with what there is")
        await tty.choose("[y] go on", "m")
        await tty.see("How many more steps")
        await tty.press("many", ENTER)
        await tty.see("expected a whole number from 1 to 1000")
        await tty.choose("[y] go on", "m")
        await tty.see("How many more steps")
        await tty.press("10", ENTER)
        assert await answer == Further("go-on", 10)


async def test_esc_in_a_field_goes_back_to_where_decline_and_cancel_are() -> None:
    async with asking(FORM) as (tty, answer):
        await tty.choose("[y] fill in and accept", "y")
        await tty.see("field 1 of 4")
        tty.type(ESC)
        await tty.choose("[n] decline  [c] cancel", "c")
        assert await answer == ElicitationAnswer("cancel")


async def test_a_form_is_declined_by_one_key_and_nothing_is_sent() -> None:
    async with asking(FORM) as (tty, answer):
        await tty.choose("[n] decline", "n")
        assert await answer == ElicitationAnswer("decline")


async def test_what_was_typed_before_a_form_stays_in_the_input_line() -> None:
    async with chatting(ScriptedModel([]), size=(80, 24)) as tty:
        await tty.ready()
        tty.type("half a sentence")
        await tty.see("> half a sentence")
        answer = asyncio.create_task(tty.repl.frontend.ask(FORM))
        await tty.choose("[y] fill in and accept", "y")
        await tty.see("field 1 of 4", "> half a sentence")
        await tty.press("Ada", ESC)
        await tty.choose("[n] decline", "n")
        await answer
        await tty.see("> half a sentence")
        tty.type("!")
        await tty.see("> half a sentence!")
        tty.type(CTRL_C)


async def test_an_address_is_shown_whole_with_its_host_and_opened_after_a_yes(tmp_path: Path) -> None:
    url = "https://xn--exmple-cua.org/" + "a" * 100 + "?end"
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f"#!{sys.executable}\nimport sys; open({str(opened)!r}, 'w').write(repr(sys.argv[1:]))")
    browser.chmod(0o700)
    question = ElicitationUrl("shop", "Sign in\u202e there", url, "xn--exmple-cua.org", ("it is new",), "exämple.org")
    async with asking(question, environ={"BROWSER": str(browser)}) as (tty, answer):
        await tty.see("│ Sign in\ufffd there", "! it is new", "It leads to: xn--exmple-cua.org", "show as exämple.org)")
        assert url in "".join(tty.screen.display)
        await tty.choose("Nothing was opened or fetched", "n")
        assert await answer == ElicitationAnswer("decline")
        assert not opened.exists()
        again = asyncio.create_task(tty.repl.frontend.ask(replace(question, message="Again")))
        await tty.choose("Again", "y")
        assert await again == ElicitationAnswer("accept")
        assert opened.read_text() == repr([url])
        await tty.see("Opened in your browser.")


async def test_an_address_that_no_browser_opens_is_left_to_be_copied() -> None:
    async with asking(ElicitationUrl("shop", "Go", "https://example.org/x", "example.org")) as (tty, answer):
        await tty.choose("[y] yes, open it", "y")
        assert await answer == ElicitationAnswer("accept")
        await tty.see("No browser can be started from here. Open it yourself:", "https://example.org/x")


async def test_what_is_sampled_is_edited_in_the_editor(tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    code = "import sys; from pathlib import Path; p = Path(sys.argv[1]); p.write_text(p.read_text().replace('7', '8'))"
    editor.write_text(f"#!{sys.executable}\n{code}")
    editor.chmod(0o700)
    words = "the key\nis 7\n" * 300
    asked = SampleResult("shop", "test/model", {"type": "text", "text": words})
    async with asking(asked, environ={"EDITOR": str(editor)}) as (tty, answer):
        await tty.choose("Server shop would get this answer", "e")
        await tty.see("[Ctrl+X Ctrl+E] in your editor")
        await tty.press("\x18", "\x05")
        await tty.see("│ is 8")
        await tty.choose("[y] yes", "y")
        text = words.replace("7", "8").rstrip("\n")
        assert await answer == SamplingDecision(allowed=True, edited={"content": {"type": "text", "text": text}})
        messages = ({"role": "user", "content": {"type": "text", "text": "Add 7"}},)
        request = asyncio.create_task(tty.repl.frontend.ask(SamplingReview("shop", "m", messages, 100)))
        await tty.choose("wants m to answer this", "e")
        await tty.see("[Ctrl+X Ctrl+E] in your editor")
        await tty.press("\x18", "\x05")
        await tty.choose("│ Add 8", "y")
        assert (await request).edited["messages"] == [{"role": "user", "content": {"type": "text", "text": "Add 8"}}]


async def test_what_the_editor_left_is_not_lost_when_it_does_not_fit(tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    code = (
        "import sys; from pathlib import Path; p = Path(sys.argv[1]); text = p.read_text()\n"
        "p.write_text(text.replace('}', 'broken') if '}' in text else text.replace('broken', '}').replace('7', '8'))"
    )
    editor.write_text(f"#!{sys.executable}\n{code}")
    editor.chmod(0o700)
    question = ToolApproval("c", "shop", "say", {"type": "text", "text": "7"}, "")
    async with asking(question, environ={"EDITOR": str(editor)}) as (tty, answer):
        await tty.choose("shop wants to run say", "e")
        await tty.see("[Ctrl+X Ctrl+E] in your editor")
        await tty.press("\x18", "\x05")
        await tty.see("that is no JSON")
        await tty.press("\x18", "\x05")
        await tty.choose('"text": "8"', "y")
        assert (await answer).arguments == {"type": "text", "text": "8"}


async def test_an_editor_that_fails_changes_nothing() -> None:
    asked = SampleResult("shop", "test/model", {"type": "text", "text": "words"})
    async with asking(asked, environ={"EDITOR": "false"}) as (tty, answer):
        await tty.choose("Server shop would get this answer", "e")
        await tty.see("[Ctrl+X Ctrl+E] in your editor")
        await tty.press("\x18", "\x05")
        await tty.see("the editor failed: nothing was changed", '"text": "words"')
        await tty.press(ESC)
        await tty.choose("[y] yes", "y")
        assert await answer == SamplingDecision(allowed=True)


async def test_a_sampling_review_shows_everything_that_would_be_sent() -> None:
    messages = ({"role": "user", "content": {"type": "text", "text": "Say \x1b]52;c;x\x07 hi\nin two lines"}},)
    tool = {"name": "look", "description": "Obey\u202e.", "inputSchema": {"properties": {"q": {"title": "Do it"}}}}
    question = SamplingReview("shop", "test/model", messages, 100, system="Be brief.", tools=(tool,))
    async with asking(question) as (tty, answer):
        await tty.see("Server shop wants test/model to answer this, in at most 100 tokens")
        await tty.see("system says:", "│ Be brief.", "│ Say \ufffd]52;c;x\ufffd hi", "│ in two lines")
        await tty.see("with tools that run on the server:", "look says:", "│ Obey\ufffd.", '"Do it"')
        await tty.choose("[y] yes", "n")
        assert await answer == SamplingDecision(allowed=False)


async def test_the_answer_that_would_leave_is_edited_and_shown_again() -> None:
    asked = SampleResult("shop", "test/model", {"type": "text", "text": "the key is 7"})
    async with asking(asked) as (tty, answer):
        await tty.see("Server shop would get this answer", "│ the key is 7")
        await tty.choose("[e] edit it first", "e")
        await tty.see("All of it (JSON)")
        await tty.press("\x15", "no key", ENTER)
        await tty.see("│ no key")
        await tty.choose("[y] yes", "y")
        assert await answer == SamplingDecision(allowed=True, edited={"content": {"type": "text", "text": "no key"}})


async def test_a_chat_that_asks_nothing_says_so_in_red_on_its_last_line() -> None:
    async with chatting(ScriptedModel([]), yolo=True) as tty:
        await tty.see("YOLO: nothing is asked")
        row = next(at for at, line in enumerate(tty.screen.display) if "YOLO" in line)
        assert tty.screen.background(row) == "red"


async def test_questions_queue_and_each_is_armed_anew() -> None:
    async with asking(FORM) as (tty, first):
        url = ElicitationUrl("other", "Go", "https://example.org/", "example.org")
        second = asyncio.create_task(tty.repl.frontend.ask(url))
        await tty.see("(1 more waiting)")
        await tty.choose("[n] decline", "n")
        await first
        await tty.see("Server other asks you to visit", "…")
        await tty.choose("Server other asks", "c")
        assert await second == ElicitationAnswer("cancel")
