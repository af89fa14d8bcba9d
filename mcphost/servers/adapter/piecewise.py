"""A list that cannot be read whole, read item by item: what is too deep or too large costs itself alone (law 4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Any

from mcphost.servers.adapter.salvage import FIELDS, Unread

MAX_ITEMS = 5_000  # of one page that are read; more than any list may have
MAX_BRACKETS = 1_000_000  # that are looked at: about half a second

# Up to the next bracket; the last string before an opening one is the name of the member.
_BRACKET = re.compile(r'[^"{}\[\]]*+(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"[^"{}\[\]]*+)*+([{}\[\]])')
_ITEM = 4  # the depth of an item: in a list in the result in the answer
_LISTS = frozenset(FIELDS.values())


def piecewise(text: str, load: Callable[[str], Any]) -> dict[str, Any] | None:
    """The answer in `text`, a page of a list, with an Unread in place of each item that `load` refuses.

    None where it is no such page, or what is around the items cannot be read either. `load` raises ValueError.
    """
    spans = _items(text)
    if not spans:
        return None
    frame, at = [], 0
    for start, end in spans:
        frame += [text[at:start], "{}"]
        at = end
    try:
        answer: dict[str, Any] = load("".join([*frame, text[at:]]))
        (field,) = _LISTS & answer["result"].keys()
        found = answer["result"][field]
        items = (_read(text[start:end], load) for start, end in spans[:MAX_ITEMS])
        read = [next(items, None) if item == {} else item for item in found]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    answer["result"][field] = [item for item in read if item is not None]
    return answer


def _read(text: str, load: Callable[[str], Any]) -> Any:
    try:
        return load(text)
    except ValueError as error:
        return Unread(f"it cannot be read: {error}")


def _items(text: str) -> list[tuple[int, int]]:
    """Where the objects and arrays in the one list of a page begin and end."""
    spans: list[tuple[int, int]] = []
    result = page = False  # whether the brackets at depth 2 and 3 are those of the result and of its list
    depth = start = 0
    for match in islice(_BRACKET.finditer(text), MAX_BRACKETS):
        if match[2] in "{[":
            depth += 1
            if depth == 2:
                result = match[1] == "result"
            elif depth == 3:
                page = result and match[1] in _LISTS
            elif depth == _ITEM:
                start = match.end() - 1
        else:
            depth -= 1
            if page and depth == _ITEM - 1:
                spans.append((start, match.end()))
    return spans if depth == 0 else []
