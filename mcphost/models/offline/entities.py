"""What a request holds: typed values (quoted text, paths, numbers, times …) and the words between them. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from mcphost.models.offline.vocabulary import places
from mcphost.ranking import stem

Kind: TypeAlias = Literal[
    "json", "quoted", "url", "path", "file", "glob", "date", "time", "zone", "hash", "number", "phrase", "result"
]

_PATTERNS = {
    "json": r"[{\[](?=\s*[\"{\[\]}\d-])",
    "quoted": r"(?<!\w)\"[^\"]*\"|(?<!\w)'(?:[^']|(?<=\w)'(?=\w))*'(?!\w)|“[^”]*”|`[^`]*`",
    "url": r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]*[^\s\"'<>.,;:!?)]",
    "domain": r"(?<![\w/@.-])(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|edu|gov)\b(?:/[^\s\"'<>,;]*[\w/])?",
    "key": r"(?<![\w/.&?=-])(?:--)?(?P<name>[a-z_][\w.-]*)\s?=\s?(?=\S)",
    "date": r"\b\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?\b",
    "time": r"\b(?P<hour>[01]?\d|2[0-3])(?::(?P<minute>[0-5]\d)(?:\s?(?P<half>[ap]m))?|\s?(?P<bare_half>[ap]m))\b",
    "operator": r"(?<=\d)\s*(?P<sign>[*×x/÷+])\s*(?=-?\d)|(?<=\d)(?:\s+[-−]\s+(?=-?\d)|[-−](?=\d))",
    "number": r"(?:(?<![\w.])|(?<=\dx))[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?"
    r"(?:(?=\s*[*×x/÷]\s*-?\d)|(?![\w:/]|\.\d))",
    "arrow": r"->|=>|→",
    "glob": r"(?<!\S)[\w./~-]*(?:\*|\?(?=[\w*.]))[\w./*?\[\]{},~-]*",
    "path": r"(?<!\S)\.{1,2}(?!\S)|\b[a-z]:\\[^\s\"',;]+"
    r"|(?<![\w./:])(?:~|\.{1,2})?/(?:[^\s\"',;?!()]*[^\s\"',;?!().:])?",
    "file": r"(?<![\w/])[\w-][\w./-]*\.[a-z]\w{0,9}\b(?![\w/@])",
    "hash": r"\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,64}\b",
    "word": r"[^\s,;:?!()\"=]*[^\s,;:?!()\"=.']",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()), re.I)
_RETYPED = ("url", "path", "glob", "date", "time", "file")  # what quoted text may be as a whole
_STEP = re.compile(r"\s*(?:[.;,]?\s*\b(?:and\s+)?(?:then|after that|afterwards)\b,?|;)\s*", re.I)
_RESULT = re.compile(
    r"\b(?:the|that|this|its)\s+(?:result|answer|output|outcome|sum|product|total|value|quotient|difference)s?\b", re.I
)
_PRONOUN = re.compile(r"\b(?:it|that|this|them)\b", re.I)
_REVERSED = re.compile(r"\b(?:subtract|take|deduct)\s+\S+\s+(?:away\s+)?from\b", re.I)
_OPERATORS = {"*": "times", "×": "times", "x": "times", "/": "divided", "÷": "divided", "+": "plus"}
_NUMERALS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_LONGEST, _LONGEST_PLACE = 1000, 3  # characters of a request, words of a place


@dataclass(frozen=True, slots=True)
class Entity:
    """A value in the text, at `start`:`end`. A tool that leaves a `hard` one unused is hardly the one meant."""

    kind: Kind
    value: Any
    start: int
    end: int
    hard: bool = True


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    stem: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A request, read. `pairs` are its key=value pieces; entities and words stand in the order of the text.

    A word may belong to an entity that is not hard, such as the name of a city.
    """

    text: str
    pairs: dict[str, Entity]
    entities: tuple[Entity, ...]
    words: tuple[Word, ...]


def steps(text: str) -> list[str]:
    """The steps that `text` asks for: its parts between "then" and ";", outside quotes and JSON."""
    cuts = _STEP.finditer(without_values(text))
    edges = [0, *(edge for cut in cuts for edge in cut.span()), len(text)]
    parts = (text[start:end].strip(" ,") for start, end in zip(edges[::2], edges[1::2], strict=True))
    return [part for part in parts if re.search(r"\w", part)]


def without_values(text: str) -> str:
    """The text of the request itself, with quotes and JSON blanked and in its place."""
    head = text[: _head(text)]
    for kind, _, start, end in _tokens(head):
        if kind in ("json", "quoted"):
            head = head[:start] + "_" * (end - start) + head[end:]
    return head


