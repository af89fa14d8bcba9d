"""A menu of a thousand completions on a real pseudo-terminal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.program import config, fast_server, script
from tests.terminal.pty import started

MANY = 1000
ROWS = 8  # of the menu
ESC, UP, DOWN = "\x1b", "\x1b[A", "\x1b[B"


@pytest.mark.deadline(60)
def test_a_thousand_completions_appear_at_once_scroll_and_go_away(tmp_path: Path) -> None:
    file = config(tmp_path, {"crowd": fast_server("--more", str(MANY))})
    with started("-C", str(file), "-m", script(tmp_path, "Here."), size=(80, 20)) as pty:
        pty.see("1002 tools")
        calm = pty.display
        began = time.monotonic()
        pty.type("crowd__echo_")
        pty.see("crowd__echo_0007")
        assert time.monotonic() - began < 1
        assert len(pty.display.split("crowd__echo_0")) == 1 + ROWS
        pty.type(DOWN * 500)
        pty.see("> crowd__echo_0499")
        pty.see("crowd__echo_0500")
        pty.type(UP * 500)
        pty.see("> crowd__echo_\n")
        pty.type(UP)
        pty.see("> crowd__echo_0999")
        pty.type(ESC)
        pty.miss("crowd__echo_0998")
        pty.see("> crowd__echo_\n")
        pty.type("\x03")
        pty.until(lambda: pty.display == calm, "a screen as it was before")
        assert "Traceback" not in pty.raw
        pty.type("/quit\r")
        assert pty.ended() == 0
