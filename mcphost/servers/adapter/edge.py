"""The Edge: every message between a transport and the SDK's Client passes here.

Law: the Client sees only what cannot break it, and no secret comes in. Results reach us as the wire JSON they came as
(`wire(result)`), while the Client is handed a stub of the same shape: nothing else of a server's content is parsed,
validated or lost in between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Literal, Protocol

import anyio
import anyio.to_thread
import mcp_types as t
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.inbound import x_mcp_header_map
from mcp.shared.message import SessionMessage

from mcphost.config.schema import Limits
from mcphost.config.secrets import NONE, Secrets
from mcphost.servers.adapter.errors import local_error
from mcphost.servers.adapter.flood import Flood
from mcphost.servers.adapter.salvage import FIELDS, MAX_DEPTH, Kind, too_deep
from mcphost.servers.weight import is_heavy
from mcphost.servers.wire import Passed, Tap
from mcphost.text import encodable, one_line

Incoming = ReadStream[SessionMessage | Exception]
Outgoing = WriteStream[SessionMessage]
Transport = AbstractAsyncContextManager[tuple[Any, Any]]  # of the SDK's (read, write) streams

_WIRE = "mcphost/wire"
_LISTS: Mapping[str, Kind] = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "templates",
    "prompts/list": "prompts",
}
_CHANGES: Mapping[str, Kind] = {
    "notifications/tools/list_changed": "tools",
    "notifications/resources/list_changed": "resources",
    "notifications/prompts/list_changed": "prompts",
}
_STUBS: Mapping[str, dict[str, Any]] = {
    "tools/call": {"content": []},
    "prompts/get": {"messages": []},
    "resources/read": {"contents": []},
    "tasks/get": {},
    "tasks/result": {},
}
_ASKING = ("tools/call", "prompts/get", "resources/read")
_CACHEABLE = {*_LISTS, "resources/read", "server/discover"}
_CANCELLED = "notifications/cancelled"
CANCEL_SECONDS = 0.2  # how long telling the server of a cancellation may keep the caller


class Wire(str):
    """A result as it came, riding through the SDK's models in `_meta`; a str costs their serialiser nothing."""

    __slots__ = ("result",)
    result: dict[str, Any]


def wire(result: t.Result) -> dict[str, Any]:
    """The wire JSON behind what the Client returned for a request that the Edge stubs."""
    carried = (result.meta or {}).get(_WIRE)
    return carried.result if isinstance(carried, Wire) else {}


class Observer(Protocol):
    """Who hears what passes the Edge. Called on the receive path: must not block."""

    def probed(self, outcome: Literal["sent", "answered", "silent"]) -> None:
        """The era probe left, was answered, or got no answer in its time."""

    def changed(self, kind: Kind) -> None: ...

    def updated(self, uri: str) -> None: ...

    def logged(self, params: Mapping[str, Any]) -> None: ...

    def flooded(self, complaint: str) -> None:
        """It says more than it may; told once."""

    def ended(self) -> None:
        """Nothing will come any more."""


