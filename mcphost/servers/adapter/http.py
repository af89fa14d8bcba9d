"""HTTP to one server: an own client behind a Guard that contains whatever goes wrong.

Law: one broken request costs that request. No request leaves the server's origin, nothing it sends is kept beyond its
limit, and the SDK is told in a JSON-RPC error what it would otherwise hide or die of.
"""

from __future__ import annotations

import email.utils
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import anyio
import anyio.lowlevel
import httpx2
import mcp_types as t
from mcp.client.streamable_http import streamable_http_client

from mcphost import __version__
from mcphost.config.schema import MAX_HEADERS, Limits, ServerConfig
from mcphost.servers.adapter.answers import Events, answer, kept
from mcphost.servers.adapter.edge import Transport
from mcphost.servers.adapter.errors import Fault, local_error
from mcphost.servers.adapter.flood import Bucket
from mcphost.servers.adapter.sse import sse
from mcphost.servers.dial import Dial, Loss
from mcphost.text import one_line

CONNECT = 10.0  # seconds to open a connection
COURTESY = 5.0  # seconds for a message that gets no answer
GOODBYE = 2.0  # seconds for the DELETE of a session
ERROR_BODY = 64 * 1024  # bytes of an error's body that are read
SHOWN_BODY = 300  # characters of it that are shown
REDIRECTS = 5
MAX_SESSION = 1024  # characters of a session id
STREAMS = 8  # event streams opened within WINDOW before reopening slows down, by half a second and ever more
WINDOW = 30.0  # seconds; also the longest pause
TURN = 0.02  # seconds that reading one body may keep the event loop

_JSON = "application/json"
_EVENTS = "text/event-stream"
_SESSION = "mcp-session-id"


