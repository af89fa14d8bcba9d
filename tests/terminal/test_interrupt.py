"""Ctrl+C on a real pseudo-terminal: in every phase of a chat it stops what runs, and the chat goes on; twice leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.cli.program import config, marked
from tests.docs.scenes import SAMPLES, Stage, stage
from tests.terminal.pty import Pty, started

CTRL_C = "\x03"


def first_byte(on: Stage) -> None:
    on.send("go")
    on.pty.see("thinking")
    on.pty.until(on.api.answering, "the request")


def text(on: Stage) -> None:
    on.send("go")
    on.api.say("Half an ans")
    on.pty.see("Half an ans")


def reasoning(on: Stage) -> None:
    on.send("go")
    on.api.say("I wonder wheth", reasoning=True)
    on.pty.see("I wonder wheth")


def a_call(on: Stage) -> None:
    on.send("go")
    on.api.call(("lab__measure", {"sample": "iron"}))
    on.pty.see("reading 3 of 12")


def three_calls(on: Stage) -> None:
    on.send("go")
    on.api.call(*[("lab__measure", {"sample": sample}) for sample in SAMPLES])
    for words in ("reading 3 of 12", "reading 8 of 12", "reading 11 of 12"):
        on.pty.see(words)


def a_question(on: Stage) -> None:
    on.send("go")
    on.api.call(("lab__erase", {"path": "/"}))
    on.pty.see("[y] yes, once")


def a_question_not_armed(on: Stage) -> None:
    on.send("go")
    on.api.call(("lab__erase", {"path": "/"}))
    on.pty.see("lab wants to run erase")


def a_reason(on: Stage) -> None:
    a_question(on)
    on.pty.type("n")
    on.pty.see("Why not")


def a_form(on: Stage) -> None:
    on.send("go")
    on.api.call(("lab__book", {}))
    on.pty.see("[y] fill in")


def a_field(on: Stage) -> None:
    a_form(on)
    on.pty.type("y")
    on.pty.see("field 1 of 4")


def a_sampling_review(on: Stage) -> None:
    on.send("go")
    on.api.call(("lab__explain", {}))
    on.pty.see("What does 7.87 g/cm³ mean?")
    on.pty.see("[e] edit")


def the_step_limit(on: Stage) -> None:
    on.send("go")
    for sample in ("iron", "tin"):
        on.api.call(("lab__measure", {"sample": sample}))
        on.measured(sample, f'✓ lab__measure(sample="{sample}")')
    on.pty.see("This turn took all of its 2 steps")
    on.pty.see("[y] go on")


def a_shell_command(on: Stage) -> None:
    on.send("!echo begun; sleep 60")
    on.pty.see("begun")


TURNS: Mapping[str, Callable[[Stage], None]] = {
    phase.__name__: phase
    for phase in (
        the_step_limit, first_byte, text, reasoning, a_call, three_calls, a_question, a_question_not_armed, a_reason,
        a_form, a_field, a_sampling_review, a_shell_command,
    )
}  # fmt: skip


@pytest.mark.deadline(120)
def test_ctrl_c_stops_what_runs_in_every_phase_and_the_chat_goes_on(tmp_path: Path) -> None:
    mark = str(tmp_path)
    with stage(tmp_path, "--max-steps", "2", env={"TEST_MARK": mark}) as on:
        on.pty.see("ready · demo/model")
        for count, (name, phase) in enumerate(TURNS.items(), 1):
            phase(on)
            on.pty.type(CTRL_C)
            on.pty.until(partial(says, on.pty, "! Stopped.", count), f"the end of {name}")
            on.pty.see("Ctrl+C again leaves")
            takes_words(on.pty, f"after {name}")
            on.api.stopped()
        on.send("go")
        on.api.say("All is well.")
        on.api.end()
        on.pty.see("All is well.")
        on.pty.see("ready ·")
        on.send("/export json chat.json")
        on.pty.see("Written")
        on.pty.type("/quit\r")
        assert on.pty.ended() == 0
        assert "Traceback" not in on.pty.raw
    gone(mark)
    every_call_has_a_result(tmp_path / "chat.json")


@pytest.mark.long
@pytest.mark.deadline(120)
@pytest.mark.parametrize("phase", TURNS)
def test_ctrl_c_twice_leaves_in_every_phase(tmp_path: Path, phase: str) -> None:
    mark = str(tmp_path)
    with stage(tmp_path, "--max-steps", "2", env={"TEST_MARK": mark}) as on:
        on.pty.see("ready · demo/model")
        TURNS[phase](on)
        on.pty.type(CTRL_C)
        on.pty.see("Ctrl+C again leaves")
        on.pty.type(CTRL_C)
        assert on.pty.ended() == 130
        assert "Traceback" not in on.pty.raw
    gone(mark)


@pytest.mark.deadline(60)
def test_ctrl_c_while_servers_boot_words_are_typed_and_completions_are_offered(tmp_path: Path) -> None:
    mark = str(tmp_path)
    file = config(tmp_path, {"slow": ("sleep", "60")})
    with started("-C", str(file), "-m", "offline", env={"TEST_MARK": mark}) as pty:
        pty.see("starting")
        pty.type(CTRL_C)
        pty.see("Ctrl+C again leaves")
        takes_words(pty, "after the start")
        pty.see("servers 0/1 ready")
        pty.type("go\r")
        pty.see("waiting for slow")
        pty.type(CTRL_C)
        pty.see("! Stopped.")
        takes_words(pty, "after the wait")
        pty.type("/mo")
        pty.see("/model")
        pty.type(CTRL_C)
        pty.miss("/model")
        takes_words(pty, "after the menu")
        pty.type("\x12wor")
        pty.see("I-search")
        pty.type(CTRL_C)
        pty.miss("I-search")
        takes_words(pty, "after the search")
        pty.type(CTRL_C)
        pty.see("Ctrl+C again leaves")
        pty.type(CTRL_C)
        assert pty.ended() == 0
        assert "Traceback" not in pty.raw
    gone(mark)


def says(pty: Pty, text: str, times: int) -> bool:
    return pty.text.count(text) == times


def takes_words(pty: Pty, words: str) -> None:
    """What is typed stands in the input line, until Ctrl+C clears it."""
    pty.type(words)
    pty.see(f"> {words}")
    pty.type(CTRL_C)
    pty.miss(f"> {words}")


def every_call_has_a_result(exported: Path) -> None:
    messages = json.loads(exported.read_text())["messages"]
    calls = [
        part["id"]
        for message in messages
        if message["type"] == "assistant_message"
        for part in message["content"]
        if part["type"] == "tool_call"
    ]
    assert len(calls) == 2 + 1 + 3 + 3 + 2 + 1
    assert [message["call_id"] for message in messages if message["type"] == "tool_result"] == calls


def gone(mark: str) -> None:
    """No process with this mark is left, or will soon be."""
    end = time.monotonic() + 4
    while marked(mark):
        assert time.monotonic() < end, marked(mark)
        time.sleep(0.02)
