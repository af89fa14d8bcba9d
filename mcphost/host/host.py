"""Host: a pool of servers, and what its chats share.

The library is a door of its own: where no `environ` is given, a Host reads this process's environment, once, when it is
made.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio

from mcphost import config as configuration
from mcphost.agent import Reply
from mcphost.approvals import Policy
from mcphost.config.schema import Config, ServerConfig
from mcphost.config.secrets import Secrets
from mcphost.errors import ServerUnavailable
from mcphost.events import Event, Show
from mcphost.host.chat import Chat
from mcphost.journal import Journal, MemoryJournal, Record
from mcphost.models import APIS, ModelFactory, default_model, open_model
from mcphost.models.base import Model
from mcphost.questions import Frontend, Silent
from mcphost.servers import Pool, Server, ServerPool
from mcphost.servers.definition import defined
from mcphost.servers.eras import Eras
from mcphost.servers.process import Process
from mcphost.servers.reaper import Reaper
from mcphost.tools import LocalTool

if TYPE_CHECKING:
    from mcphost.recording.edges import Edges


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


def _read(config: Path | str | Mapping[str, Any] | Config | None, environ: Mapping[str, str]) -> Config:
    if config is None:
        return Config()
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return configuration.from_mapping(config, environ=environ, directory=None)
    return configuration.load([Path(config)], user=None, environ=environ)
