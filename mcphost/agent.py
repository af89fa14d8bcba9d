"""The loop: model, tools, gate, show.

Law 1: however a turn ends, every tool call in the conversation has its result. Law 3: the intent of each effect is in
the journal before it starts, its outcome before anything builds on it.
"""

from __future__ import annotations

import difflib
import json
import time
import uuid
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import anyio

from mcphost.approvals import Gate, Go, Refuse, Wait
from mcphost.config.schema import Limits
from mcphost.errors import ModelCut
from mcphost.events import (
    CallDecided,
    CallDrafted,
    CallEnded,
    CallPaused,
    CallProgressed,
    CallStarted,
    ModelWaited,
    Noticed,
    ReasoningStreamed,
    Replied,
    Show,
    StepStarted,
    TextStreamed,
)
from mcphost.journal import Effect, Journal, Record, Run
from mcphost.journal.base import in_call_order
from mcphost.messages import (
    AssistantMessage,
    Message,
    Notice,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    ToolsChanged,
    Usage,
    UserMessage,
    text_block,
    to_json,
)
from mcphost.models.base import (
    CallDelta,
    Model,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolQuarantined,
    Waiting,
)
from mcphost.questions import Frontend, Further, Silent, StepLimit, UnknownOutcome, WaitingCall
from mcphost.servers.wire import Caller
from mcphost.text import one_line
from mcphost.tools import Tool, Toolbox

MAX_PARALLEL_CALLS = 16
REPEATS = 3  # times that a call with the same arguments and result is made before a person is asked

# What becomes of a call whose outcome is unknown, as its run was killed: a person is asked, it runs again, or it fails.
# Read-only and idempotent ones always run again.
OnUnknown: TypeAlias = Literal["ask", "retry", "fail"]
ReplyStop: TypeAlias = Literal["answered", "limit", "cancelled", "cut", "refused", "paused"]


