"""Lines and messages without a process."""

from __future__ import annotations

import json
import random
import tracemalloc
from typing import Any

import mcp_types as t
import pytest
from mcp.shared.exceptions import MCPError

from mcphost.errors import ServerRefused
from mcphost.servers.adapter.errors import translate
from mcphost.servers.adapter.flood import Bucket, Flood
from mcphost.servers.adapter.framing import MAX_VALUES, Lines, Oversized, Stray, decode, find_id
from mcphost.servers.adapter.salvage import Unread


def lines(data: bytes, limit: int, sizes: random.Random) -> list[bytes | Oversized]:
    reader = Lines(limit)
    found: list[bytes | Oversized] = []
    while data:
        size = sizes.randint(1, 30)
        found += reader.feed(data[:size])
        data = data[size:]
    return found


def test_any_chunking_gives_the_same_lines() -> None:
    data = b'{"a":1}\n\n' + b"x" * 100 + b'\n{"b":2}\r\n{"id":7,' + b"y" * 100 + b"\nend\nno newline"
    expected = [b'{"a":1}', b"", Oversized(None), b'{"b":2}\r', Oversized(7), b"end"]
    for seed in range(200):
        assert lines(data, 50, random.Random(seed)) == expected, seed


def test_the_id_of_an_oversized_line_is_told_before_the_line_ends() -> None:
    reader = Lines(100)
    assert list(reader.feed(b'{"jsonrpc":"2.0","id":"a","result":"' + b"x" * 100)) == [Oversized("a")]
    assert list(reader.feed(b"x" * 1000 + b"\nnext\n")) == [b"next"]


def test_an_id_at_the_end_of_an_oversized_line_is_found_there() -> None:
    line = b'{"result":"' + b"x" * 1000 + b'","jsonrpc":"2.0","id":3}\n'
    assert list(Lines(100).feed(line)) == [Oversized(3)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"jsonrpc":"2.0","id":5,"result":{"id":6', 5),
        ('{"result":{"id":6,"x":[{"id":7}]},"jsonrpc":"2.0","id":"b", garbage', "b"),
        ('{"text":"\\"id\\":1,","x":"\\\\","id": -2 ,', -2),
        ('{"id":1.5,"result":', None),
        ('{"id":12', None),  # the rest of the number is missing
        ('{"id":null,"result":', None),
        ('{"method":"ping","id":5,', None),
        ('{"params":{},"id":5,"method":', 5),
        ('[{"id":5,', None),
        ('{}{"id":5,', None),
        ('{"x":"id":5', None),
    ],
)
def test_ids_are_found_at_the_top_level_only(text: str, found: Any) -> None:
    assert find_id(text, "") == found


def test_ids_at_the_end_are_found_at_the_top_level_only() -> None:
    assert find_id("", 'x"},"id":5}') == 5
    assert find_id("", 'x"},"id":"five","jsonrpc":"2.0"} ') == "five"
    assert find_id("", 'x","id":5}}') is None
    assert find_id("", '\\"id\\":5}"}') is None


def test_a_servers_broken_request_answers_none_of_our_calls() -> None:
    assert decode(b'{"jsonrpc":"2.0","id":1,"method":"x","params":[]}') == [
        Stray('{"jsonrpc": "2.0", "id": 1, "method": "x", "params": []}')
    ]


