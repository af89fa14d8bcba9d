"""The codec of Anthropic's Messages API (API version 2026-10-21), also spoken by llama.cpp, vLLM and gateways.

Law: blocks that came from the API go back as they came; thinking is only valid unchanged and in its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mcphost.errors import ModelCut
from mcphost.messages import (
    AssistantMessage,
    Native,
    Notice,
    Reasoning,
    Stop,
    Text,
    ToolCall,
    ToolResult,
    ToolsChanged,
    Usage,
    UserMessage,
)
from mcphost.models.base import CallDelta, ModelRequest, Piece, ReasoningDelta, TextDelta
from mcphost.models.codec import (
    INVALID_JSON,
    CallIds,
    Calls,
    Encoded,
    arguments_object,
    change_note,
    count,
    encodable_json,
    fit_name,
    mapping,
    native_items,
    offer,
    parse_object,
    read_event,
    runnable,
    steps,
    string,
)
from mcphost.models.content import NO_OUTPUT, anthropic_block, as_text, host_note, result_parts, user_parts
from mcphost.models.failures import reported

API = "anthropic"
MAX_TOKENS = 32_000
COMPATIBLE_MAX_TOKENS = 8_192

_STOPS: dict[str, Stop] = {
    "end_turn": "end",
    "tool_use": "tools",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop",
    "pause_turn": "pause",
    "refusal": "refusal",
}
_CHOICES = {"required": "any", "none": "none"}
_TOOL_USE_ID = re.compile(r"[a-zA-Z0-9_-]+")


class AnthropicCodec:
    """`compatible`: the endpoint is not Anthropic's own; it gets no system messages amid the conversation, no cache
    marks and a smaller default of `max_tokens`, but sampling settings that Anthropic's models no longer take."""

    api = API
    path = "/v1/messages"

    def __init__(self, model: str, *, compatible: bool = False) -> None:
        self.model = model
        self._compatible = compatible

    def encode(self, request: ModelRequest, *, refused: Mapping[str, str]) -> Encoded:
        tools = offer(request, refused)
        ids = CallIds(request.messages)
        options = request.options
        default = COMPATIBLE_MAX_TOKENS if self._compatible else MAX_TOKENS
        body: dict[str, Any] = {"model": self.model, "max_tokens": request.max_tokens or default, "stream": True}
        if tools.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
                for tool in tools.tools
            ]
            if options.tool_choice in _CHOICES:
                body["tool_choice"] = {"type": _CHOICES[options.tool_choice]}
            if options.tool_choice == "required":
                body["thinking"] = {"type": "disabled"}  # a forced call excludes it
        if request.system.strip():
            body["system"] = [{"type": "text", "text": request.system}]
        body["messages"] = list(self._messages(request, ids))
        if stops := [stop for stop in options.stop if stop.strip()]:
            body["stop_sequences"] = stops
        if not self._compatible:
            body["cache_control"] = {"type": "ephemeral"}
        elif options.temperature is not None:
            body["temperature"] = options.temperature
        return Encoded(encodable_json({**body, **options.extra}), tools, ids.taken)

    def decoder(self, encoded: Encoded) -> AnthropicDecoder:
        return AnthropicDecoder(self.model, Calls(encoded))

    def _messages(self, request: ModelRequest, ids: CallIds) -> Iterator[dict[str, Any]]:
        """Consecutive messages of one role stay apart: the API joins them, and what was sent stays as it was."""
        before: AssistantMessage | None = None
        for index, message in enumerate(steps(request.messages)):
            follows, before = before, None
            if isinstance(message, AssistantMessage):
                if index == 0:
                    yield _user([_text("(start)")])
                if follows:
                    yield from _continue(follows)
                if blocks := self._assistant(message, ids):
                    yield {"role": "assistant", "content": blocks}
                    before = message
            elif isinstance(message, list):
                yield _user([_result(result, ids) for result in message])
            elif isinstance(message, UserMessage):
                yield _user([anthropic_block(part) for part in user_parts(message)])
            elif isinstance(message, ToolsChanged):
                yield self._host(change_note(message), first=index == 0)
            elif isinstance(message, Notice):
                yield self._host(host_note(message.text), first=index == 0)
        if before:
            yield from _continue(before)

    def _host(self, text: str, *, first: bool) -> dict[str, Any]:
        if self._compatible or first:
            return _user([_text(text)])
        return {"role": "system", "content": [_text(text)]}

    def _assistant(self, message: AssistantMessage, ids: CallIds) -> list[Mapping[str, Any]]:
        if native := native_items(message, self.api, self.model):
            ids.keep(message)
            return list(native)
        blocks: list[Mapping[str, Any]] = []
        for part in message.content:
            if isinstance(part, Text) and part.text.strip():
                blocks.append(_text(part.text))
            elif isinstance(part, ToolCall):
                blocks.append(
                    {"type": "tool_use", "id": ids[part.id], "name": part.name, "input": dict(arguments_object(part))}
                )
        return blocks


def _continue(message: AssistantMessage) -> Iterator[dict[str, Any]]:
    """Current models refuse to go on from an assistant message, unless they paused themselves."""
    if message.stop != "pause":
        yield _user([_text("Continue.")])


