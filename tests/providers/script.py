"""What a fake model API can be told to answer, in words that suit all three dialects."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]

Oddity: TypeAlias = Literal[
    "no index", "no id", "same index", "whole call", "arguments as object", "no usage", "no DONE", "stop for calls"
]


@dataclasses.dataclass(frozen=True)
class Say:
    text: str


@dataclasses.dataclass(frozen=True)
class Think:
    text: str


@dataclasses.dataclass(frozen=True)
class Call:
    """`arguments` as a string goes out as it stands, valid JSON or not."""

    name: str
    arguments: Mapping[str, Any] | str = dataclasses.field(default_factory=dict)
    id: str | None = None


Part: TypeAlias = Say | Think | Call


@dataclasses.dataclass(frozen=True)
class Reply:
    """A streamed answer. `stop` is the dialect's own word; None: the one that fits.

    `after` is how many events are sent before `fault` strikes; `chunk` is the size of the pieces in which bytes
    leave, 0 for one per event; `delay` (seconds) passes between the head and the first event.
    """

    parts: tuple[Part, ...]
    stop: str | None = None
    usage: tuple[int, int] = (11, 7)
    cached: int = 3
    newline: str = "\n"
    chunk: int = 0
    delay: float = 0.0
    after: int | None = None
    fault: Literal["cut", "reset", "error", "silence"] | None = None
    oddities: frozenset[Oddity] = frozenset()
    echo: bool = True  # Responses only: the first event repeats the whole request, as the true API does


@dataclasses.dataclass(frozen=True)
class Status:
    """An answer that is no stream; `body` None: an error object of the dialect."""

    status: int
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    message: str = "as the script says"
    type: str = ""
    param: str = ""


@dataclasses.dataclass(frozen=True)
class Silence:
    """The request is read and never answered."""


Answer: TypeAlias = str | Part | Sequence[Part] | Reply | Status | Silence
Scripted: TypeAlias = Answer | Callable[[Json], Answer]


def reply(*parts: Part | str, **changes: Any) -> Reply:
    return Reply(tuple(Say(part) if isinstance(part, str) else part for part in parts), **changes)


def settled(answer: Answer) -> Reply | Status | Silence:
    if isinstance(answer, (Reply, Status, Silence)):
        return answer
    if isinstance(answer, (str, Say, Think, Call)):
        return reply(answer)
    return reply(*answer)


def from_json(item: Any) -> Answer:
    """A script's item from a file: a text, or {"calls": [{"name", "arguments"}], "text"?}."""
    if isinstance(item, str):
        return item
    said = [Say(item["text"])] if item.get("text") else []
    return [*said, *(Call(entry["name"], entry.get("arguments", {})) for entry in item["calls"])]


def follow(body: Json) -> Answer:
    """The answer without a script: obeys "call NAME {JSON}" in the user's last words, tells what a tool returned."""
    kind, text = last_words(body)
    if kind == "result":
        return f"The tool said: {text}"
    found = re.search(r"\bcall (\S+)(?: (\{.*\}))?", text, re.DOTALL)
    return Call(found[1], found[2] or "{}") if found else f"You said: {text}"


def last_words(body: Json) -> tuple[Literal["result", "user"], str]:
    """The end of a request, in whichever dialect: the text of the last tool result, or of the last user message."""
    for entry in reversed(body.get("messages") or body.get("input") or []):
        if entry.get("type") == "function_call_output":
            return "result", _text(entry["output"])
        if entry.get("role") == "tool":
            return "result", _text(entry["content"])
        if entry.get("role") == "user":
            content = entry["content"]
            results = [part for part in content if isinstance(part, dict) and part.get("type") == "tool_result"]
            if results:
                return "result", _text(results[-1].get("content", ""))
            return "user", _text(content)
    return "user", ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", f"[{part.get('type')}]") for part in content)


def arguments_text(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
