from __future__ import annotations

import io
from typing import Any

import pytest

from mcphost.events import (
    CallDecided,
    CallEnded,
    CallProgressed,
    CallStarted,
    Event,
    ModelWaited,
    Noticed,
    Replied,
    RequestAnswered,
    ServerChanged,
    ServerLogged,
)
from mcphost.frontends import Denied, Ending, Narrator, Opening
from mcphost.messages import AssistantMessage, Text, ToolCall, ToolResult, Usage, text_block
from mcphost.questions import ElicitationAnswer, ElicitationForm, ToolApproval

STARTED = CallStarted(call="1", server="demo", tool="add", arguments={"a": 2})
HOSTILE = "x\x1b]0;title\x07\u202e\ny"


def ended(*texts: str, is_error: bool = False, call: str = "1") -> CallEnded:
    result = ToolResult(call, tuple(text_block(text) for text in texts), is_error=is_error)
    return CallEnded(call=call, name="demo__add", result=result, seconds=0.12)


async def narrate(*events: Event, **options: Any) -> list[str]:
    err = io.StringIO()
    narrator = Narrator(err, **options)
    for event in events:
        await narrator.show(event)
    return err.getvalue().splitlines()


async def test_a_call_is_a_line_when_it_starts_and_one_when_it_ends() -> None:
    assert await narrate(STARTED, ended("5")) == ['→ demo__add {"a": 2}', "✓ demo__add 0.1s"]
    assert await narrate(STARTED, ended("no such", "file\n", is_error=True)) == [
        '→ demo__add {"a": 2}',
        "✗ demo__add 0.1s: no such file",
    ]


async def test_a_call_that_never_ran_says_why() -> None:
    assert await narrate(ended("Refused: nobody could be asked", is_error=True)) == [
        "✗ demo__add: Refused: nobody could be asked"
    ]


async def test_what_the_model_says_before_it_calls_is_progress_and_its_answer_is_not() -> None:
    call = ToolCall("1", "demo__add", {}, "{}")
    between = Replied(message=AssistantMessage((Text("Let me add.\n"), call), stop="tools"))
    answer = Replied(message=AssistantMessage((Text("5"),)))
    assert await narrate(between, answer) == ["Let me add."]


async def test_progress_comes_at_most_once_a_second_for_each_call() -> None:
    now = [0.0]
    err = io.StringIO()
    narrator = Narrator(err, clock=lambda: now[0])
    await narrator.show(STARTED)
    for step in range(30):
        now[0] = step / 10
        await narrator.show(CallProgressed(call="1", progress=step, total=30, message="copying"))
    lines = err.getvalue().splitlines()[1:]
    assert lines == ["  demo__add 0/30 copying", "  demo__add 10/30 copying", "  demo__add 20/30 copying"]


async def test_servers_are_mentioned_where_they_need_attention() -> None:
    states = [
        ServerChanged(server="a", state="ready", detail="3 tools"),
        ServerChanged(server="b", state="failed", detail="command not found: x"),
        ServerChanged(server="c", state="needs-auth"),
        ServerChanged(server="d", state="restarting", detail="exit code 1"),
    ]
    assert await narrate(*states) == [
        "! server b is failed: command not found: x",
        "! server c needs you to sign in",
        "server d is restarting: exit code 1",
    ]
    assert len(await narrate(*states, verbose=True)) == 4
    ready = ServerChanged(server="a", state="ready", transport="stdio", era="modern", version="2026-07-28")
    assert await narrate(ready, verbose=True) == ["server a is ready: stdio, modern, 2026-07-28"]
    assert len(await narrate(*states, quiet=True)) == 2


