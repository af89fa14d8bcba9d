"""T5 and X1, end to end: the installed program on a real terminal, a hostile server, and the bytes on both sides."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.cli.program import config, one_call, script
from tests.hostile import stdio_peer
from tests.terminal.pty import started
from tests.terminal.tty import plain

ARGUMENTS = {
    "path": "/tmp/a b/\u202egnp.exe",
    "text": 'one\ntwo\r\x1b[31mred\x1b]52;c;cHduZWQ=\x07\x9b2J\u200b \\ " \U000e0041 漢字 é',
    "numbers": [1, 2.5, None, True, -0.0, 12345678901234567890],
    "deep": {"a": {"b": "x" * 150}},
}
ACTING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")


@pytest.mark.deadline(60)
def test_the_question_equals_the_wire_and_nothing_else_acts_on_the_screen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = [sys.executable, stdio_peer.__file__, "attack in the result", "--log", str(log)]
    file = config(tmp_path, {"peer": argv})
    hostile = stdio_peer.ATTACK + " **bold** [link](http://evil.invalid) [red]markup[/red]"
    model = script(tmp_path, one_call("peer__fault", **ARGUMENTS), hostile)
    with started("-C", str(file), "-m", model) as pty:
        pty.see("ready ·")
        pty.type("go\r")
        pty.see("[y] yes, once")
        lines = pty.display.splitlines()
        shown = json.loads("".join(lines[lines.index("{") : lines.index("}") + 1]))
        pty.type("y")
        pty.see("markup")
        pty.type("/quit\r")
        assert pty.ended() == 0
        raw = pty.raw
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    received = [entry["message"] for entry in entries if entry["what"] == "received"]
    (sent,) = [one["params"]["arguments"] for one in received if one.get("method") == "tools/call"]
    assert shown == sent == ARGUMENTS
    assert json.dumps(shown) == json.dumps(sent), "as they were written, down to 1 and 1.0"
    assert not ACTING.search(plain(raw)), "nothing acts but what the host itself draws"
