"""Sampling's wire JSON to the conversation's values and back. Pure.

The names of a server's tools and the ids of its calls are replaced by ones that every model API takes; only `Tools`
knows the way back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcphost.messages import (
    AssistantMessage,
    Block,
    Message,
    Stop,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    UserMessage,
)
from mcphost.text import safe
from mcphost.tools.definitions import cleaned

_MEDIA = ("text", "image", "audio")
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
_STOP_REASONS: dict[Stop, str] = {
    "end": "endTurn",
    "tools": "toolUse",
    "length": "maxTokens",
    "stop": "stopSequence",
    "refusal": "refusal",
    "pause": "pause",
    "cut": "cut",
}


# Tokens of a picture or a sound, whatever its size, and characters to a token of anything else: rough, for budgets.
_MEDIA_TOKENS, _CHARACTERS = 1_500, 4


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of one sampling request. They run on the server that offers them, never here."""

    definitions: tuple[ToolDefinition, ...] = ()
    originals: Mapping[str, str] = field(default_factory=dict)

    def safe_name(self, original: str) -> str:
        """The name a model knows a tool by; also for one that was offered earlier and is not any more."""
        known = {name: safe_name for safe_name, name in self.originals.items()}
        return known.get(original) or _UNFIT.sub("_", original)[:64] or "_"


def tools(offered: Sequence[Mapping[str, Any]]) -> Tools:
    """The offered tools under provider-safe names.

    Raises:
        ValueError: one has no name or no inputSchema, or two have the same name.
    """
    definitions, originals = [], dict[str, str]()
    for tool in offered:
        name, schema = tool.get("name"), tool.get("inputSchema")
        if not isinstance(name, str) or not isinstance(schema, Mapping) or name in originals.values():
            raise ValueError("each tool needs a name of its own and an inputSchema")
        unique = _unique(_UNFIT.sub("_", name)[:64] or "_", originals)
        originals[unique] = name
        definitions.append(
            ToolDefinition(unique, safe(str(tool.get("description") or "")), cleaned(schema, unique=True))
        )
    return Tools(tuple(definitions), originals)


def estimate(value: Any) -> int:
    """About how many tokens this wire JSON costs as input."""
    return _characters(value) // _CHARACTERS


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(_characters, value))
    if not isinstance(value, Mapping):
        return 0 if value is None else _CHARACTERS
    if value.get("type") in ("image", "audio"):
        return _MEDIA_TOKENS * _CHARACTERS
    return sum(len(key) + _characters(item) for key, item in value.items())


def _unique(name: str, taken: Mapping[str, str]) -> str:
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name[: 63 - len(str(count))]}_{count}"
    return candidate


def conversation(messages: Sequence[Mapping[str, Any]], offered: Tools) -> tuple[Message, ...]:
    """The messages of a sampling request as our own.

    Raises:
        ValueError: a block has no place where it stands, or a tool_use has no result directly after it.
    """
    found: list[Message] = []
    open_calls: dict[str, ToolCall] = {}
    count = 0
    for message in messages:
        blocks = _blocks(message)
        if open_calls:
            found += _results(message, blocks, open_calls)
            open_calls = {}
        elif message.get("role") == "assistant":
            reply, open_calls = _assistant(blocks, offered, count)
            count += len(open_calls)
            found.append(reply)
        else:
            found.append(UserMessage(_media(blocks)))
    if open_calls or not found:
        raise ValueError("the last tool_use has no tool_result" if open_calls else "messages is empty")
    return tuple(found)


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    blocks: list[Any] = content if isinstance(content, list) else [content]
    if not blocks or not all(isinstance(block, Mapping) and isinstance(block.get("type"), str) for block in blocks):
        raise ValueError("content is neither a block nor a list of blocks")
    return blocks


def _media(blocks: Sequence[Mapping[str, Any]]) -> tuple[Block, ...]:
    for block in blocks:
        if block["type"] not in _MEDIA:
            raise ValueError(f"a {block['type']} block has no place here")
    return tuple(dict(block) for block in blocks)  # type: ignore[misc]


def _assistant(
    blocks: Sequence[Mapping[str, Any]], offered: Tools, count: int
) -> tuple[AssistantMessage, dict[str, ToolCall]]:
    parts: list[Text | ToolCall] = []
    calls: dict[str, ToolCall] = {}
    for block in blocks:
        if block["type"] == "tool_use":
            call = _call(block, offered, f"call_{count + len(calls) + 1}")
            calls[str(block["id"])] = call
            parts.append(call)
        else:
            parts += [_words(kept) for kept in _media([block])]
    if len(calls) != sum(isinstance(part, ToolCall) for part in parts):
        raise ValueError("two tool_use blocks have the same id")
    return AssistantMessage(tuple(parts), stop="tools" if calls else "end"), calls


def _call(block: Mapping[str, Any], offered: Tools, id: str) -> ToolCall:
    name, arguments = block.get("name"), cleaned(block.get("input"))
    if not isinstance(name, str) or not isinstance(arguments, Mapping) or "id" not in block:
        raise ValueError("a tool_use needs id, name and input")
    return ToolCall(id, offered.safe_name(name), arguments, json.dumps(arguments))


def _words(block: Block) -> Text:
    """What an assistant said; no model API takes pictures or sound back in an assistant's turn."""
    return Text(block.get("text", "") if block["type"] == "text" else f"[{block['type']} {block.get('mimeType', '')}]")


def _results(
    message: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]], calls: Mapping[str, ToolCall]
) -> list[ToolResult]:
    if message.get("role") != "user" or any(block["type"] != "tool_result" for block in blocks):
        raise ValueError("after tool_use comes a user message that holds its tool_results and nothing else")
    given = {str(block.get("toolUseId")): block for block in blocks}
    if given.keys() != calls.keys() or len(given) != len(blocks):
        raise ValueError("each tool_use needs exactly one tool_result with its id")
    return [
        ToolResult(
            call.id,
            tuple(given[id].get("content") or ()),
            structured=given[id].get("structuredContent"),
            is_error=bool(given[id].get("isError")),
        )
        for id, call in calls.items()
    ]


def result(message: AssistantMessage, model: str, offered: Tools, stop_sequences: Sequence[str]) -> dict[str, Any]:
    """The answer to `sampling/createMessage`; reasoning stays here.

    Raises:
        ValueError: the model wrote a call whose arguments are no JSON object.
    """
    text, cut = _cut(message.text, stop_sequences)
    stop = "stop" if cut else message.stop
    content: Any = {"type": "text", "text": text}
    if offered.definitions:
        calls = [_tool_use(call, offered) for call in message.calls if stop == "tools"]
        content = ([content] if text or not calls else []) + calls
    elif stop == "tools":
        stop = "end"
    return {"role": "assistant", "content": content, "model": model, "stopReason": _STOP_REASONS[stop]}


def _cut(text: str, stop_sequences: Sequence[str]) -> tuple[str, bool]:
    """`text` up to the first stop sequence in it: not every model API knows them."""
    ends = [place for sequence in stop_sequences if (place := text.find(sequence)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def _tool_use(call: ToolCall, offered: Tools) -> dict[str, Any]:
    if call.arguments is None:
        raise ValueError("the model wrote a tool call whose arguments are no JSON object")
    name = offered.originals.get(call.name, call.name)
    return {"type": "tool_use", "id": call.id, "name": name, "input": dict(call.arguments)}
