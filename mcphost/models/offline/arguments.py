"""Arguments for a tool from the values and words of a request, by the tool's JSON Schema. Pure.

Law: a value goes to the argument of its kind whose words stand nearest; an optional argument is filled only by a value
that asks for it, and never with its default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcphost.models.offline.entities import Entity, Reading, Word
from mcphost.models.offline.kinds import Schema, coerced, listed, properties, required, takes_kind
from mcphost.models.offline.phrases import phrases
from mcphost.models.offline.vocabulary import STOP, cues
from mcphost.ranking import stem, words

_AFFINITY: Mapping[str, Mapping[str, float]] = {  # what an argument takes -> how well each kind of value suits it
    "path": {"path": 3, "file": 2.6, "quoted": 1.5, "phrase": 0.4},
    "url": {"url": 3},
    "glob": {"glob": 3, "quoted": 1.5, "file": 1.4, "phrase": 0.5},
    "zone": {"zone": 3},
    "time": {"time": 3, "quoted": 0.5},
    "date": {"date": 3, "quoted": 0.5},
    "hash": {"hash": 3, "quoted": 1.5, "phrase": 1, "result": 1},
    "id": {"number": 2, "hash": 2.5, "quoted": 2.5, "phrase": 1.5, "result": 2},
    "number": {"number": 3, "result": 3},
    "text": {
        "quoted": 3, "result": 2, "phrase": 1, "file": 1.2, "path": 0.8, "url": 0.8, "hash": 0.8, "date": 0.8,
        "glob": 0.8, "time": 0.3,
    },
}  # fmt: skip
_ONE_WORD = frozenset({"path", "glob", "hash", "id"})
_NAMED, _RELATED, _DESCRIBED = 2.5, 2.0, 0.7  # what a word near a value counts: in the name, a cue for it, described
_BEFORE, _AFTER = (1.0, 0.9, 0.7), (0.9, 0.5)  # by distance from the value, in words
_ALONE = 0.3  # an array of one is what an argument without an array would have taken
_ASKED = 1.2  # the cue from which on a value asks for an optional argument
_COUNTS = frozenset(
    map(stem, ["count", "limit", "max", "maximum", "n", "num", "number", "top", "size", "lines", "depth"])
)
_NEGATIONS = frozenset(["no", "not", "without"])
_FLAG_WORDS = frozenset(map(stem, ["include", "is", "use", "enable", "with", "show", "allow"]))
_DULL = frozenset(map(stem, STOP))


@dataclass(slots=True)
class Filled:
    """Arguments for one tool. `missing` are required ones without a value, `unused` hard values without an argument;
    `spans` are the places in the text that became arguments; `sure` grows with values of the kind an argument takes and
    falls with mere guesses; `typed` counts the former."""

    arguments: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unused: list[Entity] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    sure: float = 0.0
    typed: int = 0

    def uses(self, piece: Entity | Word) -> bool:
        """Whether this piece of the text became an argument, or part of one."""
        return any(start <= piece.start < end for start, end in self.spans)


def fill(
    schema: Schema, reading: Reading, naming: frozenset[str], mentioned: frozenset[str], implied: Reading | None = None
) -> Filled:
    """Arguments by `schema` from `reading`, or from `implied` if that leaves fewer required ones open.

    `naming` are stems that name the tool and so are no values, `mentioned` those in its text, which begin none.
    """
    filled = _Filling(reading, naming, mentioned).fill(schema)
    if not filled.missing or implied is None:
        return filled
    again = _Filling(implied, naming, mentioned).fill(schema)
    return again if len(again.missing) < len(filled.missing) else filled


class _Filling:
    """One tool's arguments being filled: what is taken belongs to one argument only."""

    def __init__(self, reading: Reading, naming: frozenset[str], mentioned: frozenset[str]) -> None:
        self.reading = reading
        self.naming = naming
        self.known = naming
        self.mentioned = mentioned
        self.filled = Filled()
        self.taken: list[Entity] = []

    def fill(self, schema: Schema) -> Filled:
        filled = self.filled
        self.known = self.naming | {word for name in properties(schema) for word in words(name)}
        filled.arguments = self._object(schema)
        filled.missing = [name for name in required(schema) if name not in filled.arguments]
        filled.unused = [entity for entity in self.reading.entities if entity.hard and self._is_free(entity)]
        filled.unused += [entity for entity in self.reading.pairs.values() if entity not in self.taken]
        filled.spans += [(entity.start, entity.end) for entity in self.taken]
        return filled

    def _object(self, schema: Schema) -> dict[str, Any]:
        props, needed = properties(schema), required(schema)
        values = self._given(props)
        for name, prop in props.items():
            if name not in values and (choice := self._chosen(name, prop, name in needed)) is not None:
                values[name] = choice
        open_props = {name: prop for name, prop in props.items() if name not in values}
        self._assign(values, open_props, needed)
        for name in needed:
            if name not in values and (nested := self._nested(props.get(name, {}))) is not None:
                values[name] = nested
        self._counted(values, props)
        return {
            name: values[name]
            for name, prop in props.items()
            if name in values and (name in needed or "default" not in prop or values[name] != prop["default"])
        }

    def _given(self, props: Mapping[str, Schema]) -> dict[str, Any]:
        """What the request spells out: a JSON object with these keys, key=value pieces."""
        for entity in self.reading.entities:
            if entity.kind == "json" and isinstance(entity.value, dict) and entity.value.keys() <= props.keys():
                self.taken.append(entity)
                return dict(entity.value)
        values: dict[str, Any] = {}
        names = {"".join(words(name)): name for name in props}
        for key, entity in self.reading.pairs.items():
            name = names.get("".join(words(key)))
            if name is not None and (value := coerced(entity, props[name])) is not None:
                values[name] = value
                self._take(entity)
        return values

    def _chosen(self, name: str, prop: Schema, needed: bool) -> Any:
        """The enum member, flag or value listed in the description that the words name; None if they name none."""
        if prop.get("type") == "boolean":
            return self._flag(name)
        options = prop.get("enum") or listed(prop)
        asked = needed or not {word.stem for word in self.reading.words}.isdisjoint(words(name))
        for option in sorted(options, key=lambda option: -len(str(option))):
            wanted = words(str(option))
            for at in range(len(self.reading.words) - len(wanted) + 1):
                run = self.reading.words[at : at + len(wanted)]
                if wanted and [word.stem for word in run] == wanted and (asked or not self.naming.issuperset(wanted)):
                    return self._spanned(option, run)
            for entity in self.reading.entities:
                if entity.value == option and self._is_free(entity):
                    self._take(entity)
                    return option
        return None

    def _flag(self, name: str) -> bool | None:
        wanted = [word for word in words(name) if word not in _FLAG_WORDS]
        for at, word in enumerate(self.reading.words):
            run = self.reading.words[at : at + len(wanted)]
            if wanted and [word.stem for word in run] == wanted:
                before = self.reading.words[at - 1].text.lower() if at else ""
                return bool(self._spanned(before not in _NEGATIONS, run))
        return None

    def _spanned(self, value: Any, run: Sequence[Word]) -> Any:
        self.filled.spans.append((run[0].start, run[-1].end))
        self.filled.sure += 1
        return value

    def _assign(self, values: dict[str, Any], props: Mapping[str, Schema], needed: Sequence[str]) -> None:
        """Best pairs of argument and value first; an array goes on taking values of the kind it began with."""
        began: dict[str, str] = {}
        for rank, entity, name in sorted(self._candidates(props, needed), key=lambda found: found[0]):
            prop = props[name]
            many = prop.get("type") == "array"
            if not self._is_free(entity) or (name in values and not (many and began.get(name) == entity.kind)):
                continue
            value = coerced(entity, prop)
            if value is None:
                continue
            values[name] = values.get(name, []) + value if many else value
            began[name] = entity.kind
            self._take(entity, sure=min(1.0, (-rank[0] - 3) / 2) - (_ALONE if many and len(values[name]) == 1 else 0))

    def _candidates(
        self, props: Mapping[str, Schema], needed: Sequence[str]
    ) -> Iterator[tuple[tuple[float, int, int], Entity, str]]:
        texts = sum(takes_kind(name, prop) == "text" for name, prop in props.items())
        entities = (*self.reading.entities, *phrases(self.reading, self.known, self.mentioned, tight=texts > 1))
        for position, (name, prop) in enumerate(props.items()):
            takes, weights = takes_kind(name, prop), self._weights(name, prop)
            for order, entity in enumerate(entities):
                affinity = _AFFINITY.get(takes, {}).get(entity.kind)
                if affinity is None or (takes in _ONE_WORD and entity.kind == "phrase" and " " in entity.value):
                    continue
                cue = sum(weights.get(word, 0.0) * nearness for word, nearness in self._beside(entity))
                typed = affinity == 3 and takes not in ("number", "text")
                if takes == "path" and entity.kind == "phrase" and not cue:
                    continue
                if name in needed or cue >= _ASKED or typed:
                    yield (-affinity - cue - (name in needed), order, position), entity, name

    def _weights(self, name: str, prop: Schema) -> dict[str, float]:
        """The stems that speak of an argument, each with what it counts beside a value."""
        own = set(words(name))
        named = own - self.naming or own  # "the entity 'Bob'" says nothing of entityType in create_entities
        described = {word for word in words(prop.get("description", "")) if word not in _DULL}
        related = frozenset().union(*map(cues, named))
        return {
            **dict.fromkeys(described, _DESCRIBED),
            **dict.fromkeys(related, _RELATED),
            **dict.fromkeys(named, _NAMED),
        }

    def _beside(self, entity: Entity) -> Iterator[tuple[str, float]]:
        others = [
            other for other in self.reading.entities if other is not entity and (other.hard or other.kind == "zone")
        ]
        before = [word for word in self.reading.words if word.end <= entity.start]
        for word, weight in zip(reversed(before), _BEFORE, strict=False):
            between = [other for other in others if word.end <= other.start and other.end <= entity.start]
            if between:
                if max(between, key=lambda other: other.start).kind == "time":
                    yield "from", weight  # "14:30 in Berlin" says where the time is from
                break
            yield word.stem, weight
        units = entity.kind in ("number", "result")  # "5 minutes", but not "'Alice' of type"
        after = [word for word in self.reading.words if units and word.start >= entity.end]
        for word, weight in zip(after, _AFTER, strict=False):
            if "," in self.reading.text[entity.end : word.start] or any(
                entity.end <= other.start < word.start for other in others
            ):
                break
            yield word.stem, weight

    def _nested(self, prop: Schema) -> Any:
        """An object, or an array of one object, filled from what is still free."""
        item: Schema = prop.get("items", {}) if prop.get("type") == "array" else prop
        value = self._object(item)
        if any(name not in value for name in required(item)) or not value:
            return None
        return [value] if item is not prop else value

    def _counted(self, values: dict[str, Any], props: Mapping[str, Schema]) -> None:
        """A number that is left over is how many are wanted, if the tool can be told."""
        numbers = [entity for entity in self.reading.entities if entity.kind == "number" and self._is_free(entity)]
        counts = [name for name in props if name not in values and _COUNTS & set(words(name))]
        for entity, name in zip(numbers, counts, strict=False):
            if entity.hard and (value := coerced(entity, props[name])) is not None:
                values[name] = value
                self._take(entity)

    def _is_free(self, entity: Entity) -> bool:
        spans = [*self.filled.spans, *((other.start, other.end) for other in self.taken)]
        return entity not in self.taken and not any(start < entity.end and entity.start < end for start, end in spans)

    def _take(self, entity: Entity, sure: float = 1.0) -> None:
        self.taken.append(entity)
        self.filled.sure += sure
        self.filled.typed += entity.hard and sure > 0
