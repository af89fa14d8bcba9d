"""Host and Chat: what an embedder holds.

A Host owns the pool of servers; a Chat is one conversation with its own model, frontend and consent. The library is a
door of its own: where no `environ` is given, a Host reads this process's environment, once, when it is made.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio

from mcphost import config as configuration
from mcphost.agent import Agent, Conversation, OnUnknown, Reply, abandon, unanswered
from mcphost.approvals import Gate, Guard, Policy
from mcphost.config.schema import Config, ServerConfig
from mcphost.config.secrets import Secrets
from mcphost.errors import Busy, ServerUnavailable, UsageError
from mcphost.events import Event, Noticed, Show, TurnEnded, TurnStarted
from mcphost.journal import Journal, MemoryJournal, Record
from mcphost.messages import Block, Message, ToolResult, Usage, UserMessage, text_block
from mcphost.models import APIS, ModelFactory, default_model, open_model
from mcphost.models.base import Model
from mcphost.questions import Approval, Frontend, Silent, WaitingCall, approval
from mcphost.requests import Requests
from mcphost.servers import Pool, Server, ServerPool
from mcphost.servers.definition import defined
from mcphost.servers.eras import Eras
from mcphost.servers.process import Process
from mcphost.servers.reaper import Reaper
from mcphost.text import safe
from mcphost.tools import LocalTool, Toolbox

if TYPE_CHECKING:
    from mcphost.recording.edges import Edges

INSTRUCTIONS_CHARACTERS = 2048


class Host:
    """A pool of MCP servers and the chats that use it: an async context manager, which any task may enter or leave.

    Args:
        config: a file like `claude_desktop_config.json`, its parsed content, or a Config.
        model: a Model, or "PROVIDER/NAME"; else the configuration's, else the provider whose key is in `environ`,
            else the offline model.
        frontend: who sees events and answers questions; by default nobody, so that what needs consent is refused.
        tools: Python functions that the model may call as `local__NAME`.
        servers: live servers under names of their own: an in-process `MCPServer`, or any transport of the MCP SDK.
        policy: judges every call; by default made of the configuration's rules.
        journal: keeps the durable record of every run; by default in memory only.
        system: the system text; the servers' instructions are added to it.
        edges: records this Host, or stands in for the world around it (`mcphost.recording`).
        guard: refuse a call that would carry one server's answer to another where nobody can be asked about it.
        pauses: end a turn as "paused", instead of refusing a call, where nobody can be asked about it.
        spill: a directory for tool results that are too large for the model; without it they are cut only.

    Raises:
        ConfigError: the configuration is wrong.
        UsageError, SignInNeeded: the model cannot be opened.
    """

    def __init__(
        self,
        config: Path | str | Mapping[str, Any] | Config | None = None,
        *,
        model: Model | str | None = None,
        frontend: Frontend | None = None,
        tools: Sequence[LocalTool | Callable[..., Any]] = (),
        servers: Mapping[str, object] | None = None,
        policy: Policy | None = None,
        journal: Journal | None = None,
        system: str = "",
        spill: Path | None = None,
        guard: bool = False,
        pauses: bool = False,
        environ: Mapping[str, str] | None = None,
        apis: Mapping[str, ModelFactory] = APIS,
        listeners: Sequence[Show] = (),
        processes: Mapping[str, Process] | None = None,
        reaper: Reaper | None = None,
        eras: Eras | None = None,
        edges: Edges | None = None,
    ) -> None:
        self.edges = edges
        self.environ = dict(os.environ if environ is None else environ)
        self.config = _read(config, self.environ)
        self.frontend: Frontend = frontend or Silent()
        self.system = system
        self.journal: Journal = journal or MemoryJournal()
        self.journal = edges.journal(self.journal) if edges else self.journal
        self.listeners = (*listeners, edges.show) if edges else tuple(listeners)
        self.spill = None if edges else spill  # a path of this machine would stand in what the model reads
        self.tools = tuple(LocalTool.from_function(tool) if callable(tool) else tool for tool in tools)
        self.policy = policy or Policy(self.config.rules, default=self.config.default)
        self._apis = apis
        self.secrets = Secrets.of(self.config, self.environ)
        self.guard = guard
        self.pauses = pauses
        self._models: dict[str, Model] = {}
        self._model = self._at_edge(model) if model is not None else self.config.model
        self._chats: dict[str, Chat] = {}
        self._definitions: dict[str, Mapping[str, Any]] = {}
        build = partial(
            ServerPool,
            self.config.servers,
            live=servers or {},
            failures=self.config.failures,
            limits=self.config.limits,
            environ=self.environ,
            roots=self.config.roots,
            show=self._show,
            processes=processes or {},
            reaper=reaper,
            eras=eras,
            secrets=self.secrets,
        )
        self.pool: Pool = edges.pool(lambda make: build(make=make), self._show) if edges else build()

    async def __aenter__(self) -> Self:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._owner = asyncio.create_task(self._own(opened), name="mcphost servers")
        try:
            await asyncio.wait([opened, self._owner], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.__aexit__()
            raise
        if self._owner.done():
            await self._owner
        return self

    async def __aexit__(self, *error: object) -> None:
        self._closing.set()
        with anyio.CancelScope(shield=True):
            await self._owner

    async def _own(self, opened: asyncio.Future[None]) -> None:
        """The one task that enters and leaves the pool, whichever tasks enter and leave the Host (law 9)."""
        async with self.pool:
            opened.set_result(None)
            await self._closing.wait()
            for model in self._models.values():
                await model.aclose()

    @property
    def servers(self) -> Mapping[str, Server]:
        return self.pool.servers

    def open_model(self, name: str | None = None) -> Model:
        """The model of this name ("PROVIDER/NAME"), or the one this Host was made with. Closed with the Host.

        Raises:
            UsageError: no such provider, or its entry in the configuration is wrong.
            SignInNeeded: its key is missing.
        """
        wish = name or self._model
        if wish is not None and not isinstance(wish, str):
            return wish
        wish = wish or default_model(self.environ, self.config.endpoints)[0]
        broken = self.config.endpoint_failures.get(wish.partition("/")[0])
        if broken is not None:
            raise broken
        if wish not in self._models:
            model = open_model(wish, endpoints=self.config.endpoints, environ=self.environ, apis=self._apis)
            self._models[wish] = self.edges.model(model) if self.edges else model
        return self._models[wish]

    def _at_edge(self, model: Model | str | None) -> Model | str | None:
        return model if self.edges is None or model is None or isinstance(model, str) else self.edges.model(model)

    def definition(self, config: ServerConfig | None) -> Mapping[str, Any]:
        """The canonical definition of a server: what an answer about its tools is bound to."""
        if config is None:
            return {}
        if config.name not in self._definitions:
            self._definitions[config.name] = defined(config, self.environ)
        return self._definitions[config.name]

    def accepts(self, server: str) -> Collection[str]:
        """The servers whose answers may go into this one's arguments."""
        config = self.config.servers.get(server)
        return config.accepts if config else ()

    def configured_models(self) -> Mapping[str, Callable[[], Model]]:
        """The models that a server's hint may choose among, beside the chat's own."""
        return {self.config.model: partial(self.open_model, self.config.model)} if self.config.model else {}

    async def settled(self, seconds: float, *, required: Collection[str] = ()) -> bool:
        """Wait until every enabled server is ready or failed; False when `seconds` went by first.

        Raises:
            ServerUnavailable: a server in `required`, or one that the configuration requires, is not ready.
        """
        settled = await self.pool.settled(seconds)
        for server in self.servers.values():
            wanted = server.name in required or (server.config is not None and server.config.required)
            if wanted and server.state != "ready":
                raise ServerUnavailable(
                    f"server {server.name!r} is required and is {server.state}: {server.detail}",
                    hint=f"`mcphost servers --server {server.name} -v` shows what it said.",
                    server=server.name,
                )
        return settled

    def chat(
        self,
        *,
        model: Model | str | None = None,
        frontend: Frontend | None = None,
        system: str | None = None,
        policy: Policy | None = None,
        patience: float = 30.0,
        resume: Record | None = None,
    ) -> Chat:
        """A conversation: a new one, or with `resume` the recorded one (`resume.run.model` names the model it had).

        `patience`: seconds its first message waits for servers that are still starting.
        """
        frontend, policy = frontend or self.frontend, policy or self.policy
        if self.edges:
            frontend, policy = self.edges.frontend(frontend), self.edges.policy(policy)
        chat = Chat(
            self,
            self._at_edge(model),
            frontend,
            self.system if system is None else system,
            policy,
            patience,
            resume,
        )
        self._chats[chat.id] = chat
        return chat

    def run_sync(self, task: str) -> Reply:
        """Enter this Host, send `task` to a new chat, leave again: for scripts without an event loop."""

        async def main() -> Reply:
            async with self:
                return await self.chat().send(task)

        return anyio.run(main)

    async def _show(self, event: Event) -> None:
        """A server's event goes to every frontend once, and to every listener."""
        event = self.secrets.redacted(event)
        frontends = {id(chat.frontend): chat.frontend for chat in self._chats.values()}
        for frontend in (frontends or {0: self.frontend}).values():
            await frontend.show(event)
        for listen in self.listeners:
            await listen(event)


