"""What an HTTP server answers, read by the same rules as a line of stdio before the SDK reads it.

Law 4: what is no message costs itself, and an answer to another request never passes for the answer to this one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence

import anyio.to_thread
import httpx2
import mcp_types as t
from mcp.shared.dispatcher import coerce_request_id

from mcphost.servers.adapter.flood import Bucket, is_chatter
from mcphost.servers.adapter.framing import Stray, decode, failure
from mcphost.servers.adapter.stdio import encode

_PIECE = 64 * 1024  # bytes that are passed on at once
_HEAD = 200  # characters of an event that tell whether it is chatter
_IN_THREAD = 256 * 1024  # bytes; reading less takes no longer than handing it over


async def answer(body: bytes, id: t.RequestId | None) -> bytes | None:
    """The one message in `body` that answers the request `id`, as the SDK takes it; None: there is none.

    An error may leave the id out, as servers do that could not read it: all that answers a message without one.
    """
    messages = await _read(body)
    return next((encode(message) for message in messages if _answers(message, id)), None)


class Events(httpx2.AsyncByteStream):
    """The event stream of `response`, event by event; `id` names the request that it answers, None: any.

    An event over `limit` bytes ends it, with an error for that request; progress and log messages over the budget of
    `chatter` are left out before they cost a parse. Raises httpx2.TransportError where it breaks.
    """

    def __init__(self, response: httpx2.Response, id: t.RequestId | None, *, limit: int, chatter: Bucket) -> None:
        self._response = response
        self._id = id
        self._limit = limit
        self._chatter = chatter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for event in httpx2.EventSource(self._response, max_event_size=self._limit):
                if not is_chatter(event.data[:_HEAD].encode()) or self._chatter.take():
                    written = deque(await self._written(event))
                    while written:  # and nothing held that was passed on: it may be large
                        part = written.popleft()
                        for start in range(0, len(part), _PIECE):
                            yield part[start : start + _PIECE]
        except (httpx2.SSEError, httpx2.DecodingError) as error:
            if self._id is not None:
                broken = failure(self._id, f"its event stream is unusable: {error}")
                yield b"data: " + encode(broken) + b"\n"

    async def aclose(self) -> None:
        await self._response.aclose()

    async def _written(self, event: httpx2.ServerSentEvent) -> Sequence[bytes]:
        head = f"id: {event.id}\n" if event.id else ""
        head += "" if event.retry is None else f"retry: {event.retry}\n"
        if event.event != "message":
            head += f"event: {event.event}\n"
        if event.event != "message" or not event.data:
            return ["".join([head, *(f"data: {line}\n" for line in event.data.split("\n")), "\n"]).encode()]
        messages = [message for message in await _read(event.data) if self._concerns(message)]
        written = [part for message in messages for part in (b"data: ", encode(message), b"\n")]
        return [head.encode(), *written] if messages else []

    def _concerns(self, message: t.JSONRPCMessage) -> bool:
        if self._id is None or not isinstance(message, t.JSONRPCResponse | t.JSONRPCError):
            return True
        return _answers(message, self._id)


def kept(headers: httpx2.Headers) -> Mapping[str, str]:
    """The headers that still hold for a body that was read and decompressed."""
    gone = ("content-length", "content-encoding", "transfer-encoding")
    return {name: value for name, value in headers.items() if name.lower() not in gone}


async def _read(data: bytes | str) -> list[t.JSONRPCMessage]:
    items = decode(data) if len(data) < _IN_THREAD else await anyio.to_thread.run_sync(decode, data)
    return [item for item in items if not isinstance(item, Stray)]


def _answers(message: t.JSONRPCMessage, id: t.RequestId | None) -> bool:
    if not isinstance(message, t.JSONRPCResponse | t.JSONRPCError):
        return False
    return message.id is None or (id is not None and coerce_request_id(message.id) == coerce_request_id(id))
