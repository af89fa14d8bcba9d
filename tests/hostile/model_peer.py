"""A hostile model API: standard library only, on a raw socket, every byte by hand.

    model_peer.py FAULT [--times N] [--log FILE] [--life SECONDS]
    model_peer.py --list

Prints its base URL and serves until its stdin ends. It speaks Anthropic Messages at /v1/messages, OpenAI Responses at
/v1/responses and Chat Completions at /v1/chat/completions, streaming. The fault strikes the first N requests (one
unless told; 0: all); the others are answered in the words of the last message: "call NAME {JSON}" is called, a tool's
result is repeated, anything else is repeated as well. FILE of --log gets a JSON line for every request. Expectations:

    answered  the turn ends with an answer
    cut       what had arrived is kept, and marked as cut
    busy      the turn fails as one to try again later
    failed    the turn fails, with the reason
    sign-in   the turn fails for want of a key
    overflow  the turn fails because the conversation no longer fits
    refused   the turn ends as a refusal
    limit     the turn ends because it took too many steps

Several with "|" between them: any of these is right. A tool runs only where the fault's `runs` is so many.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import itertools
import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

ATTACK = "\x1b[31mred\x1b]52;c;cHduZWQ=\x07\x9b2J\u202egnp.exe\u200b\U000e0041\rover\x00"
HTML = b"<!doctype html><title>Hotel</title><p>Please sign in."
PATHS = {"/v1/messages": "anthropic", "/v1/responses": "responses", "/v1/chat/completions": "chat"}
ADD = '{"a": 1, "b": 2}'

Act = Callable[["Exchange"], None]
Event = tuple[str, Any]


class Fault(NamedTuple):
    name: str
    kind: str  # the class of faults, a letter
    expect: str
    says: str  # a regular expression for the answer, or the reason
    act: Act
    runs: int = 0  # calls that run
    requests: int = 0  # requests that are sent, where that matters
    dialects: tuple[str, ...] = ("anthropic", "responses", "chat")
    times: int = 1
    slow: bool = False


FAULTS: dict[str, Fault] = {}


def fault(name: str, kind: str, expect: str, says: str = "", **more: Any) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        FAULTS[name] = Fault(name, kind, expect, says, act, **more)
        return act

    return add


class Call(NamedTuple):
    name: Any
    arguments: Any = "{}"  # as it goes out
    id: Any = "call_1"


class Peer:
    def __init__(self, fault: Fault, times: int, log: str | None) -> None:
        self.fault, self.times, self.log_file = fault, times, log
        self.count = itertools.count(1)
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))

    def serve(self) -> None:
        threading.Thread(target=self.accept, daemon=True).start()
        print(f"http://127.0.0.1:{self.listener.getsockname()[1]}", flush=True)
        sys.stdin.buffer.read()
        os._exit(0)

    def accept(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.converse, args=(connection,), daemon=True).start()

    def converse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as file:
            while line := file.readline(65536).decode("latin-1").strip():
                headers = {}
                while field := file.readline(65536).decode("latin-1").strip():
                    name, _, value = field.partition(":")
                    headers[name.lower()] = value.strip()
                body = json.loads(file.read(int(headers.get("content-length", 0))) or b"{}")
                exchange = Exchange(self, connection, line.split(" ")[1], body)
                number = next(self.count)
                self.note(number, headers, body)
                if self.times == 0 or number <= self.times:
                    self.fault.act(exchange)
                else:
                    exchange.answer()
                if exchange.closed:
                    break

    def note(self, number: int, headers: dict[str, str], body: Any) -> None:
        if self.log_file:
            with self.lock, open(self.log_file, "a") as file:
                file.write(json.dumps({"what": "request", "number": number, "headers": headers, "body": body}) + "\n")


class Exchange:
    """One request, and whatever is answered to it."""

    def __init__(self, peer: Peer, connection: socket.socket, path: str, body: dict[str, Any]) -> None:
        self.peer, self.connection, self.body = peer, connection, body
        self.dialect = PATHS.get(path, "chat")
        self.closed = False

    def answer(self) -> None:
        kind, said = last_words(self.body)
        wish = re.search(r"call (\S+) (\{.*\})", said) if kind == "user" else None
        if wish:
            self.stream(self.events(Call(wish[1], wish[2])))
        else:
            self.stream(self.events(f"{kind} said: {said}"))

    def events(self, *parts: Any, stop: Any = None) -> list[Event]:
        return WRITERS[self.dialect](parts, stop)

    def say(self, *parts: Any, stop: Any = None) -> None:
        self.stream(self.events(*parts, stop=stop))

    def stream(self, events: Iterable[Event], end: bool = True) -> None:
        self.start()
        for event in events:
            self.chunk(encoded(event))
        if end:
            self.raw(b"0\r\n\r\n")

    def start(self, kind: str = "text/event-stream", status: str = "200 OK") -> None:
        self.raw(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

    def chunk(self, data: bytes) -> None:
        if data:
            self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    def reply(self, status: str, body: bytes = b"", kind: str = "application/json", **headers: str) -> None:
        fields = {"Content-Type": kind, "Content-Length": str(len(body)), **headers}
        lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
        self.raw("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body)

    def error(self, status: str, type: str, message: str, **headers: str) -> None:
        error = {"type": type, "message": message, "code": type}
        body = {"type": "error", "error": error} if self.dialect == "anthropic" else {"error": error}
        self.reply(status, json.dumps(body).encode(), **headers)

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)

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


def encoded(event: Event) -> bytes:
    name, data = event
    said = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {said}\n\n".encode("utf-8", "surrogatepass")


def last_words(body: dict[str, Any]) -> tuple[str, str]:
    """The last message, in any dialect: of a user, or of a tool."""
    for entry in reversed(body.get("messages") or body.get("input") or []):
        if entry.get("type") == "function_call_output" or entry.get("role") == "tool":
            return "tool", text_of(entry.get("output", entry.get("content")))
        if entry.get("role") == "user":
            content = entry["content"]
            results = [p for p in content if isinstance(p, dict) and p.get("type") == "tool_result"]
            return ("tool", text_of(results[-1].get("content"))) if results else ("user", text_of(content))
    return "user", ""


def text_of(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return str(content)


# -- the three formats -------------------------------------------------------------------------------------------------


def anthropic(parts: Iterable[Any], stop: Any) -> list[Event]:
    usage = {"input_tokens": 5, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    fits: Any = "end_turn"
    for index, part in enumerate(parts):
        if isinstance(part, Call):
            fits = "tool_use"
            block: Any = {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": part.arguments}
        else:
            block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": part}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    reason = {"stop_reason": fits if stop is None else stop, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": reason, "usage": {"output_tokens": 3}})
    events.append({"type": "message_stop"})
    return [(event["type"], event) for event in events]


def responses(parts: Iterable[Any], stop: Any) -> list[Event]:
    head = {"id": "r", "object": "response", "model": "m", "status": "in_progress", "output": []}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": head}]
    items = []
    for index, part in enumerate(parts):
        if isinstance(part, Call):
            item: Any = {"type": "function_call", "id": f"f{index}", "call_id": part.id, "name": part.name}
            hollow, full = {**item, "arguments": ""}, {**item, "arguments": part.arguments, "status": "completed"}
            delta = {"type": "response.function_call_arguments.delta", "delta": part.arguments}
        else:
            item = {"type": "message", "id": f"m{index}", "role": "assistant", "status": "completed"}
            hollow = {**item, "content": []}
            full = {**item, "content": [{"type": "output_text", "text": part, "annotations": []}]}
            delta = {"type": "response.output_text.delta", "delta": part, "content_index": 0}
        items.append(full)
        events.append({"type": "response.output_item.added", "output_index": index, "item": hollow})
        events.append({**delta, "output_index": index, "item_id": item["id"]})
        events.append({"type": "response.output_item.done", "output_index": index, "item": full})
    done: dict[str, Any] = {
        **head,
        "status": "completed",
        "output": items,
        "usage": {"input_tokens": 5, "output_tokens": 3},
    }
    if stop is not None:
        done |= {"status": "incomplete", "incomplete_details": {"reason": stop}}
    events.append({"type": f"response.{done['status']}", "response": done})
    return [(event["type"], {**event, "sequence_number": number}) for number, event in enumerate(events)]


def chat(parts: Iterable[Any], stop: Any) -> list[Event]:
    head = {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    fits, calls = "stop", 0
    for part in parts:
        if isinstance(part, Call):
            fits = "tool_calls"
            function = {"name": part.name, "arguments": part.arguments}
            deltas.append({"tool_calls": [{"index": calls, "id": part.id, "type": "function", "function": function}]})
            calls += 1
        else:
            deltas.append({"content": part})
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": fits if stop is None else stop}]})
    return [*(("", chunk) for chunk in chunks), ("", "[DONE]")]


WRITERS: dict[str, Callable[[Iterable[Any], Any], list[Event]]] = {
    "anthropic": anthropic,
    "responses": responses,
    "chat": chat,
}


@fault("nothing", "a", "answered", "tool said: 3", runs=1, requests=2, times=-1)
def nothing(exchange: Exchange) -> None:
    """No fault: the healthy peer."""


# -- (a) status and rate limits ----------------------------------------------------------------------------------------


def status(
    name: str, expect: str, says: str = "", *, type: str = "", message: str = "no", more: Any = None, **headers: str
) -> None:
    def act(exchange: Exchange) -> None:
        exchange.error(name.split(",")[0], type, message, **headers)

    fault(name, "a", expect, says, **(more or {}))(act)


ONCE = {"runs": 1, "requests": 3}
EVER = {"times": 0, "requests": 4}
NEVER = {"times": 0, "requests": 1}
status("429 Too Many Requests", "answered", type="rate_limit_error", more=ONCE)
status("429 Too Many Requests, wait", "answered", type="rate_limit_error", more=ONCE, Retry_After="1")
status("429 Too Many Requests, wait in ms", "answered", type="rate_limit_error", more=ONCE, retry_after_ms="50")
status("429 Too Many Requests, wait rubbish", "answered", type="rate_limit_error", more=ONCE, Retry_After="soon")
status("429 Too Many Requests, wait negative", "answered", type="rate_limit_error", more=ONCE, Retry_After="-5")
status(
    "429 Too Many Requests, wait NaN", "answered|busy", type="rate_limit_error", more={"runs": -1}, Retry_After="nan"
)
status(
    "429 Too Many Requests, wait infinite", "busy", "429", type="rate_limit_error", more={"times": 0}, Retry_After="inf"
)
status("429 Too Many Requests, wait an hour", "busy", "3600", type="rate_limit_error", more=NEVER, Retry_After="3600")
status(
    "429 Too Many Requests, until 2099",
    "busy",
    "wait",
    type="rate_limit_error",
    more=NEVER,
    Retry_After="Fri, 31 Dec 2099 23:59:59 GMT",
)
status("429 Too Many Requests, for ever", "busy", "429", type="rate_limit_error", more=EVER)
status("429 Too Many Requests, no credit", "failed", "credit", type="insufficient_quota", more=NEVER)
status("529 Overloaded", "answered", type="overloaded_error", more=ONCE)
status("503 Service Unavailable", "answered", more=ONCE)
status("500 Internal Server Error", "answered", type="api_error", more=ONCE)
status("500 Internal Server Error, for ever", "busy", "500", type="api_error", more=EVER)
status("502 Bad Gateway", "answered", more=ONCE)
status("504 Gateway Timeout", "answered", more=ONCE)
status("408 Request Timeout", "answered", more=ONCE)
status("401 Unauthorized", "sign-in", "credentials", type="authentication_error", more=NEVER)
status("403 Forbidden", "failed|sign-in", "403", type="permission_error", more=NEVER)
status("402 Payment Required", "failed", "credit", type="billing_error", more=NEVER)
status("404 Not Found", "failed", "404", type="not_found_error", more=NEVER)
status("400 Bad Request", "failed", "oh dear", type="invalid_request_error", message="oh dear", more=NEVER)
status("400 Bad Request, attack", "failed", "400", type=ATTACK, message=ATTACK, more=NEVER)
status(
    "400 Bad Request, too long",
    "overflow",
    "no longer fits",
    type="invalid_request_error",
    message="prompt is too long: 300000 tokens > 200000 maximum",
    more=NEVER,
)
status("400 Bad Request, context", "overflow", "no longer fits", type="context_length_exceeded", more=NEVER)
status("413 Content Too Large", "overflow", "no longer fits", more=NEVER)
status("422 Unprocessable", "failed", "422", more=NEVER)
status("418 I'm a teapot", "failed", "418", more=NEVER)
status("301 Moved Permanently", "failed", "redirects", more=NEVER, Location="http://127.0.0.1:9/")
status("307 Temporary Redirect", "failed", "redirects", more=NEVER, Location="file:///etc/passwd")
status("204 No Content", "failed", more={"times": 0})
status("999 Beyond", "busy|failed", more={"times": 0})


@fault("an error that names the key", "a", "sign-in|failed", "", times=0)
def leaks_key(exchange: Exchange) -> None:
    exchange.error("401 Unauthorized", "authentication_error", "Incorrect API key provided: canary-key")


@fault("an error that is HTML", "a", "failed|busy", "404", times=0)
def html_error(exchange: Exchange) -> None:
    exchange.reply("404 Not Found", HTML, "text/html")


@fault("an error without end", "a", "failed|busy", "500|400", times=0, slow=True)
def endless_error(exchange: Exchange) -> None:
    exchange.start("application/json", "400 Bad Request")
    while True:
        exchange.chunk(b"x" * 65536)


@fault("an error of odd shape", "a", "failed", "400", times=0)
def odd_error(exchange: Exchange) -> None:
    exchange.reply("400 Bad Request", b'{"error":[{"message":5}],"type":{}}')


# -- (b) silence and drip ----------------------------------------------------------------------------------------------


@fault("no answer", "b", "busy|failed", "", times=0, slow=True)
def no_answer(exchange: Exchange) -> None:
    exchange.hold()


@fault("no answer once", "b", "answered", runs=1)
def no_answer_once(exchange: Exchange) -> None:
    exchange.hold()


@fault("silence after the head", "b", "answered|failed", runs=-1)
def silent_body(exchange: Exchange) -> None:
    exchange.start()
    exchange.hold()


@fault("silence amid the text", "b", "failed|cut", "silent")
def silent_text(exchange: Exchange) -> None:
    exchange.stream(started(exchange), end=False)
    exchange.hold()


@fault("comments for ever", "b", "failed|busy|cut|answered", "", times=0, slow=True)
def comments(exchange: Exchange) -> None:
    exchange.start()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        exchange.chunk(b": ping\n\n")
        time.sleep(0.05)
    exchange.hold()


@fault("one byte at a time", "b", "answered", "hello")
def bytewise(exchange: Exchange) -> None:
    exchange.start()
    for byte in b"".join(map(encoded, exchange.events("hello ä€😀"))):
        exchange.chunk(bytes([byte]))
    exchange.raw(b"0\r\n\r\n")


# -- (c) cuts at each part of the event stream -------------------------------------------------------------------------


HELLO = ("partial answer",)
CALLS = ("let me see", Call("healthy__add", ADD))


def until(events: list[Event], said: str) -> list[Event]:
    """The events up to and with the first that says this."""
    return events[: 1 + next(place for place, event in enumerate(events) if said in json.dumps(event))]


def started(exchange: Exchange) -> list[Event]:
    return until(exchange.events(*HELLO), HELLO[0])


def failing(exchange: Exchange) -> Event:
    """The event by which an API says amid a stream that it failed."""
    said = {"message": "Overloaded", "code": "overloaded"}
    if exchange.dialect == "responses":
        return "error", {"type": "error", **said}
    body = {"type": "error", "error": {"type": "overloaded_error", **said}}
    return ("error" if exchange.dialect == "anthropic" else "", body)


def cut(name: str, expect: str, says: str, then: str, upto: Callable[[Exchange], list[Event]], **more: Any) -> None:
    def act(exchange: Exchange) -> None:
        exchange.stream(upto(exchange), end=then == "end")
        if then == "reset":
            exchange.reset()
        elif then == "close":
            exchange.hang_up()

    fault(name, "c", expect, says, **more)(act)


for how in ("end", "close", "reset"):
    cut(f"nothing at all, {how}", "answered", "", how, lambda e: [], runs=1)
    cut(f"the first event alone, {how}", "answered", "", how, lambda e: e.events()[:1], runs=1)
    cut(f"cut amid the text, {how}", "failed|cut", "cut|broke|ended", how, started)
    cut(f"cut amid the call, {how}", "failed|cut|answered", "", how, lambda e: until(e.events(*CALLS), "healthy__add"))
    cut(f"cut before the end of the call, {how}", "failed|cut|answered", "", how, lambda e: e.events(*CALLS)[:-2])


@fault("reset before the head", "c", "answered", runs=1)
def reset_first(exchange: Exchange) -> None:
    exchange.reset()


@fault("closed before the head, for ever", "c", "busy", "", times=0)
def closed_first(exchange: Exchange) -> None:
    exchange.hang_up()


@fault("cut amid an event", "c", "failed|cut", "broke|cut|ended")
def cut_event(exchange: Exchange) -> None:
    exchange.stream(started(exchange), end=False)
    exchange.chunk(encoded(exchange.events(*HELLO)[-2])[:-20])
    exchange.hang_up()


@fault("an error event amid the text", "c", "failed|busy", "Overloaded")
def error_event(exchange: Exchange) -> None:
    exchange.stream([*started(exchange), failing(exchange)])


@fault("an error event at once", "c", "answered", runs=1)
def error_first(exchange: Exchange) -> None:
    exchange.stream([failing(exchange)])


@fault("an error event that attacks", "c", "failed", "", times=0)
def error_attack(exchange: Exchange) -> None:
    error = {"type": ATTACK, "message": ATTACK, "code": ATTACK}
    body = {**({"error": error} if exchange.dialect != "responses" else error), "type": "error"}
    exchange.stream([("error" if exchange.dialect != "chat" else "", body)])


# -- (d) arguments -----------------------------------------------------------------------------------------------------


def calls(
    name: str, *parts: Any, kind: str = "d", expect: str = "answered", stop: Any = None, says: str = "", **more: Any
) -> None:
    def act(exchange: Exchange) -> None:
        exchange.say(*(part(exchange) if callable(part) else part for part in parts), stop=stop)

    fault(name, kind, expect, says, **more)(act)


calls("arguments: cut", Call("healthy__add", '{"a": 1, "b"'))
calls("arguments: no JSON", Call("healthy__add", "a=1&b=2"))
calls("arguments: two objects", Call("healthy__add", ADD + ADD))
calls("arguments: a list", Call("healthy__add", "[1, 2]"))
calls("arguments: a string", Call("healthy__add", '"a"'))
calls("arguments: null", Call("healthy__add", "null"))
calls("arguments: twice encoded", Call("healthy__add", json.dumps(ADD)))
calls("arguments: of another type", Call("healthy__add", '{"a": "one", "b": 2}'))
calls("arguments: NaN", Call("healthy__add", '{"a": NaN, "b": 2}'))
calls("arguments: out of range", Call("healthy__add", '{"a": 1e999, "b": 2}'))
calls("arguments: empty text", Call("healthy__names", ""), runs=1)
calls("arguments: unpaired surrogate", Call("healthy__echo", '{"text": "\\ud800"}'), runs=1)
calls("arguments: 100,000 levels", Call("healthy__add", '{"a":' * 100_000 + "1" + "}" * 100_000))
calls("arguments: 1 MB", Call("healthy__add", '{"a": "' + "x" * 1_000_000 + '"}'))
calls("arguments: repeated keys", Call("healthy__add", '{"a": "x", "a": 1, "b": "y"}'))
calls("arguments: attack", Call("healthy__add", json.dumps({ATTACK: ATTACK})), runs=1)

# -- (e) tool calls ----------------------------------------------------------------------------------------------------

calls("call: unknown", Call("healthy__ad", ADD), kind="e")
calls("call: empty name", Call("", ADD), kind="e")
calls("call: null name", Call(None, ADD), kind="e", expect="answered|failed|busy|cut")
calls("call: hostile name", Call(ATTACK * 50, ADD), kind="e")
calls("call: its server's name alone", Call("add", ADD), kind="e")
calls("call: odd id", Call("healthy__add", ADD, ATTACK), kind="e", runs=1)
calls("call: no id", Call("healthy__add", ADD, ""), kind="e", runs=1)
calls("call: null id", Call("healthy__add", ADD, None), kind="e", runs=1)
calls("call: id of 10 KB", Call("healthy__add", ADD, "i" * 10_000), kind="e", runs=1)
calls("call: twice the same id", Call("healthy__add", ADD), Call("healthy__add", ADD), kind="e", runs=2)
calls(
    "call: fifty at once",
    *(Call("healthy__add", ADD, f"c{n}") for n in range(50)),
    kind="e",
    expect="answered",
    runs=-1,
)
calls("call: for ever the same", Call("healthy__add", ADD), kind="e", expect="limit|answered", times=0, runs=-1)
calls(
    "call: for ever another",
    lambda e: Call("healthy__add", json.dumps({"a": time.monotonic_ns(), "b": 1})),
    kind="e",
    expect="limit|answered",
    times=0,
    runs=-1,
)
calls("call: unknown, for ever", Call("nobody__nothing", "{}"), kind="e", expect="limit|answered", times=0)


@fault("call: arguments are an object", "e", "answered", runs=1, dialects=("chat",))
def object_arguments(exchange: Exchange) -> None:
    exchange.say(Call("healthy__add", {"a": 1, "b": 2}))


@fault("call: odd shapes", "e", "answered|failed|cut", dialects=("chat",))
def odd_shapes(exchange: Exchange) -> None:
    head = {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1}
    odd: list[Any] = [
        5,
        None,
        {},
        {"index": "x"},
        {"index": -1, "function": 7},
        {"index": 10**9, "function": {"name": 5}},
    ]
    deltas = [
        {"tool_calls": odd},
        {"tool_calls": "x"},
        {"tool_calls": {}},
        {"content": 5},
        {"content": ["a"]},
        "x",
        None,
    ]
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    more = [{**head, "choices": 5}, {**head, "choices": [None]}, {**head}, 5, None, "x", []]
    end = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    exchange.stream([("", item) for item in (*chunks, *more, end, "[DONE]")])


def odd_values(name: str) -> list[Any]:
    return [5, None, [], "x", {}, {"type": name}]


@fault("events of odd shapes", "e", "answered|failed|cut", dialects=("anthropic", "responses"))
def odd_events(exchange: Exchange) -> None:
    healthy = exchange.events("hello")
    names = {name for name, _ in healthy}
    odd: list[Event] = [(name, value) for name in sorted(names)[:-1] for value in odd_values(name)]
    exchange.stream([*healthy[:1], *odd, *healthy[1:]])


# -- (f) finish reasons ------------------------------------------------------------------------------------------------

REASONS: dict[str, dict[str, Any]] = {
    "refusal": {"anthropic": "refusal", "responses": "content_filter", "chat": "content_filter"},
    "length": {"anthropic": "max_tokens", "responses": "max_output_tokens", "chat": "length"},
    "unknown": {"anthropic": "solar_flare", "responses": "solar_flare", "chat": "solar_flare"},
    "a number": {"anthropic": 5, "responses": 5, "chat": 5},
}


def finishes(name: str, reason: str, expect: str, *parts: Any, **more: Any) -> None:
    def act(exchange: Exchange) -> None:
        exchange.say(*parts, stop=REASONS[reason][exchange.dialect])

    fault(f"finish: {name}", "f", expect, **more)(act)


finishes("refusal", "refusal", "refused", "I cannot")
finishes("length", "length", "cut", "and so on and")
finishes("length amid a call", "length", "cut|answered", Call("healthy__add", '{"a": 1, "b": 2'))
finishes("length after a whole call", "length", "cut|answered", Call("healthy__add", ADD))
finishes("refusal with a call", "refusal", "refused|answered|failed", Call("healthy__add", ADD))
finishes("unknown", "unknown", "answered|cut|refused|failed", "hello")
finishes("unknown with a call", "unknown", "answered|cut|refused|failed", Call("healthy__add", ADD), runs=-1)
finishes("a number", "a number", "answered|cut|refused|failed", "hello")


@fault("finish: none", "f", "cut|failed", "")
def no_reason(exchange: Exchange) -> None:
    exchange.stream(exchange.events("hello")[:-2])


@fault("finish: stop, with a call", "f", "answered", runs=-1, dialects=("anthropic", "chat"))
def stop_with_call(exchange: Exchange) -> None:
    exchange.say(Call("healthy__add", ADD), stop={"anthropic": "end_turn", "chat": "stop"}[exchange.dialect])


@fault("finish: calls, without one", "f", "answered|cut|failed|limit", dialects=("anthropic", "chat"))
def calls_without(exchange: Exchange) -> None:
    exchange.say("hello", stop={"anthropic": "tool_use", "chat": "tool_calls"}[exchange.dialect])


@fault("finish: an empty answer", "f", "answered|cut|failed", times=0)
def empty_answer(exchange: Exchange) -> None:
    exchange.say()


@fault("finish: an answer of spaces", "f", "answered|cut|failed", times=0)
def blank_answer(exchange: Exchange) -> None:
    exchange.say(" \n ")


# -- (g) size and escapes ----------------------------------------------------------------------------------------------

calls("text that attacks", ATTACK, kind="g")
calls("text of 1 MB", "word " * 200_000, kind="g")
calls("text with unpaired surrogates", "a\ud800b", kind="g")


@fault("text of 30 MB in pieces", "g", "failed", "longer than", times=0, slow=True)
def much_text(exchange: Exchange) -> None:
    events = exchange.events("x" * 1_000)
    place = next(number for number, event in enumerate(events) if "x" * 1_000 in json.dumps(event[1]))
    exchange.stream([*events[:place], *[events[place]] * 30_000, *events[place + 1 :]])


@fault("an event of 50 MB", "g", "answered|failed|cut", runs=-1, slow=True)
def huge_event(exchange: Exchange) -> None:
    exchange.say("x" * 50_000_000)


@fault("a line without end", "g", "failed|cut|busy", times=0, slow=True)
def endless_line(exchange: Exchange) -> None:
    exchange.start()
    exchange.chunk(b"data: ")
    while True:
        exchange.chunk(b"x" * 65536)


@fault("10,000 empty events", "g", "answered", "hello")
def empty_events(exchange: Exchange) -> None:
    exchange.start()
    exchange.chunk(b"event: ping\ndata: {}\n\n" * 10_000 if exchange.dialect == "anthropic" else b": ping\n\n" * 10_000)
    exchange.chunk(b"".join(map(encoded, exchange.events("hello"))))
    exchange.raw(b"0\r\n\r\n")


@fault("gzip bomb", "g", "failed|busy|cut", times=0, slow=True)
def gzip_bomb(exchange: Exchange) -> None:
    exchange.reply(
        "200 OK", gzip.compress(b"data: " + b" " * 300_000_000), "text/event-stream", Content_Encoding="gzip"
    )


@fault("usage of odd shapes", "g", "answered", "hello")
def odd_usage(exchange: Exchange) -> None:
    events = exchange.events("hello")
    for _, data in events:
        if isinstance(data, dict):
            for holder in (data, data.get("message"), data.get("response")):
                if isinstance(holder, dict):
                    holder["usage"] = {"input_tokens": "many", "output_tokens": -5, "prompt_tokens": None, "x": [1]}
    exchange.stream(events)


# -- (h) answers that are not the API ----------------------------------------------------------------------------------


def foreign(name: str, data: bytes, kind: str, says: str = "", expect: str = "failed", code: str = "200 OK") -> None:
    def act(exchange: Exchange) -> None:
        exchange.reply(code, data, kind)

    fault(f"not the API: {name}", "h", expect, says, times=0)(act)


foreign("HTML", HTML, "text/html", "text/html")
foreign("HTML that claims to be a stream", HTML, "text/event-stream", expect="failed|busy")
foreign("JSON", b'{"ok":true}', "application/json", "application/json")
foreign("nothing", b"", "", "")
foreign("an attack as type", b"x", "\x1b[31mred\x9b2J", "")
foreign(
    "another API's stream",
    b'data: {"token":"a"}\n\ndata: {"token":"b"}\n\n',
    "text/event-stream",
    expect="failed|cut|busy",
)
foreign("events that are no JSON", b"data: hello\n\ndata: [DONE]\n\n", "text/event-stream", expect="failed|cut|busy")
foreign("binary", bytes(range(256)) * 100, "text/event-stream", expect="failed|cut|busy")


@fault("not the API: a line of SSH", "h", "busy|failed", times=0)
def ssh(exchange: Exchange) -> None:
    exchange.raw(b"SSH-2.0-OpenSSH_9.6\r\n")
    exchange.hang_up()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("fault", nargs="?", choices=sorted(FAULTS), metavar="FAULT")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--times", type=int)
    parser.add_argument("--log")
    parser.add_argument("--life", type=float, default=60.0)
    options = parser.parse_args()
    if options.list:
        for row in FAULTS.values():
            print(f"{row.kind}  data       {row.expect:<17}  {row.name}" + (f"  ({row.says})" if row.says else ""))
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, options.life)
    row = FAULTS[options.fault]
    Peer(row, row.times if options.times is None else options.times, options.log).serve()


if __name__ == "__main__":
    main()
