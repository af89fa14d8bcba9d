"""Whether a call's arguments and a tool's annotations fit what a rule says of them.

A doubt never widens anything: what an allow needs must hold for every text at its place and is not looked for in a path
that climbs (`..`); what asks or denies needs one text, and finds it behind a detour or in another Unicode form too.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from unicodedata import normalize

from mcphost.config.patterns import linear
from mcphost.config.schema import Glob, Regex, Rule
from mcphost.text import encodable
from mcphost.tools import Tool

# What the protocol takes an annotation for that a tool does not give.
_UNSAID = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True}
_MISSING = object()
_CLIMBS = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)")


def fits(rule: Rule, tool: Tool, arguments: Mapping[str, Any]) -> bool:
    """Whether `rule` is about this call, its tool's name apart."""
    return _annotated(rule, tool) and all(
        _holds(wanted, _at(arguments, place), rule.decision == "allow")
        for place, wanted in (rule.arguments or {}).items()
    )


def equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: unlike Python's, true is not 1."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _annotated(rule: Rule, tool: Tool) -> bool:
    given = tool.definition.get("annotations", {})
    return not rule.annotations or (
        tool.trusted and all(given.get(hint, _UNSAID[hint]) is wanted for hint, wanted in rule.annotations.items())
    )


def _at(arguments: Mapping[str, Any], place: str) -> Any:
    """The value at a top-level name or a JSON pointer (RFC 6901)."""
    if not place.startswith("/"):
        return arguments.get(place, _MISSING)
    value: Any = arguments
    for token in place[1:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(key, _MISSING)
        elif isinstance(value, (list, tuple)) and re.fullmatch("0|[1-9][0-9]{0,8}", key) and int(key) < len(value):
            value = value[int(key)]
        else:
            return _MISSING
    return value


def _holds(wanted: Any, value: Any, allowing: bool) -> bool:
    if value is _MISSING:
        return False
    if not isinstance(wanted, (Glob, Regex)):
        return equal(wanted, value) or (not allowing and equal(_composed(wanted), _composed(value)))
    matches = _matcher(wanted)
    if allowing:
        texts = list(_texts(value))
        return bool(texts) and all(matches(text) and not _CLIMBS.search(text) for text in texts)
    return any(any(map(matches, _spellings(text))) for text in _texts(value))


def _matcher(wanted: Glob | Regex) -> Callable[[str], bool]:
    if isinstance(wanted, Glob):
        return lambda text: fnmatchcase(text, wanted.pattern)
    return lambda text: linear(wanted.pattern).is_valid(encodable(text))


def _texts(value: Any) -> Iterator[str]:
    """A scalar as text, or each of those in a list, however deep; a whole number without a point."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    else:
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
        yield json.dumps(int(value) if whole else value)


def _spellings(text: str) -> set[str]:
    """What a server may take for the same: two forms of Unicode, each with and without detours."""
    forms = {text, *(normalize(form, text) for form in ("NFC", "NFD"))}
    return forms | {_straight(form) for form in forms}


def _composed(value: Any) -> Any:
    if isinstance(value, str):
        return normalize("NFC", value)
    if isinstance(value, Mapping):
        return {_composed(name): _composed(item) for name, item in value.items()}
    return [_composed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _straight(text: str) -> str:
    """A path without detours: `/tmp/..//etc/./passwd` is `/etc/passwd`."""
    return re.sub("^//+", "/", posixpath.normpath(text)) if text else text
