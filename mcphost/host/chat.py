"""Chat: one conversation with its own model, frontend and consent, and the Stream of one turn's events."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import anyio

from mcphost.agent import Agent, Conversation, OnUnknown, Reply, abandon, unanswered
from mcphost.approvals import Gate, Guard, Policy
from mcphost.errors import Busy, UsageError
from mcphost.events import Event, Noticed, Show, TurnEnded, TurnStarted
from mcphost.host.suggestions import Suggestions
from mcphost.host.system import compose_system
from mcphost.journal import Record
from mcphost.messages import Block, Message, ToolResult, Usage, UserMessage, text_block
from mcphost.models.base import Model
from mcphost.questions import Approval, Frontend, WaitingCall, approval
from mcphost.requests import Requests
from mcphost.tools import HostServer, Toolbox

if TYPE_CHECKING:
    from mcphost.host.host import Host


class Chat:
    """One conversation: its model, its frontend, its consent. Made by `Host.chat`; one turn at a time.

    `system` is read when the conversation begins: a change is for the next one (law 11). `suggestions` are what
    servers suggest for arguments that are being typed.
    """

    def __init__(
        self,
        host: Host,
        model: Model | str | None,
        frontend: Frontend,
        system: str,
        policy: Policy,
        patience: float,
        record: Record | None = None,
    ) -> None:
        self.id = record.run.chat if record else uuid.uuid4().hex[:12]
        self.host = host
        self._model = model
        self.frontend = frontend
        self.policy = policy
        self.conversation = _recorded(record) if record else None
        self.turn = 0
        self.system = system
        self.suggestions = Suggestions()
        self._record = record
        self._patience = patience
        self._inbox: deque[UserMessage] = deque()
        self._scope: anyio.CancelScope | None = None
        self._agent: Agent | None = None
        self._seq = 0
        self._told: set[str] = set()
        self._sinks: list[Show] = []
        self.toolbox = Toolbox(
            lambda: (*host.servers.values(), HostServer(lambda: host.servers)),
            host.tools,
            limits=host.config.limits,
            spill=host.spill,
            hidden=policy.hides,
            entry=host.definition,
            secrets=host.secrets,
        )
        self.gate = self._new_gate()
        for message in self.conversation.messages if self.conversation else ():
            if isinstance(message, ToolResult):
                self.gate.saw(message)
        self.requests = Requests(
            frontend=frontend,
            model=lambda: self.model,
            models=host.configured_models(),
            servers=host.config.servers,
            sampling=policy.sampling,
            asks=lambda: policy.mode != "auto",
            show=self._show,
        )

    @property
    def model(self) -> Model:
        """Opened when it is first needed: looking at servers takes no key.

        Raises:
            UsageError, SignInNeeded: it cannot be opened.
        """
        if self._model is None or isinstance(self._model, str):
            self._model = self.host.open_model(self._model)
        return self._model

    @model.setter
    def model(self, model: Model) -> None:
        self._model = model

    async def send(self, content: str | Sequence[Message]) -> Reply:
        """One turn: from this message to the model's answer.

        `content` is text, or whole messages that enter the conversation as they are (a prompt's, say).

        Raises:
            Busy: a turn is running; `steer` adds to it.
            ModelError, SignInNeeded: the model API failed. The conversation stays usable.
        """
        return await self._only(self._turn(_messages(content)))

    async def resume(
        self, *, on_unknown: OnUnknown = "ask", answers: Mapping[str, Approval | Mapping[str, Any]] | None = None
    ) -> Reply:
        """Go on with the recorded turn that this chat was made with, or that it paused: what was answered is not asked
        again, what ran is not repeated. A turn that had ended gives its Reply once more.

        `on_unknown` is about calls that were under way when it was interrupted. `answers` are about calls that it
        waits for, by the id of the call (`WaitingCall.call`), also as JSON; one without an answer is asked about.

        Raises:
            UsageError: this chat has no such turn, or has gone on since.
            Busy: a turn is running, or another process is at this chat.
            ModelError, SignInNeeded: the model API failed.
        """
        record = self._record
        if record is None:
            raise UsageError("this chat has no recorded turn to go on with")
        record = replace(record, waiting=_answered(record.waiting, answers or {}))
        return await self._only(self._turn(record.run.opening, record, on_unknown))

    async def _only(self, turn: Coroutine[Any, Any, Reply]) -> Reply:
        if self._scope is not None:
            turn.close()
            raise Busy("a turn is already running in this chat", hint="Use steer() to add to it, or wait for it.")
        try:
            return await turn
        finally:
            self._scope = self._agent = None

    @property
    def running(self) -> bool:
        """Whether a turn is running."""
        return self._scope is not None

    def steer(self, content: str | Sequence[Block]) -> None:
        """Hand `content` to the running turn at its next step; without one it opens the next turn's step."""
        blocks = (text_block(content),) if isinstance(content, str) else tuple(content)
        self._inbox.append(UserMessage(blocks, origin="steer"))

    def cancel(self) -> None:
        """End the running turn: its calls are cancelled (their servers live on), and `send` returns."""
        if self._scope is not None:
            self._scope.cancel()

    def cancel_calls(self) -> bool:
        """Cancel the calls that run now: the model reads so, and the turn goes on. False: none runs."""
        return self._agent is not None and self._agent.cancel_calls()

    def another(self, *, resume: Record | None = None) -> Chat:
        """A chat like this one, with a conversation of its own: a new one, or the recorded one with its model."""
        named = self._model if self._model is None or isinstance(self._model, str) else self._model.name
        return self.host.chat(
            model=self._model if resume is None or resume.run.model == named else resume.run.model,
            frontend=self.frontend,
            system=self.system,
            policy=self.policy,
            patience=self._patience,
            resume=resume,
        )

    def fork(self, messages: int | None = None) -> Chat:
        """A chat like this one, with a copy of the first `messages` messages of its conversation; all without it. Calls
        among them keep their results (law 1), so that it may be some more.

        Raises:
            UsageError: there are not so many.
            Busy: a turn is running.
        """
        begun = self._begun_with(messages)
        copy = self.another()
        copy.conversation = begun
        for message in begun.messages if begun else ():
            if isinstance(message, ToolResult):
                copy.gate.saw(message)
        return copy

    def rewind(self, messages: int) -> None:
        """Go on from the first `messages` messages of this conversation; counted and raising as `fork`. What was said
        later stays in the journal."""
        self.conversation = self._begun_with(messages)
        self._record = None
        self._inbox.clear()

    def _begun_with(self, messages: int | None) -> Conversation | None:
        if self._scope is not None:
            raise Busy("a turn is running in this chat", hint="Cancel it first.")
        whole = self.conversation.messages if self.conversation else []
        if messages is not None and not 1 <= messages <= len(whole):
            raise UsageError(f"this conversation has {len(whole)} messages, and so no {messages}")
        end = len(whole) if messages is None else messages
        while end < len(whole) and unanswered(whole[:end]):
            end += 1
        if self.conversation is None:
            return None
        return Conversation(self.conversation.system, self.conversation.tools, list(whole[:end]))

    def clear(self) -> None:
        """Forget the conversation. What was allowed "for this chat" is forgotten with it.

        Raises:
            Busy: a turn is running.
        """
        if self._scope is not None:
            raise Busy("a turn is running in this chat", hint="Cancel it first.")
        self.conversation = None
        self._record = None
        self._inbox.clear()
        self.gate = self._new_gate()

    @asynccontextmanager
    async def stream(self, content: str | Sequence[Message]) -> AsyncIterator[Stream]:
        """`send`, with its events to iterate over:

            async with chat.stream("…") as events:
                async for event in events: …
            events.reply

        Leaving the block early cancels the turn. Raises what `send` raises, from the iteration.
        """
        send, receive = anyio.create_memory_object_stream[Event](float("inf"))
        stream = Stream(receive)
        self._sinks.append(send.send)

        async def turn() -> None:
            async with send:
                try:
                    stream.reply = await self.send(content)
                except Exception as error:
                    stream.error = error

        try:
            async with receive, anyio.create_task_group() as group:
                group.start_soon(turn)
                yield stream
                group.cancel_scope.cancel()
        finally:
            self._sinks.remove(send.send)

    async def _turn(
        self, messages: Sequence[Message], record: Record | None = None, on_unknown: OnUnknown = "ask"
    ) -> Reply:
        self.turn += 1
        with anyio.CancelScope() as self._scope:
            if self.conversation is None or self._record is not None:
                await self._settle()
                self.conversation = self.conversation or self._open()
        if self.conversation is None or self._scope.cancelled_caught:
            return Reply(None, "cancelled", Usage(), 0, ())
        self._scope = anyio.CancelScope()
        if record is None:
            if self._record is not None:
                self.conversation.messages[:] = await abandon(self.host.journal, self._record)
                self.conversation.recorded = len(self.conversation.messages)
            self.conversation.messages += map(self._discreet, messages)
        self._record = None
        if edges := self.host.edges:
            limits = self.host.config.limits
            edges.turn(messages, model=self.model, system=self.system, limits=limits, policy=self.policy)
        await self._show(TurnStarted(text=_text(messages), model=self.model.name))
        self._agent = agent = Agent(
            model=self.model,
            toolbox=self.toolbox,
            gate=self.gate,
            show=self._show,
            journal=self.host.journal,
            limits=self.host.config.limits,
            caller=self.requests,
            frontend=self.frontend,
            on_unknown=on_unknown,
        )
        await self._tell_problems()
        reply = await agent.run(self.id, self.conversation, self._inbox, self._scope, record=record)
        if reply.stop == "paused" and self.conversation.run:
            self._record = await self.host.journal.fold(self.conversation.run)
        await self._tell_problems()
        await self._show(TurnEnded(stop=reply.stop, usage=reply.usage, steps=reply.steps))
        return reply

    async def _settle(self) -> None:
        """Wait for the servers before the first request."""
        await self.host.settled(self._patience)
        slow = [server.name for server in self.host.servers.values() if server.state in ("pending", "restarting")]
        if slow:
            text = f"going on without {', '.join(slow)}: still starting; their tools join later"
            await self._show(Noticed(text=text))

    def _open(self) -> Conversation:
        """Fix what the model is told first: the servers' tools and instructions as they are now (law 11)."""
        tools = self.toolbox.snapshot()
        return Conversation(
            compose_system(self.system, self.host.servers.values()), tuple(tool.for_model() for tool in tools.values())
        )

    def _discreet(self, message: Message) -> Message:
        """What a server put into a message holds no secret; what a person typed is theirs to say."""
        if not isinstance(message, UserMessage):
            return message
        typed = message.origin in ("typed", "steer")
        content = (
            block if typed and block["type"] == "text" else self.host.secrets.redacted(block)
            for block in message.content
        )
        return replace(message, content=tuple(content))

    async def _tell_problems(self) -> None:
        """Say once of each tool that it is left out, or that its arguments cannot be checked."""
        for problem in self.toolbox.problems:
            if problem not in self._told:
                self._told.add(problem)
                await self._show(Noticed(text=problem, level="warning"))

    def _new_gate(self) -> Gate:
        host = self.host
        guard = Guard(accepts=host.accepts, secrets=host.secrets, strict=host.guard)
        guard = host.edges.guard(guard) if host.edges else guard
        return Gate(
            self.policy,
            self.frontend,
            check=self.toolbox.check,
            guard=guard,
            unseen=lambda: self.toolbox.unseen,
            pauses=host.pauses,
        )

    async def _show(self, event: Event) -> None:
        self._seq += 1
        stamped = replace(self.host.secrets.redacted(event), chat=self.id, turn=self.turn, seq=self._seq)
        await self.frontend.show(stamped)
        for sink in (*self._sinks, *self.host.listeners):
            await sink(stamped)


class Stream:
    """The events of one turn. `reply` is there once the iteration has ended."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self._events = events
        self.reply: Reply | None = None
        self.error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        try:
            return await anext(self._events)
        except StopAsyncIteration:
            if self.error is not None:
                raise self.error from None
            raise


def _recorded(record: Record) -> Conversation:
    run, messages = record.run, list(record.messages)
    return Conversation(run.system, run.tools, messages, run=run.id, recorded=len(messages))


def _answered(
    waiting: Sequence[WaitingCall], answers: Mapping[str, Approval | Mapping[str, Any]]
) -> tuple[WaitingCall, ...]:
    """`waiting` with its answers. Raises UsageError: an answer is about no call that waits, or is none."""
    strange = answers.keys() - {one.call for one in waiting}
    if strange:
        raise UsageError(f"no call waits that has the id {sorted(strange)[0]!r}")
    try:
        given = {call: answer if isinstance(answer, Approval) else approval(answer) for call, answer in answers.items()}
    except ValueError as error:
        raise UsageError(str(error)) from None
    return tuple(replace(one, answer=given.get(one.call, one.answer)) for one in waiting)


def _messages(content: str | Sequence[Message]) -> Sequence[Message]:
    return (UserMessage((text_block(content),)),) if isinstance(content, str) else content


def _text(messages: Sequence[Message]) -> str:
    return "\n".join(
        block.get("text", "") for message in messages if isinstance(message, UserMessage) for block in message.content
    )
