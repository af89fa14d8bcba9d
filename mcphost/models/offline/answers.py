"""What the offline model says: results in plain text, why it makes no call, an extract of a text. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from mcphost.messages import Block, ToolCall, ToolDefinition, ToolResult
from mcphost.models.offline.kinds import required, simplified
from mcphost.text import one_line

_LABEL = "[offline model: no language model, only an extract]"
_EXTRACT = 400  # characters
_CHARS_PER_TOKEN = 4
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def answer(done: Sequence[tuple[ToolCall, ToolResult]]) -> str:
    """The results of all calls in order, errors said as errors; an empty line parts those of several lines."""
    said = [_outcome(call, result) for call, result in done]
    return ("\n\n" if any("\n" in text for text in said) else "\n").join(said)


def plain(result: ToolResult) -> str:
    """A result as text: its text as it stands, structured content as lines, everything else by kind and size."""
    texts = [block.get("text", "") for block in result.content if block["type"] == "text"]
    others = [_described(block) for block in result.content if block["type"] != "text"]
    if result.structured is not None and (not texts or _is_json_of(texts, result.structured)):
        texts = ["\n".join(_lines(_unwrapped(result.structured)))]
    return "\n".join(text for text in (*texts, *others) if text) or "(no content)"


def refusal(asked: str, guesses: Sequence[ToolDefinition], offered: int) -> str:
    """Says who speaks, that `asked` could not be decided, and how to ask for the nearest tools."""
    said = f"I am the offline model: rules, no language model. I cannot tell which of {offered} tools"
    return f"{said} “{one_line(asked, 80)}” asks for.\n{usage(guesses)}"


def unfilled(tool: ToolDefinition, missing: Sequence[str]) -> str:
    return f"I am the offline model: rules, no language model. {tool.name} needs {', '.join(missing)}.\n{usage([tool])}"


def unknown(name: str, offered: Sequence[str]) -> str:
    nearest = get_close_matches(name, offered, n=1)
    return f"No tool is named {name}." + (f" Did you mean {nearest[0]}?" if nearest else "")


def usage(tools: Sequence[ToolDefinition]) -> str:
    """How to ask for each of `tools`, and the way out."""
    asks = [
        " ".join(["  " + tool.name, *(f"{name}=…" for name in required(simplified(tool.schema)))]) for tool in tools
    ]
    lines = [f"{ask}    {one_line(tool.description, 70)}" for ask, tool in zip(asks, tools, strict=True)]
    closest = ["Closest, and how to ask for them:", *lines] if lines else []
    return "\n".join([*closest, "Name a tool with its arguments, or choose a language model (-m PROVIDER/NAME)."])


def extract(text: str, max_tokens: int | None) -> str:
    """The first sentences of `text`, labelled as what they are."""
    room = _EXTRACT if max_tokens is None else min(_EXTRACT, max_tokens * _CHARS_PER_TOKEN - len(_LABEL))
    taken = ""
    for sentence in _SENTENCE.split(text.strip()):
        if taken and len(taken) + len(sentence) >= room:
            break
        taken = f"{taken} {sentence}".strip()
    return f"{_LABEL} {one_line(taken, max(room, 1))}".strip()


def _outcome(call: ToolCall, result: ToolResult) -> str:
    text = f"{call.name} failed: {plain(result)}" if result.is_error else plain(result)
    return f"{text}\n({result.note})" if result.note else text


def _is_json_of(texts: Sequence[str], structured: Any) -> bool:
    """Servers repeat structured content as text, whole or item by item."""
    try:
        said = [json.loads(text) for text in texts]
    except (ValueError, RecursionError):
        return False
    return structured in (said[0], {"result": said[0]}, {"result": said}, said)


def _unwrapped(structured: Any) -> Any:
    return structured["result"] if isinstance(structured, dict) and structured.keys() == {"result"} else structured


def _lines(value: Any, indent: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(f"{indent}{key}:", item, indent)
    elif isinstance(value, list):
        for item in value:
            yield from _entry(f"{indent}-", item, indent)
    else:
        yield f"{indent}{_scalar(value)}"


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict) and not any(isinstance(part, (dict, list)) for part in item.values()):
        yield f"{head} " + ", ".join(f"{key}: {_scalar(part)}" for key, part in item.items())
    elif isinstance(item, (dict, list)) and item:
        yield head
        yield from _lines(item, indent + "  ")
    else:
        yield f"{head} {_scalar(item)}"


def _scalar(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _described(block: Block) -> str:
    resource = block.get("resource") or {}
    if "text" in resource:
        return str(resource["text"])
    data = block.get("data") or resource.get("blob")
    size = len(data) * 3 // 4 if isinstance(data, str) else block.get("size")
    facts = (
        block["type"].replace("_", " "),
        block.get("name") or "",
        block.get("uri") or resource.get("uri") or "",
        block.get("mimeType") or resource.get("mimeType") or "",
        "" if size is None else f"{size:,} bytes",
    )
    return f"[{', '.join(str(fact) for fact in facts if fact)}]"