async def test_quiet_leaves_only_warnings_and_verbose_adds_details() -> None:
    events: list[Event] = [
        STARTED,
        ended("5"),
        Noticed(text="info"),
        Noticed(text="careful", level="warning"),
        ModelWaited(seconds=3, why="rate limit"),
        RequestAnswered(server="demo", kind="sampling", outcome="refused", why="nobody could be asked"),
        RequestAnswered(server="demo", kind="sampling", outcome="accepted", usage=Usage(10, 5)),
    ]
    details: list[Event] = [
        ServerLogged(server="demo", level="info", text="hi"),
        CallDecided(call="1", server="demo", tool="add", arguments={}, decision="allow", why="--allow", asked=False),
    ]
    assert await narrate(*events, *details, quiet=True) == ["! careful"]
    assert await narrate(*events, *details) == [
        '→ demo__add {"a": 2}',
        "✓ demo__add 0.1s",
        "info",
        "! careful",
        "… the model cannot answer now (rate limit); again in 3 s",
        "demo asked for sampling: refused (nobody could be asked)",
        "demo asked for sampling: accepted, 10 tokens in (0 cached), 5 out",
    ]
    assert (await narrate(*details, verbose=True)) == ["demo says (info): hi", "demo__add: allow (--allow)"]


async def test_no_text_from_outside_acts_on_the_terminal_or_breaks_a_line() -> None:
    call = ToolCall("1", "x", {}, "{}")
    events: list[Event] = [
        CallStarted(call="1", server="s\x1b", tool=HOSTILE, arguments={HOSTILE: HOSTILE}),
        CallProgressed(call="1", progress=1, message=HOSTILE),
        ended(HOSTILE, is_error=True),
        CallEnded(call="2", name=HOSTILE, result=ToolResult("2", ()), seconds=0),
        ModelWaited(seconds=1, why=HOSTILE),
        Noticed(text=HOSTILE),
        RequestAnswered(server=HOSTILE, kind="elicitation", outcome="refused", why=HOSTILE),
        ServerChanged(server=HOSTILE, state="failed", detail=HOSTILE),
        ServerLogged(server=HOSTILE, level="error", text=HOSTILE),
        CallDecided(call="1", server=HOSTILE, tool=HOSTILE, arguments={}, decision="deny", why=HOSTILE, asked=False),
    ]
    lines = await narrate(*events, verbose=True)
    assert len(lines) == len(events)
    assert all(line.isprintable() for line in lines)
    (one,) = await narrate(Replied(message=AssistantMessage((Text("a\x1b[2J"), call), stop="tools")))
    assert one.isprintable()


def test_a_run_opens_with_what_is_dangerous_about_it() -> None:
    err = io.StringIO()
    narrator = Narrator(err, quiet=True, color=True)
    narrator.begin(Opening("s1", "test/model", yolo=True, widening=("c.json allows demo__*",)))
    assert "\x1b[31m--yolo: every call runs unasked" in err.getvalue()
    assert "c.json allows demo__*" in err.getvalue()


def test_the_end_names_the_option_that_would_have_let_calls_pass() -> None:
    err = io.StringIO()
    denied = (
        Denied("1", "demo__add", "ask", unasked=True, suggestion="demo__add"),
        Denied("2", "demo__add", "ask", unasked=True, suggestion="demo__add"),
        Denied("3", "x", "ask", unasked=True, suggestion="we'ird__[*]"),
        Denied("4", "y", "rule"),
    )
    Narrator(err).finish(Ending("done", "answered", denied=denied))
    assert err.getvalue() == (
        "! 3 calls were refused because nobody could be asked. "
        "To let such calls pass: --allow demo__add --allow 'we'\"'\"'ird__[*]'\n"
    )


@pytest.mark.parametrize(
    ("stop", "words"), [("limit", "Stopped after 7 steps"), ("cut", "cut"), ("refused", "declined")]
)
def test_an_end_that_is_no_answer_says_so(stop: str, words: str) -> None:
    err = io.StringIO()
    Narrator(err, quiet=True).finish(Ending("", stop, steps=7))
    assert words in err.getvalue()


def test_a_good_end_needs_no_words() -> None:
    err = io.StringIO()
    Narrator(err).finish(Ending("5", "answered", denied=(Denied("4", "y", "rule"),)))
    assert err.getvalue() == ""


async def test_without_a_terminal_every_question_gets_its_refusal() -> None:
    narrator = Narrator(io.StringIO())
    approval = ToolApproval("1", "demo", "add", {}, "")
    assert await narrator.ask(approval) == approval.refusal
    assert await narrator.ask(ElicitationForm("demo", "", {})) == ElicitationAnswer("decline")


async def test_a_stderr_that_is_gone_ends_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    await Narrator(Gone()).show(Noticed(text="x"))
