"""One call of a model on its way: asked about, run, and its result recorded.

Law 3: its intent is in the journal before it runs, its outcome before anything builds on it.
"""

from __future__ import annotations

import difflib
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio

from mcphost.agent.conversation import Called
from mcphost.approvals import Go, Refuse, Wait
from mcphost.events import (
    CallDecided,
    CallEnded,
    CallPaused,
    CallProgressed,
    CallStarted,
    Noticed,
)
from mcphost.journal import Effect
from mcphost.messages import (
    ToolCall,
    ToolResult,
    text_block,
)
from mcphost.questions import UnknownOutcome, WaitingCall
from mcphost.text import one_line
from mcphost.tools import Tool

if TYPE_CHECKING:
    from mcphost.agent.loop import Agent


class Call:
    """One call on its way. `called` holds its result from the first moment on, so that it has one however it ends."""

    def __init__(
        self, agent: Agent, run: str, call: ToolCall, limiter: anyio.CapacityLimiter, pending: Effect | None
    ) -> None:
        self.agent = agent
        self.call = call
        self.limiter = limiter
        self.pending = pending
        self.effect = pending or Effect(mint(), run, "tool", call=call)
        self.called = Called(call, error_result(call, UNKNOWN if pending else "Cancelled before it ran."), 0.0)
        self.waiting: WaitingCall | None = None
        self.intended = False
        self.started = 0.0

    async def settle(self, why_not: str) -> None:
        """Have it run, unless `why_not` says, in words for the model, why it cannot."""
        try:
            await self._attempt(why_not)
        finally:
            with anyio.CancelScope(shield=True):
                if self.waiting is None:
                    await self._end()

    async def give_up(self) -> None:
        """Wait no longer: the turn is over, and so the call must have its result."""
        self.waiting = None
        await self._end()

    async def wait(self, waiting: WaitingCall) -> None:
        """Record and show what it waits for."""
        await self.agent.journal.wait(self.effect.run, waiting)
        await self.agent.show(
            CallPaused(
                call=waiting.call,
                server=waiting.server,
                tool=waiting.tool,
                arguments=waiting.arguments,
                why=waiting.why,
            )
        )

    async def _end(self) -> None:
        journal, result = self.agent.journal, self.called.result
        await (journal.outcome(self.effect.id, result) if self.intended else journal.settle(self.effect, result))
        await self.agent.show(
            CallEnded(call=self.call.id, name=self.call.name, result=result, seconds=self.called.seconds)
        )

    async def _attempt(self, why_not: str) -> None:
        if self.pending is not None and not await self._may_repeat(self.pending):
            await self.agent.show(Noticed(text=f"{one_line(self.call.name)}: {UNKNOWN}", level="warning"))
            return
        tool = self.agent.toolbox.snapshot().get(self.call.name)
        problem = why_not or self._problem(tool)
        if tool is None or problem:
            self.called = replace(self.called, result=error_result(self.call, problem))
            return
        verdict = await self.agent.gate.check(self.call, tool)
        if isinstance(verdict, Wait):
            self.waiting = verdict.waiting
            return
        await self._show_verdict(tool, verdict)
        if isinstance(verdict, Refuse):
            self.called = Called(
                self.call,
                verdict.result,
                0.0,
                denied=verdict.why,
                unasked=verdict.unasked,
                suggestion=verdict.suggestion,
            )
            return
        with anyio.CancelScope() as scope:
            self.agent.running.add(scope)
            try:
                async with self.limiter:
                    await self._run(tool, verdict)
            finally:
                self.agent.running.discard(scope)
        if scope.cancelled_caught:
            seconds = time.monotonic() - self.started if self.intended else 0.0
            how = _MAYBE if self.intended else "It did not run."
            result = error_result(self.call, f"Cancelled by user. {how}")
            self.called = replace(self.called, result=result, seconds=seconds)

    async def _may_repeat(self, effect: Effect) -> bool:
        if effect.safe or self.agent.on_unknown != "ask":
            return effect.safe or self.agent.on_unknown == "retry"
        arguments: Mapping[str, Any] = (effect.call or self.call).arguments or {}
        return await self.agent.frontend.ask(UnknownOutcome(self.call.id, self.call.name, arguments)) == "retry"

    def _problem(self, tool: Tool | None) -> str:
        """Why this call cannot even be asked about, in words for the model; empty: it can."""
        if self.call.arguments is None:
            return f"Not run: the arguments are not a JSON object: {one_line(self.call.text, 300)}"
        if tool is None:
            near = difflib.get_close_matches(self.call.name, self.agent.toolbox.snapshot(), n=3)
            return f"There is no tool {one_line(self.call.name)!r}." + (f" Nearest: {', '.join(near)}." if near else "")
        return self.agent.toolbox.check(tool, self.call.arguments) or ""

    async def _run(self, tool: Tool, go: Go) -> None:
        arguments = go.call.arguments or {}
        self.effect = replace(self.effect, call=go.call, safe=tool.repeatable)
        await self.agent.journal.intent(self.effect)
        self.intended = True
        self.started = time.monotonic()
        self.called = Called(
            go.call, error_result(self.call, "Cancelled while it ran: it may or may not have taken effect."), 0.0
        )
        await self.agent.show(CallStarted(call=self.call.id, server=tool.server, tool=tool.tool, arguments=arguments))
        result = await self.agent.toolbox.call(
            go.call, tool, pin=go.pin, caller=self.agent.caller, progress=self._progress
        )
        self.agent.gate.saw(result)
        if arguments != self.call.arguments:
            edited = f"A person edited the arguments; it ran with {json.dumps(arguments, ensure_ascii=False)}."
            result = replace(result, note=f"{edited} {result.note or ''}".rstrip())
        self.called = Called(go.call, result, time.monotonic() - self.started)

    async def _progress(self, progress: float, total: float | None, message: str | None) -> None:
        await self.agent.show(CallProgressed(call=self.call.id, progress=progress, total=total, message=message))

    async def _show_verdict(self, tool: Tool, verdict: Go | Refuse) -> None:
        call = verdict.call if isinstance(verdict, Go) else self.call
        await self.agent.show(
            CallDecided(
                call=self.call.id,
                server=tool.server,
                tool=tool.tool,
                arguments=call.arguments or {},
                decision="allow" if isinstance(verdict, Go) else "deny",
                why=verdict.why,
                asked=verdict.asked,
                pin=tool.pin,
            )
        )


_MAYBE = "It may or may not have taken effect."

UNKNOWN = (
    "The run was interrupted while this call was under way: it may or may not have taken effect, and it was not "
    "repeated. Find out which before calling it again."
)


def error_result(call: ToolCall, text: str) -> ToolResult:
    """What the model reads of a call that failed for the reason in `text`."""
    return ToolResult(call.id, (text_block(text),), is_error=True)


def mint() -> str:
    """A new id for a run or an effect."""
    return uuid.uuid4().hex
