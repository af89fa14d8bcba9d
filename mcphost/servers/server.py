"""One configured server: its owner task, its state, what it offers, and the calls of everybody else.

Law: the owner task alone enters and leaves the connection; whatever the server does ends as a state with a reason; and
what a person wants of it wins over whatever the owner was about to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio
import anyio.to_thread

from mcphost.config.schema import Limits, ServerConfig
from mcphost.config.secrets import NONE, Secrets
from mcphost.errors import ServerError, ServerRefused, ServerUnavailable
from mcphost.events import Event, Noticed, ServerChanged
from mcphost.servers.announcements import Announcements
from mcphost.servers.dial import Dial, Loss, Settings, limits_of
from mcphost.servers.eras import Verdict
from mcphost.servers.offer import Offer
from mcphost.servers.restarts import Restarts
from mcphost.servers.status import State, Status, line
from mcphost.servers.subscriptions import Subscriptions
from mcphost.servers.wire import (
    Caller,
    CallOutcome,
    Progress,
    PromptMessage,
    ResourceContents,
    WirePrompt,
    WireResource,
    WireTemplate,
    WireTool,
)
from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.servers.adapter.connection import Connection
    from mcphost.servers.adapter.links import Link

LISTEN = 2.0  # seconds that the first listing waits for the change stream to open


class Server:
    """A server under the name that the configuration gives it. Its attributes are up to date, its verbs safe from any
    task: they raise ServerError, and cancelling one cancels that request, never the server."""

    def __init__(
        self,
        name: str,
        config: ServerConfig | None,
        dial: Dial,
        open_link: Callable[[Dial], Link],
        *,
        limits: Limits,
        emit: Callable[[Event], None],
        roots: Sequence[Path] = (),
        state: State = "pending",
        detail: str = "",
        known: Verdict | None = None,
        keep: Callable[[Verdict | None], None] | None = None,
        secrets: Secrets = NONE,
    ) -> None:
        self.name = name
        self.config = config
        self.instructions: str | None = None
        self.era: Literal["modern", "legacy"] | None = None
        self.version: str | None = None
        self.info: str | None = None
        self.latency: float | None = None
        self._configured = dial
        self._dial = dial.with_memory(known)
        self._keep = keep
        self._secrets = secrets
        self._open_link = open_link
        self._limits = limits_of(config, limits)
        self._emit = emit
        self._roots = roots
        self._offer = Offer()
        self._subscriptions = Subscriptions(self._unwatched)
        self._announcements = Announcements(name, self._offer, self._subscriptions, emit, self._end)
        self._link: Link | None = None
        self._connection: Connection | None = None
        self._ready_since: float | None = None
        self._renewing = False
        self._status = Status(state, detail)
        self._wish: Literal["run", "rest", "stop"] = "run" if state == "pending" else "rest"
        self._commanded = anyio.Event()  # set once the owner is to leave what it does and look at the wish
        self._attempt: anyio.CancelScope | None = None  # a scope needs a running loop, a Server does not

    @property
    def state(self) -> State:
        return self._status.state

    @property
    def status(self) -> Status:
        """Its state with all that is known about it."""
        return self._status

    @property
    def detail(self) -> str:
        """Why it is in this state, in a line."""
        return self._status.detail

    @property
    def tools(self) -> tuple[WireTool, ...]:
        return self._offer.tools

    @property
    def resources(self) -> tuple[WireResource, ...]:
        return self._offer.resources

    @property
    def templates(self) -> tuple[WireTemplate, ...]:
        return self._offer.templates

    @property
    def watched(self) -> frozenset[str]:
        """The URIs of the resources that are subscribed to."""
        return self._subscriptions.watched

    @property
    def changed(self) -> frozenset[str]:
        """Those of `watched` that changed since they were read."""
        return self._subscriptions.changed

    @property
    def prompts(self) -> tuple[WirePrompt, ...]:
        return self._offer.prompts

    @property
    def problems(self) -> tuple[str, ...]:
        """What was wrong with its lists, a line each: name, JSON pointer, reason."""
        return self._offer.problems

    @property
    def revision(self) -> int:
        """Grows whenever its tools change."""
        return self._offer.revision

    @property
    def transport(self) -> str:
        return self._dial.transport

    @property
    def pid(self) -> int | None:
        return self._link.pid if self._link else None

    @property
    def stderr_tail(self) -> str:
        """The last it wrote to stderr, also of a process that ended: text from outside."""
        return self._secrets.redact(self._link.stderr_tail) if self._link else ""

    async def ready(self) -> None:
        """Wait until the server is ready, or cannot become so."""
        await self._status.settled()

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        caller: Caller | None = None,
        progress: Progress | None = None,
    ) -> CallOutcome:
        """Run a listed tool. What the tool itself reports as an error is an outcome.

        `caller` answers what the server asks meanwhile; callers that compare equal are one chat. `progress` is told at
        most ten times a second. Raises ServerUnavailable (did not run), ServerRefused, ServerLost and ServerTimeout
        (may have run).
        """
        connection = await self._connected()
        if not self._offer.has_tool(tool):
            text = f"{self.name} lists no tool {one_line(tool, 80)!r}"
            raise ServerRefused(text, server=self.name)
        started = anyio.current_time()
        outcome = await connection.call(tool, arguments, caller=caller, progress=progress)
        self.latency = anyio.current_time() - started
        return outcome

    async def read(self, uri: str, *, caller: Caller | None = None) -> tuple[ResourceContents, ...]:
        """Read a resource; one URI may give several contents. Raises as `call`."""
        connection = await self._connected()
        self._subscriptions.read(uri)
        return await connection.read(uri, caller=caller)

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], *, caller: Caller | None = None
    ) -> tuple[PromptMessage, ...]:
        """Fill in a prompt. Raises as `call`."""
        return await (await self._connected()).get_prompt(name, arguments, caller=caller)

    async def complete(
        self, ref: Mapping[str, Any], argument: str, value: str, context: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        """Completions of `value` for an argument of `ref` (`ref/prompt` or `ref/resource`, as on the wire).

        `context` holds the arguments already given. Raises as `call`.
        """
        return await (await self._connected()).complete(ref, argument, value, context or {})

    async def subscribe(self, uri: str) -> None:
        """Have ResourceUpdated shown whenever it says that this resource changed, also after a restart. Raises as
        `call`; ServerRefused where it does not announce such changes."""
        await self._connected()
        await self._subscriptions.add(uri)

    def unsubscribe(self, uri: str) -> None:
        """Take `subscribe` back; without one nothing happens."""
        self._subscriptions.remove(uri)

    # What a person wants of it.

    def restart(self) -> None:
        """Start it anew, whatever state it is in; `ready` waits for the outcome. Its open calls are lost."""
        self._want("run", "restarting", "restarted by hand")

    def enable(self) -> None:
        """Start it unless it runs or is about to."""
        if self._wish == "rest":
            self._want("run", "pending")

    def disable(self) -> None:
        """End it, and leave it so until `enable` or `restart`. Its open calls are lost."""
        self._want("rest", "disabled", "by hand")
        self._offer.clear()

    def stop(self) -> None:
        """End it for good; it is done when `own` returns."""
        self._wish = "stop"
        self._tell()

    def _want(self, wish: Literal["run", "rest"], state: State, detail: str = "") -> None:
        if self._wish != "stop":
            self._wish = wish
            self._become(state, detail)
            self._tell()
            self._connection, self._renewing = None, False

    def _tell(self) -> None:
        self._commanded.set()
        if self._connection is None and self._attempt is not None:
            self._attempt.cancel()

    # The owner task.

    async def own(self) -> None:
        """Connect, serve, start again after a loss, do what is wanted, until `stop`. Run by the pool, in one task."""
        if self.state == "failed":
            self._announce()  # its entry could not be read
        while self._wish != "stop":
            self._commanded = anyio.Event()
            if self._wish == "run":
                await self._run()
            await self._commanded.wait()
        if self.state not in ("failed", "needs-auth", "disabled"):
            self._become("stopped")

    async def _run(self) -> None:
        """Keep it running until something else is wanted or there is no hope."""
        restarts = Restarts()
        while not self._commanded.is_set():
            self._ready_since = None
            failure = await self._lifetime()
            if self._commanded.is_set():
                return
            delay = restarts.delay(self._ready_since, renewed=self._renewing)
            if delay is None or self._is_shut_out(failure):
                self._give_up(failure, restarts.losses)
                return
            self._status.lost(failure, attempt=restarts.losses, delay=delay)
            self._announce()
            with anyio.move_on_after(delay):
                await self._commanded.wait()

    def _is_shut_out(self, failure: ServerError) -> bool:
        """Whether there was no handshake for want of credentials: another try would not have them either."""
        return self._ready_since is None and _asks_sign_in(failure)

    def _give_up(self, failure: ServerError, losses: int) -> None:
        self._offer.clear()
        self._status.failed_with(failure)
        often = f"; lost {losses} times in a short while, so it stays down" if losses else ""
        state: State = "needs-auth" if _asks_sign_in(failure) else "failed"
        hint = failure.hint or f"See what it said: /servers log {self.name}. Once mended: /servers restart {self.name}"
        self._become(state, line(failure) + often, hint=hint)

    async def _lifetime(self) -> ServerError:
        """One connection from its first attempt to its end; why it ended."""
        end = anyio.current_time() + self._limits.connect
        dial = self._dial
        first: ServerError | None = None  # why the transport was not the right one, if that is what it was
        while True:
            failure = await self._serve(dial, end - anyio.current_time())
            again = None if self._ready_since is not None else dial.after(failure)
            if self._ready_since is None and dial.misled(failure):
                await self._note(None)
                again, end = self._configured, anyio.current_time() + self._limits.connect
            if again is None:
                return failure if self._ready_since is not None or _asks_sign_in(failure) else first or failure
            if again.transport != dial.transport:
                first = failure
            elif again.mode != dial.mode:  # time was kept for this try, but ending a deaf process took some
                end = max(end, anyio.current_time() + self._limits.connect / 4)
            dial, wait = again, again.wait
            end += wait
            with anyio.move_on_after(wait):
                await self._commanded.wait()
            if self._commanded.is_set():
                return failure

    async def _serve(self, dial: Dial, seconds: float) -> ServerError:
        from mcphost.servers.adapter.handshake import connect

        try:
            link = self._link = self._open_link(dial)
        except ServerError as failure:
            return failure
        try:
            settings = self._settings(dial, seconds)
            with anyio.CancelScope() as self._attempt:
                why = partial(self._why, link)
                async with connect(link.transport, settings, self._announcements, why) as connection:
                    self._dial = dial
                    link.on_forgotten(connection.ended)
                    await self._use(connection, dial.known)
            if self._commanded.is_set():
                return ServerUnavailable(f"{self.name} was stopped", server=self.name)
            loss = await self._why(link)
            return ServerUnavailable(f"{self.name} {loss.reason}", hint=loss.hint, server=self.name, **loss.detail)
        except ServerError as failure:
            return failure
        finally:
            self._end()
            with anyio.CancelScope(shield=True):
                await link.close()

    async def _why(self, link: Link) -> Loss:
        return self._secrets.redacted(await link.why())

    def _settings(self, dial: Dial, seconds: float) -> Settings:
        config = self.config
        return Settings(
            server=self.name,
            limits=self._limits,
            mode=dial.mode,
            known=dial.known,
            connect=seconds,
            probe=self._limits.probe if dial.transport == "stdio" else float("inf"),
            sampling=config is None or config.sampling != "deny",
            roots=self._roots,
            headers=dial.transport == "http",
            secrets=self._secrets,
        )

    async def _use(self, connection: Connection, known: Verdict | None) -> None:
        """List, be ready, and wait for the end. Raises ServerError, in a group."""
        if self.config and self.config.protocol == "modern" and connection.era != "modern":
            text = f'{self.name} speaks only protocol {connection.version}: remove "protocol": "modern" from its entry'
            raise ServerUnavailable(text, server=self.name)
        from mcphost.servers.adapter import changes

        opened = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(changes.follow, connection, opened)
            tasks.start_soon(self._subscriptions.follow, partial(changes.watch, connection))
            with anyio.move_on_after(LISTEN):
                await opened.wait()
            await self._offer.load(connection)
            if not self._commanded.is_set():
                self._connection = connection
                self._remember(connection)
                tasks.start_soon(self._offer.follow, connection, self._announcements.listed)
                tasks.start_soon(self._memorize, connection, known)
                await _first(connection.gone, self._commanded)
            tasks.cancel_scope.cancel()

    def _remember(self, connection: Connection) -> None:
        self.era = connection.era
        self.version = connection.version
        self.info = connection.info
        self.instructions = connection.instructions
        self._dial = Dial(self._dial.transport, "legacy" if connection.era == "legacy" else "auto")
        self._ready_since = anyio.current_time()
        self._renewing = False
        self._become("ready")

    async def _memorize(self, connection: Connection, known: Verdict | None) -> None:
        """Have it remembered how this server was met. One that was met from memory says first what it is by now."""
        if known and known.discover:
            try:
                if await connection.discover_again():
                    await self._offer.load(connection)
                    self._remember(connection)
            except ServerError:
                await self._note(None)
                return
        transport = self._dial.transport
        if transport != "live":
            verdict = Verdict(transport, connection.version, connection.discovered)
            if verdict != known:
                await self._note(verdict)

    def _unwatched(self, uri: str, error: ServerError) -> None:
        self._emit(Noticed(text=f"changes of {one_line(uri)} are announced no more: {line(error)}", level="warning"))

    async def _note(self, verdict: Verdict | None) -> None:
        if self._keep is not None:
            await anyio.to_thread.run_sync(self._keep, verdict)

    async def _connected(self) -> Connection:
        """The connection; one that only lost its session is waited for, as it will be back at once."""
        if self._renewing:
            with anyio.move_on_after(self._limits.connect):
                await self.ready()
        if self._connection is None:
            detail = f": {self.detail}" if self.detail else ""
            raise ServerUnavailable(f"{self.name} is {self.state}{detail}", server=self.name)
        return self._connection

    def _end(self) -> None:
        """No more calls; the owner follows with the reason."""
        if self._connection is not None and self._link is not None:
            self._connection = None
            self._renewing = self._link.forgotten
            if not self._commanded.is_set():
                self._status.enter("restarting", "the connection ended")

    def _become(self, state: State, detail: str = "", *, hint: str | None = None) -> None:
        self._status.enter(state, detail, hint=hint)
        self._announce()

    def _announce(self) -> None:
        status = self._status
        self._emit(
            ServerChanged(
                server=self.name,
                state=status.state,
                detail=status.detail,
                era=self.era,
                transport=self.transport,
                version=self.version,
                pid=self.pid,
                tools=len(self.tools),
                attempt=status.attempt or None,
                exit_code=status.exit_code,
                hint=status.hint,
            )
        )


async def _first(*events: anyio.Event) -> None:
    async with anyio.create_task_group() as waiting:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            waiting.cancel_scope.cancel()

        for event in events:
            waiting.start_soon(wait, event)


def _asks_sign_in(failure: ServerError) -> bool:
    return failure.detail.get("status") == 401
