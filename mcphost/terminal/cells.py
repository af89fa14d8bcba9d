"""Text measured in terminal columns: wide characters take two, joiners none.

Terminals differ in how many columns a flag takes, or an emoji that is joined, toned or made one by a selector. Where
columns count, such a cluster is written between a saved and a restored cursor, which then goes on by what we counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from prompt_toolkit.utils import get_cwidth

_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
_NARROW = 20  # columns that a last column needs to be worth lining up

CLUSTER = re.compile("[\U0001f1e6-\U0001f1ff]{2}|.(?:\u200d.|[\ufe0f\u20e3\U0001f3fb-\U0001f3ff])+")
SAVE_CURSOR = "\x1b7"


def go_on(columns: int) -> str:
    """Go to `columns` right of where the cursor was saved."""
    return f"\x1b8\x1b[{columns}C"


def fit(text: str, width: int) -> str:
    """`text`, one line, cut to `width` columns with "…" where it was longer."""
    if get_cwidth(text) <= width:
        return text
    return next(_pieces(text, max(width - 1, 0), between_words=False), "") + "…"


def wrap(text: str, width: int, *, between_words: bool = False) -> list[str]:
    """The lines of `text`, each cut at `width` columns: not a character, not a space is lost. `between_words`: broken
    behind a space where there is one, where nobody can see it."""
    lines = text.expandtabs(4).split("\n")
    return [piece for line in lines for piece in _pieces(line, max(width, 2), between_words=between_words)] or [""]


def hang(line: str, width: int) -> str:
    """`line` as lines of at most `width` columns, broken between words: the last of aligned columns goes on where it
    began, any other text two columns in. A word that is longer than a line stays whole, for the terminal to wrap."""
    if get_cwidth(line) <= width:
        return line
    gap = max((match.end() for match in _GAP.finditer(line)), default=width)
    start = len(line) - len(line.lstrip())
    first, indent = (gap, gap) if width - gap >= _NARROW else (start, start + 2)
    lines: list[str] = []
    words: list[str] = []
    before = line[:first]
    for word in line[first:].split():
        if words and get_cwidth(before + " ".join([*words, word])) > width:
            lines.append(before + " ".join(words))
            before, words = " " * indent, []
        words.append(word)
    return "\n".join([*lines, before + " ".join(words)])


def _pieces(line: str, width: int, *, between_words: bool) -> Iterator[str]:
    if not line:
        yield ""
    start = used = 0
    for index, char in enumerate(line):
        size = get_cwidth(char)
        if used + size > width:
            space = line.rfind(" ", start, index) if between_words and char != " " else -1
            end = space + 1 or index
            yield line[start:end]
            start, used = end, get_cwidth(line[end:index])
        used += size
    if start < len(line):
        yield line[start:]
