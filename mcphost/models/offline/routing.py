"""Which tool a request means: lexical evidence weighed against what the tool leaves unexplained. Pure.

Law: rather no call than a wrong one. A tool must be named by the words, be fillable, and stand clear of the next one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mcphost.messages import ToolDefinition
from mcphost.models.offline.arguments import Filled, fill
from mcphost.models.offline.entities import Reading, Word
from mcphost.models.offline.kinds import Schema, simplified
from mcphost.models.offline.vocabulary import STOP, synonyms
from mcphost.ranking import Document, Index, stem, words

_SHORTLIST = 24
_THRESHOLD = 1.0
_MARGIN = 0.05
_PLAIN = frozenset(words("tool with a the of by as in to for"))
_SYNONYM, _ALSO = 0.85, 0.7  # what a hit through a synonym counts; and if the word itself names some tool
_DEPRECATED = stem("deprecated")
_NOT = frozenset({"not", "haven't", "hasn't", "isn't", "aren't", "never"})
_WEAK = frozenset(words("get list show read print trigger run do make give"))  # verbs that a terse request leaves out
_CHANGING = frozenset(words("add create delete drop edit insert move remove reset send set update upload write"))
_DIRECTORY, _FILE = frozenset(words("directory folder dir")), frozenset(words("file"))
_LIGHT = frozenset(words("show get last first now current display off content big long name all"))
_KNOWLEDGE = re.compile(
    r"""^\W*(?:
        (?:can|could|would)\ you\ (?:tell\ me|explain|recommend|suggest)
      | how\ (?:do|can|could|should|would|does|to|is)\b
      | (?:why|who|explain|recommend|suggest|translate)\b
      | tell\ me\ (?:a|about|why|how)\b
      | (?:write|compose|draft)\ (?:me\ )?(?:an?\ )?(?:\w+\ )?
        (?:poem|story|email|letter|essay|haiku|song|speech|blog|joke)\b
      | what(?:'s|\ is|\ are|\ does)\ (?:a|an|the\ difference\ between|the\ meaning)\b
      | what\b.*\bmeans?\b
      | what\ do(?:es)?\b.*\bdo\W*$
      | is\ (?:it|there)\ an?\b
    )""",
    re.I | re.X,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A tool with the arguments found for it. `score` compares within one request; `plausible`: it could be called."""

    tool: ToolDefinition
    filled: Filled
    score: float
    plausible: bool


@dataclass(frozen=True, slots=True)
class _Profile:
    """What the words of a tool say: the stems of its `name`, those of them that tell it from its neighbours
    (`core`), its verb or what stands in its place (`lead`), and all stems of its `text`."""

    tool: ToolDefinition
    name: frozenset[str]
    core: frozenset[str]
    lead: str
    text: frozenset[str]

    @classmethod
    def of(cls, tool: ToolDefinition, document: Document) -> _Profile:
        server, _, own = tool.name.partition("__")
        ordered = [word for word in words(own or server) if word not in _PLAIN]
        name, beside = frozenset(ordered), frozenset(words(server))
        core = name - _WEAK
        if core <= beside:
            core = name - beside or name
        lead = next((word for word in ordered if word not in beside), "")
        return cls(tool, name, core, lead, frozenset(words(f"{tool.name} {tool.description} {document.arguments}")))


class Router:
    """Chooses among `tools`."""

    def __init__(self, tools: Sequence[ToolDefinition]) -> None:
        documents = [Document.of(tool.name, tool.description, tool.schema) for tool in tools]
        self._index = Index(documents)
        self._profiles = {t.name: _Profile.of(t, document) for t, document in zip(tools, documents, strict=True)}
        self._schemas: dict[str, Schema] = {}
        counts = Counter(word for profile in self._profiles.values() for word in profile.name)
        weights = {word: math.log(1 + len(tools) / count) for word, count in counts.items()}
        heaviest = max(weights.values(), default=1.0)
        self._weights = {word: weight / heaviest for word, weight in weights.items()}

    def choices(self, reading: Reading, implied: Reading | None = None) -> list[Choice]:
        """The tools that share words with `reading`, best first. `implied`: with the last result read into it."""
        said = self._said(reading)
        hits = self._index.rank(said, _SHORTLIST)
        best = hits[0].score if hits else 1.0
        found = [self._weighed(self._profiles[hit.name], hit.score / best, said, reading, implied) for hit in hits]
        return sorted(found, key=lambda choice: (-choice.score, choice.tool.name))

    def decide(self, choices: Sequence[Choice], reading: Reading) -> Choice | None:
        """The one that is meant, or None: too weak, too close to the next, or no wish for a tool at all."""
        if not choices or choices[0].filled.missing or asks_for_knowledge(reading.text):
            return None
        able = [choice for choice in choices if not choice.filled.missing and not choice.filled.unused]
        if not able or not able[0].plausible or able[0].score < _THRESHOLD:
            return None
        if len(able) > 1 and able[0].score - able[1].score < _MARGIN:
            return None
        return able[0]

    def forced(self, tool: ToolDefinition, reading: Reading, implied: Reading | None = None) -> Choice:
        """`tool`, whatever the words say of others."""
        filled = self._filled(self._profiles[tool.name], reading, implied)
        return Choice(tool, filled, math.inf, plausible=True)

    def close(self) -> None:
        self._index.close()

    def _filled(self, profile: _Profile, reading: Reading, implied: Reading | None) -> Filled:
        tool = profile.tool
        if tool.name not in self._schemas:
            self._schemas[tool.name] = simplified(tool.schema)
        speaking = {word.stem for word in reading.words if synonyms().get(word.stem, frozenset()) & profile.name}
        return fill(self._schemas[tool.name], reading, profile.name | speaking, profile.text, implied)

    def _weighed(
        self, profile: _Profile, relevance: float, said: dict[str, float], reading: Reading, implied: Reading | None
    ) -> Choice:
        filled = self._filled(profile, reading, implied)
        covered, hit = self._covered(profile.name, said)
        explained = self._explained(profile, filled, reading)
        score = (
            0.9 * covered
            + 0.4 * min(hit, 1.0)
            + 0.6 * explained
            + 0.4 * relevance
            + 0.2 * min(filled.sure, 2.5)
            + 0.2 * _leads(profile, reading)
            - 0.2 * _misses_suffix(profile, reading)
            - 0.5 * len(filled.unused)
            - 0.6 * len(filled.missing)
            - 0.3 * (_DEPRECATED in profile.text)
        )
        return Choice(profile.tool, filled, score, self._is_plausible(profile, filled, explained, said, reading))

    def _is_plausible(
        self, profile: _Profile, filled: Filled, explained: float, said: dict[str, float], reading: Reading
    ) -> bool:
        """Values typed on purpose, such as a path, are evidence; without any, the words must say it all. A tool that
        changes something is never called without its verb, unless all else fits."""
        if profile.lead in _CHANGING and profile.lead not in said and filled.typed < 2:
            return False
        covered, hit = self._covered(profile.core, said)
        if filled.typed:
            only_values = all(filled.uses(word) for word in _content(reading))
            return only_values or (explained >= 0.5 and hit > 0.3 and covered > 0.3)
        placed = any(entity.kind == "zone" and filled.uses(entity) for entity in reading.entities)
        return explained >= 0.65 and (covered >= 0.7 or (placed and hit > 0.3))

    def _covered(self, name: frozenset[str], said: dict[str, float]) -> tuple[float, float]:
        """The share of a name's words that was said, and the weight of these."""
        hit = sum(self._weights[word] * said.get(word, 0.0) for word in name)
        return hit / (sum(self._weights[word] for word in name) or 1.0), hit

    def _said(self, reading: Reading) -> dict[str, float]:
        """The stems of the request's words and of their synonyms, each with its weight as evidence."""
        said: dict[str, float] = {}
        negated = 0
        for word in reading.words:
            negated = 3 if word.text.lower() in _NOT else negated - 1
            if negated > 0 and (opposite := stem(f"un{word.text}")) in self._weights:
                said[opposite] = 1.0
                continue
            for synonym in synonyms().get(word.stem, ()):
                said[synonym] = max(said.get(synonym, 0.0), _ALSO if word.stem in self._weights else _SYNONYM)
            if word.text.lower() not in STOP or word.stem in _LIGHT:
                said[word.stem] = 1.0
        return said

    def _explained(self, profile: _Profile, filled: Filled, reading: Reading) -> float:
        """The share of the words with content that the tool's own words or its arguments account for."""
        content = _content(reading)
        explained = [
            word
            for word in content
            if word.stem in profile.text
            or synonyms().get(word.stem, frozenset()) & profile.text
            or (filled.uses(word) and word.stem not in self._weights)
        ]
        return len(explained) / len(content) if content else 1.0


def asks_for_knowledge(text: str) -> bool:
    """Whether `text` wants to know or to have something written, rather than something done."""
    return _KNOWLEDGE.search(text) is not None


def _content(reading: Reading) -> list[Word]:
    return [word for word in reading.words if word.text.lower() not in STOP and word.stem not in _WEAK]


def _leads(profile: _Profile, reading: Reading) -> bool:
    """Whether the request's verb, its first word with content, is the tool's."""
    verb = next((word.stem for word in reading.words if word.text.lower() not in STOP), "")
    return profile.lead == verb or profile.lead in synonyms().get(verb, ())


def _misses_suffix(profile: _Profile, reading: Reading) -> bool:
    """Whether a path with a suffix meets a tool for directories, or one without meets a tool for files."""
    paths = [str(entity.value) for entity in reading.entities if entity.kind in ("path", "file")]
    unlikely = _DIRECTORY if any(re.search(r"\w\.\w+$", path) for path in paths) else _FILE
    return bool(paths) and not profile.name.isdisjoint(unlikely)
