"""One SDK client over one transport, from handshake to loss: single use, entered and left by its owner task.

Law: above here stand wire JSON and our own errors; no type and no exception of the SDK leaves this package.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, cast

import anyio
import mcp_types as t
from mcp import Client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcphost.config.schema import Limits
from mcphost.errors import ServerError, ServerLost, ServerRefused, ServerTimeout, ServerUnavailable
from mcphost.servers.adapter import salvage
from mcphost.servers.adapter.edge import Edge, Transport, wire
from mcphost.servers.adapter.errors import flatten, lost, translate
from mcphost.servers.adapter.output import OutputSchema
from mcphost.servers.adapter.requests import OpenRequest, Requests
from mcphost.servers.adapter.salvage import Kind
from mcphost.servers.clock import Clock, ProgressReports
from mcphost.servers.dial import Loss, ProbeUnanswered
from mcphost.servers.wire import Caller, CallOutcome, Progress, PromptMessage, ResourceContents

MAX_PAGES = 100
MAX_ITEMS = 2000
DEAF = 3  # times the probe limit that `initialize` may take after a silent probe
RELISTEN_MAX = 60.0  # seconds between two tries to open a dropped change stream, at most

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to talk to one server. `connect`: seconds for the handshake; `probe`: of these, for the era probe;
    `headers`: the transport mirrors `x-mcp-header` parameters."""

    server: str
    limits: Limits
    mode: Literal["auto", "legacy"] = "auto"
    connect: float = math.inf
    probe: float = math.inf
    timeout: float | None = None
    sampling: bool = True
    roots: Sequence[Path] = ()
    headers: bool = False


class Listener(Protocol):
    """Who hears of a server's notifications; must not block."""

    def changed(self, kind: Kind) -> None: ...

    def updated(self, uri: str) -> None: ...

    def logged(self, params: Mapping[str, Any]) -> None: ...

    def ended(self) -> None:
        """The connection is gone; told once or more."""


