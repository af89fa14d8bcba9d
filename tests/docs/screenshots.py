"""`python -m tests.docs.screenshots` plays the chat's scenes on a terminal and writes docs/screens/*.svg."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path

from pyte.screens import Char

from tests.docs.scenes import Picture, play, play_plain

SCREENS = Path(__file__).parents[2] / "docs" / "screens"
WIDTH, HEIGHT, MARGIN = 8, 17, 10  # of a cell; around them, in pixels
_COLORS = {
    "default": "#d8d8d8", "black": "#1b1d23", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b",
    "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#d8d8d8", "brightblack": "#7f848e",
}  # fmt: skip
_PAPER = "#1b1d23"


def svg(picture: Picture) -> str:
    columns = max(map(len, picture))
    width, height = columns * WIDTH + 2 * MARGIN, len(picture) * HEIGHT + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" font-size="13" '
        'font-family="ui-monospace,Menlo,Consolas,monospace" xml:space="preserve">',
        f'<rect width="100%" height="100%" rx="6" fill="{_PAPER}"/>',
    ]
    for y, row in enumerate(picture):
        parts += _row(row, MARGIN + y * HEIGHT)
    return "\n".join([*parts, "</svg>\n"])


def _row(row: list[Char], top: int) -> Iterator[str]:
    column = 0
    for (color, bold, reverse, underline), cells in groupby(row, lambda c: (c.fg, c.bold, c.reverse, c.underscore)):
        run = list(cells)
        text = "".join(cell.data for cell in run)
        x, wide = MARGIN + column * WIDTH, len(run) * WIDTH
        column += len(run)
        fill = _COLORS.get(color, _COLORS["default"])
        if reverse:
            yield f'<rect x="{x}" y="{top}" width="{wide}" height="{HEIGHT}" fill="{fill}"/>'
            fill = _PAPER
        if text.strip():
            style = ' font-weight="bold"' * bold + ' text-decoration="underline"' * underline
            place = f'x="{x}" y="{top + 13}" textLength="{wide}"'
            yield f'<text {place} fill="{fill}"{style}>{escape(text)}</text>'


def scenes() -> Iterator[tuple[str, Picture]]:
    for script in (play, play_plain):
        with tempfile.TemporaryDirectory() as home:
            yield from script(Path(home))


if __name__ == "__main__":
    SCREENS.mkdir(exist_ok=True)
    for name, scene in scenes():
        (SCREENS / f"{name}.svg").write_text(svg(scene))
