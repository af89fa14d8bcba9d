"""HTTP+SSE of 2024-11-05: one event stream for what the server says, one POST for each thing we say.

Law: the server names the endpoint for our POSTs, but only on its own origin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import anyio
import anyio.abc
import httpx2
import mcp_types as t
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from mcphost.servers.adapter.errors import local_error
from mcphost.text import one_line

_Receiving: TypeAlias = MemoryObjectReceiveStream[SessionMessage | Exception]
_Sending: TypeAlias = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def sse(client: httpx2.AsyncClient, url: str, *, limit: int) -> AsyncIterator[tuple[_Receiving, _Sending]]:
    """A transport for `mcp.Client` behind a Guard. `limit` bounds one event, in bytes. Ends with the event stream.

    Raises:
        MCPError: the server refused the event stream, or its first event names no endpoint.
        httpx2.SSEError: what it sent is no event stream.
    """
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    async with client.stream("GET", url, headers=headers, follow_redirects=True) as response:
        if response.status_code >= 400:
            raise MCPError.from_error_data(_error(await response.aread()))
        events = aiter(httpx2.EventSource(response, max_event_size=limit))
        connection = _Connection(client, await _endpoint(response.url, events))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.read, events)
            tasks.start_soon(connection.write, tasks)
            try:
                yield connection.received, connection.sending
            finally:
                connection.received.close()
                connection.sending.close()
                tasks.cancel_scope.cancel()


class _Connection:
    def __init__(self, client: httpx2.AsyncClient, endpoint: httpx2.URL) -> None:
        self._client = client
        self._endpoint = endpoint
        self._receiving, self.received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        self.sending, self._sent = anyio.create_memory_object_stream[SessionMessage](0)
        self._posting: dict[t.RequestId, anyio.CancelScope] = {}

    async def read(self, events: AsyncIterator[httpx2.ServerSentEvent]) -> None:
        async with self._receiving:
            try:
                async for event in events:
                    if event.event == "message" and event.data:
                        await self._give(event.data)
            except httpx2.SSEError:  # an event over the limit ends the stream
                pass

    async def write(self, tasks: anyio.abc.TaskGroup) -> None:
        async with self._sent:
            async for item in self._sent:
                if isinstance(item.message, t.JSONRPCRequest):
                    tasks.start_soon(self._request, item.message)
                else:
                    self._give_up(item.message)
                    await self._post(item.message)  # in order before whatever follows

    async def _request(self, message: t.JSONRPCRequest) -> None:
        with anyio.CancelScope() as self._posting[message.id]:
            await self._post(message)
        del self._posting[message.id]

    def _give_up(self, message: t.JSONRPCMessage) -> None:
        """Let go of the POST of a request that is being cancelled: the server may never answer it."""
        if isinstance(message, t.JSONRPCNotification) and message.method == "notifications/cancelled":
            posting = self._posting.get((message.params or {}).get("requestId", ""))
            if posting is not None:
                posting.cancel()

    async def _post(self, message: t.JSONRPCMessage) -> None:
        body = message.model_dump(by_alias=True, mode="json", exclude_unset=True)
        response = await self._client.post(self._endpoint, json=body, follow_redirects=True)
        if response.status_code >= 400 and isinstance(message, t.JSONRPCRequest):
            await self._put(t.JSONRPCError(jsonrpc="2.0", id=message.id, error=_error(response.content)))

    async def _give(self, data: str) -> None:
        try:
            message = t.jsonrpc_message_adapter.validate_json(data, by_name=False)
        except ValidationError:
            return  # whose answer it was cannot be told: that request ends by its own limit
        await self._put(message)

    async def _put(self, message: t.JSONRPCMessage) -> None:
        try:
            await self._receiving.send(SessionMessage(message))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):  # nobody listens any more
            pass


async def _endpoint(url: httpx2.URL, events: AsyncIterator[httpx2.ServerSentEvent]) -> httpx2.URL:
    first = await anext(events, None)
    if first is None or first.event != "endpoint" or not first.data:
        said = one_line(first.data, 100) if first else "nothing"
        raise MCPError.from_error_data(local_error("invalid", f"no endpoint event came first, but {said!r}"))
    endpoint = url.join(first.data)
    if (endpoint.scheme, endpoint.netloc) != (url.scheme, url.netloc):
        text = f"it wants our messages sent elsewhere, to {one_line(endpoint.host, 100)}"
        raise MCPError.from_error_data(local_error("invalid", text))
    return endpoint


def _error(body: bytes) -> t.ErrorData:
    """What the Guard, or the server through it, says of a failed request."""
    try:
        return t.JSONRPCError.model_validate_json(body).error
    except ValidationError:
        return local_error("invalid", "it answered with an error that is no JSON-RPC error")