def test_batches_are_split_and_bounded() -> None:
    one = {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert decode(json.dumps([one, 7]).encode()) == [
        t.JSONRPCResponse(jsonrpc="2.0", id=1, result={}),
        Stray("7"),
    ]
    assert len(decode(json.dumps([one] * 5000).encode())) == 1000
    assert decode(b"[]") == []


def test_an_answer_with_a_null_error_is_an_answer() -> None:
    [message] = decode(b'{"jsonrpc":"2.0","id":1,"result":{},"error":null}')
    assert isinstance(message, t.JSONRPCResponse)
    [message] = decode(b'{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":1,"message":"m"}}')
    assert isinstance(message, t.JSONRPCError)


def test_values_are_counted_outside_strings_only() -> None:
    def decoded(text: str) -> t.JSONRPCMessage | Stray:
        [message] = decode(('{"jsonrpc":"2.0","id":1,"result":{"x":' + text + "}}").encode())
        return message

    assert isinstance(decoded(json.dumps('1,2,"\\,' * MAX_VALUES)), t.JSONRPCResponse)
    assert isinstance(decoded("[" + "1," * (MAX_VALUES // 2) + "1]"), t.JSONRPCResponse)
    bomb = decoded("[" + "1," * MAX_VALUES + "1]")
    assert isinstance(bomb, t.JSONRPCError)
    assert bomb.error.message == "its answer is not valid JSON: it holds more than 500,000 values"


def test_an_unpaired_surrogate_costs_one_character_and_pairs_stay() -> None:
    [message] = decode(rb'{"jsonrpc":"2.0","id":1,"result":{"x":"\ud83d\ude00 \\ud800 \ud800b\udc00"}}')
    assert isinstance(message, t.JSONRPCResponse)
    assert message.result == {"x": "\U0001f600 \\ud800 \ufffdb\ufffd"}


def test_repairing_millions_of_escapes_takes_no_more_memory_than_the_line() -> None:
    line = rb'{"jsonrpc":"2.0","id":1,"result":{"x":"' + rb"\u202e" * 500_000 + rb'\ud800"}}'
    tracemalloc.start()
    try:
        decode(line)
        assert tracemalloc.get_traced_memory()[1] < 8 * len(line)
    finally:
        tracemalloc.stop()


def test_a_servers_own_error_never_passes_for_a_closed_connection() -> None:
    [message] = decode(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Connection closed"}}')
    assert isinstance(message, t.JSONRPCError)
    error = translate(MCPError.from_error_data(message.error), "web", "the call of x")
    assert (type(error), error.message) == (ServerRefused, "web refused the call of x: Connection closed (code -32000)")


DEEP = '{"name":"deep","inputSchema":' + '{"a":' * 3000 + "1" + "}" * 3001
WIDE = '{"name":"wide","inputSchema":{"x":[' + "1," * MAX_VALUES + "1]}}"
GOOD = '{"name":"good","inputSchema":{"type":"object"}}'


@pytest.mark.parametrize(("bad", "why"), [(DEEP, "recursion limit"), (WIDE, "500,000 values")])
def test_of_a_list_that_cannot_be_read_whole_the_other_items_stay(bad: str, why: str) -> None:
    page = (
        f'{{"jsonrpc":"2.0","id":1,"result":{{"_meta":{{"a":[]}},"tools":[{GOOD},{bad},{{}},5,"]"],"nextCursor":"2"}}}}'
    )
    [message] = decode(page.encode())
    assert isinstance(message, t.JSONRPCResponse)
    good, unread, *rest = message.result["tools"]
    assert (good, rest) == (json.loads(GOOD), [{}, 5, "]"])
    assert isinstance(unread, Unread)
    assert why in unread
    assert message.result["nextCursor"] == "2"


def test_what_is_around_the_items_must_be_readable() -> None:
    [message] = decode(f'{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{DEEP}],"x":{DEEP}}}}}'.encode())
    assert isinstance(message, t.JSONRPCError)
    [message] = decode(f'{{"jsonrpc":"2.0","id":1,"result":{{"content":[{DEEP}]}}}}'.encode())
    assert isinstance(message, t.JSONRPCError)


def test_no_line_of_a_mutated_conversation_raises() -> None:
    line = b'{"jsonrpc":"2.0","id":12,"result":{"content":[{"type":"text","text":"a\\n\\u00e9"}],"x":[1.5e3,null]}}'
    rng = random.Random(11)
    for cut in range(len(line)):
        decode(line[:cut])
    for _ in range(3000):
        mutated = bytearray(line)
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.choice(b'{}[]",:\\0a\xff\x00-')
        decode(bytes(mutated))


def note(method: str, **params: Any) -> t.JSONRPCNotification:
    return t.JSONRPCNotification(jsonrpc="2.0", method=f"notifications/{method}", params=params)


def exhausted() -> Flood:
    return Flood(chatter=Bucket(0, 0), news=Bucket(0, 0), requests=Bucket(0, 0), cancellations=Bucket(50, 500))


def test_floods_are_dropped_but_answers_pass_and_cancellations_have_their_own_budget() -> None:
    flood = exhausted()
    assert flood.refuses(note("progress"))
    assert flood.refuses(note("elicitation/complete"))
    assert flood.refuses(t.JSONRPCRequest(jsonrpc="2.0", id=1, method="ping"))
    assert not flood.refuses(note("cancelled"))
    flood.cancellations = Bucket(0, 0)
    assert flood.refuses(note("cancelled"))
    assert not flood.refuses(t.JSONRPCResponse(jsonrpc="2.0", id=1, result={}))
    assert flood.refuses_line(b' {"jsonrpc": "2.0", "method": "notifications/progress"}')
    assert not flood.refuses_line(b'{"jsonrpc":"2.0","id":1,"result":{"method":"notifications/progress"}}')
    assert flood.dropped == 5


def test_floods_of_chatter_cost_no_other_news() -> None:
    flood = exhausted()
    flood.news = Bucket(0, 1)
    assert flood.refuses(note("message"))
    assert not flood.refuses(note("elicitation/complete"))


def test_changes_are_coalesced_until_there_is_room() -> None:
    flood = exhausted()
    for _ in range(1000):
        assert flood.refuses(note("tools/list_changed"))
        assert flood.refuses(note("resources/updated", uri="a"))
        assert flood.refuses(note("resources/updated", uri="b"))
    assert list(flood.kept.values()) == [
        note("tools/list_changed"),
        note("resources/updated", uri="a"),
        note("resources/updated", uri="b"),
    ]
    assert (list(flood.released()), flood.dropped) == ([], 0)
    flood.news = Bucket(0, 2)
    assert [change.method for change in flood.released()] == [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
    ]
    assert len(flood.kept) == 1


def test_a_bucket_fills_again() -> None:
    bucket = Bucket(rate=1e9, burst=1)
    assert bucket.take()
    assert bucket.take()
    empty = Bucket(rate=0, burst=1)
    assert (empty.take(), empty.take()) == (True, False)
