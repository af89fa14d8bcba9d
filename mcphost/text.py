"""The sanitiser: every text from a server or a model passes here before a terminal shows it or a model reads it.

Law 5: text from outside is data. Characters that move a cursor, reorder, hide or smuggle text become U+FFFD;
joiners stay, because scripts and emoji need them.
"""

from __future__ import annotations

import json
import re

# C0 but tab and newline, DEL, C1, Arabic letter mark, zero-width space, directional marks, embeddings and isolates,
# invisible operators, BOM, interlinear marks, tags, variation selectors supplement, unpaired surrogates.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef\ud800-\udfff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEWLINES = re.compile("\r\n?")


def safe(text: str) -> str:
    """`text` without anything that could act on a terminal or hide from a reader; newlines and tabs stay.

    >>> safe("a\\x1b[31mb\\r\\nc")
    'a\ufffd[31mb\\nc'
    """
    return _UNSAFE.sub("\ufffd", _NEWLINES.sub("\n", text))


def one_line(text: str, limit: int = 200) -> str:
    """`safe(text)` on one line, white space folded, at most `limit` characters with "…" where it was cut."""
    line = " ".join(safe(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def visible(text: str) -> str:
    """`text` where nothing hides: what `safe` would replace stands there as its JSON escape, such as \\u001b."""
    return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def encodable(text: str) -> str:
    """`text` with unpaired surrogates replaced, so that it can be encoded as UTF-8; nothing else changes."""
    return _SURROGATE.sub("\ufffd", text)


def head_and_tail(text: str, limit: int, note: str) -> str:
    """`text` cut to about `limit` characters: 40 % from its head, 60 % from its tail, `note` between them.

    `note` may hold `{cut}`, the number of characters left out.
    """
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 5, limit - limit * 2 // 5
    return f"{text[:head]}\n{note.format(cut=len(text) - limit)}\n{text[-tail:]}"
