"""Text measured in terminal columns: wide characters take two, joiners none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prompt_toolkit.utils import get_cwidth

_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
_NARROW = 20  # columns that a last column needs to be worth lining up


def fit(text: str, width: int) -> str:
    """`text`, one line, cut to `width` columns with "…" where it was longer."""
    if get_cwidth(text) <= width:
        return text
    return next(_pieces(text, max(width - 1, 0)), "") + "…"


def wrap(text: str, width: int) -> list[str]:
    """The lines of `text`, each cut hard at `width` columns: not a character, not a space is lost."""
    return [piece for line in text.expandtabs(4).split("\n") for piece in _pieces(line, max(width, 2))] or [""]


def hang(line: str, width: int) -> str:
    """A row of aligned columns as lines of at most `width` columns: its last column goes on below where it began."""
    gaps = list(_GAP.finditer(line))
    indent = gaps[-1].end() if gaps else 0
    if get_cwidth(line) <= width or width - indent < _NARROW:
        return line
    pieces: list[str] = []
    for word in line[indent:].split():
        if pieces and get_cwidth(pieces[-1]) + 1 + get_cwidth(word) <= width - indent:
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    return line[:indent] + f"\n{' ' * indent}".join(pieces)


def _pieces(line: str, width: int) -> Iterator[str]:
    if not line:
        yield ""
    start = used = 0
    for index, char in enumerate(line):
        size = get_cwidth(char)
        if used + size > width:
            yield line[start:index]
            start, used = index, 0
        used += size
    if start < len(line):
        yield line[start:]
