"""The gate: every call passes here before it runs, and nothing runs that was not allowed (law 2).

It fails closed: where nobody can be asked, or the question fails, the call is refused. What is shown is what is sent:
the arguments in the question are the very object that goes on in `Go`.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from mcphost.approvals.differences import difference, since
from mcphost.approvals.guard import Flow, Guard
from mcphost.approvals.policy import Judgement, Policy
from mcphost.approvals.remembered import Answer
from mcphost.errors import UsageError
from mcphost.events import Noticed
from mcphost.messages import Origin, ToolCall, ToolResult, text_block
from mcphost.questions import Approval, Frontend, Lasting, ToolApproval, WaitingCall
from mcphost.text import one_line
from mcphost.tools import Tool


@dataclass(frozen=True, slots=True)
class Go:
    """The call may run, exactly as `call` has it, on the definition that `pin` stands for."""

    call: ToolCall
    pin: str
    why: str
    asked: bool


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call must not run; `result` tells the model.

    `unasked`: refused only because nobody could be asked; `suggestion` is then the --allow pattern that would have let
    it pass, where one would.
    """

    result: ToolResult
    why: str
    asked: bool
    unasked: bool = False
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """The call needs an answer, nobody can give one now, and its run may pause until somebody does."""

    waiting: WaitingCall