def _user(content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": "user", "content": content}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _result(result: ToolResult, ids: CallIds) -> dict[str, Any]:
    found = result_parts(result)
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": ids[result.call_id]}
    if result.is_error:  # media in an error is refused
        return {**block, "content": [_text(as_text(part) or NO_OUTPUT) for part in found], "is_error": True}
    return {**block, "content": [anthropic_block(part) for part in found]}


class AnthropicDecoder:
    def __init__(self, model: str, calls: Calls) -> None:
        self.done = False
        self._model = model
        self._calls = calls
        self._blocks: dict[int, dict[str, Any]] = {}
        self._written: dict[int, list[str]] = {}  # text, thinking or JSON of a block, as it came
        self._usage: dict[str, Any] = {}
        self._stop: str | None = None

    def feed(self, event: str, data: str) -> Iterable[Piece]:
        if event == "ping":
            return ()
        body = read_event(data)
        kind = body.get("type", event)
        if kind == "content_block_start":
            return self._start(body)
        if kind == "content_block_delta":
            return self._delta(body)
        if kind == "message_start":
            self._usage.update(mapping(mapping(body.get("message")).get("usage")))
        elif kind == "message_delta":
            self._usage.update(mapping(body.get("usage")))
            self._stop = string(mapping(body.get("delta")).get("stop_reason")) or self._stop
        elif kind == "message_stop":
            self.done = True
        elif kind == "error":
            error = mapping(body.get("error"))
            raise reported(string(error.get("type")), string(error.get("message")))
        return ()

    def _start(self, body: Mapping[str, Any]) -> Iterator[Piece]:
        index = count(body.get("index"))
        block = dict(mapping(body.get("content_block")))
        self._blocks[index], self._written[index] = block, []
        if block.get("type") == "tool_use":
            given = string(block.get("id"))
            block["id"] = self._calls.unique(given if _TOOL_USE_ID.fullmatch(given) else "")
            block["name"] = fit_name(block.get("name"))
            yield CallDelta(block["id"], block["name"])
        elif block.get("type") == "text" and block.get("text"):
            self._written[index].append(string(block["text"]))
            yield TextDelta(string(block["text"]))

    def _delta(self, body: Mapping[str, Any]) -> Iterator[Piece]:
        index = count(body.get("index"))
        block, written = self._blocks.setdefault(index, {"type": "text"}), self._written.setdefault(index, [])
        for key, value in mapping(body.get("delta")).items():
            if key == "text":
                written.append(string(value))
                yield TextDelta(string(value))
            elif key == "thinking":
                written.append(string(value))
                yield ReasoningDelta(string(value))
            elif key == "partial_json":
                written.append(string(value))
            elif key == "citation":
                block.setdefault("citations", [])
                block["citations"] = [*(block["citations"] or ()), value]
            elif key != "type":
                block[key] = value

    def finish(self) -> AssistantMessage:
        if self._stop is None:
            raise ModelCut("The model API ended its stream before the reply was complete.", hint="Try again.")
        items: list[dict[str, Any]] = []
        content: list[Text | Reasoning | ToolCall] = []
        for index in sorted(self._blocks):
            block = encodable_json(self._finished(index))
            if block.get("type") == "text" and not string(block.get("text")).strip():
                continue  # it would be refused when it goes back
            items.append(block)
            content += self._content(block, "".join(self._written[index]))
        while items and items[-1].get("type") in ("thinking", "redacted_thinking"):
            items.pop()  # a message that ends in thinking is refused
        stop = runnable(_STOPS.get(self._stop, "end"), (part for part in content if isinstance(part, ToolCall)))
        native = Native(API, self._model, tuple(items)) if items else None
        return AssistantMessage(tuple(content), stop, self._total(), native)

    def _finished(self, index: int) -> dict[str, Any]:
        block, written = self._blocks[index], "".join(self._written[index])
        kind = block.get("type")
        if kind == "text":
            return {**block, "text": written}
        if kind == "thinking":
            return {**block, "thinking": string(block.get("thinking")) + written}
        if written:
            arguments = parse_object(written)
            return {**block, "input": {INVALID_JSON: written} if arguments is None else arguments}
        return {"input": {}, **block} if kind == "tool_use" else block

    def _content(self, block: Mapping[str, Any], written: str) -> Iterator[Text | Reasoning | ToolCall]:
        kind = block.get("type")
        if kind == "text":
            yield Text(block["text"])
        elif kind == "thinking":
            yield Reasoning(block["thinking"])
        elif kind == "tool_use":
            text = written or json.dumps(block["input"], ensure_ascii=False)  # some servers send it in one piece
            yield self._calls.call(block["id"], block["name"], text)

    def _total(self) -> Usage:
        read = count(self._usage.get("cache_read_input_tokens"))
        created = count(self._usage.get("cache_creation_input_tokens"))
        fresh = count(self._usage.get("input_tokens"))
        return Usage(fresh + read + created, count(self._usage.get("output_tokens")), read, created)