class Edge:
    """A transport around a transport. `probe`: seconds that the era probe may take before we answer it ourselves;
    `secrets` are taken out of what comes; `tap` is shown what goes and what is left of what comes."""

    def __init__(
        self,
        transport: Transport,
        observer: Observer,
        *,
        limits: Limits,
        probe: float = math.inf,
        secrets: Secrets = NONE,
        tap: Tap | None = None,
    ) -> None:
        self._transport = transport
        self._observer = observer
        self._probe_seconds = probe
        self._secrets = secrets
        self._tap = tap
        self._era: Literal["modern", "legacy"] = "modern"
        self._probe: t.RequestId | None = None
        self.probe_ends = math.inf
        self.reading = anyio.CancelScope()  # around the wait for the next message
        self._requests: dict[t.RequestId, tuple[str, bool]] = {}  # open ones: method, modern
        self._list_items = limits.list_items
        self._flood = Flood.of(limits)
        self._flooded = False

    async def __aenter__(self) -> tuple[Incoming, Outgoing]:
        read, write = await self._transport.__aenter__()
        return _Incoming(read, self), _Outgoing(write, self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._transport.__aexit__(kind, error, trace)

    def ended(self) -> None:
        self._observer.ended()

    def silence(self) -> SessionMessage:
        """The answer to a probe that the server leaves unanswered: the Client goes on with `initialize`."""
        self.probe_ends = math.inf
        self._observer.probed("silent")
        error = local_error("unreachable", "no answer to server/discover")
        return SessionMessage(t.JSONRPCError(jsonrpc="2.0", id=self._probe, error=error))

    def outbound(self, item: SessionMessage) -> SessionMessage:
        message = item.message
        if isinstance(message, t.JSONRPCRequest):
            meta = (message.params or {}).get("_meta") or {}
            key = coerce_request_id(message.id)
            self._requests[key] = (message.method, t.PROTOCOL_VERSION_META_KEY in meta)
            _declare(message.params, meta)
            if message.method == "server/discover":
                self._probe = message.id
                self.probe_ends = self.reading.deadline = anyio.current_time() + self._probe_seconds
                self._observer.probed("sent")
        elif isinstance(message, t.JSONRPCNotification) and message.method == _CANCELLED:
            self._requests.pop(coerce_request_id((message.params or {}).get("requestId", "")), None)
        if isinstance(message, t.JSONRPCResponse):
            message.result = _encodable(message.result)
        elif not isinstance(message, t.JSONRPCError) and message.params:
            message.params = _encodable(message.params)
        if isinstance(message, t.JSONRPCRequest) and message.method == "initialize":
            self._era = "legacy"
        self._show("host", message)
        return item

    async def redact(self, message: t.JSONRPCMessage) -> None:
        """Take every secret out of what came, away from the loop where that takes a while."""
        if is_heavy(_said(message)):
            await anyio.to_thread.run_sync(_redact, message, self._secrets)
        else:
            _redact(message, self._secrets)

    def inbound(self, item: SessionMessage | Exception) -> SessionMessage | Exception | None:
        """What the Client gets to see of `item`; None: nothing."""
        if isinstance(item, Exception):
            return item
        message = item.message
        self._show("server", message)
        admitted = self._admits(message)
        if isinstance(message, t.JSONRPCNotification):
            return item if self._notified(message.method, message.params or {}, admitted) else None
        if isinstance(message, t.JSONRPCResponse | t.JSONRPCError) and message.id is not None:
            method, modern = self._requests.pop(coerce_request_id(message.id), ("", False))
            if method == "server/discover":
                self.probe_ends = math.inf
                self._observer.probed("answered")
            if isinstance(message, t.JSONRPCResponse) and method:
                item.message = _received(message, method, modern, self._list_items)
        return item if admitted else None

    def _admits(self, message: t.JSONRPCMessage) -> bool:
        admitted = self._flood.admits(message)
        if not admitted and not self._flooded:
            self._flooded = True
            self._observer.flooded(self._flood.complaint)
        return admitted

    def _show(self, sender: Literal["host", "server"], message: t.JSONRPCMessage) -> None:
        if self._tap is None:
            return
        parts = {name: getattr(message, name, None) for name in ("id", "method", "params", "result")}
        if isinstance(message, t.JSONRPCError):
            parts["error"] = message.error.model_dump(mode="json", by_alias=True, exclude_unset=True)
        present = {name: part for name, part in parts.items() if part is not None}
        self._tap(Passed(sender, self._era, {"jsonrpc": "2.0", **present}))

    def _notified(self, method: str, params: Mapping[str, Any], allowed: bool) -> bool:
        """Tell the observer; whether the Client needs the notification too."""
        if kind := _CHANGES.get(method):
            self._observer.changed(kind)  # even in a flood: the observer coalesces
        elif method == "notifications/message":
            if allowed:
                self._observer.logged(params)
            return False
        elif method == "notifications/resources/updated" and isinstance(uri := params.get("uri"), str):
            if allowed:
                self._observer.updated(uri)
        elif method == "notifications/progress":
            return allowed and _finite(params.get("progress")) and _finite(params.get("total", 0) or 0)
        return allowed


class _Incoming:
    def __init__(self, stream: Any, edge: Edge) -> None:
        self._stream = stream
        self._edge = edge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)  # last_context, close

    async def receive(self) -> SessionMessage | Exception:
        while True:
            received = None
            with anyio.CancelScope(deadline=self._edge.probe_ends) as self._edge.reading:
                received = await self._receive()
            if isinstance(received, SessionMessage):
                await self._edge.redact(received.message)
            item = self._edge.inbound(received) if received is not None else self._edge.silence()
            if item is not None:
                return item

    async def _receive(self) -> SessionMessage | Exception:
        try:
            received: SessionMessage | Exception = await self._stream.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._edge.ended()
            raise
        return received

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> _Incoming:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> _Incoming:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._edge.ended()
        ended: bool | None = await self._stream.__aexit__(kind, error, trace)
        return ended


