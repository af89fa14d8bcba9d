"""URI templates (RFC 6570, all four levels, for values that are text) while a URI of one is typed: which variable
stands at its end, and how it goes on with a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import quote, unquote

_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^{}]*)\}")
_VARIABLE = re.compile(r"((?:\w|%[0-9A-F]{2})(?:[\w.]|%[0-9A-F]{2})*)(?::([1-9]\d{0,3})|\*)?", re.ASCII | re.IGNORECASE)
_RESERVED = ":/?#[]@!$&'()*+,;="

# Of each operator: what stands before its first variable, what between two, and whether a name and "=" come first.
_FORMS = {
    "": ("", ",", False),
    "+": ("", ",", False),
    "#": ("#", ",", False),
    ".": (".", ".", False),
    "/": ("/", "/", False),
    ";": (";", ";", True),
    "?": ("?", "&", True),
    "&": ("&", "&", True),
}


@dataclass(frozen=True, slots=True)
class Typing:
    """A URI as far as it is typed: `value` of `variable` stands at its end, `given` are those of earlier ones."""

    variable: str
    value: str
    given: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Variable:
    """`lead` is the fixed text before it; `longest` how many characters of a value it takes."""

    lead: str
    name: str
    reserved: bool
    longest: int | None


class Template:
    """Raises ValueError: `text` is no URI template."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._variables: list[_Variable] = []
        end = 0
        for match in _EXPRESSION.finditer(text):
            lead = _fixed(text[end : match.start()])
            self._variables += _variables(lead, match[1], match[2])
            end = match.end()
        self._tail = _fixed(text[end:])

    def begun(self, values: Mapping[str, str]) -> str:
        """The URI up to the first variable that has no value here."""
        uri = ""
        for variable in self._variables:
            uri += variable.lead
            if variable.name not in values:
                return uri
            uri += _encoded(values[variable.name][: variable.longest], reserved=variable.reserved)
        return uri + self._tail

    def typing(self, uri: str) -> Typing | None:
        """What is being typed at the end of `uri`; None: it is no beginning of such a URI, or ends in no variable."""
        given: dict[str, str] = {}
        at = 0
        leads = [*(variable.lead for variable in self._variables), self._tail]
        for variable, (lead, after) in zip(self._variables, pairwise(leads), strict=True):
            if not uri.startswith(lead, at):
                return None
            at += len(lead)
            end = uri.find(after, at) if after else -1
            value = uri[at:] if end < 0 else uri[at:end]
            if not variable.reserved and re.search("[/?#]", value):
                return None
            if end < 0:
                return Typing(variable.name, unquote(value), given)
            given[variable.name] = unquote(value)
            at = end
        return None


def matching(uri: str, templates: Iterable[str]) -> Iterator[tuple[Template, Typing]]:
    """Those in which something is being typed at the end of `uri`."""
    for text in templates:
        if not uri.startswith(text.partition("{")[0]):
            continue
        try:
            template = Template(text)
        except ValueError:
            continue
        if typing := template.typing(uri):
            yield template, typing


def _fixed(text: str) -> str:
    if re.search("[{}]", text):
        raise ValueError(f"{text!r} is no part of a URI template")
    return text


def _variables(before: str, operator: str, names: str) -> list[_Variable]:
    first, between, named = _FORMS[operator]
    found = []
    for number, spec in enumerate(names.split(",")):
        match = _VARIABLE.fullmatch(spec)
        if match is None:
            raise ValueError(f"{spec!r} is no variable of a URI template")
        lead = (between if number else before + first) + (f"{match[1]}=" if named else "")
        found.append(_Variable(lead, match[1], operator in ("+", "#"), int(match[2]) if match[2] else None))
    return found


def _encoded(value: str, *, reserved: bool) -> str:
    """Escapes that stand in `value` already stay where reserved characters may."""
    if not reserved:
        return quote(value, safe="-._~")
    parts = re.split("(%[0-9A-Fa-f]{2})", value)
    return "".join(part if index % 2 else quote(part, safe=_RESERVED + "-._~") for index, part in enumerate(parts))
