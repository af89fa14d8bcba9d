"""What changed between the definition that was allowed and the one that is there now, in lines for a person."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol

MAX_LINES = 60


class Pinned(Protocol):
    """A tool as it is, or as it was when an answer about it was given."""

    @property
    def pin(self) -> str: ...
    @property
    def definition(self) -> Mapping[str, Any]: ...
    @property
    def entry(self) -> Mapping[str, Any]: ...


def since(before: Pinned, now: Pinned) -> tuple[str, tuple[str, ...]]:
    """What is not as it was before, in words and in lines."""
    what = "it" if before.pin != now.pin else "the configuration of its server"
    changes = difference(before.definition, now.definition) + difference(
        {"server": before.entry}, {"server": now.entry}
    )
    return f"{what} has changed since", changes


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Lines that begin with "-" (gone) or "+" (new), each with the place it stands at; long ones end with a count."""
    old, new = _flat(before), _flat(after)
    lines = []
    for place in sorted(old.keys() | new.keys()):
        if old.get(place) == new.get(place):
            continue
        lines += [f"- {place}: {old[place]}"] if place in old else []
        lines += [f"+ {place}: {new[place]}"] if place in new else []
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"and {len(lines) - MAX_LINES} more"]
    return tuple(lines)


def _flat(value: Any, place: str = "") -> dict[str, str]:
    """The scalars in a JSON value by where they stand."""
    if isinstance(value, Mapping) and value:
        parts = [_flat(item, f"{place}.{_name(key)}" if place else _name(key)) for key, item in value.items()]
    elif isinstance(value, (list, tuple)) and value:
        parts = [_flat(item, f"{place}[{at}]") for at, item in enumerate(value)]
    else:
        return {place: json.dumps(value, ensure_ascii=False)}
    return {at: text for part in parts for at, text in part.items()}


def _name(key: str) -> str:
    """Quoted where it could be read as a path of names: else two places would be one."""
    return key if re.fullmatch(r"[\w$ /-]+", key) else json.dumps(key, ensure_ascii=False)