class Chat:
    """One conversation: its model, its frontend, its consent. Made by `Host.chat`; one turn at a time.

    `system` is read when the conversation begins: a change is for the next one (law 11).
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
        self._record = record
        self._patience = patience
        self._inbox: deque[UserMessage] = deque()
        self._scope: anyio.CancelScope | None = None
        self._agent: Agent | None = None
        self._seq = 0
        self._told: set[str] = set()
        self._sinks: list[Show] = []
        self.toolbox = Toolbox(
            lambda: host.servers.values(),
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
        if self._scope is not None:
            raise Busy("a turn is running in this chat", hint="Cancel it first.")
        copied = self.conversation.messages if self.conversation else []
        if messages is not None and not 1 <= messages <= len(copied):
            raise UsageError(f"this conversation has {len(copied)} messages, and so no {messages}")
        end = len(copied) if messages is None else messages
        while end < len(copied) and unanswered(copied[:end]):
            end += 1
        copy = self.another()
        if self.conversation is not None:
            copy.conversation = Conversation(self.conversation.system, self.conversation.tools, list(copied[:end]))
            for message in copy.conversation.messages:
                if isinstance(message, ToolResult):
                    copy.gate.saw(message)
        return copy

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
        return Gate(self.policy, self.frontend, check=self.toolbox.check, guard=guard, pauses=host.pauses)

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


def compose_system(system: str, servers: Collection[Server]) -> str:
    """The system text: `system`, then each server's own instructions, cut, sanitised and labelled as its words."""
    parts = [system] if system else []
    for server in sorted(servers, key=lambda server: server.name):
        wanted = server.config is None or server.config.instructions
        if server.state == "ready" and server.instructions and wanted:
            words = safe(server.instructions).replace("</server-instructions", "< /server-instructions")
            if len(words) > INSTRUCTIONS_CHARACTERS:
                words = words[:INSTRUCTIONS_CHARACTERS] + " […]"
            parts.append(f'<server-instructions server="{server.name}">\n{words}\n</server-instructions>')
    return "\n\n".join(parts)


def _read(config: Path | str | Mapping[str, Any] | Config | None, environ: Mapping[str, str]) -> Config:
    if config is None:
        return Config()
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return configuration.from_mapping(config, environ=environ, directory=None)
    return configuration.load([Path(config)], user=None, environ=environ)


def _messages(content: str | Sequence[Message]) -> Sequence[Message]:
    return (UserMessage((text_block(content),)),) if isinstance(content, str) else content


def _text(messages: Sequence[Message]) -> str:
    return "\n".join(
        block.get("text", "") for message in messages if isinstance(message, UserMessage) for block in message.content
    )
