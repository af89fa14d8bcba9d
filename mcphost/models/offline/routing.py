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
from mcphost.models.offline.entities import Reading
from mcphost.models.offline.kinds import Schema, properties, simplified
from mcphost.models.offline.vocabulary import STOP, synonyms
from mcphost.ranking import Document, Index, stem, words

_SHORTLIST = 24
_THRESHOLD = 1.0
_MARGIN = 0.05
_PLAIN = frozenset(words("tool with a the of by as in to for"))
_SYNONYM, _ALSO = 0.85, 0.7  # what a hit through a synonym counts; and if the word itself names some tool
_NOT = frozenset({"not", "haven't", "hasn't", "isn't", "aren't", "never"})
_WEAK = frozenset(words("get list show read print trigger run do make give"))  # verbs that a terse request leaves out
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


class Router:
    """Chooses among `tools`."""

    def __init__(self, tools: Sequence[ToolDefinition]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        documents = [Document.of(tool.name, tool.description, tool.schema) for tool in tools]
        self._schemas: dict[str, Schema] = {}
        self._index = Index(documents)
        self._names = {name: frozenset(words(_own_name(name))) - _PLAIN for name in self._tools}
        self._texts = {d.name: frozenset(words(f"{d.name} {d.description} {d.arguments}")) for d in documents}
        counts = Counter(word for name in self._names.values() for word in name)
        self._weights = {word: math.log(1 + len(tools) / count) for word, count in counts.items()}
        self._heaviest = max(self._weights.values(), default=1.0)

    def choices(self, reading: Reading, implied: Reading | None = None) -> list[Choice]:
        """The tools that share words with `reading`, best first. `implied`: with the last result read into it."""
        said = self._said(reading)
        hits = self._index.rank(said, _SHORTLIST)
        best = hits[0].score if hits else 1.0
        found = [self._weighed(self._tools[hit.name], hit.score / best, said, reading, implied) for hit in hits]
        return sorted(found, key=lambda choice: (-choice.score, choice.tool.name))

    def decide(self, choices: Sequence[Choice], reading: Reading) -> Choice | None:
        """The one that is meant, or None: too weak, too close to the next, or no wish for a tool at all."""
        able = [choice for choice in choices if not choice.filled.missing and not choice.filled.unused]
        if not able or not able[0].plausible or able[0].score < _THRESHOLD or asks_for_knowledge(reading.text):
            return None
        if len(able) > 1 and able[0].score - able[1].score < _MARGIN:
            return None
        return able[0]

    def forced(self, tool: ToolDefinition, reading: Reading, implied: Reading | None = None) -> Choice:
        """`tool`, whatever the words say of others."""
        return Choice(tool, self._filled(tool, reading, implied), math.inf, plausible=True)

    def _filled(self, tool: ToolDefinition, reading: Reading, implied: Reading | None) -> Filled:
        if tool.name not in self._schemas:
            self._schemas[tool.name] = simplified(tool.schema)
        schema, own = self._schemas[tool.name], self._names[tool.name]
        arguments = frozenset(word for name in properties(schema) for word in words(name))
        speaking = {word.stem for word in reading.words if synonyms().get(word.stem, frozenset()) & own}
        return fill(schema, reading, own | arguments | speaking, self._texts[tool.name], implied)

    def close(self) -> None:
        self._index.close()

    def _weighed(
        self, tool: ToolDefinition, relevance: float, said: dict[str, float], reading: Reading, implied: Reading | None
    ) -> Choice:
        filled = self._filled(tool, reading, implied)
        covered, hit = self._covered(self._names[tool.name], said)
        explained = self._explained(tool, filled, reading)
        score = (
            0.9 * covered
            + 0.4 * min(hit, 1.0)
            + 0.6 * explained
            + 0.4 * relevance
            + 0.2 * min(filled.sure, 2.5)
            + 0.2 * self._leads(tool.name, reading)
            + 0.2 * self._shape(tool.name, reading)
            - 0.5 * len(filled.unused)
            - 0.6 * len(filled.missing)
            - 0.3 * ("deprecated" in tool.description.lower())
        )
        return Choice(tool, filled, score, self._plausible(tool, filled, explained, said, reading))

    def _plausible(
        self, tool: ToolDefinition, filled: Filled, explained: float, said: dict[str, float], reading: Reading
    ) -> bool:
        """Values typed on purpose, such as a path, are evidence; without any, the words must say it all."""
        covered, hit = self._covered(self._names[tool.name] - _WEAK or self._names[tool.name], said)
        if filled.typed:
            return explained == 1.0 or (explained >= 0.5 and hit > 0.3)
        places = [entity for entity in reading.entities if entity.kind == "zone" and filled.uses(entity)]
        return explained >= 0.65 and (covered >= 0.7 or (bool(places) and hit > 0.3))

    def _shape(self, name: str, reading: Reading) -> int:
        """-1 if a path with a suffix meets a tool for directories, or one without meets a tool for files."""
        paths = [str(entity.value) for entity in reading.entities if entity.kind in ("path", "file")]
        unlikely = _DIRECTORY if any(re.search(r"\w\.\w+$", path) for path in paths) else _FILE
        return -1 if paths and self._names[name] & unlikely else 0

    def _covered(self, name: frozenset[str], said: dict[str, float]) -> tuple[float, float]:
        """The share of a name's words that was said, and the weight of these."""
        weights = {word: self._weights[word] / self._heaviest for word in name}
        hit = sum(weight * said.get(word, 0.0) for word, weight in weights.items())
        return hit / (sum(weights.values()) or 1.0), hit

    def _said(self, reading: Reading) -> dict[str, float]:
        """The stems of the request's words and of their synonyms, each with its weight as evidence."""
        said: dict[str, float] = {}
        negated = 0
        for word in reading.words:
            negated = 3 if word.text.lower() in _NOT else negated - 1
            if negated > 0 and stem(f"un{word.text}") in self._weights:
                said[stem(f"un{word.text}")] = 1.0
                continue
            for synonym in synonyms().get(word.stem, ()):
                said[synonym] = max(said.get(synonym, 0.0), _ALSO if word.stem in self._weights else _SYNONYM)
            if word.text.lower() not in STOP or word.stem in _LIGHT:
                said[word.stem] = 1.0
        return said

    def _leads(self, name: str, reading: Reading) -> bool:
        """Whether the request's verb, its first word with content, is the tool's."""
        server, _, own = name.partition("__")
        lead = next((word for word in words(own) if word != stem(server)), "")
        verb = next((word.stem for word in reading.words if word.text.lower() not in STOP), "")
        return bool(lead) and (lead == verb or lead in synonyms().get(verb, ()))

    def _explained(self, tool: ToolDefinition, filled: Filled, reading: Reading) -> float:
        """The share of the words with content that the tool's own words or its arguments account for."""
        text = self._texts[tool.name]
        content = [word for word in reading.words if word.text.lower() not in STOP]
        explained = [
            word
            for word in content
            if word.stem in text or synonyms().get(word.stem, frozenset()) & text or filled.uses(word)
        ]
        return len(explained) / len(content) if content else 1.0


def asks_for_knowledge(text: str) -> bool:
    """Whether `text` wants to know or to have something written, rather than something done."""
    return _KNOWLEDGE.search(text) is not None


def _own_name(name: str) -> str:
    return name.partition("__")[2] or name
