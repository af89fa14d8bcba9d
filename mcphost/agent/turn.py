"""One turn: requests and calls until the model answers, a limit is reached, or somebody is waited for.

Law 1: however it ends, every tool call in the conversation has its result.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from mcphost.agent.call import Call, mint
from mcphost.agent.conversation import Called, Conversation, Reply, ReplyStop, unanswered
from mcphost.errors import ModelCut
from mcphost.events import (
    CallDrafted,
    ModelWaited,
    Noticed,
    ReasoningStreamed,
    Replied,
    StepStarted,
    TextStreamed,
)
from mcphost.journal import Effect, Record
from mcphost.journal.base import in_call_order
from mcphost.messages import (
    AssistantMessage,
    Message,
    Notice,
    Text,
    ToolCall,
    ToolsChanged,
    Usage,
    UserMessage,
)
from mcphost.models.base import (
    CallDelta,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolQuarantined,
    Waiting,
)
from mcphost.questions import Further, StepLimit, WaitingCall
from mcphost.text import one_line
from mcphost.tools import Tool

if TYPE_CHECKING:
    from mcphost.agent.loop import Agent

MAX_PARALLEL_CALLS = 16
REPEATS = 3  # times that a call with the same arguments and result is made before a person is asked


class Turn:
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
        self.repeats = _Repeats()
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
            await self.agent.gate.cover(self.agent.toolbox.snapshot().values())
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
            if self.steps >= limit or self.repeats.call:
                further = await self._ask_further()
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
        added = [*await self._tools_changed(), *inbox, *notices]
        inbox.clear()
        self.conversation.messages += added
        message = await self._request(tuple(added))
        if message.calls:
            await self._call_all(message, message.calls)
        return message

    async def _ask_further(self) -> Further:
        repeated, self.repeats = self.repeats.call, _Repeats()
        question = StepLimit(self.steps, repeated.name, REPEATS) if repeated else StepLimit(self.steps)
        answer = await self.agent.frontend.ask(question)
        if repeated and answer.action == "stop":
            text = f"stopped, as {one_line(repeated.name)} gave the same result {REPEATS} times"
            await self.agent.show(Noticed(text=text, level="warning"))
        return answer

    async def _wrap_up(self) -> ReplyStop:
        """One more request, whose answer is the end: what it would still call does not run."""
        self.over = True
        message = await self._step(deque(), Notice(_WRAP_UP))
        return "limit" if message.calls else _FINAL.get(message.stop, "limit")

    async def _tools_changed(self) -> list[Message]:
        """What the model must be told of tools that came, went or changed since it was told last (law 11)."""
        snapshot = self.agent.toolbox.snapshot()
        if snapshot is self.snapshot:
            return []
        self.snapshot = snapshot
        await self.agent.gate.cover(snapshot.values())
        known = self.conversation.known()
        now = {tool.name: tool.for_model() for tool in snapshot.values()}
        added = tuple(tool for name, tool in now.items() if known.get(name) != tool)
        removed = tuple(name for name in known if name not in now)
        return [ToolsChanged(added, removed)] if added or removed else []

    # -- model requests ------------------------------------------------------------------------------------------------

    async def _request(self, added: tuple[Message, ...]) -> AssistantMessage:
        effect = Effect(mint(), self.run, "model", added=added)
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
        calls = [Call(self.agent, self.run, call, limiter, (pending or {}).get(call.id)) for call in wishes]
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
            self.repeats.note(settled)
            self.conversation.messages += [called.result for called in settled]
            self.waiting += [call.waiting for call in calls if call.waiting]


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


class _Repeats:
    """Counts the steps that made a call with the same tool, arguments and result; how often one step did is no news."""

    def __init__(self) -> None:
        self.call: ToolCall | None = None
        self._seen: dict[str, tuple[object, int]] = {}

    def note(self, step: Iterable[Called]) -> None:
        """`call` is set once REPEATS steps made one."""
        made = {f"{one.call.name} {json.dumps(one.call.arguments, sort_keys=True)}": one for one in step}
        for about, called in made.items():
            result = (called.result.content, called.result.structured, called.result.is_error)
            before, times = self._seen.get(about, (None, 0))
            times = times + 1 if before == result else 1
            self._seen[about] = result, times
            if times >= REPEATS:
                self.call = called.call


# How a complete turn ends, by the stop of its last reply; any other stop goes on.
_FINAL: Mapping[str, ReplyStop] = {
    "end": "answered",
    "stop": "answered",
    "refusal": "refused",
    "length": "cut",
    "cut": "cut",
}
