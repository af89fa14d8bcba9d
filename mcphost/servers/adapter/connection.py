"""One SDK client over one transport, from handshake to loss: single use, entered and left by its owner task.

Law: above here stand wire JSON and our own errors; no type and no exception of the SDK leaves this package.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Literal, Protocol, TypeVar, cast

import anyio
import mcp_types as t
from mcp import Client
from mcp.client import advertise
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcphost import __version__
from mcphost.errors import ServerError, ServerLost, ServerRefused, ServerTimeout, ServerUnavailable
from mcphost.servers.adapter import pages, salvage, tasks
from mcphost.servers.adapter.edge import Edge, Transport, wire
from mcphost.servers.adapter.errors import lost, translate
from mcphost.servers.adapter.output import OutputSchema
from mcphost.servers.adapter.requests import OpenRequest, Requests
from mcphost.servers.adapter.salvage import Kind
from mcphost.servers.clock import Clock, ProgressReports
from mcphost.servers.dial import Loss, Settings
from mcphost.servers.wire import Caller, CallOutcome, Progress, PromptMessage, ResourceContents
from mcphost.text import one_line

R = TypeVar("R")


class Listener(Protocol):
    """Who hears of a server's notifications; must not block."""

    def changed(self, kind: Kind) -> None: ...

    def updated(self, uri: str) -> None: ...

    def logged(self, params: Mapping[str, Any]) -> None: ...

    def flooded(self, complaint: str) -> None: ...

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
        self._requests = Requests(settings.server, settings.roots, settings.limits.waiting_requests)
        self._outputs: dict[str, OutputSchema] = {}
        self._as_tasks: set[str] = set()
        self.connecting = anyio.CancelScope()
        self.client = self._make_client(
            Edge(
                transport,
                self,
                limits=settings.limits,
                probe=settings.probe,
                secrets=settings.secrets,
                tap=settings.tap,
            )
        )

    def _make_client(self, edge: Edge) -> Client:
        sampling, known = self._settings.sampling, self._settings.known
        prior = t.DiscoverResult.model_validate(known.discover, by_name=False) if known and known.discover else None
        return Client(
            cast(Any, edge),
            mode=known.version if known and prior else self._settings.mode,
            prior_discover=prior,
            client_info=t.Implementation(name="mcphost", version=__version__),
            sampling_callback=self._requests.sampling if sampling else None,
            sampling_capabilities=t.SamplingCapability(tools=t.SamplingToolsCapability()) if sampling else None,
            elicitation_callback=self._requests.elicitation,
            list_roots_callback=self._requests.roots if self._settings.roots else None,
            log_level="info",
            extensions=[advertise(tasks.EXTENSION)],
            cache=None,
        )

    @property
    def server(self) -> str:
        """Its name in the configuration."""
        return self._settings.server

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
        return one_line(f"{info.name} {info.version}") if info else None

    @property
    def discovered(self) -> dict[str, Any] | None:
        """What a modern server says of itself, as JSON; None in the legacy era."""
        found = self.client.session.discover_result
        return found.model_dump(by_alias=True, mode="json", exclude_none=True) if found else None

    async def discover_again(self) -> bool:
        """Ask a server that was met by what it said before what it says now; whether that is news. Raises as `read`."""
        session, before = self.client.session, self.discovered

        async def ask() -> None:
            session.adopt(t.DiscoverResult.model_validate(await session.send_discover(self.version), by_name=False))

        await self._request("server/discover", ask, self._brief())
        return self.discovered != before

    def offers(self, kind: Kind) -> bool:
        """Whether the server declared this kind."""
        found = self.client.server_capabilities
        return (found.tools if kind == "tools" else found.prompts if kind == "prompts" else found.resources) is not None

    # What the Edge observes.

    def probed(self, outcome: Literal["sent", "answered", "silent"]) -> None:
        self.probe = outcome
        if outcome == "silent":
            # Slow, and `initialize` on the same connection will do; or deaf since, and only a new process will.
            now = anyio.current_time()
            self.connecting.deadline = now + (self.connecting.deadline - now) / 2

    def changed(self, kind: Kind) -> None:
        self._listener.changed(kind)

    def updated(self, uri: str) -> None:
        self._listener.updated(uri)

    def logged(self, params: Mapping[str, Any]) -> None:
        self._listener.logged(params)

    def flooded(self, complaint: str) -> None:
        self._listener.flooded(complaint)

    def ended(self) -> None:
        self.leave()
        self._requests.abandon()

    def leave(self) -> None:
        """Have the owner end this connection."""
        self.gone.set()
        self._listener.ended()

    # Verbs.

    async def listing(self, kind: Kind) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
        """Everything the server lists of `kind`, and a line for each piece that was left out."""
        client = self.client
        fetch: pages.Fetch = {
            "tools": client.list_tools,
            "resources": client.list_resources,
            "templates": client.list_resource_templates,
            "prompts": client.list_prompts,
        }[kind]
        mirrored = self._settings.headers and self.era == "modern"
        read = partial(pages.read, kind, fetch, self._settings.limits, mirrored_headers=mirrored)
        found, problems = await self._request(salvage.METHODS[kind], read, self._brief())
        if kind == "tools":
            self._outputs = {tool["name"]: OutputSchema(tool["outputSchema"]) for tool in found if _promises(tool)}
            as_tasks = self.era == "legacy" and tasks.runs_tasks(client)
            self._as_tasks = {tool["name"] for tool in found if as_tasks and tasks.requires_task(tool)}
        return found, problems

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, caller: Caller | None, progress: Progress | None
    ) -> CallOutcome:
        limits = self._settings.limits
        clock = Clock(limits.call_idle, limits.call_total, settings=("callTimeoutSeconds", "callMaxSeconds"))
        reports = ProgressReports(clock, progress)
        run = tasks.call_as_task if tool in self._as_tasks else tasks.call
        try:
            result = await self._request(
                f"the call of {one_line(tool, 80)}",
                lambda: run(self.client, tool, dict(arguments), clock, reports),
                clock,
                caller,
            )
            await reports.end()
        finally:
            reports.closed = True
        return await self._outcome(tool, result)

    async def read(self, uri: str, *, caller: Caller | None) -> tuple[ResourceContents, ...]:
        what = f"the reading of {one_line(uri)}"
        result = await self._request(what, lambda: self.client.read_resource(uri), self._brief(), caller)
        found = wire(result).get("contents")
        contents = tuple(item for item in found if salvage.is_contents(item)) if isinstance(found, list) else ()
        if not contents and found != []:
            raise ServerError(f"{self._settings.server} sent an invalid answer to {what}", server=self._settings.server)
        return contents

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], *, caller: Caller | None
    ) -> tuple[PromptMessage, ...]:
        what = f"the prompt {one_line(name, 80)}"
        send = self.client.get_prompt
        result = await self._request(what, lambda: send(name, dict(arguments)), self._brief(), caller)
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
        result = await self._request(
            f"completion of {one_line(argument, 80)}",
            lambda: self.client.complete(target, {"name": argument, "value": value}, dict(context) or None),
            self._brief(),
        )
        return tuple(result.completion.values)

    async def subscribe(self, uri: str) -> None:
        """Ask a legacy server to announce changes of a resource. Raises as `read`."""
        await self._send(t.SubscribeRequest(params=t.SubscribeRequestParams(uri=uri)), uri)

    async def unsubscribe(self, uri: str) -> None:
        """Take that back. Raises as `read`."""
        await self._send(t.UnsubscribeRequest(params=t.UnsubscribeRequestParams(uri=uri)), uri)

    async def _send(self, request: t.SubscribeRequest | t.UnsubscribeRequest, uri: str) -> None:
        send = partial(self.client.session.send_request, request, t.EmptyResult)
        await self._request(f"{request.method} of {one_line(uri)}", send, self._brief())

    def _brief(self) -> Clock:
        """The clock of every request that is no tool call."""
        limit, setting = self._settings.limits.listing, "listTimeoutSeconds"
        return Clock(limit, limit, settings=(setting, setting))

    async def _outcome(self, tool: str, result: Mapping[str, Any]) -> CallOutcome:
        is_error = result.get("isError") is True
        structured = result.get("structuredContent")
        note = None
        if (schema := self._outputs.get(tool)) and not is_error:
            note = await schema.note(structured, present="structuredContent" in result)
        return CallOutcome(salvage.blocks(result.get("content")), structured, is_error, note)

    async def _request(
        self, what: str, send: Callable[[], Awaitable[R]], clock: Clock, caller: Caller | None = None
    ) -> R:
        if self.gone.is_set():
            loss = await self._why()
            server = self._settings.server
            raise ServerUnavailable(f"{server} {loss.reason}", hint=loss.hint, server=server, **loss.detail)
        failure: Exception | None = None
        with self._requests.open(clock, caller) as request, clock.scope:
            try:
                return await send()
            except Exception as error:
                failure = error
                if visit := await self._requests.visits(error):
                    text = f"{self._settings.server} wants an address visited before {what}: {visit}"
                    failure = ServerRefused(text, server=self._settings.server, rpc_code=t.URL_ELICITATION_REQUIRED)
        ours = await self._failure(what, request, failure)
        if ours.detail.get("status") == 401:
            self.leave()  # a new handshake will tell whether credentials are all that is missing
        raise ours from failure

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


def _promises(tool: Mapping[str, Any]) -> bool:
    return tool.get("outputSchema") is not None
