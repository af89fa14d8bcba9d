"""A hostile MCP server over HTTP: standard library only, on a raw socket, every byte by hand.

    http_peer.py FAULT [--era both|modern|legacy] [--log FILE] [--life SECONDS]
    http_peer.py --list

Prints its URL and serves until its stdin ends. The fault strikes at its moment; beside it every peer serves the healthy
tools `echo`, `add` (structured), `names` (of the request's headers), `slow` (progress in an event stream) and `fault`,
whose call is the trigger of most faults. A second listener, named "elsewhere" below, must never be contacted: whoever
does stands in FILE of --log as "captured", beside a JSON line for all that happens. Expectations:

    answer   the call of `fault` is answered, and the server goes on
    error    the call is an error at once, and the server goes on
    lost     the call is lost: an error at once that says it may have run; the server goes on
    limit    the call ends by its time limit, and the server goes on
    up       the server becomes ready, and its healthy tools work
    down     the server fails, with the reason
    auth     the server wants to be signed in to
    stale    the call is answered; the next one finds what is left of it, is an error at once, and the server goes on
    gone     the server cannot be reached any more

Several with "|" between them: any of these is right.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

MODERN, LEGACY = "2026-07-28", "2025-11-25"
ATTACK = "\x1b[31mred\x1b]52;c;cHduZWQ=\x07\x9b2J\u202egnp.exe\u200b\U000e0041\rover"
HTML = b"<!doctype html><title>Welcome to the hotel</title><script>alert(1)</script><p>Please sign in."
EVENTS = "text/event-stream"

Act = Callable[["Exchange"], None]


class Fault(NamedTuple):
    name: str
    kind: str  # the class of faults, a letter
    moment: str  # handshake, list, call, stream, close
    expect: str
    says: str  # a regular expression for the answer, or the reason
    act: Act
    eras: tuple[str, ...] = ("legacy", "modern")
    slow: bool = False  # takes seconds by its nature


FAULTS: dict[str, Fault] = {}


def fault(name: str, kind: str, moment: str, expect: str, says: str = "", **more: Any) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        FAULTS[name] = Fault(name, kind, moment, expect, says, act, **more)
        return act

    return add


class Peer:
    def __init__(self, fault: Fault, era: str, log: str | None) -> None:
        self.fault = fault
        self.eras = {MODERN, LEGACY} if era == "both" else {MODERN if era == "modern" else LEGACY}
        self.log_file = log
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.elsewhere = socket.create_server(("127.0.0.1", 0))
        self.session = "session-1"
        self.struck = 0  # times that the fault struck

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/mcp"

    @property
    def foreign(self) -> str:
        return f"http://127.0.0.1:{self.elsewhere.getsockname()[1]}/mcp"

    def note(self, what: str, **more: Any) -> None:
        if self.log_file:
            with self.lock, open(self.log_file, "a") as file:
                file.write(json.dumps({"what": what, **more}) + "\n")

    def serve(self) -> None:
        for listener, work in ((self.listener, self.converse), (self.elsewhere, self.captured)):
            threading.Thread(target=self.accept, args=(listener, work), daemon=True).start()
        print(self.url, flush=True)
        sys.stdin.buffer.read()
        os._exit(0)

    def accept(self, listener: socket.socket, work: Callable[[socket.socket], None]) -> None:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=work, args=(connection,), daemon=True).start()

    def captured(self, connection: socket.socket) -> None:
        self.note("captured", head=connection.recv(4096).decode("latin-1"))
        connection.close()

    def converse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as file:
            while (exchange := Exchange.read(self, connection, file)) is not None:
                exchange.settle()
                if exchange.closed:
                    break


class Exchange:
    """One request and whatever is answered to it."""

    def __init__(self, peer: Peer, connection: socket.socket, line: str, headers: dict[str, str], body: bytes) -> None:
        self.peer, self.connection = peer, connection
        self.method, self.path = line.split(" ")[:2]
        self.headers, self.body = headers, body
        self.message: dict[str, Any] = json.loads(body) if body.startswith(b"{") else {}
        self.id = self.message.get("id")
        self.closed = False

    @classmethod
    def read(cls, peer: Peer, connection: socket.socket, file: Any) -> Exchange | None:
        line = file.readline(65536).decode("latin-1").strip()
        if not line:
            return None
        headers: dict[str, str] = {}
        while field := file.readline(65536).decode("latin-1").strip():
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        return cls(peer, connection, line, headers, file.read(int(headers.get("content-length", 0))))

    # What a healthy server does.

    def settle(self) -> None:
        peer, moment = self.peer, self.moment()
        peer.note("received", method=self.method, path=self.path, headers=self.headers, message=self.message)
        if moment == peer.fault.moment:
            peer.struck += 1
            peer.fault.act(self)
        else:
            self.healthy()

    def moment(self) -> str:
        rpc = self.message.get("method")
        params = self.message.get("params") or {}
        if self.path != "/mcp":
            return "elsewhere"
        if self.method == "GET":
            return "stream"
        if self.method == "DELETE":
            return "close"
        if rpc == "tools/call":
            return "call" if params.get("name") == "fault" else "healthy call"
        return {"initialize": "handshake", "server/discover": "handshake", "tools/list": "list"}.get(str(rpc), "")

    def healthy(self) -> None:
        if self.path != "/mcp":
            self.reply("404 Not Found")
        elif self.method == "GET" and LEGACY in self.peer.eras:
            self.start(EVENTS)
            self.hold()
        elif self.method == "DELETE":
            self.reply("200 OK")
        elif self.method != "POST":
            self.reply("405 Method Not Allowed")
        elif self.id is None:
            self.reply("202 Accepted")
        elif not self.shaken() and self.forgotten():
            self.reply(
                "404 Not Found", b'{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}'
            )
        else:
            self.answer_rpc()

    def shaken(self) -> bool:
        return self.message.get("method") in ("initialize", "server/discover") or LEGACY not in self.peer.eras

    def forgotten(self) -> bool:
        given = self.headers.get("mcp-session-id")
        return given is not None and given != self.peer.session

    def answer_rpc(self) -> None:
        params = self.message.get("params") or {}
        match self.message["method"]:
            case "server/discover" if MODERN in self.peer.eras:
                self.result({"supportedVersions": [MODERN], **about(), **CACHE})
            case "initialize" if LEGACY in self.peer.eras:
                session = {"Mcp-Session-Id": self.peer.session}
                self.result({"protocolVersion": LEGACY, **about()}, **session)
            case "tools/list":
                self.result({"tools": TOOLS, **CACHE})
            case "tools/call":
                self.call(
                    params["name"], params.get("arguments") or {}, (params.get("_meta") or {}).get("progressToken")
                )
            case "subscriptions/listen":
                self.start(EVENTS)
                subscribed = {"io.modelcontextprotocol/subscriptionId": self.id}
                granted = {"notifications": params.get("notifications") or {}, "_meta": subscribed}
                self.event({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": granted})
                self.hold()
            case "ping":
                self.result({})
            case method:
                self.rpc({"error": {"code": -32601, "message": f"no method {method}"}})

    def call(self, name: str, arguments: dict[str, Any], token: Any) -> None:
        if name == "slow":
            self.start(EVENTS)
            for step in range(5):
                self.progress(token, step)
                time.sleep(arguments["seconds"] / 5)
            self.event(self.answer("slept"))
            self.end()
        elif name == "add":
            total = arguments["a"] + arguments["b"]
            self.result({"content": [text(str(total))], "structuredContent": {"sum": total}})
        elif name == "names":
            self.result({"content": [text(" ".join(sorted(self.headers)))]})
        else:
            self.result({"content": [text(str(arguments.get("text", "ok")))]})

    # Ways to answer.

    def answer(self, said: Any = "ok", id: Any = None) -> dict[str, Any]:
        result = {"content": [text(said)], "resultType": "complete"}
        return {"jsonrpc": "2.0", "id": self.id if id is None else id, "result": result}

    def rpc(self, members: dict[str, Any], status: str = "200 OK", **headers: str) -> None:
        self.reply(status, json.dumps({"jsonrpc": "2.0", "id": self.id, **members}).encode(), **headers)

    def result(self, value: dict[str, Any], **headers: str) -> None:
        self.rpc({"result": {"resultType": "complete", **value}}, **headers)

    def ok(self) -> None:
        """The healthy answer to the call of `fault`, to the handshake, to the listing."""
        self.answer_rpc()

    def reply(self, status: str, body: bytes = b"", kind: str = "application/json", **headers: str) -> None:
        fields = {"Content-Type": kind, "Content-Length": str(len(body)), **headers}
        self.raw(head(status, **fields) + body)

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)

    def pour(self, first: bytes, rest: Iterable[bytes]) -> None:
        self.raw(first)
        for piece in rest:
            self.raw(piece)

    def start(self, kind: str, status: str = "200 OK", **headers: str) -> None:
        self.raw(head(status, **{"Content-Type": kind, "Transfer-Encoding": "chunked", **headers}))

    def chunk(self, data: bytes) -> None:
        if data:
            self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, message: Any, **fields: str) -> None:
        lines = [f"{name}: {value}" for name, value in fields.items()]
        self.chunk("\n".join([*lines, f"data: {json.dumps(message)}", "", ""]).encode())

    def progress(self, token: Any, value: float = 1) -> None:
        params = {"progressToken": token, "progress": value}
        self.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

    def end(self) -> None:
        self.raw(b"0\r\n\r\n")

    def hang_up(self) -> None:
        self.closed = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        self.closed = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())  # close() would wait for the file made of it

    def hold(self) -> None:
        """Keep the connection open until the client leaves."""
        self.closed = True
        with contextlib.suppress(OSError):
            while self.connection.recv(65536):
                pass


CACHE = {"ttlMs": 0, "cacheScope": "private"}


def about() -> dict[str, Any]:
    return {"capabilities": {"tools": {"listChanged": True}}, "serverInfo": {"name": "peer", "version": "1"}}


def text(value: Any) -> dict[str, Any]:
    return {"type": "text", "text": value}


def tool(name: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object", "properties": properties or {}}, **more}


TOOLS = [
    tool("echo", {"text": {"type": "string"}}),
    tool(
        "add",
        {"a": {"type": "integer"}, "b": {"type": "integer"}},
        outputSchema={"type": "object", "properties": {"sum": {"type": "integer"}}},
    ),
    tool("names"),
    tool("slow", {"seconds": {"type": "number"}}),
    tool("fault"),
]


def head(status: str, **fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"


def json_head(length: int, *lines: str) -> bytes:
    fields = ["HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {length}", *lines]
    return "\r\n".join(fields).encode("latin-1") + b"\r\n\r\n"


@fault("nothing", "a", "never", "up")
def nothing(exchange: Exchange) -> None:
    """No fault: the healthy peer."""


# -- (a) each status, with and without the headers it should carry -----------------------------------------------------


def status(
    name: str, moment: str, expect: str, says: str = "", *, body: bytes = b"", kind: str = "", **headers: str
) -> None:
    code = name.split(",")[0]

    def act(exchange: Exchange) -> None:
        exchange.reply(
            code, body, kind or "text/plain", **{key.replace("_", "-"): value for key, value in headers.items()}
        )

    fault(f"{name}, {moment}", "a", moment, expect, says)(act)


BEARER = 'Bearer realm="x", error="insufficient_scope", scope="all"'
status("401 Unauthorized", "handshake", "auth")
status("401 Unauthorized, challenged", "handshake", "auth", www_authenticate="Bearer")
status("401 Unauthorized", "list", "auth")
status("401 Unauthorized", "call", "auth|error", "sign-in")
status("403 Forbidden", "handshake", "down", "403")
status("403 Forbidden", "call", "error", "403")
status("403 Forbidden, scope wanted", "call", "error", "403", www_authenticate=BEARER)
status("404 Not Found", "handshake", "down", "404")
status("405 Method Not Allowed", "handshake", "down", "405")
status("400 Bad Request", "call", "error", "400")
status("400 Bad Request, HTML", "call", "error", "HTTP 400", body=HTML, kind="text/html")
status("400 Bad Request, attack", "call", "error", "400", body=ATTACK.encode())
status("402 Payment Required", "call", "error", "402")
status("406 Not Acceptable", "call", "error", "406")
status("408 Request Timeout", "call", "error", "408")
status("409 Conflict", "call", "error", "409")
status("410 Gone", "call", "error|lost", "410")
status("413 Content Too Large", "call", "error", "413")
status("415 Unsupported Media Type", "call", "error", "415")
status("422 Unprocessable", "call", "error", "oh dear", body=b'{"detail":"oh dear"}', kind="application/json")
status("429 Too Many Requests", "call", "error", "429")
status("429 Too Many Requests, wait", "call", "error", "429", retry_after="7")
status("429 Too Many Requests, until", "call", "error", "429", retry_after="Fri, 31 Dec 2099 23:59:59 GMT")
status("429 Too Many Requests, rubbish", "call", "error", "429", retry_after="soon " * 100)
status("431 Request Header Fields Too Large", "call", "error", "431")
status("500 Internal Server Error", "call", "error", "500")
status("500 Internal Server Error, HTML", "call", "error", "500", body=HTML, kind="text/html")
status("501 Not Implemented", "call", "error", "501")
status("502 Bad Gateway", "call", "error", "502")
status("503 Service Unavailable, wait", "call", "error", "503", retry_after="3")
status("504 Gateway Timeout", "call", "error", "504")
status("599 Unknown", "call", "error", "599")
status("999 Beyond", "call", "error|lost", "")
status("204 No Content", "call", "error|lost|limit", "")
status("202 Accepted", "call", "error|limit", "")
status("206 Partial Content", "call", "error", "")
status("304 Not Modified", "call", "error", "")
status("300 Multiple Choices", "call", "error", "")


@fault("500 twice, then well, handshake", "a", "handshake", "up", slow=True)
def flaky_start(exchange: Exchange) -> None:
    if exchange.peer.struck <= 2:
        exchange.reply("500 Internal Server Error")
    else:
        exchange.ok()


@fault("503 once, then well, list", "a", "list", "up", slow=True)
def flaky_list(exchange: Exchange) -> None:
    if exchange.peer.struck == 1:
        exchange.reply("503 Service Unavailable", b"", "text/plain", **{"Retry-After": "1"})
    else:
        exchange.ok()


@fault("500 for ever, handshake", "a", "handshake", "down", "500", slow=True)
def broken_start(exchange: Exchange) -> None:
    exchange.reply("500 Internal Server Error")


@fault("100 Continue first", "a", "call", "answer")
def continued(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    exchange.ok()


@fault("101 Switching Protocols", "a", "call", "error|lost|limit")
def switched(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    exchange.hold()


# -- (b) TCP and framing: every point where a connection can end or lie ------------------------------------------------


def bytes_then(
    name: str, expect: str, data: Callable[[Exchange], bytes] | bytes, then: str = "close", says: str = "", **more: Any
) -> None:
    """Answers with these bytes, then closes, resets or keeps the connection."""

    def act(exchange: Exchange) -> None:
        exchange.raw(data(exchange) if callable(data) else data)
        {"close": exchange.hang_up, "reset": exchange.reset, "keep": lambda: None, "hold": exchange.hold}[then]()

    fault(name, "b", "call", expect, says, **more)(act)


def whole(exchange: Exchange) -> bytes:
    body = json.dumps(exchange.answer()).encode()
    return json_head(len(body)) + body


def body_of(exchange: Exchange) -> bytes:
    return json.dumps(exchange.answer()).encode()


bytes_then("closed before the head", "lost", b"")
bytes_then("reset before the head", "lost", b"", "reset")
bytes_then("closed amid the status line", "lost", b"HTTP/1.1 2")
bytes_then("closed amid the head", "lost", b"HTTP/1.1 200 OK\r\nContent-Type: appl")
bytes_then("reset amid the head", "lost", b"HTTP/1.1 200 OK\r\nContent-Type: appl", "reset")
bytes_then("closed before the body", "lost", json_head(100))
bytes_then("closed amid the body", "lost", lambda e: whole(e)[:-10])
bytes_then("reset amid the body", "lost", lambda e: whole(e)[:-10], "reset")
bytes_then("length too small", "error|lost", lambda e: json_head(10) + body_of(e))
bytes_then("length negative", "error|lost", lambda e: json_head(-5) + body_of(e))
bytes_then("length a word", "error|lost", lambda e: whole(e).replace(b"Length: ", b"Length: x"))
bytes_then("length enormous", "lost|limit", lambda e: json_head(10**18) + body_of(e))
bytes_then("two lengths", "error|lost", lambda e: json_head(len(body_of(e)), "Content-Length: 5") + body_of(e))
bytes_then(
    "no length, then closed",
    "answer",
    lambda e: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body_of(e),
)
bytes_then(
    "bad chunk size",
    "error|lost",
    head("200 OK", **{"Content-Type": "application/json", "Transfer-Encoding": "chunked"}) + b"zz\r\nhello\r\n",
)
bytes_then(
    "chunk size beyond all",
    "error|lost",
    head("200 OK", **{"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
    + b"f" * 30
    + b"\r\nhello\r\n",
)
bytes_then(
    "closed amid a chunk",
    "lost",
    head("200 OK", **{"Content-Type": "application/json", "Transfer-Encoding": "chunked"}) + b"ff\r\n{",
)
bytes_then(
    "no last chunk",
    "lost|answer",
    lambda e: (
        head("200 OK", **{"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        + b"%x\r\n%s\r\n" % (len(body_of(e)), body_of(e))
    ),
)
bytes_then(
    "chunked and a length",
    "answer|error|lost",
    lambda e: json_head(5, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body_of(e)), body_of(e)),
)
bytes_then("HTTP/0.9", "lost|error", lambda e: body_of(e))
bytes_then("HTTP/1.0", "answer", lambda e: whole(e).replace(b"HTTP/1.1", b"HTTP/1.0"))
bytes_then("HTTP/9.9", "answer|lost|error", lambda e: whole(e).replace(b"HTTP/1.1", b"HTTP/9.9"))
bytes_then("a line of SSH", "lost|error", b"SSH-2.0-OpenSSH_9.6\r\n")
bytes_then("a TLS alert", "lost|error", b"\x15\x03\x03\x00\x02\x02\x28")
bytes_then("HTTP/2 frames", "lost|error", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18)
bytes_then("line feeds alone", "answer|lost|error", lambda e: whole(e).replace(b"\r\n", b"\n"))
bytes_then("a folded header", "answer|lost|error", lambda e: whole(e).replace(b"\r\n", b"\r\nX-Long: a\r\n b\r\n", 1))
bytes_then("a header without a colon", "answer|lost|error", lambda e: whole(e).replace(b"\r\n", b"\r\nnonsense\r\n", 1))
bytes_then("NUL in a header", "answer|lost|error", lambda e: whole(e).replace(b"\r\n", b"\r\nX: a\0b\r\n", 1))
bytes_then("escapes in the status line", "error", b"HTTP/1.1 500 \x1b[31mred\x9b2J\r\nContent-Length: 0\r\n\r\n")
bytes_then("status that is no number", "lost|error", b"HTTP/1.1 OK fine\r\nContent-Length: 0\r\n\r\n")
bytes_then("two answers at once", "stale", lambda e: whole(e) * 2, "keep")
bytes_then("rubbish after the answer", "stale", lambda e: whole(e) + b"rubbish" * 1000, "keep")


@fault("closed as soon as it is idle", "b", "list", "up")
def closes_idle(exchange: Exchange) -> None:
    exchange.ok()
    exchange.hang_up()


@fault("stops listening", "b", "call", "gone", "cannot be reached|refused|lost")
def stops_listening(exchange: Exchange) -> None:
    exchange.peer.listener.close()
    os._exit(1)


# -- (c) streams -------------------------------------------------------------------------------------------------------


def stream(name: str, expect: str, says: str = "", **more: Any) -> Callable[[Act], Act]:
    """A fault inside an event stream that answers a call."""

    def add(act: Act) -> Act:
        def streamed(exchange: Exchange) -> None:
            exchange.start(EVENTS)
            act(exchange)

        fault(f"stream: {name}", "c", "call", expect, says, **more)(streamed)
        return act

    return add


def finish(exchange: Exchange, said: str = "ok") -> None:
    exchange.event(exchange.answer(said))
    exchange.end()


@stream("healthy", "answer")
def stream_healthy(exchange: Exchange) -> None:
    finish(exchange)


@stream("ends without an answer", "lost|error")
def stream_empty(exchange: Exchange) -> None:
    exchange.end()


@stream("cut without an answer", "lost|error")
def stream_cut(exchange: Exchange) -> None:
    exchange.hang_up()


@stream("reset amid an event", "lost|error")
def stream_reset(exchange: Exchange) -> None:
    exchange.chunk(b'data: {"jsonrpc":')
    exchange.reset()


@stream("silent", "limit")
def stream_silent(exchange: Exchange) -> None:
    exchange.hold()


@stream("comments for ever", "limit")
def stream_comments(exchange: Exchange) -> None:
    while True:
        exchange.chunk(b": keep-alive\n\n")
        time.sleep(0.05)


@stream("a comment without end", "limit|error|lost")
def stream_endless_comment(exchange: Exchange) -> None:
    while True:
        exchange.chunk(b":" * 65536)


@stream("a line without end", "error|lost|limit")
def stream_endless_line(exchange: Exchange) -> None:
    exchange.chunk(b"data: ")
    while True:
        exchange.chunk(b"x" * 65536)


@stream("many lines of one event", "error|lost|limit")
def stream_many_lines(exchange: Exchange) -> None:
    while True:
        exchange.chunk(b"data: x\n" * 5000)


@stream("events of another kind for ever", "limit")
def stream_other_events(exchange: Exchange) -> None:
    while True:
        exchange.chunk(b"event: other\ndata: 1\n\n" * 3000)


@stream("notifications for ever", "limit", slow=True)
def stream_endless_notifications(exchange: Exchange) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        exchange.chunk(
            b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\n\n' * 100
        )


@stream("20,000 progress reports", "answer")
def stream_flood(exchange: Exchange) -> None:
    token = json.dumps(((exchange.message.get("params") or {}).get("_meta") or {}).get("progressToken"))
    params = f'{{"progressToken":{token},"progress":1}}'
    line = f'data: {{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}\n\n'
    for _ in range(200):
        exchange.chunk(line.encode() * 100)
    finish(exchange)


@stream("5,000 list changes", "answer")
def stream_changes(exchange: Exchange) -> None:
    for _ in range(50):
        exchange.chunk(b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n' * 100)
    finish(exchange)


def stream_bytes(name: str, expect: str, data: bytes, says: str = "", **more: Any) -> None:
    """The stream holds these bytes; ANSWER is replaced."""

    def act(exchange: Exchange) -> None:
        exchange.chunk(data.replace(b"ANSWER", json.dumps(exchange.answer()).encode()))
        exchange.end()

    stream(name, expect, says, **more)(act)


stream_bytes("garbage, then the answer", "answer", b"garbage\n\n\x00\xff\nfoo: bar\n\ndata: ANSWER\n\n")
stream_bytes("JSON that is none, then the answer", "answer|error", b"data: {nonsense\n\ndata: ANSWER\n\n")
stream_bytes("JSON that is none, alone", "lost|error|limit", b"data: {nonsense\n\n")
stream_bytes("JSON that is no message", "lost|error|limit", b'data: 5\n\ndata: null\n\ndata: {"a":1}\n\n')
stream_bytes("an answer without its end", "lost|error", b"data: ANSWER")
stream_bytes("carriage returns", "answer", b"data: ANSWER\r\r")
stream_bytes("CR LF", "answer", b"event: message\r\ndata: ANSWER\r\n\r\n")
stream_bytes("byte order mark", "answer|lost", b"\xef\xbb\xbfdata: ANSWER\n\n")
stream_bytes("an unknown event", "lost|error|answer|limit", b"event: other\ndata: ANSWER\n\n")
stream_bytes("an unknown event, then the answer", "answer", b"event: ping\ndata: {}\n\ndata: ANSWER\n\n")
stream_bytes("the answer twice", "answer", b"data: ANSWER\n\ndata: ANSWER\n\n")
stream_bytes("a foreign answer first", "answer", b'data: {"jsonrpc":"2.0","id":99999,"result":{}}\n\ndata: ANSWER\n\n')
stream_bytes("a foreign answer alone", "lost|error|limit", b'data: {"jsonrpc":"2.0","id":99999,"result":{}}\n\n')
stream_bytes("an array", "lost|error|limit|answer", b"data: [ANSWER]\n\n")
stream_bytes("an endless retry", "answer", b"retry: 99999999999999999999\ndata:\n\ndata: ANSWER\n\n")
stream_bytes("NUL in the id", "answer", b"id: a\0b\ndata: ANSWER\n\n")
stream_bytes(
    "invalid UTF-8",
    "answer|lost|error|limit",
    b'data: {"jsonrpc":"2.0","method":"notifications/x\xff"}\n\ndata: ANSWER\n\n',
)


@stream("over many data lines", "answer")
def stream_pretty(exchange: Exchange) -> None:
    lines = json.dumps(exchange.answer(), indent=1).splitlines()
    exchange.chunk("".join(f"data: {line}\n" for line in lines).encode() + b"\n")
    exchange.end()


@stream("one byte a chunk", "answer")
def stream_bytewise(exchange: Exchange) -> None:
    for byte in f"data: {json.dumps(exchange.answer('ä€😀'), ensure_ascii=False)}\n\n".encode():
        exchange.chunk(bytes([byte]))
    exchange.end()


@stream("open after the answer", "answer")
def stream_stays(exchange: Exchange) -> None:
    exchange.event(exchange.answer())
    exchange.hold()


@stream("resumed", "answer", eras=("legacy",))
def stream_resumed(exchange: Exchange) -> None:
    exchange.chunk(b"id: 7\nretry: 10\ndata:\n\n")
    peer, answer = exchange.peer, exchange.answer()

    def resume(other: Exchange) -> None:
        if other.headers.get("last-event-id") == "7":
            other.start(EVENTS)
            other.event(answer)
            other.end()
        else:
            other.healthy()

    peer.fault = peer.fault._replace(moment="stream", act=resume)
    exchange.end()


@stream("resumed for ever", "lost|error|limit", eras=("legacy",), slow=True)
def stream_never_resumed(exchange: Exchange) -> None:
    exchange.chunk(b"id: 7\nretry: 0\ndata:\n\n")

    def again(other: Exchange) -> None:
        other.start(EVENTS)
        other.chunk(b"id: 7\nretry: 0\ndata:\n\n")
        other.end()

    exchange.peer.fault = exchange.peer.fault._replace(moment="stream", act=again)
    exchange.end()


@stream("asks for sampling", "answer", eras=("legacy",))
def stream_asks(exchange: Exchange) -> None:
    messages = [{"role": "user", "content": text("hi")}]
    params = {"messages": messages, "maxTokens": 9}
    exchange.event({"jsonrpc": "2.0", "id": "q1", "method": "sampling/createMessage", "params": params})
    time.sleep(0.2)
    finish(exchange)


@stream("asks 300 times", "answer")
def stream_asks_much(exchange: Exchange) -> None:
    for number in range(300):
        exchange.event({"jsonrpc": "2.0", "id": f"q{number}", "method": "roots/list"})
    finish(exchange)


@fault("chunks of one byte without end", "b", "call", "limit")
def tiny_chunks(exchange: Exchange) -> None:
    exchange.start("application/json")
    while True:
        exchange.raw(b"1\r\n \r\n" * 10_000)


@fault("the stream of the server ends at once, for ever", "c", "stream", "up", eras=("legacy",))
def storm(exchange: Exchange) -> None:
    exchange.start(EVENTS)
    exchange.chunk(b"retry: 0\n\n")
    exchange.end()


@fault("the stream of the server is garbage", "c", "stream", "up", eras=("legacy",))
def garbage_stream(exchange: Exchange) -> None:
    exchange.start(EVENTS)
    exchange.chunk(os.urandom(100_000))
    exchange.reset()


@fault("the stream of the server is refused oddly", "c", "stream", "up", eras=("legacy",))
def refused_stream(exchange: Exchange) -> None:
    exchange.reply("500 Internal Server Error", HTML, "text/html")


@fault("the stream of the server is nowhere", "c", "stream", "up", eras=("legacy",))
def no_stream(exchange: Exchange) -> None:
    exchange.reply("404 Not Found", HTML, "text/html")


@fault("the stream of the server floods", "c", "stream", "up", eras=("legacy",))
def flooding_stream(exchange: Exchange) -> None:
    exchange.start(EVENTS)
    for _ in range(100):
        exchange.chunk(b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n' * 100)
    exchange.hold()


# -- (d) time ----------------------------------------------------------------------------------------------------------


def slowly(name: str, expect: str, pauses: Callable[[bytes], Iterator[bytes]], **more: Any) -> None:
    def act(exchange: Exchange) -> None:
        for piece in pauses(whole(exchange)):
            exchange.raw(piece)

    fault(name, "d", "call", expect, **more)(act)


def drip(data: bytes, seconds: float) -> Iterator[bytes]:
    for byte in data:
        yield bytes([byte])
        time.sleep(seconds)


def pause_after(count: int, seconds: float) -> Callable[[bytes], Iterator[bytes]]:
    def pieces(data: bytes) -> Iterator[bytes]:
        yield data[:count]
        time.sleep(seconds)
        yield data[count:]

    return pieces


slowly("one byte at a time", "answer", lambda data: drip(data, 0.0005))
slowly("a byte a tenth of a second", "limit", lambda data: drip(data, 0.1))
slowly("silence before the head", "limit", pause_after(0, 60))
slowly("silence amid the head", "limit", pause_after(20, 60))
slowly("silence before the body", "limit", lambda data: pause_after(data.index(b"\r\n\r\n") + 4, 60)(data))
slowly("silence amid the body", "limit", pause_after(150, 60))
slowly("a late answer", "answer", pause_after(0, 0.3))


@fault("silent in the handshake", "d", "handshake", "down", "in time|no answer", slow=True)
def silent_handshake(exchange: Exchange) -> None:
    exchange.hold()


@fault("silent in the listing", "d", "list", "down", "no answer within", slow=True)
def silent_list(exchange: Exchange) -> None:
    exchange.hold()


# -- (e) redirects -----------------------------------------------------------------------------------------------------


def redirect(
    name: str, expect: str, code: str, where: Callable[[Exchange], str], says: str = "", moment: str = "call"
) -> None:
    def act(exchange: Exchange) -> None:
        if exchange.peer.struck > 1 and "once" in name:
            exchange.ok()
        else:
            exchange.reply(code, Location=where(exchange))

    fault(f"redirect: {name}", "e", moment, expect, says)(act)


def itself(exchange: Exchange) -> str:
    return exchange.peer.url


def foreign(exchange: Exchange) -> str:
    return exchange.peer.foreign


redirect("once to itself", "answer", "307 Temporary Redirect", itself)
redirect("once, for good", "answer", "308 Permanent Redirect", itself)
redirect("once, relative", "answer", "307 Temporary Redirect", lambda _: "/mcp")
redirect("in a circle", "error|lost", "307 Temporary Redirect", itself)
redirect("as a GET", "error|lost|limit", "302 Found", itself)
redirect("elsewhere", "error|lost", "307 Temporary Redirect", foreign)
redirect("elsewhere, in the handshake", "down", "307 Temporary Redirect", foreign, moment="handshake")
redirect("elsewhere, as a GET", "error|lost", "302 Found", foreign)
redirect(
    "elsewhere, without a scheme",
    "error|lost",
    "307 Temporary Redirect",
    lambda e: e.peer.foreign.removeprefix("http:"),
)
redirect(
    "elsewhere, as a user",
    "error|lost",
    "307 Temporary Redirect",
    lambda e: e.peer.foreign.replace("//", "//127.0.0.1@"),
)
redirect("to a file", "error|lost", "307 Temporary Redirect", lambda _: "file:///etc/passwd")
redirect("to a script", "error|lost", "307 Temporary Redirect", lambda _: "javascript:alert(1)")
redirect("to nowhere", "error|lost", "307 Temporary Redirect", lambda _: "")
redirect("to rubbish", "error|lost", "307 Temporary Redirect", lambda _: "http://[::bad/\x7f")
redirect("to an attack", "error|lost", "307 Temporary Redirect", lambda _: "http://\x9b31m.invalid/\x1b[31m")

# -- (f) size ----------------------------------------------------------------------------------------------------------


def large(name: str, expect: str, says: str, act: Act, **more: Any) -> None:
    fault(name, "f", "call", expect, says, **more)(act)


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    packed = packer.compress(b'{"jsonrpc":"2.0","id":1,"result":{"x":"')
    return packed + b"".join(packer.compress(b" " * 2**20) for _ in range(megabytes)) + packer.flush()


def endless(exchange: Exchange, opening: bytes, kind: str = "application/json", code: str = "200 OK") -> None:
    exchange.start(kind, code)
    exchange.chunk(opening)
    while True:
        exchange.chunk(b"x" * 65536)


large(
    "a header of a megabyte",
    "lost|error",
    "",
    lambda e: e.raw(whole(e).replace(b"\r\n", b"\r\nX: " + b"x" * 1_000_000 + b"\r\n", 1)),
)
large(
    "100,000 headers", "lost|error", "", lambda e: e.raw(whole(e).replace(b"\r\n", b"\r\n" + b"X: x\r\n" * 100_000, 1))
)
large(
    "a head without end",
    "lost|error",
    "",
    lambda e: e.pour(b"HTTP/1.1 200 OK\r\n", (b"X: x\r\n" * 5000 for _ in range(10_000))),
)
large("a text of 3 MB", "answer", "", lambda e: e.result({"content": [text("x" * 3_000_000)]}))
large("a text of 15 MB", "answer", "", lambda e: e.result({"content": [text("x" * 15_000_000)]}))
large("a text of 50 MB", "error", "larger than 16 MiB", lambda e: e.result({"content": [text("x" * 50_000_000)]}))
large(
    "a body without end",
    "error",
    "larger than 16 MiB",
    lambda e: endless(e, b'{"jsonrpc":"2.0","id":1,"result":{"x":"'),
)
large("an error without end", "error", "500", lambda e: endless(e, b"oops ", "text/plain", "500 Internal Server Error"))
large(
    "gzip of the answer",
    "answer",
    "",
    lambda e: e.reply("200 OK", gzip.compress(body_of(e)), **{"Content-Encoding": "gzip"}),
)
large(
    "gzip bomb of 300 MB",
    "error",
    "larger than",
    lambda e: e.reply("200 OK", bomb(300), **{"Content-Encoding": "gzip"}),
)
large(
    "gzip of a gzip bomb",
    "error|lost",
    "",
    lambda e: e.reply("200 OK", gzip.compress(bomb(300)), **{"Content-Encoding": "gzip, gzip"}),
)
large(
    "gzip bomb in an error",
    "error",
    "500",
    lambda e: e.reply("500 Internal Server Error", bomb(300), **{"Content-Encoding": "gzip"}),
)
large(
    "gzip bomb in a stream",
    "error|lost|limit",
    "",
    lambda e: e.reply("200 OK", bomb(300), EVENTS, **{"Content-Encoding": "gzip"}),
)
large("gzip that is none", "error|lost", "", lambda e: e.reply("200 OK", body_of(e), **{"Content-Encoding": "gzip"}))
large(
    "an unknown encoding",
    "answer|error|lost",
    "",
    lambda e: e.reply("200 OK", body_of(e), **{"Content-Encoding": "zip-o-matic"}),
)
large(
    "15 MB of objects",
    "error",
    "",
    lambda e: e.reply(
        "200 OK", b'{"jsonrpc":"2.0","id":%d,"result":{"x":[' % (e.id or 0) + b'{"a":1},' * 1_900_000 + b"1]}}"
    ),
    slow=True,
)
large(
    "100,000 levels deep",
    "error",
    "",
    lambda e: e.reply(
        "200 OK",
        b'{"jsonrpc":"2.0","id":%d,"result":{"content":' % (e.id or 0) + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    ),
)


@stream("an event of 3 MB", "answer")
def stream_large(exchange: Exchange) -> None:
    finish(exchange, "x" * 3_000_000)


@stream("an event of 50 MB", "error|lost|limit")
def stream_huge(exchange: Exchange) -> None:
    finish(exchange, "x" * 50_000_000)


# -- (g) content type and body that disagree ---------------------------------------------------------------------------


def body(
    name: str,
    expect: str,
    data: bytes,
    kind: str = "application/json",
    says: str = "",
    code: str = "200 OK",
    **more: Any,
) -> None:
    """The body is this; ANSWER and ID are replaced."""

    def act(exchange: Exchange) -> None:
        filled = data.replace(b"ANSWER", body_of(exchange)).replace(b"ID", json.dumps(exchange.id).encode())
        exchange.reply(code, filled, kind)

    fault(f"body: {name}", "g", "call", expect, says, **more)(act)


body("HTML", "error", HTML, "text/html", "text/html")
body("HTML that claims to be JSON", "error|lost|limit", HTML)
body("HTML that claims to be a stream", "error|lost|limit", HTML, EVENTS)
body("JSON that claims to be text", "error", b"ANSWER", "text/plain", "text/plain")
body("JSON that claims to be a stream", "error|lost|limit", b"ANSWER", EVENTS)
body("a stream that claims to be JSON", "error|lost|limit", b"data: ANSWER\n\n")
body("with a charset", "answer", b"ANSWER", "application/json; charset=utf-8")
body("in capitals", "answer", b"ANSWER", "Application/JSON")
body("of an odd charset", "answer|error", b"ANSWER", "application/json; charset=utf-16")
body("type of a megabyte", "error|lost", b"ANSWER", "x" * 1_000_000)
body("type of an attack", "error", b"ANSWER", "\x1b[31mred\x9b2J")
body("empty", "error|lost", b"")
body("white space", "error|lost|limit", b"  \n ")
body("null", "error|lost|limit", b"null")
body("a batch", "error|lost|limit|answer", b"[ANSWER]")
body("two answers", "error|lost|limit", b"ANSWERANSWER")
body("a foreign id", "error|lost|limit", b'{"jsonrpc":"2.0","id":99999,"result":{"content":[]}}')
body("no id", "error|lost|limit|answer", b'{"jsonrpc":"2.0","result":{"content":[]}}')
body("a null id", "error|lost|limit|answer", b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}')
body("a request", "error|lost|limit", b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
body("a notification", "error|lost|limit", b'{"jsonrpc":"2.0","method":"notifications/x"}')
body(
    "invalid UTF-8",
    "answer|error|lost|limit",
    b'{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"a\xffb"}]}}',
)
body(
    "an unpaired surrogate",
    "answer|error|lost|limit",
    b'{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"a\\ud800b"}]}}',
)
body(
    "NaN", "answer|error|lost|limit", b'{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"x":NaN}}}'
)
body(
    "1e999",
    "answer|error|lost|limit",
    b'{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"x":1e999}}}',
)
body("byte order mark", "answer|error", b"\xef\xbb\xbfANSWER")
body("result a list", "error|limit", b'{"jsonrpc":"2.0","id":ID,"result":[]}')
body(
    "an error of ours",
    "error",
    b'{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"Connection closed"}}',
    code="400 Bad Request",
)
body(
    "an attack as error",
    "error",
    json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": ATTACK}}).encode(),
    code="400 Bad Request",
)
body(
    "an attack",
    "answer",
    b'{"jsonrpc":"2.0","id":ID,"result":{"content":[' + json.dumps(text(ATTACK)).encode() + b"]}}",
)

# -- (h) session ids, cookies, close -----------------------------------------------------------------------------------


def session(name: str, expect: str, **headers: str) -> None:
    def act(exchange: Exchange) -> None:
        if exchange.message["method"] == "initialize":
            exchange.result(
                {"protocolVersion": LEGACY, **about()},
                **{key.replace("_", "-"): value for key, value in headers.items()},
            )
        else:
            exchange.ok()

    fault(f"session: {name}", "h", "handshake", expect, eras=("legacy",))(act)


session("none", "up")
session("empty", "up|down", Mcp_Session_Id="")
session("of 100 KB", "up|down", Mcp_Session_Id="s" * 60_000)
session("with spaces", "up|down", Mcp_Session_Id="a b c")
session("of an attack", "up|down", Mcp_Session_Id="\x9b31m\u00e9")
session("and a cookie", "up", Set_Cookie="track=1; Path=/", Mcp_Session_Id="session-1")


@fault("session: forgotten", "h", "call", "answer|lost", "forgot|ok", eras=("legacy",))
def forgotten(exchange: Exchange) -> None:
    exchange.peer.session = "session-2"
    exchange.peer.fault = exchange.peer.fault._replace(moment="never")
    exchange.healthy()


@fault("session: always forgotten", "h", "call", "lost", "forgot", eras=("legacy",))
def always_forgotten(exchange: Exchange) -> None:
    exchange.reply("404 Not Found")


@fault("session: cookies on every answer", "h", "call", "answer")
def cookies(exchange: Exchange) -> None:
    exchange.rpc({"result": {"content": [text("ok")], "resultType": "complete"}}, **{"Set-Cookie": "id=evil; Path=/"})


def closing(name: str, act: Act) -> None:
    fault(f"close: {name}", "h", "close", "up", eras=("legacy",))(act)


closing("never answered", lambda e: e.hold())
closing("reset", lambda e: e.reset())
closing("500", lambda e: e.reply("500 Internal Server Error", HTML, "text/html"))
closing("405", lambda e: e.reply("405 Method Not Allowed"))
closing("a byte at a time", lambda e: e.pour(b"", drip(whole(e), 0.1)))
closing("redirected elsewhere", lambda e: e.reply("307 Temporary Redirect", Location=e.peer.foreign))

# -- (i) authorization metadata that points elsewhere, loops or downgrades ---------------------------------------------


def challenge(name: str, metadata: Callable[[Exchange], str], moment: str = "handshake") -> None:
    def act(exchange: Exchange) -> None:
        value = f'Bearer resource_metadata="{metadata(exchange)}", scope="a"'
        exchange.reply("401 Unauthorized", b"sign in", "text/plain", **{"WWW-Authenticate": value})

    fault(f"sign-in: {name}", "i", moment, "auth|error", "sign-in")(act)


challenge("metadata elsewhere", lambda e: e.peer.foreign)
challenge("metadata elsewhere, amid a call", lambda e: e.peer.foreign, "call")
challenge("metadata in a file", lambda e: "file:///etc/passwd")
challenge("metadata that is the server", itself)
challenge("metadata that is an attack", lambda e: "https://\x9b31m.invalid/")
challenge("metadata in the cloud", lambda e: "http://169.254.169.254/latest/meta-data")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("fault", nargs="?", choices=sorted(FAULTS), metavar="FAULT")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--era", choices=["both", "modern", "legacy"], default="both")
    parser.add_argument("--log")
    parser.add_argument("--life", type=float, default=60.0)
    options = parser.parse_args()
    if options.list:
        for row in FAULTS.values():
            print(
                f"{row.kind}  {row.moment:<9}  {row.expect:<17}  {row.name}" + (f"  ({row.says})" if row.says else "")
            )
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, options.life)
    Peer(FAULTS[options.fault], options.era, options.log).serve()


if __name__ == "__main__":
    main()
