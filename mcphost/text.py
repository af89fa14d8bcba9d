"""The sanitiser: every text from a server or a model passes here before a terminal shows it or a model reads it.

Law 5: text from outside is data. Characters that move a cursor, reorder, hide or smuggle text become U+FFFD; joiners
and the choice between emoji and text stay where scripts and emoji need them: one at a time, joiners not after ASCII.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

# C0 but tab and newline, DEL, C1, soft hyphen, grapheme joiner, Arabic letter mark, Hangul fillers, Khmer and Mongolian
# marks without a shape, zero-width space, directional marks, embeddings and isolates, invisible operators, BOM,
# interlinear marks, format characters of shorthand and music, tags and all else of that plane, unpaired surrogates; of
# variation selectors all but the two for emoji.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
)
# Joiners behind ASCII or another joiner, selectors behind a selector or joiner: they shape nothing.
_IDLE = re.compile(
    "[\u200c\u200d\ufe0e\ufe0f](?:(?<=[\x00-\x7f\u200c\u200d][\u200c\u200d])|(?<=[\u200c-\u200d\ufe0e\ufe0f][\ufe0e\ufe0f]))"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEWLINES = re.compile("\r\n?")


def safe(text: str) -> str:
    """`text` without anything that could act on a terminal or hide from a reader; newlines and tabs stay.

    >>> safe("a\\x1b[31mb\\r\\nc")
    'a\ufffd[31mb\\nc'
    """
    return _replaced(_NEWLINES.sub("\n", text), lambda _: "\ufffd")


def one_line(text: str, limit: int = 200) -> str:
    """`safe(text)` on one line, white space folded, at most `limit` characters with "…" where it was cut."""
    line = " ".join(safe(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def visible(text: str) -> str:
    """`text` where nothing hides: what `safe` would replace stands there as its JSON escape, such as \\u001b."""
    return _replaced(text, lambda match: json.dumps(match[0])[1:-1])


def _replaced(text: str, replace: Callable[[re.Match[str]], str]) -> str:
    kept = text if text.isascii() else _IDLE.sub(replace, text)
    return _UNSAFE.sub(replace, kept)


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
