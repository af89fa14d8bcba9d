"""However an answer is cut into pieces and drawn meanwhile: what stays on the screen is what the whole looks like."""

from __future__ import annotations

import asyncio
from itertools import cycle

import pyte
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcphost import events
from mcphost.messages import Usage
from mcphost.models.scripted import ScriptedModel
from mcphost.terminal.render import Renderer
from tests.terminal.emulator import Emulator
from tests.terminal.test_blocks import LINES
from tests.terminal.tty import Tty, chatting

WORDS = [
    *LINES, "word " * 30, "漢字 " * 20, "| 漢字 | é |", "- [ ] task", "e\u0301 and 👩\u200d🔬", "[l](http://x.org)",
    "| 👍🏽 | 🇩🇪 |", "\tindented", "x" * 90,
]  # fmt: skip
documents = st.lists(st.sampled_from(WORDS), max_size=25).map("\n".join)
pieces = st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=8)
sizes = st.sampled_from([(100, 30), (60, 14), (24, 8)])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(documents, pieces, sizes)
def test_an_answer_in_pieces_is_on_the_screen_what_the_whole_is(
    document: str, pieces: list[tuple[int, bool]], size: tuple[int, int]
) -> None:
    check(document, pieces, size)


@pytest.mark.long
@pytest.mark.deadline(1800)
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents, pieces, sizes)
def test_many_answers_in_pieces_are_on_the_screen_what_the_whole_is(
    document: str, pieces: list[tuple[int, bool]], size: tuple[int, int]
) -> None:
    check(document, pieces, size)


def check(document: str, pieces: list[tuple[int, bool]], size: tuple[int, int]) -> None:
    """`pieces` are the lengths to cut into, again and again, and whether a frame is drawn after each."""
    assert asyncio.run(streamed(document, pieces, size)) == printed(document, size)


def printed(document: str, size: tuple[int, int]) -> list[str]:
    """The lines of the whole, rendered at once."""
    screen = Emulator(*size)
    lines = Renderer(color=True).document(document, size[0])
    pyte.Stream(screen).feed(lines.replace("\n", "\r\n"))
    return screen.text.strip("\n").split("\n")


async def streamed(document: str, pieces: list[tuple[int, bool]], size: tuple[int, int]) -> list[str]:
    """The lines that stay of an answer that came in pieces."""
    async with chatting(ScriptedModel([]), size=size) as tty:
        await tty.ready()
        frontend = tty.repl.frontend
        frontend.sent("begin")
        await drawn(tty)
        start = 0
        for length, frame in cycle(pieces):
            await frontend.show(events.TextStreamed(text=document[start : start + length]))
            if frame:
                await drawn(tty)
            start += length
            if start >= len(document):
                break
        frontend.ended("done", Usage(), 1, empty=False)
        frontend.sent("end")
        await tty.see("> end")
        lines = tty.screen.text.split("\n")
        return "\n".join(lines[lines.index("> begin") + 1 : lines.index("> end")]).strip("\n").split("\n")


async def drawn(tty: Tty) -> None:
    """Wait for one more frame."""
    app = tty.repl.screen.app
    rendered = asyncio.Event()
    app.after_render += (seen := lambda _: rendered.set())
    app.invalidate()
    await rendered.wait()
    app.after_render -= seen
