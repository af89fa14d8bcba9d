"""The scenes of docs/screens.md, through a real pseudo-terminal and a screen emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.scenes import lines, stage
from tests.docs.screenshots import SCREENS, scenes, svg


@pytest.mark.deadline(120)
def test_every_scene_looks_as_in_its_picture() -> None:
    found = dict(scenes())
    assert {file.stem for file in SCREENS.glob("*.svg")} == set(found)
    for name, scene in found.items():
        if svg(scene) != (SCREENS / f"{name}.svg").read_text():
            seen = "\n".join(lines(scene))
            pytest.fail(
                f"{name} changed; `python -m tests.docs.screenshots` makes its picture anew. Now it is:\n{seen}"
            )


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
