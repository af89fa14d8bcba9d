from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphost.messages import (
    AssistantMessage,
    Message,
    Native,
    Notice,
    Origin,
    Reasoning,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    ToolsChanged,
    Usage,
    UserMessage,
    from_json,
    to_json,
)

# Lone surrogates included: JSON from a server may hold them.
texts = st.text(st.characters(), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
# Blocks of kinds unknown to us and with a `type` that is one of ours.
blocks: st.SearchStrategy[Any] = st.builds(
    lambda type, rest: {**rest, "type": type}, st.sampled_from(["text", "image", "tool_call", "brand_new"]), objects
)
definitions = st.builds(ToolDefinition, texts, texts, objects)
parts = st.one_of(
    st.builds(Text, texts), st.builds(Reasoning, texts), st.builds(ToolCall, texts, texts, st.none() | objects, texts)
)
counts = st.integers(0, 10**9)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        UserMessage, st.lists(blocks, max_size=3).map(tuple), st.sampled_from(["typed", "steer", "prompt", "resource"])
    ),
    st.builds(
        AssistantMessage,
        st.lists(parts, max_size=4).map(tuple),
        st.sampled_from(["end", "tools", "length", "stop", "refusal", "pause", "cut"]),
        st.builds(Usage, counts, counts, counts, counts),
        st.none() | st.builds(Native, texts, texts, st.lists(objects, max_size=2).map(tuple)),
    ),
    st.builds(
        ToolResult,
        texts,
        st.lists(blocks, max_size=3).map(tuple),
        values,
        st.booleans(),
        st.none() | st.builds(Origin, texts, texts),
        st.none() | texts,
    ),
    st.builds(Notice, texts),
    st.builds(ToolsChanged, st.lists(definitions, max_size=2).map(tuple), st.lists(texts, max_size=2).map(tuple)),
)


@given(messages)
def test_what_is_written_reads_as_the_same_value_and_writes_as_the_same_bytes(message: Message) -> None:
    written = json.dumps(to_json(message))
    read = from_json(json.loads(written))
    assert read == message
    assert json.dumps(to_json(read)) == written


@pytest.mark.parametrize("body", [{}, {"type": "event"}, {"type": "text"}, {"type": "usage", "inputs": 1}])
def test_what_is_none_of_ours_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no "):
        from_json(body)
