"""The policy: rules in, a judgement with its reason out.

deny > ask > allow > default over all sources; no rule wins by being more specific. A pattern allows what it could be
read to mean when it was given: tools that come or change later are asked about (law 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from mcphost.approvals.conditions import fits
from mcphost.approvals.coverage import Coverage
from mcphost.approvals.differences import difference, since
from mcphost.approvals.lock import Lock
from mcphost.approvals.remembered import Answer, Remembered
from mcphost.config.schema import CallOrigin, Decision, Mode, Rule
from mcphost.tools import Tool

ANY_SERVER = "*"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision, and why in words for a person. `rule` decided it; `unasked`: denied only because nobody is asked."""

    decision: Decision
    why: str
    rule: Rule | None = None
    unasked: bool = False
    changes: tuple[str, ...] = ()


class Policy:
    """Judges calls by rules and by what a person answered for good (`remembered`; None: nothing is).

    `default` holds where no rule does. `yolo` allows everything but what a deny rule denies or `mode` forbids.
    `origin` is where the calls come from that are judged. `coverage` knows what patterns covered in earlier sessions.
    With a `lock` nothing runs but what it holds.
    """

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        *,
        default: Decision = "ask",
        mode: Mode = "ask",
        yolo: bool = False,
        origin: CallOrigin = "chat",
        remembered: Remembered | None = None,
        coverage: Coverage | None = None,
        lock: Lock | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.default: Decision = default
        self.mode: Mode = mode
        self.yolo = yolo
        self.origin: CallOrigin = origin
        self.remembered = remembered
        self.coverage = coverage or Coverage()
        self.lock = lock
        self._first: dict[tuple[str, str], Tool] = {}

    def cover(self, tools: Iterable[Tool]) -> None:
        """Take note of what there is, at a conversation's start and whenever tools may have come.

        Of each server an allow pattern covers the tools that are seen when the rule is; a name that comes later is
        covered by a rule that spells it out. A definition that changes after it was first seen is covered by none.
        """
        by_server: dict[str, list[Tool]] = {}
        for tool in tools:
            self._first.setdefault((tool.server, tool.tool), tool)
            by_server.setdefault(tool.server, []).append(tool)
        patterns = [rule for rule in self.rules if rule.decision == "allow" and not _spelled_out(rule)]
        for rule in patterns:
            for server, listed in by_server.items():
                if rule.server in (ANY_SERVER, server) and rule.origin in (None, self.origin):
                    self.coverage.see(rule, listed)

    def judge(self, tool: Tool, arguments: Mapping[str, Any]) -> Judgement:
        """Whether `tool` may run with `arguments`, by the rules and the mode alone."""
        matching = self.matching(tool, arguments)
        denying, asking, allowing = (_first(matching, decision) for decision in ("deny", "ask", "allow"))
        if denying:
            return Judgement("deny", _told(denying), denying)
        if self.lock and not self.lock.holds(tool):
            return Judgement("deny", "the lock does not hold this definition of it")
        answers = [answer for answer in self._answers() if answer.is_about(tool, arguments)]
        never = next((answer for answer in answers if answer.decision == "deny"), None)
        if never:
            return Judgement("deny", f"you disabled it ({never.given}; `mcphost policy revoke {never.id}` undoes it)")
        if self.mode == "plan":
            return Judgement("deny", "plan mode: nothing runs; say what you would call, and with which arguments")
        if self.mode == "read-only" and not (tool.read_only and self._as_first_seen(tool)):
            return Judgement("deny", "read-only mode: nobody you trust says that this tool only reads")
        if self.yolo:
            return Judgement("allow", "--yolo allows whatever no rule denies")
        if asking:
            return self._ask(_told(asking), asking)
        if self.mode == "read-only":
            whose = "your own word" if tool.reads else "the word of a server you trust"
            return Judgement("allow", f"read-only mode: it only reads, by {whose}")
        if allowing:
            judgement = self._allow(tool, [rule for rule in matching if rule.decision == "allow"])
            if judgement.decision == "allow" or not answers:
                return judgement
        if answers:
            return self._remembered(tool, answers)
        if self.default == "ask":
            return self._ask("no rule allows it")
        return Judgement(self.default, f"no rule is about it, and the default is {self.default}")

    def matching(self, tool: Tool, arguments: Mapping[str, Any]) -> list[Rule]:
        """The rules that are about this call, in the order they were given. What denies or asks about a server's tools
        does so also where a tool of the host reaches that server."""
        reached = tool.destination(arguments)
        return [
            rule
            for rule in self.rules
            if self._names(rule, tool.server, tool.tool)
            or (rule.decision != "allow" and self._names(rule, reached, tool.tool))
            if fits(rule, tool, arguments)
        ]

    def hides(self, server: str, tool: str) -> bool:
        """Whether a rule denies this tool whatever its arguments, so that a model need not hear of it."""
        return any(
            rule.decision == "deny" and not rule.conditional and self._names(rule, server, tool) for rule in self.rules
        ) or any(
            answer.decision == "deny" and (answer.server, answer.tool) == (server, tool) for answer in self._answers()
        )

    def sampling(self, server: str, configured: Decision) -> Decision:
        """Whether a server may have the model answer something: the strictest word of the configuration and rules."""
        about = [rule for rule in self.rules if rule.origin == "sampling" and rule.server in (ANY_SERVER, server)]
        said: list[Decision] = [configured, *(rule.decision for rule in about)]
        if configured == "ask" and any(rule.decision == "allow" for rule in about):
            said.remove(configured)
        return next(decision for decision in ("deny", "ask", "allow") if decision in said)

    def _names(self, rule: Rule, server: str, tool: str) -> bool:
        return (
            rule.server in (ANY_SERVER, server) and rule.origin in (None, self.origin) and fnmatchcase(tool, rule.tool)
        )

    def _as_first_seen(self, tool: Tool) -> bool:
        return self._first.get((tool.server, tool.tool), tool).pin == tool.pin

    def _answers(self) -> Sequence[Answer]:
        return self.remembered.answers if self.remembered else ()

    def _remembered(self, tool: Tool, answers: Sequence[Answer]) -> Judgement:
        for answer in answers:
            if answer.holds(tool):
                return Judgement("allow", f"you allowed it for good ({answer.given})")
        changed, lines = since(answers[0], tool)
        return self._ask(f"you allowed it for good, but {changed}", changes=lines)

    def _allow(self, tool: Tool, rules: Sequence[Rule]) -> Judgement:
        told = _told(rules[0])
        if not self._as_first_seen(tool):
            changes = difference(self._first[tool.server, tool.tool].definition, tool.definition)
            return self._ask(f"{told}, but the tool has changed since", rules[0], changes)
        for rule in rules:
            if _spelled_out(rule) or self._covered(rule, tool) == tool.pin:
                return Judgement("allow", _told(rule), rule)
        before = self._covered(rules[0], tool)
        if before is None:
            return self._ask(f"{told}, but the tool came later", rules[0])
        known = self.coverage.definition(before)
        changes = difference(known, tool.definition) if known else ()
        return self._ask(f"{told}, but the tool has changed since", rules[0], changes)

    def _covered(self, rule: Rule, tool: Tool) -> str | None:
        """The pin that the tool of this name had when `rule` was first seen; None: it was not listed then."""
        covered = self.coverage.of(rule, tool)
        return covered.tools.get(tool.tool) if covered else None

    def _ask(self, why: str, rule: Rule | None = None, changes: tuple[str, ...] = ()) -> Judgement:
        if self.mode == "auto":
            return Judgement("deny", f"{why}, and auto mode asks nobody", rule, unasked=True)
        return Judgement("ask", why, rule, changes=changes)


def _first(rules: Iterable[Rule], decision: Decision) -> Rule | None:
    return next((rule for rule in rules if rule.decision == decision), None)


def _spelled_out(rule: Rule) -> bool:
    """Whether it names one tool of one server, and no pattern that more could fit later."""
    return rule.server != ANY_SERVER and not set("*?[") & set(rule.tool)


def _told(rule: Rule) -> str:
    verb = {"allow": "allows", "ask": "asks about", "deny": "denies"}[rule.decision]
    pattern = "*" if rule.server == ANY_SERVER else f"{rule.server}__{rule.tool}"
    return f"a rule {verb} {pattern} ({rule.source})"
