"""The pool: all servers of a host, started and stopped together, each in its own task.

Law 4: a server that fails is a state with a reason; it delays neither its neighbours nor the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Literal, Protocol

import anyio
import anyio.abc
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from mcphost.config.definition import digest
from mcphost.config.network import Network, is_loopback
from mcphost.config.schema import Limits, ServerConfig
from mcphost.config.secrets import NONE, Secrets
from mcphost.errors import ConfigError, ServerUnavailable
from mcphost.events import Event, Noticed, Show
from mcphost.servers.definition import defined
from mcphost.servers.dial import Dial, limits_of
from mcphost.servers.eras import Eras, Verdict
from mcphost.servers.process import Process, Reaper, spawn
from mcphost.servers.server import Server
from mcphost.servers.status import State
from mcphost.text import one_line

if TYPE_CHECKING:
    import ssl

    from mcphost.servers.adapter.links import Link

LAST_WAIT = 2.0  # seconds for a server to end once KILL was due, after which it is left to the reaper
LAST_EVENTS = 0.5  # seconds for the last events to be shown


class Pool(Protocol):
    """What a Host needs of its servers, whoever owns them."""

    @property
    def servers(self) -> Mapping[str, Server]: ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...

    async def settled(self, seconds: float, names: Collection[str] | None = None) -> bool:
        """Wait at most `seconds` until every server, or those of `names`, is ready or cannot become so; whether so."""


class ServerPool:
    """An async context manager over all servers; enter and leave it in one task.

    `live` holds in-process servers (`MCPServer`, low-level `Server`) or SDK transports by name; `failures` the entries
    that could not be read; `processes` those already spawned, which the pool takes over. `environ` is what spawned
    servers inherit from; `show` is told every ServerChanged and whatever the servers announce. `eras` remembers
    how servers were met. `secrets` are taken out of whatever servers say. `make` is called as Server is.
    """

    def __init__(
        self,
        servers: Mapping[str, ServerConfig],
        *,
        limits: Limits,
        environ: Mapping[str, str],
        show: Show,
        live: Mapping[str, object] = MappingProxyType({}),
        failures: Mapping[str, ConfigError] = MappingProxyType({}),
        roots: Sequence[Path] = (),
        processes: Mapping[str, Process] = MappingProxyType({}),
        reaper: Reaper | None = None,
        eras: Eras | None = None,
        secrets: Secrets = NONE,
        make: Callable[..., Server] = Server,
    ) -> None:
        self._limits = limits
        self._environ = environ
        self._show = show
        self._roots = tuple(roots)
        self._processes = dict(processes)
        self._reaper = reaper
        self._eras = eras
        self._secrets = secrets
        self._make = make
        self._owns_reaper = reaper is None
        self._outbox: MemoryObjectSendStream[Event]
        self._tasks: anyio.abc.TaskGroup
        self._running: set[str] = set()
        self._contexts: dict[Network, ssl.SSLContext] = {}
        self._ended = anyio.Event()
        made: dict[str, Server] = {}
        for name, config in servers.items():
            made[name] = self._configured(name, config)
        for name, target in live.items():
            made[name] = self._server(name, None, Dial("live"), self._live(target))
        for name, error in failures.items():
            made[name] = self._server(
                name, None, Dial("live"), _unreadable(error), state="failed", detail=error.message
            )
        self.servers: Mapping[str, Server] = MappingProxyType(made)

    async def __aenter__(self) -> ServerPool:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._outbox, events = anyio.create_memory_object_stream[Event](math.inf)
        self._tasks.start_soon(self._tell, events)
        for server in self.servers.values():
            self._running.add(server.name)
            self._tasks.start_soon(self._own, server)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with anyio.CancelScope(shield=True):
            await self._stop()
        # The error stays outside the task group, which would wrap it into an exception group.
        await self._tasks.__aexit__(None, None, None)
        return None

    async def settled(self, seconds: float, names: Collection[str] | None = None) -> bool:
        """Wait at most `seconds` until every server, or those of `names`, is ready or cannot become so."""
        with anyio.move_on_after(seconds):
            for name in self.servers if names is None else names:
                await self.servers[name].ready()
            return True
        return False

    def _configured(self, name: str, config: ServerConfig) -> Server:
        open_link = self._spawned(config) if config.transport == "stdio" else self._remote(config)
        legacy = config.protocol == "legacy" or config.transport == "sse"
        mode: Literal["auto", "legacy"] = "legacy" if legacy else "auto"
        state: State = "disabled" if config.disabled else "pending"
        known, keep = self._memory(config)
        dial = Dial(config.transport, mode)
        return self._server(name, config, dial, open_link, state=state, known=known, keep=keep)

    def _memory(self, config: ServerConfig) -> tuple[Verdict | None, Callable[[Verdict | None], None] | None]:
        """How this server was met before, and what remembers how it is met now."""
        if self._eras is None or config.protocol != "auto":
            return None, None
        definition = digest(defined(config, self._environ))
        return self._eras.recall(definition), partial(self._eras.keep, definition)

    def _server(
        self,
        name: str,
        config: ServerConfig | None,
        dial: Dial,
        open_link: Callable[[Dial], Link],
        *,
        state: State = "pending",
        detail: str = "",
        known: Verdict | None = None,
        keep: Callable[[Verdict | None], None] | None = None,
    ) -> Server:
        return self._make(
            name,
            config,
            dial,
            open_link,
            limits=self._limits,
            emit=self._emit,
            roots=self._roots,
            state=state,
            detail=detail,
            known=known,
            keep=keep,
            secrets=self._secrets,
        )

    def _spawned(self, config: ServerConfig) -> Callable[[Dial], Link]:
        def open_link(dial: Dial) -> Link:
            from mcphost.servers.adapter.links import StdioLink

            process = self._processes.pop(config.name, None) or spawn(config, self._environ, reaper=self._reap())
            limits = limits_of(config, self._limits)
            return StdioLink(process, limits=limits, noise=lambda text: self._warn(config.name, text))

        return open_link

    def _live(self, target: object) -> Callable[[Dial], Link]:
        def open_link(dial: Dial) -> Link:
            from mcphost.servers.adapter.links import LiveLink

            return LiveLink(target)

        return open_link

    def _remote(self, config: ServerConfig) -> Callable[[Dial], Link]:
        def open_link(dial: Dial) -> Link:
            from mcphost.servers.adapter.http import HttpLink

            _check_scheme(config)
            limits = limits_of(config, self._limits)
            network = Network.of(config.url or "", self._environ, proxy=config.proxy, ca_file=config.ca_file)
            try:
                return HttpLink(config, dial, limits=limits, tls=lambda: self._tls(network), proxy=network.proxy)
            except (ImportError, OSError, ValueError) as error:
                text = f"{config.name} cannot be reached: {one_line(str(error))}"
                hint = "Check proxy and caFile in mcphost.servers, the proxy variables, SSL_CERT_FILE and SSL_CERT_DIR."
                raise ServerUnavailable(text, hint=hint, server=config.name) from error

        return open_link

    def _tls(self, network: Network) -> ssl.SSLContext:
        """One context for all servers that need the same."""
        certificates = replace(network, proxy=None)
        if certificates not in self._contexts:
            self._contexts[certificates] = certificates.tls()
        return self._contexts[certificates]

    def _reap(self) -> Reaper:
        if self._reaper is None:
            self._reaper = Reaper()
        return self._reaper

    def _warn(self, server: str, text: str) -> None:
        self._emit(Noticed(text=f"{server} {text}", level="warning"))

    def _emit(self, event: Event) -> None:
        try:
            self._outbox.send_nowait(event)
        except anyio.ClosedResourceError:  # the last words of a server that did not end in time
            pass

    async def _own(self, server: Server) -> None:
        try:
            await server.own()
        finally:
            self._running.discard(server.name)
            if not self._running:
                self._ended.set()

    async def _tell(self, events: MemoryObjectReceiveStream[Event]) -> None:
        with events:
            async for event in events:
                await self._show(event)

    async def _stop(self) -> None:
        each = [limits_of(server.config, self._limits) for server in self.servers.values()]
        with anyio.move_on_after(max((limits.stop + limits.kill for limits in each), default=0.0) + LAST_WAIT):
            async with anyio.create_task_group() as stopping:
                for process in self._processes.values():  # never taken over
                    stopping.start_soon(process.stop)
                for server in self.servers.values():
                    server.stop()
                if self._running:
                    await self._ended.wait()
        self._outbox.close()
        self._tasks.cancel_scope.deadline = anyio.current_time() + LAST_EVENTS
        if self._reaper is not None and self._owns_reaper:
            await anyio.to_thread.run_sync(self._reaper.close)


def _check_scheme(config: ServerConfig) -> None:
    url = config.url or ""
    if url.lower().startswith("http:") and not config.plain_http and not is_loopback(url):
        raise ServerUnavailable(
            f"{config.name} is to be reached by plain http, which others on the way can read and change",
            hint='Use https, or write "plainHttp": true in mcphost.servers.NAME if you trust the network.',
            server=config.name,
        )


def _unreadable(error: ConfigError) -> Callable[[Dial], Link]:
    """What it is to start a server whose entry could not be read."""

    def open_link(dial: Dial) -> Link:
        raise ServerUnavailable(error.message, hint=error.hint or "Correct the configuration and start mcphost anew.")

    return open_link
