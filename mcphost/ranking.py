"""Lexical ranking: BM25 over weighted fields in an in-memory SQLite FTS5 table.

Law: the same documents and query give the same order, ties by name. It knows words, not what the documents stand for.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_SHORT = re.compile("[^aeiou]*[aeiou][^aeiouwxy]")
_WEIGHTS = (8.0, 4.0, 2.0, 2.0, 1.0)  # in the order of Document's fields
_SCHEMA_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Document:
    """What is ranked: `name` identifies it, hits there weigh most; the other fields weigh less in this order."""

    name: str
    title: str = ""
    description: str = ""
    arguments: str = ""
    argument_descriptions: str = ""

    @classmethod
    def of(cls, name: str, description: str, schema: Mapping[str, Any], title: str = "") -> Document:
        """The document of something called with arguments that the JSON Schema `schema` describes."""
        found = list(_properties(schema, _SCHEMA_DEPTH))
        described = (str(part.get("description", "")) for _, part in found)
        return cls(name, title, description, " ".join(key for key, _ in found), " ".join(described))


@dataclass(frozen=True, slots=True)
class Hit:
    """`score` grows with relevance; it compares only within one query."""

    name: str
    score: float


class Index:
    """An immutable ranking of `documents`, whose names are distinct. `close` frees its memory."""

    def __init__(self, documents: Iterable[Document]) -> None:
        columns = [field.name for field in fields(Document)]
        self._names: list[str] = []
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(f"create virtual table d using fts5({', '.join(columns)}, content='')")
        rows: list[tuple[Any, ...]] = []
        for document in sorted(documents, key=lambda document: document.name):
            rows.append((len(rows), *(" ".join(words(getattr(document, column))) for column in columns)))
            self._names.append(document.name)
        insert = f"insert into d (rowid, {', '.join(columns)}) values ({', '.join('?' * (len(columns) + 1))})"
        self._database.executemany(insert, rows)

    def rank(self, query: str | Iterable[str], limit: int = 10) -> list[Hit]:
        """The best `limit` documents that share a word with `query` (text, or words as `words` gives them)."""
        terms = dict.fromkeys(words(query) if isinstance(query, str) else query)
        match = " OR ".join(f'"{term}"' for term in terms)
        if not match:
            return []
        score = f"bm25(d, {', '.join(map(str, _WEIGHTS))})"
        found = self._database.execute(
            f"select rowid, {score} as score from d where d match ? order by score, rowid limit ?", (match, limit)
        )
        return [Hit(self._names[row], -score) for row, score in found]

    def close(self) -> None:
        self._database.close()


def words(text: str) -> list[str]:
    """The words of `text`, lower case and lightly stemmed; identifiers in snake, camel or dash form are taken apart.

    >>> words("getUserNotes of list_directories")
    ['get', 'user', 'note', 'of', 'list', 'directory']
    """
    return [stem(word) for word in _WORD.findall(_CAMEL.sub(" ", text))]


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """`word` in lower case without its plural, -ed or -ing ending; made for matching, not for reading."""
    word = word.lower().removesuffix("'s")
    if len(word) <= 3 or not word.isascii():
        return word
    if word.endswith(("ies", "ied")):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    bare = word.removesuffix("ing").removesuffix("ed")
    if len(bare) < 3 or not re.search("[aeiouy]", bare):
        bare = word
    bare = bare.removesuffix("e")
    return bare if bare == word else _completed(bare)


def _completed(bare: str) -> str:
    """What is left of stopp(ing), mov(ed) and add(ed) as stop, move and add are stemmed."""
    if len(bare) > 3 and bare[-1] == bare[-2] and bare[-1] not in "lsz":
        return bare[:-1]
    return bare + "e" if _SHORT.fullmatch(bare) else bare


def _properties(schema: Any, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(schema, Mapping) or depth == 0:
        return
    properties = schema.get("properties")
    for key, part in properties.items() if isinstance(properties, Mapping) else ():
        if isinstance(part, Mapping):
            yield str(key), part
            yield from _properties(part, depth - 1)
            yield from _properties(part.get("items"), depth - 1)