class Guard(httpx2.AsyncBaseTransport):
    """Around the transport that does the work. `forget` is called when the server forgot our session. `answered`:
    a POST is answered in its own response, as it is not over HTTP+SSE."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, url: str, limits: Limits, *, answered: bool = True) -> None:
        self.forgotten = False
        self.unauthorized = False
        self.forget: Callable[[], None] = lambda: None
        self.broken: str | None = None  # what ended the connection
        self.cut: str | None = None  # what ended its last request
        self._inner = inner
        self._home = httpx2.URL(url)
        self._limits = limits
        self._answered = answered
        self._opened: list[float] = []
        # Twice what the Edge lets pass, as it is the Edge that tells of floods.
        self._chatter = Bucket(2 * limits.notifications, 8 * limits.notifications)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not _within(self._home, request.url):
            return _fault(
                request, "invalid", f"it may not send us from {_origin(self._home)} to {_origin(request.url)}"
            )
        if request.method == "GET":
            await self._pace()
        try:
            await request.aread()  # a redirected one comes unread
            with anyio.fail_after(_patience(request)):
                response = await self._inner.handle_async_request(request)
        except TimeoutError:
            return self._cut(request, "no answer in time")
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
            return _fault(request, "unreachable", f"{_origin(self._home)}: {_reason(error)}")
        except httpx2.TransportError as error:
            if "Receive buffer too long" in str(error):  # the parser's own limit, which is the largest there can be
                return self._oversized(request, "the head of its answer", MAX_HEADERS, "headerBytes")
            return self._cut(request, _reason(error))
        if sum(len(name) + len(value) for name, value in response.headers.raw) > self._limits.header_bytes:
            await response.aclose()
            return self._oversized(request, "the head of its answer", self._limits.header_bytes, "headerBytes")
        return await self._received(request, response)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _received(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        response.headers.pop("set-cookie", None)  # what a server wants to remember belongs into its session
        session = response.headers.get(_SESSION, "")
        if not (len(session) <= MAX_SESSION and session.isascii() and session.isprintable()):
            del response.headers[_SESSION]
        kind = one_line(response.headers.get("content-type", "").partition(";")[0].lower(), 100)
        id = _id(request)
        if kind == _EVENTS and response.status_code < 400:
            unread, limit = _unread(request, response), self._limits.message_bytes
            return httpx2.Response(
                response.status_code,
                headers=kept(response.headers),
                stream=_Paused(_Events(Events(unread, id, limit=limit, chatter=self._chatter), self)),
                request=request,
            )
        if response.status_code in (202, 204) or 300 <= response.status_code < 400:
            if id is None or not self._answered or _leads_on(response):
                return response
            await response.aclose()
            return _fault(request, "invalid", f"HTTP {response.status_code} is no answer to a request")
        try:
            body = await self._read(request, response)
        except httpx2.HTTPError as error:
            return self._cut(request, f"its answer broke off: {_reason(error)}")
        if body is None:
            return self._oversized(request, "its answer", self._limits.message_bytes, "messageBytes")
        if response.status_code >= 400:
            return await self._failed(request, response, kind, body)
        if request.method == "POST" and kind != _JSON:
            return _fault(
                request, "invalid", f"it answered with {kind or 'nothing'}: is this the URL of an MCP server?"
            )
        found = body if id is None else await answer(body, id)
        if found is None:
            return _fault(request, "invalid", "what it answered is no answer to this request")
        return httpx2.Response(response.status_code, headers=kept(response.headers), content=found, request=request)

    def _cut(self, request: httpx2.Request, why: str) -> httpx2.Response:
        self.cut = why
        return _fault(request, "cut", why)

    def _oversized(self, request: httpx2.Request, what: str, limit: int, setting: str) -> httpx2.Response:
        size = f"{limit >> 20} MiB" if limit >> 20 else f"{limit} bytes"
        return _fault(request, "invalid", f"{what} is larger than {size} ({setting})")

    async def _read(self, request: httpx2.Request, response: httpx2.Response) -> bytes | None:
        """The decompressed body; an error's is cut, any other that is over the limit gives None."""
        limit = self._limits.message_bytes if response.status_code < 400 else ERROR_BODY
        body = bytearray()
        try:
            async for part in _unread(request, response).aiter_bytes():
                body += part
                if len(body) > limit:
                    return bytes(body[:limit]) if response.status_code >= 400 else None
        finally:
            await response.aclose()
        return bytes(body)

    async def _failed(
        self, request: httpx2.Request, response: httpx2.Response, kind: str, body: bytes
    ) -> httpx2.Response:
        status = response.status_code
        if status == 404 and request.method == "POST" and _SESSION in request.headers:
            self.broken, self.forgotten = "forgot this session (HTTP 404)", True
            self.forget()
            return _fault(request, "cut", f"it {self.broken}")
        if status == 401:
            self.broken, self.unauthorized = "wants credentials (HTTP 401)", True
        elif kind == _JSON and (found := await answer(body, _id(request))):
            return httpx2.Response(status, headers={"content-type": _JSON}, content=found, request=request)
        shown = "" if "html" in kind else one_line(body.decode(errors="replace"), SHOWN_BODY)
        message = one_line(f"HTTP {status} {response.reason_phrase}", 100) + (f": {shown}" if shown else "")
        wait = _retry_after(response.headers.get("retry-after"))
        return _fault(request, "status", message, http=status, status=status, retry_after=wait)

    async def _pace(self) -> None:
        """A server that ends its event streams at once is not asked for new ones at once."""
        now = time.monotonic()
        self._opened = [opened for opened in self._opened if now - opened < WINDOW] + [now]
        if (excess := len(self._opened) - STREAMS) > 0:
            await anyio.sleep(min(WINDOW, 0.5 * 2.0**excess))


