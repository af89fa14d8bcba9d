"""The installed program on a real pseudo-terminal."""

from __future__ import annotations

import json
import signal
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import config, fast_server, marked, mcphost, one_call, script
from tests.terminal.pty import started


def arguments(tmp_path: Path, *replies: Any) -> list[str]:
    file = config(tmp_path, {"fast": fast_server()})
    return ["-C", str(file), "-m", script(tmp_path, *replies)]


@pytest.mark.deadline(60)
def test_start_type_approve_stream_cancel_and_quit(tmp_path: Path) -> None:
    replies = one_call("fast__echo", text="hello"), "**Echoed**.", one_call("fast__wait", seconds=60)
    with started(*arguments(tmp_path, *replies)) as pty:
        pty.type("say hello\r")  # before anything is there to read it
        pty.see("[y] yes, once")
        pty.type("y")
        pty.see('✓ fast__echo(text="hello")')
        pty.see("Echoed.")
        pty.type("now wait\r")
        pty.see("fast wants to run wait")
        pty.see("[y] yes, once")
        pty.type("y")
        pty.see("fast__wait(seconds=60) 0s")
        pty.type("\x03")
        pty.see("! Stopped.")
        pty.type("/quit\r")
        assert pty.ended() == 0
        assert termios.tcgetattr(pty.child.child_fd) == pty.modes
        assert "\x1b[6n" not in pty.raw, "a terminal is asked nothing: its answer could be taken for keys"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.deadline(60)
def test_a_signal_during_a_call_ends_everything_in_order(tmp_path: Path, number: int, code: int) -> None:
    mark = str(tmp_path)
    args = [*arguments(tmp_path, one_call("fast__wait", seconds=60)), "--allow", "fast__*"]
    with started(*args, env={"TEST_MARK": mark}) as pty:
        pty.see("ready ·")
        pty.type("wait\r")
        pty.see("fast__wait(seconds=60) 0s")
        pty.child.kill(number)
        assert pty.ended() == code
        assert termios.tcgetattr(pty.child.child_fd) == pty.modes
        assert pty.raw.rindex("\x1b[?2004l") > pty.raw.rindex("\x1b[?2004h")
    end = time.monotonic() + 4
    while marked(mark):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.deadline(60)
def test_a_terminal_that_goes_away_ends_everything(tmp_path: Path) -> None:
    mark = str(tmp_path)
    args = [*arguments(tmp_path, one_call("fast__wait", seconds=60)), "--allow", "fast__*"]
    with started(*args, env={"TEST_MARK": mark}) as pty:
        pty.see("ready ·")
        pty.type("wait\r")
        pty.see("fast__wait(seconds=60) 0s")
        vars(pty.child)["ptyproc"].fileobj.close()
        end = time.monotonic() + 6
        while marked(mark):
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.mark.deadline(60)
def test_leaving_while_everything_still_loads(tmp_path: Path) -> None:
    with started(*arguments(tmp_path)) as pty:
        pty.see("starting")
        pty.type("\x04")
        assert pty.ended() == 0


@pytest.mark.deadline(60)
def test_a_model_that_cannot_be_opened_is_said_and_can_be_changed(tmp_path: Path) -> None:
    with started("-C", str(config(tmp_path)), "-m", "anthropic/claude-x") as pty:
        pty.see("✗ ")
        pty.see("ANTHROPIC_API_KEY")
        pty.see("no model")
        pty.type("/model offline\r")
        pty.see("ready · offline")
        pty.type("/quit\r")
        assert pty.ended() == 0


@pytest.mark.deadline(60)
def test_a_terminal_without_a_cursor_gets_lines(tmp_path: Path) -> None:
    replies = one_call("fast__echo", text="hello"), "Echoed **it**.", "Text."
    with started(*arguments(tmp_path, *replies), env={"TERM": "dumb"}) as pty:
        pty.see("Ctrl+D leaves")
        pty.type("say hello\n")
        pty.see("Run it?")
        pty.type("y\n")
        pty.see("Echoed **it**.")
        pty.type("/quit\nis what I pasted\n")
        pty.see("Text.")
        pty.type("/quit\n")
        assert pty.ended() == 0
        assert "\x1b" not in pty.raw


async def test_without_a_terminal_it_says_what_to_use() -> None:
    ran = await mcphost(stdin="hello")
    assert ran.code == 2
    assert "mcphost run" in ran.err


def test_a_wrong_configuration_is_said_before_any_prompt(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"mcpServers": {"a": {"comand": "x"}}, "mcphost": {"x": 1}}))
    with started("-C", str(tmp_path / "config.json")) as pty:
        assert pty.ended() == 2
        assert "config.json" in pty.raw