@dataclass
class Conversation:
    """What a model has been told. `system` and `tools` never change once the first request has left (law 11).

    The first `recorded` messages are the conversation of the run `run` in the journal.
    """

    system: str
    tools: tuple[ToolDefinition, ...]
    messages: list[Message] = field(default_factory=list)
    run: str | None = None
    recorded: int = 0

    def known(self) -> dict[str, ToolDefinition]:
        """The tools that the model believes it has, by name."""
        known = {tool.name: tool for tool in self.tools}
        for message in self.messages:
            if isinstance(message, ToolsChanged):
                for name in message.removed:
                    known.pop(name, None)
                known.update({tool.name: tool for tool in message.added})
        return known


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a turn and what became of it. `suggestion` is the --allow pattern that would have let it pass."""

    call: ToolCall
    result: ToolResult
    seconds: float
    denied: str | None = None
    unasked: bool = False
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """How a turn ended. `message` is the last thing the model said in it, None when it said nothing. With the stop
    "paused", `waiting` are the calls that need an answer before it can go on. `run` is its id in the journal."""

    message: AssistantMessage | None
    stop: ReplyStop
    usage: Usage
    steps: int
    calls: tuple[Called, ...]
    waiting: tuple[WaitingCall, ...] = ()
    run: str | None = None

    @property
    def text(self) -> str:
        return self.message.text if self.message else ""

    @property
    def denied(self) -> tuple[Called, ...]:
        return tuple(called for called in self.calls if called.denied)


class Agent:
    """Runs turns on a conversation until the model answers."""

    def __init__(
        self,
        *,
        model: Model,
        toolbox: Toolbox,
        gate: Gate,
        show: Show,
        journal: Journal,
        limits: Limits,
        caller: Caller | None = None,
        frontend: Frontend | None = None,
        on_unknown: OnUnknown = "fail",
    ) -> None:
        self.model = model
        self.toolbox = toolbox
        self.gate = gate
        self.show = show
        self.journal = journal
        self.limits = limits
        self.caller = caller
        self.frontend: Frontend = frontend or Silent()
        self.on_unknown = on_unknown
        self.running: set[anyio.CancelScope] = set()

    def cancel_calls(self) -> bool:
        """Cancel the calls that run now: each has a result that says so, and the turn goes on. False: none runs."""
        for scope in self.running:
            scope.cancel()
        return bool(self.running)

    async def run(
        self,
        chat: str,
        conversation: Conversation,
        inbox: deque[UserMessage],
        scope: anyio.CancelScope,
        *,
        record: Record | None = None,
    ) -> Reply:
        """One turn. `conversation` grows in place and stays consistent also when this is cancelled or raises.

        `inbox` is drained at each step boundary (steering). Cancelling `scope` ends the turn with a Reply that says
        so; a cancelled caller sees its own cancellation. `record` is of an interrupted run whose conversation this
        is: it goes on where it stopped, and nothing that was answered is asked again.

        Raises:
            ModelError, SignInNeeded: the model API failed; of the failed request only text that had arrived is left.
        """
        run = record.run if record else self._begun(chat, conversation)
        turn = _Turn(self, run.id, conversation)
        stop: ReplyStop | None = None
        await self.journal.begin(run)
        try:
            with scope:
                stop = (record and await turn.take_up(record)) or await turn.play(inbox)
            stop = stop or "cancelled"
        finally:
            with anyio.CancelScope(shield=True):
                await self.journal.finish(run.id, stop or "failed")
            conversation.run, conversation.recorded = run.id, len(conversation.messages)
        return turn.reply(stop)

    def _begun(self, chat: str, conversation: Conversation) -> Run:
        opening = tuple(conversation.messages[conversation.recorded :])
        return Run(_mint(), chat, self.model.name, conversation.system, conversation.tools, opening, conversation.run)


class _Turn:
    """One run of the loop: the conversation it extends and its account for the Reply."""

    def __init__(self, agent: Agent, run: str, conversation: Conversation) -> None:
        self.agent = agent
        self.run = run
        self.conversation = conversation
        self.usage = Usage()
        self.steps = 0
        self.called: list[Called] = []
        self.waiting: list[WaitingCall] = []
        self.message: AssistantMessage | None = None
        self.snapshot: Mapping[str, Tool] | None = None
        self.asked_at = 0  # of `called`, where a person was last asked how to go on
        self.over = False

    def reply(self, stop: ReplyStop) -> Reply:
        return Reply(self.message, stop, self.usage, self.steps, tuple(self.called), tuple(self.waiting), self.run)

    async def take_up(self, record: Record) -> ReplyStop | None:
        """Settle what an interrupted run left open: calls of its last reply that have no result yet. Returns how the
        turn ended, where it had."""
        replies = [message for message in record.messages[record.start :] if isinstance(message, AssistantMessage)]
        self.steps = len(replies)
        self.usage = sum((reply.usage for reply in replies), Usage())
        if not replies:
            return None
        self.message = replies[-1]
        messages = self.conversation.messages
        if calls := unanswered(messages):
            self.agent.gate.cover(self.agent.toolbox.snapshot().values())
            self.agent.gate.take_up(record.waiting)
            pending = {effect.call.id: effect for effect in record.pending if effect.call is not None}
            try:
                await self._call_all(self.message, calls, pending)
            finally:
                self.agent.gate.take_up(())  # ids of calls may come again
                messages[:] = in_call_order(messages)
            if self.waiting:
                return "paused"
        return _FINAL.get(self.message.stop) if messages[-1] is self.message else None

    async def play(self, inbox: deque[UserMessage]) -> ReplyStop:
        limit = self.agent.limits.max_steps
        while True:
            repeated = self._repeated()
            if self.steps >= limit or repeated:
                further = await self._ask_further(repeated)
                if further.action != "go-on":
                    return await self._wrap_up() if further.action == "wrap-up" else "limit"
                limit = self.steps + (further.steps or self.agent.limits.max_steps)
            message = await self._step(inbox)
            if self.waiting:
                return "paused"
            if message.stop in _FINAL and not inbox:
                return _FINAL[message.stop]

    async def _step(self, inbox: deque[UserMessage], *notices: Message) -> AssistantMessage:
        self.steps += 1
        added = [*self._tools_changed(), *inbox, *notices]
        inbox.clear()
        self.conversation.messages += added
        message = await self._request(tuple(added))
        if message.calls:
            await self._call_all(message, message.calls)
        return message

    def _repeated(self) -> Called | None:
        """The last call, if one like it, with its arguments and its result, was made `REPEATS` times since a person was
        asked."""
        alike = Counter(_signature(called) for called in self.called[self.asked_at :])
        last = self.called[-1] if self.called[self.asked_at :] else None
        return last if last and alike[_signature(last)] >= REPEATS else None

    async def _ask_further(self, repeated: Called | None) -> Further:
        self.asked_at = len(self.called)
        question = StepLimit(self.steps, repeated.call.name, REPEATS) if repeated else StepLimit(self.steps)
        answer = await self.agent.frontend.ask(question)
        if repeated and answer.action == "stop":
            text = f"stopped, as {one_line(repeated.call.name)} gave the same result {REPEATS} times"
            await self.agent.show(Noticed(text=text, level="warning"))
        return answer

    async def _wrap_up(self) -> ReplyStop:
        """One more request, whose answer is the end: what it would still call does not run."""
        self.over = True
        message = await self._step(deque(), Notice(_WRAP_UP))
        return "limit" if message.calls else _FINAL.get(message.stop, "limit")

    def _tools_changed(self) -> list[Message]:
        """What the model must be told of tools that came, went or changed since it was told last (law 11)."""
        snapshot = self.agent.toolbox.snapshot()
        if snapshot is self.snapshot:
            return []
        self.snapshot = snapshot
        self.agent.gate.cover(snapshot.values())
        known = self.conversation.known()
        now = {tool.name: tool.for_model() for tool in snapshot.values()}
        added = tuple(tool for name, tool in now.items() if known.get(name) != tool)
        removed = tuple(name for name in known if name not in now)
        return [ToolsChanged(added, removed)] if added or removed else []

    # -- model requests ------------------------------------------------------------------------------------------------

    async def _request(self, added: tuple[Message, ...]) -> AssistantMessage:
        effect = Effect(_mint(), self.run, "model", added=added)
        await self.agent.journal.intent(effect)
        await self.agent.show(StepStarted(step=self.steps, tools=len(self.conversation.known())))
        arrived: list[str] = []
        message: AssistantMessage | None = None
        try:
            message = await self._stream(arrived)
        finally:
            # However the stream ended, what a person has already read stays in the conversation.
            if message is None and arrived:
                message = AssistantMessage((Text("".join(arrived)),), stop="cut")
            if message is not None:
                self.message = message
                self.usage += message.usage
                self.conversation.messages.append(message)
                with anyio.CancelScope(shield=True):
                    await self.agent.journal.outcome(effect.id, message)
        await self.agent.show(Replied(message=message))
        return message

    async def _stream(self, arrived: list[str]) -> AssistantMessage:
        conversation, show = self.conversation, self.agent.show
        request = ModelRequest(tuple(conversation.messages), conversation.tools, conversation.system)
        message: AssistantMessage | None = None
        async with aclosing(self.agent.model.stream(request)) as pieces:
            async for piece in pieces:
                match piece:
                    case TextDelta(text):
                        arrived.append(text)
                        await show(TextStreamed(text=text))
                    case ReasoningDelta(text):
                        await show(ReasoningStreamed(text=text))
                    case CallDelta(call, name):
                        await show(CallDrafted(call=call, name=name))
                    case Waiting(seconds, why):
                        await show(ModelWaited(seconds=seconds, why=why))
                    case ToolQuarantined(name, why):
                        await show(Noticed(text=f"tool {name} is left out: {why}", level="warning"))
                    case AssistantMessage():
                        message = piece
        if message is None:
            raise ModelCut(f"{self.agent.model.name} ended its stream without a reply.", hint="Try again.")
        return message

    # -- tool calls ----------------------------------------------------------------------------------------------------

    async def _call_all(
        self, message: AssistantMessage, wishes: Sequence[ToolCall], pending: Mapping[str, Effect] | None = None
    ) -> None:
        """Run `wishes`, calls of `message`, side by side, each as soon as it is allowed; results stand in call order.
        Those that wait for an answer have none yet, and pause the turn once the others are done.

        `pending` are by call id the effects whose outcome is unknown.
        """
        limiter = anyio.CapacityLimiter(MAX_PARALLEL_CALLS)
        calls = [_Call(self.agent, self.run, call, limiter, (pending or {}).get(call.id)) for call in wishes]
        paused = False
        try:
            async with anyio.create_task_group() as group:
                for call in calls:
                    group.start_soon(call.settle, _not_run(message, over=self.over))
            paused = True
        finally:
            with anyio.CancelScope(shield=True):
                for call in calls:
                    if call.waiting:
                        await (call.wait(call.waiting) if paused else call.give_up())
            settled = [call.called for call in calls if not call.waiting]
            self.called += settled
            self.conversation.messages += [called.result for called in settled]
            self.waiting += [call.waiting for call in calls if call.waiting]


class _Call:
    """One call on its way. `called` holds its result from the first moment on, so that it has one however it ends."""

    def __init__(
        self, agent: Agent, run: str, call: ToolCall, limiter: anyio.CapacityLimiter, pending: Effect | None
    ) -> None:
        self.agent = agent
        self.call = call
        self.limiter = limiter
        self.pending = pending
        self.effect = pending or Effect(_mint(), run, "tool", call=call)
        self.called = Called(call, _error(call, _UNKNOWN if pending else "Cancelled before it ran."), 0.0)
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
            await self.agent.show(Noticed(text=f"{one_line(self.call.name)}: {_UNKNOWN}", level="warning"))
            return
        tool = self.agent.toolbox.snapshot().get(self.call.name)
        problem = why_not or self._problem(tool)
        if tool is None or problem:
            self.called = replace(self.called, result=_error(self.call, problem))
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
            result = _error(self.call, f"Cancelled by user. {how}")
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
            go.call, _error(self.call, "Cancelled while it ran: it may or may not have taken effect."), 0.0
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

_UNKNOWN = (
    "The run was interrupted while this call was under way: it may or may not have taken effect, and it was not "
    "repeated. Find out which before calling it again."
)

_WRAP_UP = (
    "The limit of this turn is reached. Call no more tools: answer now with what you have, and say what is missing."
)


def _not_run(message: AssistantMessage, *, over: bool) -> str:
    """Why none of the calls of `message` may run; empty: they may."""
    if over:
        return "Not run: the limit of this turn is reached."
    if message.stop != "tools":
        return "Not run: the reply was cut before it was complete. Call again with shorter arguments."
    return ""


def _signature(called: Called) -> str:
    """The same for calls with the same tool, arguments and result."""
    result = to_json([called.result.content, called.result.structured, called.result.is_error])
    return json.dumps([called.call.name, called.call.arguments, result], sort_keys=True)


# How a complete turn ends, by the stop of its last reply; any other stop goes on.
_FINAL: Mapping[str, ReplyStop] = {
    "end": "answered",
    "stop": "answered",
    "refusal": "refused",
    "length": "cut",
    "cut": "cut",
}


def unanswered(messages: Sequence[Message]) -> list[ToolCall]:
    """The calls of the last reply in `messages` that have no result."""
    answered: set[str] = set()
    for message in reversed(messages):
        if isinstance(message, AssistantMessage):
            return [call for call in message.calls if call.id not in answered]
        if isinstance(message, ToolResult):
            answered.add(message.call_id)
    return []


async def abandon(journal: Journal, record: Record) -> tuple[Message, ...]:
    """End an interrupted run that does not go on. Returns its conversation, in which every call has its result."""
    pending = {effect.call.id: effect for effect in record.pending if effect.call is not None}
    messages, calls = list(record.messages), unanswered(record.messages)
    if record.stop is not None and not calls:
        return record.messages
    await journal.begin(record.run)
    for call in calls:
        effect = pending.get(call.id) or Effect(_mint(), record.run.id, "tool", call=call)
        result = _error(call, _UNKNOWN if call.id in pending else "Not run: the run was interrupted before.")
        await journal.settle(effect, result)
        messages.append(result)
    await journal.finish(record.run.id, record.stop or "interrupted")
    return in_call_order(messages)


def _error(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call.id, (text_block(text),), is_error=True)


def _mint() -> str:
    return uuid.uuid4().hex