class Gate:
    """The gate of one chat. An answer "for this chat" is remembered here, one for good by the policy, each for the
    definition it was given about. With `pauses` a call that nobody can be asked about waits instead of being refused.

    `check(tool, arguments)` says what is wrong with arguments that a person edited, or None. `guard` watches where
    arguments come from. `unseen` are tools that a rule hides: a pattern covers them too, for when it no longer does.
    """

    def __init__(
        self,
        policy: Policy,
        frontend: Frontend,
        *,
        check: Callable[[Tool, Mapping[str, Any]], str | None] = lambda tool, arguments: None,
        guard: Guard | None = None,
        unseen: Callable[[], Iterable[Tool]] = tuple,
        pauses: bool = False,
    ) -> None:
        self._pauses = pauses
        self._paused: dict[str, WaitingCall] = {}
        self._policy = policy
        self._frontend = frontend
        self._check = check
        self._guard = guard or Guard()
        self._unseen = unseen
        self._flows: set[tuple[str, str, str]] = set()
        self._allowed: set[tuple[str, str, str, str]] = set()
        self._before: dict[tuple[str, str], Tool] = {}
        self._listed: tuple[Tool, ...] = ()
        self._waiting: list[_Waiting] = []
        self._one_question = anyio.Lock()

    async def cover(self, tools: Iterable[Tool]) -> None:
        """Let the policy take note of what there is now (`Policy.cover`), for later sessions too."""
        self._listed = tuple(tools)
        self._policy.cover((*self._listed, *self._unseen()))
        if self._policy.coverage.unsaved:
            try:
                await anyio.to_thread.run_sync(self._policy.coverage.save)
            except UsageError as error:
                words = f"what the rules cover is not remembered: {one_line(error.message)}"
                await self._frontend.show(Noticed(text=words, level="warning"))

    def saw(self, result: ToolResult) -> None:
        """Let the guard take note of what a server answered."""
        self._guard.saw(result)

    def take_up(self, waiting: Iterable[WaitingCall]) -> None:
        """Let the calls of a paused run have the answers they got. One without an answer waits on if nobody can be
        asked now either."""
        self._paused = {one.call: one for one in waiting}

    async def check(self, call: ToolCall, tool: Tool) -> Go | Refuse | Wait:
        """Judge `call`, and ask the person where the policy says so: one question at a time."""
        if call.arguments is None:
            return _refused(call, tool, "its arguments are not a JSON object")
        verdict: Go | Refuse | Wait | _Doubt = self._without_asking(call, tool, call.arguments)
        if isinstance(verdict, _Doubt):
            waiting = _Waiting(call, tool, call.arguments)
            self._waiting.append(waiting)
            try:
                # The other calls of this step come here before the first of them is asked about.
                await anyio.lowlevel.checkpoint()
                async with self._one_question:
                    verdict = await self._in_turn(waiting)
            finally:
                self._waiting.remove(waiting)
        return verdict

    async def _in_turn(self, waiting: _Waiting) -> Go | Refuse | Wait:
        """While this call waited its turn, the answer to another one may have settled it."""
        call, tool, arguments = waiting.call, waiting.tool, waiting.arguments
        verdict = self._without_asking(call, tool, arguments)
        if not isinstance(verdict, _Doubt):
            return verdict
        if waiting.allowed:
            return Go(call, tool.pin, "the person allowed it together with another", asked=True)
        return await self._ask(waiting, verdict)

    def _without_asking(self, call: ToolCall, tool: Tool, arguments: Mapping[str, Any]) -> Go | Refuse | _Doubt:
        judgement = self._policy.judge(tool, arguments)
        if judgement.decision == "deny":
            return _denied(call, tool, judgement)
        allowed = judgement.why if judgement.decision == "allow" else None
        if _key(tool) in self._allowed:
            allowed = allowed or "the person allowed it for this chat"
        flow = self._flow(tool, arguments)
        if allowed and flow is None:
            return Go(call, tool.pin, allowed, asked=False)
        return _Doubt(judgement if allowed else self._as_changed(judgement, tool), allowed, flow)

    def _as_changed(self, judgement: Judgement, tool: Tool) -> Judgement:
        """`judgement` with what is different since the person last allowed the tool, if they did."""
        before = self._before.get((tool.server, tool.tool))
        if before is None or _key(before) == _key(tool) or judgement.changes:
            return judgement
        changed, lines = since(before, tool)
        return replace(judgement, why=f"{judgement.why}; you allowed it before, but {changed}", changes=lines)

    def _flow(self, tool: Tool, arguments: Mapping[str, Any]) -> Flow | None:
        """Where the arguments came from, if that deserves a question of its own that was not answered yet."""
        flow = self._guard.flow(tool, arguments)
        if flow is None or (flow.source, tool.destination(arguments), tool.tool) in self._flows:
            return None
        passes = self._policy.yolo and not flow.secret and not self._guard.strict
        return None if passes else flow

    async def _ask(self, waiting: _Waiting, doubt: _Doubt) -> Go | Refuse | Wait:
        call, tool = waiting.call, waiting.tool
        paused = self._paused.get(call.id)
        changes = _changes(paused, tool) if paused else ()
        if doubt.allowed and self._policy.mode == "auto":
            return self._unattended(call, tool, doubt, "auto mode asks nobody")
        alike = [other for other in self._waiting if other is not waiting and self._is_like(other, waiting, doubt)]
        try:
            question = self._question(waiting, doubt, alike)
            if paused and paused.answer and not changes:
                answer = paused.answer
            else:
                answer = await self._frontend.ask(replace(question, changes=question.changes or changes))
        except Exception as error:
            why = f"the question about it failed: {one_line(f'{type(error).__name__}: {error}')}"
            return _unasked(call, tool, doubt.judgement, why)
        if not answer.allowed and not answer.asked:
            if (self._pauses or paused) and not doubt.passes_unattended(self._guard):
                why = "; ".join([doubt.why, *changes])
                asked = (tool.server, tool.tool, waiting.arguments, why, tool.definition, tool.entry)
                return Wait(WaitingCall(call.id, call.name, *asked))
            return self._unattended(call, tool, doubt, answer.reason or "nobody could be asked")
        if not answer.allowed:
            forgotten = await self._remember([Answer.about(tool, "deny")]) if answer.disable else ""
            said = f": {answer.reason}" if answer.reason else ", and never wants it to run" * answer.disable
            return _refused(call, tool, f"the person said no{said}{forgotten}", asked=True)
        if doubt.flow:
            self._flows.add((doubt.flow.source, tool.destination(waiting.arguments), tool.tool))
        return await self._go(call, tool, answer, alike)

    def _is_like(self, other: _Waiting, waiting: _Waiting, doubt: _Doubt) -> bool:
        """Whether the question about one of them says all that there is to say about the other."""
        flow = self._flow(other.tool, other.arguments)
        told = flow is None or (doubt.flow is not None and flow.source == doubt.flow.source)
        return _key(other.tool) == _key(waiting.tool) and told and not other.allowed

    def _unattended(self, call: ToolCall, tool: Tool, doubt: _Doubt, why: str) -> Go | Refuse:
        """The verdict where nobody can be asked: of what is allowed, no secret leaves, and no text if the guard is
        strict."""
        if doubt.allowed and doubt.passes_unattended(self._guard):
            return Go(call, tool.pin, doubt.allowed, asked=False)
        refusal = _unasked(call, tool, doubt.judgement, f"{doubt.flow.why}, and {why}" if doubt.flow else why)
        return replace(refusal, suggestion=None) if doubt.flow else refusal

    def _question(self, waiting: _Waiting, doubt: _Doubt, alike: Sequence[_Waiting]) -> ToolApproval:
        """What a rule asks about every time cannot be allowed for good; nor can a flow."""
        judgement, definition = doubt.judgement, waiting.tool.definition
        lasting: list[Lasting] = ["once", "alike"] if alike else ["once"]
        if not doubt.allowed:
            lasting.append("chat")
            if self._policy.remembered and not (judgement.rule and judgement.rule.decision == "ask"):
                lasting += ["always", "arguments", "server"]
        return ToolApproval(
            call=waiting.call.id,
            server=waiting.tool.server,
            tool=waiting.tool.tool,
            arguments=waiting.arguments,
            why=doubt.why,
            title=definition.get("title"),
            description=definition.get("description", ""),
            annotations=definition.get("annotations", {}),
            lasting=tuple(lasting),
            disable=self._policy.remembered is not None,
            alike=tuple(other.arguments for other in alike),
            listed=len(self._of_server(waiting.tool)),
            changes=judgement.changes,
        )

    async def _go(self, call: ToolCall, tool: Tool, answer: Approval, alike: Sequence[_Waiting]) -> Go | Refuse:
        arguments = answer.arguments if answer.arguments is not None else call.arguments or {}
        judgement = self._policy.judge(tool, arguments)  # the mode may have changed while the question stood
        if judgement.decision == "deny" and not judgement.unasked:
            return _denied(call, tool, judgement, asked=True)
        if answer.arguments is not None and answer.arguments is not call.arguments:
            if problem := self._check(tool, arguments):
                return _refused(
                    call, tool, f"the person edited its arguments, but they do not fit: {problem}", asked=True
                )
            call = replace(call, arguments=arguments)
        self._before[tool.server, tool.tool] = tool
        forgotten = await self._settle(tool, answer.lasting, arguments, alike)
        return Go(call, tool.pin, f"the person allowed it{forgotten}", asked=answer.asked)

    async def _settle(
        self, tool: Tool, lasting: Lasting, arguments: Mapping[str, Any], alike: Sequence[_Waiting]
    ) -> str:
        """Take note of what else a yes allows; in words what could not be remembered, empty if all was."""
        match lasting:
            case "chat":
                self._allowed.add(_key(tool))
            case "alike":
                for other in alike:
                    other.allowed = True
            case "always":
                return await self._remember([Answer.about(tool, "allow")])
            case "arguments":
                return await self._remember([Answer.about(tool, "allow", arguments=arguments)])
            case "server":
                return await self._remember([Answer.about(one, "allow") for one in self._of_server(tool)])
        return ""

    async def _remember(self, answers: Sequence[Answer]) -> str:
        if self._policy.remembered is None:
            return ""
        try:
            await anyio.to_thread.run_sync(self._policy.remembered.add, answers)
        except UsageError as error:
            return f" (but for this time only: {one_line(error.message)})"
        return ""

    def _of_server(self, tool: Tool) -> list[Tool]:
        return [one for one in self._listed if one.server == tool.server] or [tool]


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Why a call needs an answer: nothing allows it (`allowed` None), or its arguments came from elsewhere."""

    judgement: Judgement
    allowed: str | None
    flow: Flow | None

    @property
    def why(self) -> str:
        parts = [None if self.allowed else self.judgement.why, self.flow.why if self.flow else None]
        return "; ".join(filter(None, parts))

    def passes_unattended(self, guard: Guard) -> bool:
        """Whether it passes where nobody can be asked: of what is allowed, text may flow if the guard is not strict."""
        return bool(self.allowed and self.flow and not self.flow.secret and not guard.strict)


@dataclass(eq=False, slots=True)
class _Waiting:
    """A call that needs an answer; `allowed`: it got one together with another call."""

    call: ToolCall
    tool: Tool
    arguments: Mapping[str, Any]
    allowed: bool = False


def _changes(waiting: WaitingCall, tool: Tool) -> tuple[str, ...]:
    """What is different since the question, in lines."""
    before = {**waiting.definition, "server": waiting.entry}
    return difference(before, {**tool.definition, "server": tool.entry})


def _key(tool: Tool) -> tuple[str, str, str, str]:
    return tool.server, tool.server_pin, tool.tool, tool.pin


def _denied(call: ToolCall, tool: Tool, judgement: Judgement, *, asked: bool = False) -> Refuse:
    if judgement.unasked:
        return _unasked(call, tool, judgement, judgement.why)
    said = judgement.rule.message if judgement.rule else None
    refusal = _refused(call, tool, said or judgement.why, asked=asked)
    return replace(refusal, why=judgement.why)


def _unasked(call: ToolCall, tool: Tool, judgement: Judgement, why: str) -> Refuse:
    asks_anyway = judgement.rule is not None and judgement.rule.decision == "ask"
    suggestion = None if asks_anyway else f"{tool.server}__{glob.escape(tool.tool)}"
    refusal = _refused(call, tool, f"it needs a person's consent, and {why}")
    return replace(refusal, why=why, unasked=True, suggestion=suggestion)


def _refused(call: ToolCall, tool: Tool, why: str, *, asked: bool = False) -> Refuse:
    words = f"Refused, so it did not run: {why}. Do not repeat this call; go on without it or ask the user."
    result = ToolResult(call.id, (text_block(words),), is_error=True, origin=Origin(tool.server, tool.tool))
    return Refuse(result, why, asked)