def read(text: str, result: str | None = None, *, implied: bool = False) -> Reading:
    """`text` taken apart. With `result`, what an earlier step gave, "the result" and the like are entities too.

    `implied`: so is "it", and failing that the result stands before all else, as in "then multiply by 4".
    """
    named = [match.span() for match in _RESULT.finditer(text)] if result is not None else []
    if implied and not named:
        pronoun = _PRONOUN.search(text)
        named = [pronoun.span() if pronoun else (0, 0)]
    pairs: dict[str, Entity] = {}
    entities = [Entity("result", result, start, end) for start, end in named]
    words: list[Word] = []
    key: tuple[str, int] | None = None
    for kind, value, start, end in _tokens(text[: _head(text)]):
        if kind == "key":
            key = (value, end)
        elif key and key[1] == start:
            pairs[key[0]] = Entity("phrase" if kind == "word" else kind, value, start, end)  # type: ignore[arg-type]
        elif kind == "word" and value and not any(a <= start < b for a, b in named):
            words.append(Word(value, stem(value), start, end))
        elif kind != "word":
            entities.append(Entity(kind, value, start, end))  # type: ignore[arg-type]
    if attached := text[_head(text) :].strip():
        entities.append(Entity("quoted", attached, _head(text), len(text)))
    entities += _soft(words)
    zones = {entity.start for entity in entities if entity.kind == "zone" and entity.hard}
    return Reading(text, pairs, _ordered(entities, text), tuple(word for word in words if word.start not in zones))


def _head(text: str) -> int:
    """Where the request ends and a long text that came with it begins: at its first line end, if it is long."""
    line = text.find("\n")
    return len(text) if len(text) <= _LONGEST else line if 0 < line <= _LONGEST else _LONGEST


def _tokens(text: str) -> Iterator[tuple[str, Any, int, int]]:
    at = 0
    while match := _TOKEN.search(text, at):
        kind = match.lastgroup or ""
        start, at = match.span()
        value: Any = match[0]
        if kind == "json":
            try:
                value, at = json.JSONDecoder().raw_decode(text, start)
            except (ValueError, RecursionError):
                continue
        elif kind == "quoted":
            kind, value = _unquoted(value[1:-1])
        elif kind == "key":
            value = match["name"]
        elif kind == "operator":
            kind, value = "word", _OPERATORS.get((match["sign"] or "-").lower(), "minus")
        elif kind == "domain":
            kind, value = "url", f"https://{value}"
        elif kind == "word":
            value = value.lstrip("-") if len(value.lstrip("-")) > 1 or not value.startswith("-") else ""
        elif kind == "arrow":
            kind, value = "word", "to"
        elif kind == "number":
            value = number(value)
            kind = "number" if value is not None else "word"
        elif kind == "time":
            value = _clock(match)
        yield kind, value, start, at


def _unquoted(text: str) -> tuple[str, str]:
    kinds = (kind for kind in _RETYPED if re.fullmatch(_PATTERNS[kind], text, re.I) and " " not in text)
    return next(kinds, "quoted"), text


def number(text: str) -> int | float | None:
    """The number that `text` writes; None if no JSON number can hold it."""
    try:
        return int(text) if re.fullmatch(r"[-+]?\d+", text) else _finite(float(text))
    except ValueError:  # thousands of digits
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _clock(match: re.Match[str]) -> str:
    hour, half = int(match["hour"]), (match["half"] or match["bare_half"] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return f"{hour:02}:{match['minute'] or '00'}"


def _soft(words: list[Word]) -> Iterator[Entity]:
    """Places and numerals among the words; a zone by its IANA name is as hard as a path."""
    at = 0
    while at < len(words):
        for length in range(_LONGEST_PLACE, 0, -1):
            run = words[at : at + length]
            name = " ".join(word.text for word in run)
            zone = places().get(name.lower())
            if zone and (len(name) > 4 or name.isupper() or (name.istitle() and len(name) == 4)):
                yield Entity("zone", zone, run[0].start, run[-1].end, hard="/" in name or name == zone.upper())
                break
        else:
            length = 1
            if words[at].text.lower() in _NUMERALS:
                value = _NUMERALS.index(words[at].text.lower()) + 2
                yield Entity("number", value, words[at].start, words[at].end, hard=False)
        at += length


def _ordered(entities: list[Entity], text: str) -> tuple[Entity, ...]:
    """In the order of the text, except that "subtract 5 from 20" names its operands backwards."""
    ordered = sorted(entities, key=lambda entity: entity.start)
    numbers = [i for i, entity in enumerate(ordered) if entity.kind in ("number", "result")]
    if len(numbers) == 2 and _REVERSED.search(text):
        i, j = numbers
        ordered[i], ordered[j] = (
            replace(ordered[i], value=ordered[j].value, kind=ordered[j].kind),
            replace(ordered[j], value=ordered[i].value, kind=ordered[i].kind),
        )
    return tuple(ordered)
