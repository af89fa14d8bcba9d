"""The gate: every call passes here before it runs, and nothing runs that was not allowed (law 2).

It fails closed: where nobody can be asked, or the question fails, the call is refused. What is shown is what is sent:
the arguments in the question are the very object that goes on in `Go`.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio

from mcphost.approvals.policy import Judgement, Policy
from mcphost.messages import Origin, ToolCall, ToolResult, text_block
from mcphost.questions import Approval, Frontend, ToolApproval
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


class Gate:
    """The gate of one chat. An answer "for this chat" is remembered here, for the definition it was given about.

    `check(tool, arguments)` says what is wrong with arguments that a person edited, or None.
    """

    def __init__(
        self,
        policy: Policy,
        frontend: Frontend,
        *,
        check: Callable[[Tool, Mapping[str, Any]], str | None] = lambda tool, arguments: None,
    ) -> None:
        self._policy = policy
        self._frontend = frontend
        self._check = check
        self._allowed: set[tuple[str, str, str]] = set()  # server, tool, pin
        self._one_question = anyio.Lock()

    def cover(self, tools: Iterable[Tool]) -> None:
        """Let the policy take note of what there is now (`Policy.cover`)."""
        self._policy.cover(tools)

    async def check(self, call: ToolCall, tool: Tool) -> Go | Refuse:
        """Judge `call`, and ask the person where the policy says so: one question at a time."""
        if call.arguments is None:
            return _refused(call, tool, "its arguments are not a JSON object")
        verdict = self._without_asking(call, tool, call.arguments)
        if isinstance(verdict, Judgement):
            async with self._one_question:
                # While this call waited its turn, the answer to another one may have settled it.
                verdict = self._without_asking(call, tool, call.arguments)
                if isinstance(verdict, Judgement):
                    verdict = await self._ask(call, tool, call.arguments, verdict)
        return verdict

    def _without_asking(self, call: ToolCall, tool: Tool, arguments: Mapping[str, Any]) -> Go | Refuse | Judgement:
        judgement = self._policy.judge(tool, arguments)
        if judgement.decision == "deny":
            return _denied(call, tool, judgement)
        if judgement.decision == "allow":
            return Go(call, tool.pin, judgement.why, asked=False)
        if (tool.server, tool.tool, tool.pin) in self._allowed:
            return Go(call, tool.pin, "the person allowed it for this chat", asked=False)
        return judgement

    async def _ask(self, call: ToolCall, tool: Tool, arguments: Mapping[str, Any], judgement: Judgement) -> Go | Refuse:
        try:
            answer = await self._frontend.ask(_question(call, tool, arguments, judgement.why))
        except Exception as error:
            why = f"the question about it failed: {one_line(f'{type(error).__name__}: {error}')}"
            return _unasked(call, tool, judgement, why)
        if not answer.allowed and not answer.asked:
            return _unasked(call, tool, judgement, answer.reason or "nobody could be asked")
        if not answer.allowed:
            return _refused(
                call, tool, f"the person said no{f': {answer.reason}' if answer.reason else ''}", asked=True
            )
        return self._go(call, tool, answer)

    def _go(self, call: ToolCall, tool: Tool, answer: Approval) -> Go | Refuse:
        if answer.arguments is not None and answer.arguments is not call.arguments:
            judgement = self._policy.judge(tool, answer.arguments)
            if judgement.decision == "deny":
                return _denied(call, tool, judgement, asked=True)
            if problem := self._check(tool, answer.arguments):
                return _refused(
                    call, tool, f"the person edited its arguments, but they do not fit: {problem}", asked=True
                )
            call = replace(call, arguments=answer.arguments)
        if answer.lasting == "chat":
            self._allowed.add((tool.server, tool.tool, tool.pin))
        return Go(call, tool.pin, "the person allowed it", asked=answer.asked)


def _question(call: ToolCall, tool: Tool, arguments: Mapping[str, Any], why: str) -> ToolApproval:
    definition = tool.definition
    return ToolApproval(
        call=call.id,
        server=tool.server,
        tool=tool.tool,
        arguments=arguments,
        why=why,
        title=definition.get("title"),
        description=definition.get("description", ""),
        annotations=definition.get("annotations", {}),
    )


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
