"""The scenes of docs/screens.md, through a real pseudo-terminal and a screen emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.scenes import lines, stage
from tests.docs.screenshots import SCREENS, scenes, svg

SEEN = {
    "start": ["server lab is ready, 4 tools", "> ask something, or / for commands, @ for resources"],
    "answer": [
        " sample  density  remark",
        " iron       7.87  鉄, the reference",
        '    without the first."""',
        " • ☑ calibrated",
        "    2. copper",
        "▌ What is not written down was not mea",
    ],
    "tools": [
        '⠹ lab__measure(sample="iron") ━━╌╌╌╌╌╌╌╌ 3/12 2s reading 3 of 12',
        '⠹ lab__measure(sample="copper") ━━━━━━━╌╌╌ 8/12 2s reading 8 of 12',
        '⠹ lab__measure(sample="tin") ━━━━━━━━━╌ 11/12 2s reading 11 of 12',
    ],
    "question": ["? lab wants to run erase", '  "path": "/measurements/2026/iron.csv"'],
    "form": [
        "│ For whom is the laboratory to be booked?",
        "  ✗ expected an e-mail address like ada@example.org",
        "[Ctrl+G] cancel  [Esc] back",
    ],
    "commands": ["> /mo"],
    "expanded": ['▾ lab__measure(sample="iron")', "iron: 0.75 g/cm³, 12 readings"],
    "plain": ["Tin has **2.75** g/cm³."],
}


@pytest.mark.deadline(120)
def test_every_scene_shows_what_its_screenshot_is_about() -> None:
    found = dict(scenes())
    assert list(found) == list(SEEN)
    assert {file.stem for file in SCREENS.glob("*.svg")} == set(SEEN)
    for name, wanted in SEEN.items():
        shown = lines(found[name])
        assert [line for line in wanted if line not in shown] == [], "\n".join(shown)
        assert svg(found[name]).endswith("</svg>\n")


@pytest.mark.deadline(60)
def test_a_window_made_narrower_in_mid_answer_shows_every_word_once(tmp_path: Path) -> None:
    words = [f"word{n:03}" for n in range(60)]
    with stage(tmp_path, size=(120, 30)) as on:
        on.pty.see("ready · demo/model")
        on.send("go")
        on.api.say(" ".join(words[:40]) + " ")
        on.pty.see(words[39])
        on.pty.resize(60, 30)
        on.api.say(" ".join(words[40:]))
        on.api.end()
        on.pty.see(words[59])
        on.pty.see("ready ·")
        assert [on.pty.text.count(word) for word in words] == [1] * 60, on.pty.text
        on.pty.type("/quit\r")
        on.pty.ended()
