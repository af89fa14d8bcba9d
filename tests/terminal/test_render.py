from __future__ import annotations

import base64
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcphost.messages import AssistantMessage, Reasoning, Text, ToolResult
from mcphost.models.scripted import ScriptedModel, call
from mcphost.terminal.folds import Folds
from mcphost.terminal.pictures import Pictures
from mcphost.terminal.render import Renderer
from mcphost.terminal.resize import wraps_anew
from tests.terminal.test_blocks import LINES, chunks
from tests.terminal.tty import ENTER, chatting

RENDERER = Renderer(color=True)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from([*LINES, "- [ ] task", "漢字 | é", "[l](http://x.org)"]), max_size=25), st.integers(1, 40)
)
def test_what_is_printed_piece_by_piece_is_what_the_whole_looks_like(lines: list[str], size: int) -> None:
    text = "\n".join(lines)
    shown: list[str] = []
    for commit in chunks(text, size):
        piece = RENDERER.commit(commit, 60)
        if piece or commit.kind == "code":
            shown += [piece] if commit.joined or not shown else ["", piece]
    assert "\n".join(shown) == RENDERER.document(text, 60)


def test_code_is_coloured_across_lines_and_copied_as_it_was_written() -> None:
    code = 'x = """a\nb"""\n' + "y" * 200 + "\n"
    shown = RENDERER.document(f"```python\n{code}```\n", 40)
    assert "\x1b[32mb\x1b[0m" in shown
    assert Renderer(color=False).document(f"```python\n{code}```\n", 40) == f"```python\n{code}```"


def test_a_table_that_is_too_wide_loses_no_cell() -> None:
    table = "|" + "|".join(f"head{n}" for n in range(9)) + "|\n" + "|---" * 9 + "|\n" + "|cell" * 9 + "|\n"
    assert Renderer(color=False).document(table, 30).split("\n")[:2] == ["head0: cell", "head1: cell"]


def test_where_a_link_reference_leads_stays_in_sight() -> None:
    shown = Renderer(color=False).document("See [the docs][1].\n\n[1]: http://x.org\n", 60)
    assert shown == "See [the docs][1].\n\n[1]: http://x.org"


def test_the_oldest_folds_go_first_and_turns_open_from_the_last() -> None:
    folds = Folds(most=10)
    for turn in ("aaaa", "bbbb", "cccc"):
        folds.begin()
        folds.add(turn[0], turn)
    assert [[fold.title for fold in folds.open()] for _ in range(3)] == [["c"], ["b"], []]


def test_a_picture_is_a_private_file_named_by_its_content(tmp_path: Path) -> None:
    image = {"type": "image", "mimeType": "image/png", "data": base64.b64encode(b"png").decode()}
    strange = {"type": "image", "mimeType": "../evil", "data": "eA=="}
    result = ToolResult("1", (image, image, strange))  # type: ignore[arg-type]
    one, two = Pictures(tmp_path / "new").saved(result)
    assert one == two
    assert one.file.read_bytes() == b"png"
    assert one.file.stat().st_mode & 0o777 == 0o600
    assert f"image/png, 3 bytes: {one.file}" == one.line(link=False)
    assert one.file.as_uri() in one.line(link=True)


def test_only_a_terminal_that_is_known_to_wraps_anew() -> None:
    assert wraps_anew({"TMUX": "/tmp/x"})
    assert not wraps_anew({"TERM": "xterm-256color", "TMUX": ""})


def add(a: int, b: int) -> str:
    """Add."""
    return f"{a + b}\nsecond line"


async def test_reasoning_and_results_fold_and_ctrl_o_opens_them() -> None:
    thought = AssistantMessage((Reasoning("First I think.\nThen I add."), Text("Five.")))
    async with chatting(ScriptedModel([call("local__add", a=2, b=3), thought]), tools=[add]) as tty:
        await tty.ready()
        tty.type("go" + ENTER)
        await tty.choose("local wants to run add", "y")
        await tty.see("▸ thought for 0s, 26 characters", "Five.", "ready ·")
        assert "Then I add." not in tty.screen.display
        tty.type("\x0f")
        await tty.see("▾ local__add(a=2, b=3)", "second line", "▾ thought", "Then I add.")
        tty.type("\x0f")
        await tty.see("Nothing is folded.")
