"""The policy: rules in, a judgement with its reason out.

deny > ask > allow > default over all sources; no rule wins by being more specific. A pattern allows what it could be
read to mean when it was given: tools that come or change later are asked about (law 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

from mcphost.config.schema import Decision, Rule
from mcphost.tools import Tool

# "ask": what no rule allows is asked about; "read-only": nothing runs but what only reads; "auto": nobody is asked.
Mode: TypeAlias = Literal["ask", "read-only", "auto"]

ANY_SERVER = "*"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision, and why in words for a person. `rule` decided it; `unasked`: denied only because nobody is asked."""

    decision: Decision
    why: str
    rule: Rule | None = None
    unasked: bool = False


class Policy:
    """Judges calls by rules. It knows nothing of people: what they answer is the Gate's to remember.

    `default` holds where no rule does. `yolo` allows everything but what a deny rule denies or `mode` forbids.
    """

    def __init__(
        self, rules: Sequence[Rule] = (), *, default: Decision = "ask", mode: Mode = "ask", yolo: bool = False
    ) -> None:
        self.rules = tuple(rules)
        self.default: Decision = default
        self.mode: Mode = mode
        self.yolo = yolo
        self._first_pins: dict[tuple[str, str], str] = {}
        self._in_first_listing: set[tuple[str, str]] = set()

    def cover(self, tools: Iterable[Tool]) -> None:
        """Take note of what there is, at a conversation's start and whenever tools may have come.

        Of each server the first tools seen are those that an allow pattern covers; a name that comes later is covered
        by a rule that spells it out. A definition that changes after it was first seen is covered by none.
        """
        tools = tuple(tools)
        known = {server for server, _ in self._first_pins}
        self._in_first_listing |= {(tool.server, tool.tool) for tool in tools if tool.server not in known}
        for tool in tools:
            self._first_pins.setdefault((tool.server, tool.tool), tool.pin)

    def judge(self, tool: Tool, arguments: Mapping[str, Any]) -> Judgement:
        """Whether `tool` may run with `arguments`, by the rules and the mode alone."""
        matching = [rule for rule in self.rules if _matches(rule, tool, arguments)]
        denying, asking, allowing = (_first(matching, decision) for decision in ("deny", "ask", "allow"))
        if denying:
            return Judgement("deny", _told(denying), denying)
        if self.mode == "read-only" and not tool.read_only:
            return Judgement("deny", "read-only mode: nobody you trust says that this tool only reads")
        if self.yolo:
            return Judgement("allow", "--yolo allows whatever no rule denies")
        if asking:
            return self._ask(_told(asking), asking)
        if self.mode == "read-only":
            return Judgement("allow", "read-only mode: it only reads, by the word of a server you trust")
        if allowing:
            return self._allow(tool, [rule for rule in matching if rule.decision == "allow"])
        if self.default == "ask":
            return self._ask("no rule allows it")
        return Judgement(self.default, f"no rule is about it, and the default is {self.default}")

    def hides(self, server: str, tool: str) -> bool:
        """Whether a rule denies this tool whatever its arguments, so that a model need not hear of it."""
        return any(
            rule.decision == "deny" and rule.arguments is None and _names(rule, server, tool) for rule in self.rules
        )

    def _allow(self, tool: Tool, rules: Sequence[Rule]) -> Judgement:
        pair = (tool.server, tool.tool)
        if self._first_pins.get(pair, tool.pin) != tool.pin:
            return self._ask(f"{_told(rules[0])}, but the tool has changed since", rules[0])
        for rule in rules:
            if pair in self._in_first_listing or (rule.server, rule.tool) == pair:
                return Judgement("allow", _told(rule), rule)
        return self._ask(f"{_told(rules[0])}, but the tool came later", rules[0])

    def _ask(self, why: str, rule: Rule | None = None) -> Judgement:
        if self.mode == "auto":
            return Judgement("deny", f"{why}, and auto mode asks nobody", rule, unasked=True)
        return Judgement("ask", why, rule)


def _matches(rule: Rule, tool: Tool, arguments: Mapping[str, Any]) -> bool:
    if not _names(rule, tool.server, tool.tool):
        return False
    wanted = rule.arguments or {}
    return all(key in arguments and _equal(value, arguments[key]) for key, value in wanted.items())


def _names(rule: Rule, server: str, tool: str) -> bool:
    return rule.server in (ANY_SERVER, server) and fnmatchcase(tool, rule.tool)


def _equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: unlike Python's, true is not 1."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _first(rules: Iterable[Rule], decision: Decision) -> Rule | None:
    return next((rule for rule in rules if rule.decision == decision), None)


def _told(rule: Rule) -> str:
    verb = {"allow": "allows", "ask": "asks about", "deny": "denies"}[rule.decision]
    pattern = "*" if rule.server == ANY_SERVER else f"{rule.server}__{rule.tool}"
    return f"a rule {verb} {pattern} ({rule.source})"
