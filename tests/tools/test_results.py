import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphost.messages import Block, text_block
from mcphost.servers.wire import CallOutcome
from mcphost.tools.results import MAX_BLOCKS, MAX_DEPTH, MAX_MEDIA, MAX_MEDIA_BYTES, capped, estimate

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 50).decode()


def image(data: str = PNG) -> Block:
    return {"type": "image", "mimeType": "image/png", "data": data}


def read_by_a_model(outcome: CallOutcome) -> int:
    """Every string of a result that is not media."""
    bare: list[Any] = [
        {**block, "data": "", "resource": {**block.get("resource", {}), "blob": ""}} for block in outcome.content
    ]

    def strings(value: Any) -> str:
        if isinstance(value, dict):
            return "".join(strings(item) for item in value.values())
        return "".join(map(strings, value)) if isinstance(value, list) else str(value)

    return estimate(strings([bare, [] if outcome.structured is None else outcome.structured])) - 20 * len(bare)


words = st.one_of(
    st.text(max_size=30),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=8), st.integers(1, 3000)),
)
blocks = st.one_of(
    words.map(text_block),
    st.builds(lambda text, uri: {"type": "resource", "resource": {"uri": uri, "text": text}}, words, words),
    st.builds(lambda uri, name: {"type": "resource_link", "uri": uri, "name": name}, words, words),
    st.builds(lambda mime: {"type": "image", "mimeType": mime, "data": PNG}, words),
    st.builds(lambda mime: {"type": "resource", "resource": {"uri": mime, "blob": PNG}}, words),
    st.builds(lambda kind, more: {"type": "x" + kind, "more": more}, st.text(max_size=9), words),
)


@given(
    st.lists(blocks, max_size=12),
    st.one_of(st.none(), words, st.dictionaries(words, words, max_size=4)),
    st.integers(100, 4000),
)
def test_no_result_exceeds_its_limit(content: list[Block], structured: Any, limit: int) -> None:
    found = capped(CallOutcome(tuple(content), structured), limit)
    assert read_by_a_model(found) <= limit
    assert found == capped(found, limit)


@given(st.lists(blocks, max_size=5))
def test_a_result_within_the_limit_travels_unchanged(content: list[Block]) -> None:
    outcome = CallOutcome(tuple(content), {"a": 1}, True, "a note")
    assert capped(outcome, 10_000_000) == outcome


def test_a_long_text_keeps_head_and_tail_and_the_rest_is_a_private_file(tmp_path: Path) -> None:
    spill = tmp_path / "state" / "results"
    whole = "".join(f"line {number}\n" for number in range(50_000))
    found = capped(CallOutcome((text_block("small"), text_block(whole)), note="Noted."), 1000, spill)
    small, cut = (block["text"] for block in found.content)
    assert small == "small"
    assert cut.startswith("line 0\n")
    assert cut.endswith("line 49999\n")
    assert "characters left out here" in cut
    [file] = spill.iterdir()
    cut = "This result was longer than 1000 tokens (resultTokens) and is cut"
    assert found.note == f"Noted. {cut}; the whole text is in {file}."
    assert file.read_text() == f"small\n\n{whole}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(spill.stat().st_mode) == 0o700


def test_without_a_place_to_save_the_model_is_told_to_ask_for_less(tmp_path: Path) -> None:
    long = CallOutcome((text_block("x" * 10_000),))
    assert "ask for less" in (capped(long, 1000).note or "")
    (tmp_path / "file").write_text("in the way")
    assert "ask for less" in (capped(long, 1000, tmp_path / "file").note or "")


def test_small_blocks_stay_whole_beside_a_large_one() -> None:
    content = (text_block("a" * 400), text_block("b" * 400_000), text_block("c" * 400))
    found = capped(CallOutcome(content), 1000)
    assert found.content[0] == content[0]
    assert found.content[2] == content[2]
    assert estimate(found.content[1]["text"]) > 700


def test_a_cut_text_keeps_what_else_its_block_says() -> None:
    annotated: Block = {"type": "text", "text": "x" * 10_000, "annotations": {"audience": ["user"]}}
    embedded: Block = {
        "type": "resource",
        "resource": {"uri": "file:///log", "mimeType": "text/plain", "text": "x" * 10_000},
    }
    found = capped(CallOutcome((annotated, embedded)), 1000)
    assert found.content[0]["annotations"] == {"audience": ["user"]}
    assert found.content[1]["resource"]["uri"] == "file:///log"
    assert len(found.content[1]["resource"]["text"]) < 3000


def test_structured_content_counts_once_and_is_cut_as_text() -> None:
    structured = {"rows": ["x" * 100] * 100}
    repeated = CallOutcome((text_block(json.dumps(structured)),), structured)
    assert capped(repeated, 3000) == repeated
    found = capped(CallOutcome((), structured), 1000)
    assert found.structured is None
    assert found.content[0]["text"].startswith('{"rows": ["xxx')


def test_thousands_of_blocks_become_some() -> None:
    found = capped(CallOutcome(tuple(text_block(str(number)) for number in range(10_000))), 25_000)
    texts = [block["text"] for block in found.content]
    assert len(texts) == MAX_BLOCKS
    assert texts[0] == "0"
    assert texts[-1] == "9999"
    assert "[… 9801 content blocks left out here …]" in texts


def test_large_media_becomes_a_text_and_a_file(tmp_path: Path) -> None:
    raw = os.urandom(MAX_MEDIA_BYTES + 1)
    data = base64.b64encode(raw).decode()
    blob: Block = {"type": "resource", "resource": {"uri": "file:///x", "mimeType": "a/b\x1b", "blob": data}}
    found = capped(CallOutcome((image(data), blob, image())), 25_000, tmp_path)
    assert found.content[2] == image()
    assert found.content[0]["text"].startswith("[image image/png, 5000001 bytes, left out: too large; it is in ")
    assert found.content[1]["text"].startswith("[resource a/b\ufffd, 5000001 bytes")
    assert {file.suffix for file in tmp_path.iterdir()} == {".png", ".bin"}
    assert all(file.read_bytes() == raw for file in tmp_path.iterdir())
    assert "it is in" not in capped(CallOutcome((image(data),)), 25_000).content[0]["text"]


def test_only_so_much_media_is_carried() -> None:
    found = capped(CallOutcome((image(),) * (MAX_MEDIA + 2)), 25_000)
    assert [block["type"] for block in found.content] == ["image"] * MAX_MEDIA + ["text"] * 2


@pytest.mark.parametrize("data", ["not base64!", "AAA", "é", "\ud800"])
def test_media_that_is_no_base64_becomes_a_text(data: str) -> None:
    [block] = capped(CallOutcome((image(data),)), 25_000).content
    assert block["text"] == "[image image/png left out: its data is no base64]"


def test_base64_may_be_folded_into_lines() -> None:
    outcome = CallOutcome((image("\n".join([PNG[:40], PNG[40:]])),))
    assert capped(outcome, 25_000) == outcome


def test_an_answer_nested_beyond_use_is_an_error() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    found = capped(CallOutcome((text_block("[" * 900),), deep), 25_000)
    assert found.is_error
    assert "nested deeper" in found.content[0]["text"]
    assert not capped(CallOutcome((text_block("[" * 900),), {"a": 1}), 25_000).is_error
