"""Runs of words that may be values: what a request says that does not speak of the tool itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mcphost.models.offline.entities import Entity, Reading, Word
from mcphost.models.offline.vocabulary import STOP, synonyms

_ANNOUNCING = frozenset({"saying", "says", "text", "content", "message", "body", "reads"})  # what follows is the value
_NAMING = frozenset({"called", "named", "titled", "saying", "says"})
_PREPOSITIONS = frozenset({"of", "in", "from", "to", "on", "for", "into", "about"})
_JOINING = frozenset({"and", "or", "of", "&"})


def phrases(reading: Reading, known: frozenset[str], mentioned: frozenset[str], *, tight: bool) -> Iterator[Entity]:
    """The phrases for a tool. `known` are stems that name it, `mentioned` those in its text, which begin no phrase.

    A tight phrase holds no word without content, unless a word such as "saying" announced it.
    """
    for segment in _segments(reading):
        run: list[Word] = []
        for before, word in zip((None, *segment), segment, strict=False):
            if not run and before and _announces(before, word):
                yield _entity(reading, segment[segment.index(word) :])
                break
            free = word.text.lower() not in STOP and word.stem not in known and word is not _verb(reading)
            if free or (run and (not tight or word.text.lower() in _JOINING)):
                run.append(word)
            elif run:
                yield from _trimmed(reading, run, known, mentioned)
                run = []
        else:
            yield from _trimmed(reading, run, known, mentioned)


def _segments(reading: Reading) -> Iterator[list[Word]]:
    """The words between two entities or punctuation marks."""
    segment: list[Word] = []
    for word in reading.words:
        if segment and reading.text[segment[-1].end : word.start].strip():
            yield segment
            segment = []
        segment.append(word)
    if segment:
        yield segment


def _announces(before: Word, word: Word) -> bool:
    return before.text.lower() in _ANNOUNCING and word.text.lower() not in _PREPOSITIONS


def _verb(reading: Reading) -> Word | None:
    """What is wanted, which is no value: the first word with content, if it is a verb that we know."""
    first = next((word for word in reading.words if word.text.lower() not in STOP), None)
    return first if first and first.stem in synonyms() else None


def _trimmed(
    reading: Reading, run: Sequence[Word], known: frozenset[str], mentioned: frozenset[str]
) -> Iterator[Entity]:
    while run and (run[-1].text.lower() in STOP or run[-1].stem in known):
        run = run[:-1]
    while len(run) > 1 and (run[0].stem in mentioned or run[0].text.lower() in STOP):
        run = run[1:]
    if run:
        yield _entity(reading, run)


def _entity(reading: Reading, run: Sequence[Word]) -> Entity:
    """A phrase, as hard as quoted text if a word such as "titled" stands before it."""
    start, end = run[0].start, run[-1].end
    before = reading.text[:start].split()[-1:]
    return Entity("phrase", reading.text[start:end], start, end, hard=bool(_NAMING.intersection(before)))
