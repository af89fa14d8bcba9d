"""Chats that go on, by the installed program on a real pseudo-terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import config, fast_server, mcphost, one_call, script
from tests.terminal.pty import Pty, started

CTRL_D = "\x04"


def arguments(folder: Path, *replies: object) -> list[str]:
    folder.mkdir(exist_ok=True)
    return ["-C", str(config(folder, {"fast": fast_server()})), "-m", script(folder, *replies), "--allow", "fast__*"]


def say(pty: Pty, text: str, answer: str) -> None:
    pty.type(f"{text}\r")
    pty.see(answer)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.mark.deadline(120)
def test_the_latest_chat_of_this_directory_goes_on(tmp_path: Path, env: dict[str, str]) -> None:
    with started(*arguments(tmp_path / "1", "Noted: blue."), env=env) as pty:
        pty.see("Ctrl+D leaves")
        say(pty, "My colour is blue", "Noted: blue.")
        pty.type(CTRL_D)
        assert pty.ended() == 0
    with started("-c", *arguments(tmp_path / "2", "You said blue."), env=env) as pty:
        pty.see("My colour is blue")
        pty.see("Noted: blue.")
        say(pty, "Which was it?", "You said blue.")


@pytest.mark.deadline(120)
def test_a_turn_that_was_killed_goes_on_and_its_open_call_is_asked_about(tmp_path: Path, env: dict[str, str]) -> None:
    with started(*arguments(tmp_path / "1", one_call("fast__wait", seconds=60)), env=env) as pty:
        pty.see("Ctrl+D leaves")
        say(pty, "Wait a minute", "fast__wait")
        pty.child.kill(9)
        pty.child.wait()
    with started("-r", *arguments(tmp_path / "2", "I gave up."), env=env) as pty:
        pty.see("Wait a minute")
        pty.type("1\r")
        pty.see("may or may not have taken effect")
        pty.see("[y] run it again")
        pty.type("n")
        pty.see("I gave up.")


async def test_what_cannot_go_on_is_said_in_a_line(tmp_path: Path) -> None:
    empty = {"XDG_STATE_HOME": str(tmp_path / "nothing")}
    for wish in (["--resume", "latest"], ["--resume", "abcdef"]):
        ran = await mcphost("run", *wish, env=empty)
        assert (ran.code, ran.out) == (2, "")
        assert "nothing is recorded yet" in ran.err