class Connection:
    """A server that has shaken hands. Its verbs may be called from any task at once and raise ServerError only."""

    def __init__(
        self, transport: Transport, settings: Settings, listener: Listener, why: Callable[[], Awaitable[Loss]]
    ) -> None:
        self.gone = anyio.Event()
        self.probe: Literal["unsent", "sent", "answered", "silent"] = "unsent"
        self._settings = settings
        self._listener = listener
        self._why = why
        self._requests = Requests(settings.server, settings.roots)
        self._outputs: dict[str, OutputSchema] = {}
        self.connecting = anyio.CancelScope()
        self.client = self._make_client(Edge(transport, self, probe=settings.probe))

    def _make_client(self, edge: Edge) -> Client:
        sampling = self._settings.sampling
        return Client(
            cast(Any, edge),
            mode=self._settings.mode,
            client_info=t.Implementation(name="mcphost", version=version("mcphost")),
            sampling_callback=self._requests.sampling if sampling else None,
            sampling_capabilities=t.SamplingCapability(tools=t.SamplingToolsCapability()) if sampling else None,
            elicitation_callback=self._requests.elicitation,
            list_roots_callback=self._requests.roots if self._settings.roots else None,
            log_level="info",
            cache=None,
        )

    # What the handshake told.

    @property
    def era(self) -> Literal["modern", "legacy"]:
        return "modern" if self.version in MODERN_PROTOCOL_VERSIONS else "legacy"

    @property
    def version(self) -> str:
        return self.client.protocol_version

    @property
    def instructions(self) -> str | None:
        return self.client.instructions

    @property
    def info(self) -> str | None:
        """The server's name and version in its own words: for display only."""
        info = self.client.server_info
        return f"{info.name} {info.version}".strip() if info else None

    def offers(self, kind: Kind) -> bool:
        """Whether the server declared this kind."""
        found = self.client.server_capabilities
        return (found.tools if kind == "tools" else found.prompts if kind == "prompts" else found.resources) is not None

    # What the Edge observes.

    def probed(self, outcome: Literal["sent", "answered", "silent"]) -> None:
        self.probe = outcome
        if outcome == "silent":
            deaf = anyio.current_time() + DEAF * self._settings.probe
            self.connecting.deadline = min(self.connecting.deadline, deaf)

    def changed(self, kind: Kind) -> None:
        self._listener.changed(kind)

    def updated(self, uri: str) -> None:
        self._listener.updated(uri)

    def logged(self, params: Mapping[str, Any]) -> None:
        self._listener.logged(params)

    def ended(self) -> None:
        self.gone.set()
        self._listener.ended()
        self._requests.abandon()

    # Verbs.

    async def listing(self, kind: Kind) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
        """Everything the server lists of `kind`, and a line for each piece that was left out."""
        limit = self._settings.limits.listing
        found, problems = await self._request(salvage.METHODS[kind], lambda _: self._pages(kind), Clock(limit, limit))
        kept, repeated = salvage.unique(kind, found)
        if kind == "tools":
            self._outputs = {
                tool["name"]: OutputSchema(tool["outputSchema"]) for tool in kept if "outputSchema" in tool
            }
        return tuple(kept), (*problems, *repeated)

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, caller: Caller | None, progress: Progress | None
    ) -> CallOutcome:
        limits, timeout = self._settings.limits, self._settings.timeout
        clock = Clock(timeout or limits.call_idle, timeout or limits.call_total)
        reports = ProgressReports(clock, progress)
        try:
            result = await self._request(
                f"the call of {tool}",
                lambda _: self.client.call_tool(tool, dict(arguments), progress_callback=reports),
                clock,
                caller,
            )
        finally:
            reports.closed = True
        return await self._outcome(tool, wire(result))

    async def read(self, uri: str, *, caller: Caller | None) -> tuple[ResourceContents, ...]:
        limit = self._settings.limits.listing
        what = f"the reading of {uri}"
        result = await self._request(what, lambda _: self.client.read_resource(uri), Clock(limit, limit), caller)
        contents = wire(result).get("contents")
        found = contents if isinstance(contents, list) else []
        return tuple(item for item in found if salvage.is_contents(item))

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], *, caller: Caller | None
    ) -> tuple[PromptMessage, ...]:
        limit = self._settings.limits.listing
        what = f"the prompt {name}"
        send = self.client.get_prompt
        result = await self._request(what, lambda _: send(name, dict(arguments)), Clock(limit, limit), caller)
        messages = wire(result).get("messages")
        return tuple(
            {"role": message["role"], "content": salvage.block(message.get("content"))}
            for message in (messages if isinstance(messages, list) else [])
            if isinstance(message, dict) and message.get("role") in ("user", "assistant")
        )

    async def complete(
        self, ref: Mapping[str, Any], argument: str, value: str, context: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Completions for one argument of a prompt (`ref/prompt`) or resource template (`ref/resource`)."""
        if self.client.server_capabilities.completions is None:
            return ()
        target = (
            t.PromptReference(name=ref["name"])
            if ref["type"] == "ref/prompt"
            else t.ResourceTemplateReference(uri=ref["uri"])
        )
        limit = self._settings.limits.listing
        result = await self._request(
            f"completion of {argument}",
            lambda _: self.client.complete(target, {"name": argument, "value": value}, dict(context) or None),
            Clock(limit, limit),
        )
        return tuple(result.completion.values)

    async def follow(self, opened: anyio.Event) -> None:
        """Keep a modern server's change stream open; `opened` is set once it is, or never will be.

        Nothing is replayed: after each reopening everything counts as changed.
        """
        kinds = self._followed()
        if self.era == "legacy" or not kinds:
            opened.set()
            return
        delay = 1.0
        while not self.gone.is_set():
            try:
                wanted: dict[str, Any] = {f"{kind}_list_changed": True for kind in kinds}
                async with self.client.listen(**wanted) as stream:
                    if opened.is_set():
                        for kind in kinds:
                            self._listener.changed(kind)
                    opened.set()
                    async for _ in stream:
                        delay = 1.0
            except (SubscriptionLost, MCPError):
                if not opened.is_set():
                    opened.set()  # refused: this server has no change stream
                    return
            await anyio.sleep(delay)
            delay = min(delay * 2, RELISTEN_MAX)

    def _followed(self) -> list[Kind]:
        found = self.client.server_capabilities
        declared: dict[Kind, Any] = {"tools": found.tools, "prompts": found.prompts, "resources": found.resources}
        return [kind for kind, capability in declared.items() if capability and capability.list_changed]

    async def _pages(self, kind: Kind) -> tuple[list[dict[str, Any]], list[str]]:
        client = self.client
        fetch: Callable[..., Awaitable[t.Result]] = {
            "tools": client.list_tools,
            "resources": client.list_resources,
            "templates": client.list_resource_templates,
            "prompts": client.list_prompts,
        }[kind]
        found: list[dict[str, Any]] = []
        problems: list[str] = []
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            page = wire(await fetch(cursor=cursor))
            kept, bad = salvage.items(kind, page.get(salvage.FIELDS[kind]), mirrored_headers=self._mirrors)
            found += kept
            problems += bad
            cursor = page.get("nextCursor")
            if cursor is None:
                return found, problems
            if len(found) >= MAX_ITEMS or cursor in seen or not isinstance(cursor, str):
                break
            seen.add(cursor)
        problems.append(f"{kind}: list truncated after {len(found[:MAX_ITEMS])}")
        return found[:MAX_ITEMS], problems

    @property
    def _mirrors(self) -> bool:
        return self._settings.headers and self.era == "modern"

    async def _outcome(self, tool: str, result: Mapping[str, Any]) -> CallOutcome:
        is_error = result.get("isError") is True
        structured = result.get("structuredContent")
        note = None
        if (schema := self._outputs.get(tool)) and not is_error:
            note = await schema.note(structured, present="structuredContent" in result)
        return CallOutcome(salvage.blocks(result.get("content")), structured, is_error, note)

    async def _request(
        self, what: str, send: Callable[[OpenRequest], Awaitable[R]], clock: Clock, caller: Caller | None = None
    ) -> R:
        if self.gone.is_set():
            loss = await self._why()
            server = self._settings.server
            raise ServerUnavailable(f"{server} {loss.reason}", hint=loss.hint, server=server, **loss.detail)
        failure: Exception | None = None
        with self._requests.open(clock, caller) as request, clock.scope:
            try:
                return await send(request)
            except Exception as error:
                failure = error
        raise await self._failure(what, request, failure) from failure

    async def _failure(self, what: str, request: OpenRequest, failure: Exception | None) -> ServerError:
        server = self._settings.server
        error = translate(failure, server, what) if failure else None
        if self.gone.is_set() and (error is None or isinstance(error, ServerLost)):
            loss = await self._why()
            return lost(server, what, loss.reason, hint=loss.hint, **loss.detail)
        if error is None:
            return ServerTimeout(f"{server} gave {request.clock.limit} to {what}", server=server)
        if request.refusal and isinstance(error, ServerRefused) and error.detail["rpc_code"] == request.refusal.code:
            text = f"{server} needed an answer for {what} that was refused: {request.refusal.message}"
            return ServerRefused(text, server=server, rpc_code=request.refusal.code)
        return error


@asynccontextmanager
async def connect(
    transport: Transport, settings: Settings, listener: Listener, why: Callable[[], Awaitable[Loss]]
) -> AsyncIterator[Connection]:
    """Shake hands over `transport` and stay connected inside; ends quietly however the transport ends.

    Raises:
        ServerError: there was no handshake, or the body raised one while the connection stood.
        ProbeUnanswered: the era probe may be what silenced or killed the server.
    """
    connection = Connection(transport, settings, listener, why)
    connection.connecting.deadline = anyio.current_time() + settings.connect
    connected = False
    failure: Exception | None = None
    inside: Exception | None = None
    try:
        with connection.connecting:
            async with connection.client:
                connected = True
                connection.connecting.deadline = math.inf
                try:
                    yield connection
                except Exception as error:
                    inside = None if connection.gone.is_set() else error
    except Exception as error:  # what a dying transport throws at its owner
        failure = error
    if not connected:
        raise await _refused(connection, settings, failure, why) from failure
    if inside is not None:
        raise next((error for error in flatten(inside) if isinstance(error, ServerError)), inside)


async def _refused(
    connection: Connection, settings: Settings, failure: Exception | None, why: Callable[[], Awaitable[Loss]]
) -> ServerError:
    """Why there was no handshake."""
    server = settings.server
    if failure is None:
        error: ServerError = ServerTimeout(f"{server} did not answer the handshake in time", server=server)
    else:
        error = translate(failure, server, "the handshake")
        if isinstance(error, ServerLost):
            loss = await why()
            text = f"{server} ended before it was ready: {loss.reason}"
            error = ServerUnavailable(text, hint=loss.hint, server=server, **loss.detail)
    if connection.probe in ("sent", "silent") and settings.mode == "auto":
        return ProbeUnanswered(error.message, hint=error.hint, **error.detail)
    return error
