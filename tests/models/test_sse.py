from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Iterator

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given, settings
from hypothesis import strategies as st

from mcphost.errors import ModelError
from mcphost.models.sse import EventReader, Pair
from tests.providers import dialects
from tests.providers.script import Call, Think, reply

_REPLY = reply(Think("größer…"), "Zwei und drei", Call("demo__add", {"a": 2, "b": "drei \U0001f600"}))
_REQUEST = {"model": "m", "tools": [{"name": "demo__add"}]}
_STREAMS = [
    *(make(_REPLY, _REQUEST, 1) for make in (dialects.anthropic, dialects.responses, dialects.chat)),
    [("message", {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}), ("endpoint", "/messages?session=1")],
]


def _written(stream: list[dialects.Event], newline: str) -> bytes:
    lines: list[str] = [": welcome", "retry: 3000", "", ""]
    for number, (name, data) in enumerate(stream):
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        lines += [f"id: {number}", *([f"event:{name}"] if name else []), f"data: {text}", ""]
    return newline.join([*lines, "event: empty", "", "data: cut off"]).encode()


def _read(chunks: Iterable[bytes]) -> list[Pair]:
    reader = EventReader()
    return [pair for chunk in chunks for pair in reader.feed(chunk)]


class _Chunks(httpx.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


def _oracle(chunks: list[bytes]) -> list[Pair]:
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Chunks(chunks))
    return [(event.event or "message", event.data) for event in EventSource(response).iter_sse() if event.data]


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("stream", _STREAMS, ids=["anthropic", "responses", "chat", "mcp"])
def test_every_size_of_chunk_gives_the_same_events_as_httpx_sse(stream: list[dialects.Event], newline: str) -> None:
    data = _written(stream, newline)
    expected = _oracle([data])
    assert len(expected) == len(stream)
    for size in (1, 2, 3, 7, 64, len(data)):
        assert _read(data[start : start + size] for start in range(0, len(data), size)) == expected


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(_STREAMS), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 100_000)))
def test_any_chunking_of_a_recorded_stream_gives_the_same_events_as_httpx_sse(
    stream: list[dialects.Event], newline: str, places: list[int]
) -> None:
    chunks = _cut(_written(stream, newline), places)
    assert _read(chunks) == _oracle(chunks)


_LINES = st.sampled_from(
    [
        "",
        "",
        "data",
        "data:",
        "data: x",
        "data:  y",
        "event: a",
        "event",
        ":c",
        "id: 1",
        "retry: x",
        "foo: b",
        "data: ü",
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(_LINES, st.sampled_from(["\n", "\r\n", "\r"]))), st.lists(st.integers(0, 1000)))
def test_any_lines_in_any_chunking_give_the_same_events_as_httpx_sse(
    lines: list[tuple[str, str]], places: list[int]
) -> None:
    chunks = _cut("".join(line + newline for line, newline in lines).encode(), places)
    assert _read(chunks) == _oracle(chunks)


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    data = "\ufeffdata: x\n\n".encode()
    assert _read([data]) == _read([data[:1], data[1:2], data[2:]]) == [("message", "x")]


def test_bytes_that_are_no_utf8_do_not_end_the_stream() -> None:
    assert _read([b"data: \xff\n\n", b"data: y\n\n"]) == [("message", "\ufffd"), ("message", "y")]


def test_one_event_of_fifteen_megabytes_is_read_in_linear_time() -> None:
    line = b"data: " + b"x" * 15 * 1024 * 1024 + b"\n\n"
    start = time.process_time()
    [(_, data)] = _read(line[at : at + 4096] for at in range(0, len(line), 4096))
    assert len(data) == 15 * 1024 * 1024
    assert time.process_time() - start < 5  # a quadratic reader needs minutes


def test_an_event_beyond_the_limit_is_an_error_however_it_arrives() -> None:
    for chunks in ([b"data: " + b"x" * 100], [b"data: x\n"] * 20):
        reader = EventReader(limit=64)
        with pytest.raises(ModelError, match="more than 64 bytes"):
            [list(reader.feed(chunk)) for chunk in chunks]


def test_the_limit_is_for_one_event_and_not_for_the_stream() -> None:
    reader = EventReader(limit=64)
    assert sum(len(list(reader.feed(b"data: " + b"x" * 50 + b"\n\n"))) for _ in range(100)) == 100
