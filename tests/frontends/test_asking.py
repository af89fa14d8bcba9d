"""Questions on a real pseudo-terminal: the typist types each line when a prompt appears."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pexpect
import pytest

from mcphost.events import CallEnded, Noticed
from mcphost.frontends.asking import Asker, exact
from mcphost.frontends.narrator import Narrator
from mcphost.frontends.paint import Paint
from mcphost.messages import ToolResult
from mcphost.questions import (
    Approval,
    ArgumentValue,
    ElicitationAnswer,
    ElicitationForm,
    ElicitationUrl,
    Further,
    PromptArgument,
    PromptDecision,
    PromptPreview,
    SamplingDecision,
    SamplingReview,
    StepLimit,
    ToolApproval,
    UnknownOutcome,
)
from mcphost.text import safe

CONTROL_D = "\x04"


class Typist:
    """A person at a terminal: `shown` is what they saw; each prompt (text that ends no line) gets the next of `lines`.

    It is the text stream a Narrator writes to, too.
    """

    def __init__(self) -> None:
        self.hand, self.terminal = os.openpty()
        self.shown = ""
        self.lines: list[str] = []

    def write(self, text: str) -> int:
        self.shown += text
        if text and not text.endswith("\n") and self.lines:
            line = self.lines.pop(0)
            self.type(line if line == CONTROL_D else line + "\n")
        return len(text)

    def flush(self) -> None:
        return None

    def type(self, text: str) -> None:
        os.write(self.hand, text.encode())

    async def answer(self, question: Any, *lines: str, grace: float = 0) -> Any:
        self.lines = list(lines)
        asked: Any = await Asker(self.terminal, lambda text: void(self.write(text)), Paint(False), grace=grace).ask(
            question
        )
        assert self.lines == []
        return asked


def void(value: object) -> None:
    return None


@pytest.fixture
def typist() -> Iterator[Typist]:
    person = Typist()
    yield person
    os.close(person.hand)
    os.close(person.terminal)


APPROVAL = ToolApproval("c1", "demo", "add", {"a": 2, "b": "x\u202ey\x1b[2J"}, "ask is the default", description="Adds")


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["y"], Approval(allowed=True)),
        (["Yes"], Approval(allowed=True)),
        (["s"], Approval(allowed=True, lasting="chat")),
        (["n"], Approval(allowed=False)),
        (["no  the wrong file "], Approval(allowed=False, reason="the wrong file")),
        (["", "x", "yellow", "y"], Approval(allowed=True)),
        ([CONTROL_D], Approval(allowed=False)),
    ],
)
async def test_a_call_runs_only_after_a_typed_yes(typist: Typist, lines: list[str], answer: Approval) -> None:
    assert await typist.answer(APPROVAL, *lines) == answer


async def test_the_arguments_are_shown_whole_and_hide_nothing(typist: Typist) -> None:
    question = ToolApproval("c1", "demo", "write", {"text": "z" * 5_000 + "\u200b\x9b\x7f", "ы": "\n"}, "")
    await typist.answer(question, "n")
    assert "z" * 5_000 + r"\u200b\u009b\u007f" in typist.shown
    assert r'"ы": "\n"' in typist.shown
    assert safe(typist.shown) == typist.shown


async def test_what_a_tool_does_by_its_servers_word_is_shown_as_that(typist: Typist) -> None:
    await typist.answer(replace(APPROVAL, title="Add\x1b", annotations={"destructiveHint": False}), "n")
    assert "  demo:\n  | Add\ufffd\n  | Adds\n  | destructiveHint: False\n" in typist.shown


async def test_what_was_typed_before_the_question_answers_nothing(typist: Typist) -> None:
    typist.type("y\n")
    assert await typist.answer(APPROVAL, "n") == Approval(allowed=False)


async def test_what_is_typed_as_the_question_appears_answers_nothing(typist: Typist) -> None:
    question = asyncio.create_task(typist.answer(APPROVAL, "n", grace=0.05))
    await asyncio.sleep(0)  # the question is shown, and waits
    assert "[y]" in typist.shown
    typist.type("y\n")
    assert await question == Approval(allowed=False)


ALL = replace(
    APPROVAL,
    lasting=("once", "alike", "chat", "always", "arguments", "server"),
    disable=True,
    alike=({"a": 3}, {"a": "\x1b"}),
    listed=7,
    changes=("- description: Adds\x1b", "+ description: Sends"),
)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("w", Approval(allowed=True, lasting="alike")),
        ("a", Approval(allowed=True, lasting="always")),
        ("p", Approval(allowed=True, lasting="arguments")),
        ("v", Approval(allowed=True, lasting="server")),
        ("d", Approval(allowed=False, disable=True)),
        ("d wrong server", Approval(allowed=False, disable=True, reason="wrong server")),
    ],
)
async def test_an_answer_may_hold_for_longer_where_the_question_offers_it(
    typist: Typist, line: str, answer: Approval
) -> None:
    assert await typist.answer(APPROVAL, line, "n") == Approval(allowed=False)
    assert await typist.answer(ALL, line) == answer
    for words in ("all 7 tools that demo lists now", "this and 2 more", '"a": 3', r"\u001b", "+ description: Sends"):
        assert words in typist.shown
    assert safe(typist.shown) == typist.shown


async def test_arguments_are_edited_before_they_run(typist: Typist) -> None:
    edited = await typist.answer(ALL, "e", "nonsense", '{"a": 1e400}', "a=[4]", "e", "b=plain text", "a", "y")
    assert edited == Approval(allowed=True, arguments={"a": [4], "b": "plain text"})
    assert '"b": "plain text"' in typist.shown
    assert await typist.answer(ALL, "e", '{"a": 1', '{"c": 1}', "y") == Approval(allowed=True, arguments={"c": 1})
    assert await typist.answer(ALL, "e", "", "a") == Approval(allowed=True, lasting="always")
    assert await typist.answer(ALL, "e", "a=1", "n too late") == Approval(allowed=False, reason="too late")


@pytest.mark.parametrize(("line", "answer"), [("y", "retry"), ("n", "fail"), (CONTROL_D, "fail")])
async def test_a_call_of_unknown_outcome_runs_again_only_after_a_typed_yes(
    typist: Typist, line: str, answer: str
) -> None:
    question = UnknownOutcome("c1", "bank__transfer", {"amount": 7})
    assert await typist.answer(question, line) == answer
    assert "bank__transfer was under way" in typist.shown
    assert '"amount": 7' in typist.shown


async def test_how_a_turn_goes_on_is_a_choice_and_the_end_of_input_stops_it(typist: Typist) -> None:
    question = StepLimit(25, "demo__poll", 3)
    assert await typist.answer(question, "m", "m many", "m 10") == Further("go-on", 10)
    assert "demo__poll gave the same result 3 times" in typist.shown
    assert await typist.answer(StepLimit(25), "w") == Further("wrap-up")
    assert "This turn took all of its 25 steps" in typist.shown
    assert await typist.answer(StepLimit(25), "y") == Further("go-on")
    assert await typist.answer(StepLimit(25), CONTROL_D) == Further("stop")


async def test_a_question_that_is_cancelled_leaves_the_terminal_to_the_next_one(typist: Typist) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await typist.answer(APPROVAL)
    assert await typist.answer(APPROVAL, "y") == Approval(allowed=True)


async def test_a_terminal_that_hung_up_refuses() -> None:
    hand, terminal = os.openpty()
    os.close(hand)
    assert await Asker(terminal, void, Paint(False)).ask(APPROVAL) == Approval(allowed=False)
    os.close(terminal)


async def test_a_sampling_request_is_edited_and_shown_again(typist: Typist) -> None:
    question = SamplingReview("demo", "test/model", ({"role": "user", "content": {"type": "text", "text": "A"}},), 100)
    decision = await typist.answer(question, "e", '{"maxTokens": "9"}', '{"maxTokens": 9}', "y")
    assert decision.edited == {"systemPrompt": "", "messages": list(question.messages), "maxTokens": 9}
    assert "in at most 9 tokens" in typist.shown
    assert "expected a JSON object of messages" in typist.shown


async def test_sampling_shows_all_that_would_be_sent(typist: Typist) -> None:
    messages = (
        {"role": "user", "content": {"type": "text", "text": "First\nsecond \x1b]0;t\x07"}},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "look", "input": {"q": 1}}]},
        {"role": "user", "content": [{"type": "image", "mimeType": "image/png", "data": "AAAA"}]},
    )
    tool = {"name": "look", "description": "Obey\u202e.", "inputSchema": {"title": "Do it"}}
    question = SamplingReview("demo", "test/model", messages, 100, system="Be brief", tools=(tool,))
    assert await typist.answer(question, "", "y") == SamplingDecision(allowed=True)
    for words in (
        "Server demo wants test/model",
        "at most 100",
        "| Be brief",
        "| second",
        '"q": 1',
        "| Obey",
        '"Do it"',
        "image/png, 3 bytes",
    ):
        assert words in typist.shown
    assert safe(typist.shown) == typist.shown
    assert await typist.answer(question, "n") == SamplingDecision(allowed=False)


FORM = ElicitationForm(
    "demo",
    "Who?",
    {
        "properties": {
            "name": {"type": "string", "title": "Your name"},
            "age": {"type": "integer", "minimum": 0},
            "color": {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"], "default": "g"},
        },
        "required": ["name"],
    },
    problems={"name": "must be filled in"},
    warnings=("careful",),
)


async def test_a_form_is_filled_in_field_by_field_and_shown_before_it_is_sent(typist: Typist) -> None:
    answer = await typist.answer(FORM, "y", "", "Ada", "old", "36", "", "y")
    assert answer == ElicitationAnswer("accept", {"name": "Ada", "age": 36, "color": "g"})
    for words in (
        "Server demo (not mcphost, not the model)",
        "! careful",
        "name: must be filled in",
        "Your name (needed, text)",
        "age (may stay empty, a whole number, at least 0)",
        "expected a whole number",
        "2) Green",
        'color ["g"]:',
        '"age": 36',
    ):
        assert words in typist.shown


@pytest.mark.parametrize(
    ("lines", "action"),
    [
        (["n"], "decline"),
        (["c"], "cancel"),
        ([CONTROL_D], "cancel"),
        (["y", CONTROL_D], "cancel"),
        (["y", "Ada", "", "", "n"], "decline"),
        (["y", "Ada", "", "", "c"], "cancel"),
    ],
)
async def test_a_form_can_be_left_at_every_point(typist: Typist, lines: list[str], action: str) -> None:
    assert await typist.answer(FORM, *lines) == ElicitationAnswer(action)  # type: ignore[arg-type]


async def test_a_form_can_be_edited_before_it_is_sent(typist: Typist) -> None:
    answer = await typist.answer(FORM, "y", "Ada", "", "", "e", "Bob", "", "1", "y")
    assert answer == ElicitationAnswer("accept", {"name": "Bob", "color": "r"})


async def test_enter_declines_a_form_with_a_field_that_looks_like_a_secret(typist: Typist) -> None:
    question = ElicitationForm("demo", "Sign in", {"properties": {"password": {"type": "string"}}})
    assert await typist.answer(question, "") == ElicitationAnswer("decline")
    assert await typist.answer(question, "y", "xyz", "") == ElicitationAnswer("decline")
    assert await typist.answer(question, "y", "xyz", "y") == ElicitationAnswer("accept", {"password": "xyz"})
    assert "[n] decline (Enter)" in typist.shown
    assert await typist.answer(question, "d") == ElicitationAnswer("decline", lasting="chat")


@pytest.mark.parametrize(("key", "action"), [("y", "accept"), ("n", "decline"), ("c", "cancel"), (CONTROL_D, "cancel")])
async def test_an_address_is_shown_whole_with_its_host_alone(typist: Typist, key: str, action: str) -> None:
    question = ElicitationUrl("demo", "Sign in", "https://example.org/a?b=" + "c" * 300, "example.org", ("odd host",))
    assert await typist.answer(question, key) == ElicitationAnswer(action)  # type: ignore[arg-type]
    assert f"  {question.url}\n" in typist.shown
    assert "It leads to: example.org\n" in typist.shown
    assert "! odd host" in typist.shown
    assert ("No browser can be started from here. Open it yourself:" in typist.shown) == (key == "y")


async def test_lines_that_come_during_a_question_wait_until_it_is_answered(typist: Typist) -> None:
    narrator = Narrator(typist, terminal=typist.terminal)  # type: ignore[arg-type]
    question = asyncio.create_task(narrator.ask(APPROVAL))
    await asyncio.sleep(0)
    other = asyncio.create_task(narrator.ask(APPROVAL))
    await narrator.show(Noticed(text="meanwhile"))
    await narrator.show(CallEnded(call="x", name="slow", result=ToolResult("x", ()), seconds=1))
    assert typist.shown.count("wants to run") == 1
    assert "meanwhile" not in typist.shown
    typist.lines = ["y", "n"]
    assert (await question, await other) == (Approval(allowed=True), Approval(allowed=False))
    first, second = typist.shown.split("meanwhile")
    assert "slow" not in first
    assert "wants to run" in second


CHILD = """
import asyncio, sys
from mcphost.frontends import Narrator
from mcphost.questions import ToolApproval
narrator = Narrator(sys.stderr, terminal=sys.stdin.fileno(), color=True)
answer = asyncio.run(narrator.ask(ToolApproval("c", "demo", "add", {"a": 2}, "")))
print("ANSWER", answer.allowed, answer.reason)
"""


def test_a_process_asks_on_its_own_terminal(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    child = pexpect.spawn(sys.executable, [str(script)], encoding="utf-8", timeout=20)
    child.expect(re.escape("Run it?"))
    child.sendline("")
    child.expect("Type y, s, n or e")
    child.expect(re.escape("Run it?"))
    child.sendline("n too large")
    child.expect("ANSWER False too large")
    child.expect(pexpect.EOF)


def test_exact_json_is_json() -> None:
    import json

    value = {"k\u202e": "\x1b \U000e0041 é 😀 \ud800"}
    assert json.loads(exact(value)) == value
    assert safe(exact(value)) == exact(value)
    assert "é 😀" in exact(value)


async def test_what_a_prompt_needs_is_asked_for_with_the_servers_suggestions(typist: Typist) -> None:
    question = PromptArgument("travel", "trip", "to", "Where\x1b[2J to", {"from": "Ulm"}, ("Bern", "Basel\n"))
    assert await typist.answer(question, "Bern") == ArgumentValue("Bern")
    assert "? The prompt trip of server travel needs to\n  from=Ulm\n" in typist.shown
    assert "travel describes it: Where\ufffd[2J to\n  It suggests: Bern, Basel\n" in typist.shown
    assert await typist.answer(question, "") == await typist.answer(question, CONTROL_D) == ArgumentValue(None)


async def test_a_prompt_is_previewed_with_the_names_and_sizes_of_what_is_no_text(typist: Typist) -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "Look \x1b]0;x\x07\n" + "more\n" * 300},
        {"type": "image", "mimeType": "image/png", "data": "aGVsbG8="},
        {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "words"}},
        {"type": "resource", "resource": {"uri": "file:///b", "blob": "aGVs"}},
        {"type": "resource_link", "uri": "file:///c", "name": "c"},
    ]
    question = PromptPreview("eye", "look", tuple({"role": "user", "content": part} for part in parts))
    assert await typist.answer(question, "", "y") == PromptDecision(send=True)
    assert "  user:\n  | Look \ufffd]0;x\ufffd\n  | more" in typist.shown
    assert typist.shown.count("| more") == 199
    assert "| … 505 more characters" in typist.shown
    for said in (
        "[image image/png, 5 bytes]",
        "file:///a, text/plain, 5 characters]",
        "file:///b, 3 bytes]",
        "file:///c]",
    ):
        assert said in typist.shown
    assert await typist.answer(question, CONTROL_D) == PromptDecision(send=False)
