"""The conversation as values.

Law 6: content travels unchanged. A `Block` is an MCP content block as the wire JSON it came as, unknown keys and kinds
included; only the envelopes here are ours. All values are frozen; `to_json` writes each of them, `from_json` reads it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Required, TypeAlias, TypedDict


class Block(TypedDict, total=False):
    """One MCP content block (text, image, audio, resource_link, resource, or a kind yet unknown) as wire JSON."""

    type: Required[str]
    text: str
    data: str
    mimeType: str
    uri: str
    name: str
    title: str
    description: str
    size: int
    resource: dict[str, Any]
    annotations: dict[str, Any]


def text_block(text: str) -> Block:
    return {"type": "text", "text": text}


@dataclasses.dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool as a model is told of it: `name` is safe for every model API, `schema` is the tool's own JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Reasoning:
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool. `arguments` None: `text`, what the model wrote, is no JSON object; never run."""

    id: str
    name: str
    arguments: Mapping[str, Any] | None
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    server: str
    tool: str


@dataclasses.dataclass(frozen=True, slots=True)
class ToolResult:
    """What became of a call. `structured` is the tool's structuredContent (absent: None); `note` is the host's word."""

    call_id: str
    content: tuple[Block, ...]
    structured: Any = None
    is_error: bool = False
    origin: Origin | None = None
    note: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class UserMessage:
    content: tuple[Block, ...]
    origin: Literal["typed", "steer", "prompt", "resource"] = "typed"


@dataclasses.dataclass(frozen=True, slots=True)
class Notice:
    """The host speaks to the model: a server came or went, a limit is near."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class ToolsChanged:
    """The place in history where the model learns that tools came or went (law 11)."""

    added: tuple[ToolDefinition, ...]
    removed: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the API reported them. `input` is the whole input, cached parts included."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_creation + other.cache_creation,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Native:
    """The provider's own JSON of a reply. It goes back verbatim, and only to the same `api` and `model`."""

    api: str
    model: str
    items: tuple[Mapping[str, Any], ...]


# How a reply ended. "end": complete; "tools": complete, and its calls may run; "length": cut by a token limit;
# "stop": a stop sequence; "refusal": the model or its filter declined; "pause": send it back unchanged to go on;
# "cut": interrupted, only the text that had arrived is left.
Stop: TypeAlias = Literal["end", "tools", "length", "stop", "refusal", "pause", "cut"]


@dataclasses.dataclass(frozen=True, slots=True)
class AssistantMessage:
    """One complete reply. Calls in it may run only if `stop` is "tools"."""

    content: tuple[Text | Reasoning | ToolCall, ...]
    stop: Stop = "end"
    usage: Usage = Usage()
    native: Native | None = None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.content if isinstance(part, Text))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.content if isinstance(part, ToolCall))


Message: TypeAlias = UserMessage | AssistantMessage | ToolResult | Notice | ToolsChanged


def to_json(value: Any) -> Any:
    """JSON values for any value of this module or of `events`; dataclasses gain a "type" with their snake_case name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        body: dict[str, Any] = {"type": _snake(type(value).__name__)}
        for field in dataclasses.fields(value):
            body[field.name] = to_json(getattr(value, field.name))
        return body
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def from_json(body: Mapping[str, Any]) -> Any:
    """The value of this module that `to_json` wrote as `body`: `from_json(to_json(value)) == value`.

    Raises:
        ValueError: it is none of ours.
    """
    read = _READERS.get(body.get("type", ""))
    if read is None:
        raise ValueError(f"no value of a conversation: {body.get('type')!r}")
    try:
        return read(**{key: value for key, value in body.items() if key != "type"})
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no {body['type']}: {error}") from error


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


def _optional(body: Mapping[str, Any] | None) -> Any:
    return None if body is None else from_json(body)


def _tool_result(*, content: Sequence[Block], origin: Mapping[str, Any] | None, **rest: Any) -> ToolResult:
    return ToolResult(content=tuple(content), origin=_optional(origin), **rest)


def _user_message(*, content: Sequence[Block], **rest: Any) -> UserMessage:
    return UserMessage(content=tuple(content), **rest)


def _tools_changed(*, added: Sequence[Mapping[str, Any]], removed: Sequence[str]) -> ToolsChanged:
    return ToolsChanged(tuple(map(from_json, added)), tuple(removed))


def _native(*, items: Sequence[Mapping[str, Any]], **rest: Any) -> Native:
    return Native(items=tuple(items), **rest)


def _assistant_message(
    *, content: Sequence[Mapping[str, Any]], usage: Mapping[str, Any], native: Mapping[str, Any] | None, **rest: Any
) -> AssistantMessage:
    return AssistantMessage(
        content=tuple(map(from_json, content)), usage=from_json(usage), native=_optional(native), **rest
    )


_READERS: Mapping[str, Callable[..., Any]] = {
    "tool_definition": ToolDefinition,
    "text": Text,
    "reasoning": Reasoning,
    "tool_call": ToolCall,
    "origin": Origin,
    "tool_result": _tool_result,
    "user_message": _user_message,
    "notice": Notice,
    "tools_changed": _tools_changed,
    "usage": Usage,
    "native": _native,
    "assistant_message": _assistant_message,
}