class _Paused(httpx2.AsyncByteStream):
    """A body or its events, with turns for others in between: tiny ones come out of one read by the thousand."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        began = time.monotonic()
        async for part in self._stream:
            yield part
            if time.monotonic() - began > TURN:
                await anyio.lowlevel.checkpoint()
                began = time.monotonic()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Events(httpx2.AsyncByteStream):
    """An event stream that ends where it breaks: the SDK resumes it or fails its one request."""

    def __init__(self, stream: httpx2.AsyncByteStream, guard: Guard) -> None:
        self._stream = stream
        self._guard = guard

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except httpx2.TransportError as error:
            self._guard.broken = f"broke off its event stream: {_reason(error)}"

    async def aclose(self) -> None:
        await self._stream.aclose()


class HttpLink:
    """A link to a URL, by Streamable HTTP or by the older HTTP+SSE."""

    pid = None
    stderr_tail = ""

    def __init__(
        self, config: ServerConfig, dial: Dial, *, limits: Limits, tls: Callable[[], ssl.SSLContext], proxy: str | None
    ) -> None:
        """Raises ImportError, OSError or ValueError for a proxy or certificates that cannot be used."""
        assert config.url is not None
        secure = config.url.lower().startswith("https:")
        inner = httpx2.AsyncHTTPTransport(
            verify=tls() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=False,
            proxy=proxy,
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=8, keepalive_expiry=30),
        )
        self._guard = Guard(inner, config.url, limits, answered=dial.transport != "sse")
        self._client = httpx2.AsyncClient(
            transport=self._guard,
            headers={"User-Agent": f"mcphost/{__version__}", **config.headers},
            # Answers take as long as the request's own clock allows.
            timeout=httpx2.Timeout(CONNECT, read=None, pool=None),
            trust_env=False,
            max_redirects=REDIRECTS,
        )
        self.transport = self._transport(config.url, dial, limits.message_bytes)

    def _transport(self, url: str, dial: Dial, limit: int) -> Transport:
        if dial.transport == "sse":
            return sse(self._client, url, limit=limit)
        return cast(
            AbstractAsyncContextManager[tuple[Any, Any]],
            streamable_http_client(url, http_client=self._client, max_sse_event_size=limit),
        )

    @property
    def forgotten(self) -> bool:
        return self._guard.forgotten

    def on_forgotten(self, end: Callable[[], None]) -> None:
        self._guard.forget = end

    async def why(self) -> Loss:
        detail = {"status": 401} if self._guard.unauthorized else {}
        return Loss(self._guard.broken or self._guard.cut or "closed the connection", detail=detail)

    async def close(self) -> None:
        with anyio.move_on_after(1):
            await self._client.aclose()


def _fault(request: httpx2.Request, fault: Fault, message: str, *, http: int = 502, **detail: Any) -> httpx2.Response:
    error = t.JSONRPCError(jsonrpc="2.0", id=None, error=local_error(fault, message, **detail))
    return httpx2.Response(http, json=error.model_dump(mode="json"), request=request)


def _patience(request: httpx2.Request) -> float | None:
    """Seconds until the head of the answer must be there; None: the clock of our own request decides."""
    if request.method == "DELETE":
        return GOODBYE
    if request.method != "POST" or len(request.content) > ERROR_BODY:
        return None
    return COURTESY if _id(request) is None else None


def _id(request: httpx2.Request) -> t.RequestId | None:
    """What our request is called; None where it gets no answer of its own."""
    if request.method != "POST":
        return None
    message = json.loads(request.content)
    return message.get("id") if "method" in message else None


def _unread(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """`response` as one that decompresses; the transport's own does not."""
    stream = _Paused(cast(httpx2.AsyncByteStream, response.stream))
    return httpx2.Response(response.status_code, headers=response.headers, stream=stream, request=request)


def _within(home: httpx2.URL, url: httpx2.URL) -> bool:
    if (home.scheme, home.host, home.port) == (url.scheme, url.host, url.port):
        return True
    upgraded = home.scheme == "http" and url.scheme == "https" and home.port is None and url.port is None
    return upgraded and home.host == url.host


def _leads_on(response: httpx2.Response) -> bool:
    """Whether it is a redirect to somewhere."""
    location = response.headers.get("location", "").strip()
    try:
        return response.status_code >= 300 and location != "" and bool(httpx2.URL(location))
    except httpx2.InvalidURL:
        return False


def _origin(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii', errors='replace').rpartition('@')[2]}"


def _reason(error: Exception) -> str:
    return one_line(str(error)) or "the connection broke off"


def _retry_after(value: str | None) -> int | None:
    """Seconds, from either form of the header."""
    if value is None:
        return None
    try:
        if value.strip().isdigit():
            return int(value)
        return max(0, round(email.utils.parsedate_to_datetime(value).timestamp() - time.time()))
    except (ValueError, OverflowError):
        return None