class _Outgoing:
    def __init__(self, stream: Any, edge: Edge) -> None:
        self._stream = stream
        self._edge = edge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def send(self, item: SessionMessage) -> None:
        message = item.message
        courtesy = isinstance(message, t.JSONRPCNotification) and message.method == _CANCELLED
        with anyio.move_on_after(CANCEL_SECONDS if courtesy else None):
            await self._stream.send(self._edge.outbound(item))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _Outgoing:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        ended: bool | None = await self._stream.__aexit__(kind, error, trace)
        return ended


def _declare(params: dict[str, Any] | None, meta: dict[str, Any]) -> None:
    """Take back what the SDK declares for us and we do not do: changing roots, extensions in the legacy era."""
    for holder, key in ((params or {}, "capabilities"), (meta, t.CLIENT_CAPABILITIES_META_KEY)):
        if isinstance(declared := holder.get(key), dict) and "roots" in declared:
            holder[key] = {**declared, "roots": {}}
    if params and isinstance(declared := params.get("capabilities"), dict):
        params["capabilities"] = {key: value for key, value in declared.items() if key != "extensions"}


def _received(
    message: t.JSONRPCResponse, method: str, modern: bool, list_items: int
) -> t.JSONRPCResponse | t.JSONRPCError:
    result = message.result
    kind = result.get("resultType", "complete") if modern else "complete"
    if kind == "input_required" and method in _ASKING:
        return message
    if kind != "complete" and (kind, method) != ("task", "tools/call"):
        text = f"its answer has the unknown resultType {one_line(str(kind), 60)!r}"
        return t.JSONRPCError(jsonrpc="2.0", id=message.id, error=local_error("invalid", text))
    return t.JSONRPCResponse(jsonrpc="2.0", id=message.id, result=_stub(method, result, modern, list_items))


def _stub(method: str, result: dict[str, Any], modern: bool, list_items: int) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    if modern:
        defaults["resultType"] = "complete"
        if method in _CACHEABLE:
            defaults |= {"ttlMs": 0, "cacheScope": "private"}
    if method in _STUBS:
        body = _STUBS[method]
    elif method in _LISTS:
        body = _listed(_LISTS[method], result, modern, list_items)
    else:
        return {**defaults, **result}
    carrier = Wire()
    carrier.result = result
    return {**defaults, **body, "_meta": {_WIRE: carrier}}


def _listed(kind: Kind, result: dict[str, Any], modern: bool, list_items: int) -> dict[str, Any]:
    """A page that the Client accepts: of tools the names and the schemas it mirrors into headers, of others nothing."""
    found = result.get(FIELDS[kind])
    if kind != "tools" or not isinstance(found, list):
        return {FIELDS[kind]: []}
    named = [tool for tool in found[:list_items] if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
    return {"tools": [{"name": tool["name"], "inputSchema": _mirrored(tool, modern)} for tool in named]}


def _mirrored(tool: dict[str, Any], modern: bool) -> dict[str, Any]:
    schema = tool.get("inputSchema")
    if modern and isinstance(schema, dict) and not too_deep(schema, MAX_DEPTH) and x_mcp_header_map(schema):
        return schema
    return {"type": "object"}


def _finite(number: Any) -> bool:
    try:
        return math.isfinite(number)
    except (TypeError, OverflowError):
        return False


def _said(message: t.JSONRPCMessage) -> Any:
    if isinstance(message, t.JSONRPCError):
        return [message.error.message, message.error.data]
    return message.result if isinstance(message, t.JSONRPCResponse) else message.params


def _redact(message: t.JSONRPCMessage, secrets: Secrets) -> None:
    """Take every secret out of what a server sent. An opaque text of its own, such as a cursor, is no exception."""
    if isinstance(message, t.JSONRPCError):
        error = message.error
        changed = {"message": secrets.redact(error.message), "data": secrets.redacted(error.data)}
        message.error = error.model_copy(update=changed)
    elif isinstance(message, t.JSONRPCResponse):
        message.result = secrets.redacted(message.result)
    else:
        message.params = secrets.redacted(message.params)


def _encodable(value: Any) -> Any:
    """`value` without unpaired surrogates: one of them would end the connection when it is written."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
