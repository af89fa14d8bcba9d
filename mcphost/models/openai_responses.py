"""The codec of OpenAI's Responses API, stateless: nothing is stored, the whole conversation travels each time.

Law: output items go back as they came, encrypted reasoning included, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mcphost.errors import ModelCut
from mcphost.messages import (
    AssistantMessage,
    Message,
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
    CallIds,
    Calls,
    Encoded,
    StopCutter,
    arguments_text,
    change_note,
    count,
    encodable_json,
    fit_name,
    mapping,
    native_items,
    offer,
    read_event,
    runnable,
    string,
)
from mcphost.models.content import as_text, host_note, responses_part, result_parts, user_parts
from mcphost.models.failures import reported
from mcphost.text import encodable

API = "openai-responses"
LEAST_TOKENS = 16  # fewer are refused

# These echo the whole request; nothing in them is needed.
_ECHOES = {"response.created", "response.in_progress", "response.queued"}
_TEXT = {"response.output_text.delta", "response.refusal.delta"}
_REASONING = {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
_INCOMPLETE: dict[str, Stop] = {"max_output_tokens": "length", "content_filter": "refusal"}


class ResponsesCodec:
    api = API
    path = "/responses"

    def __init__(self, model: str) -> None:
        self.model = model

    def encode(self, request: ModelRequest, *, refused: Mapping[str, str]) -> Encoded:
        tools = offer(request, refused)
        ids = CallIds(request.messages)
        options = request.options
        body: dict[str, Any] = {
            "model": self.model,
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "stream_options": {"include_obfuscation": False},
        }
        if request.max_tokens is not None:
            body["max_output_tokens"] = max(request.max_tokens, LEAST_TOKENS)
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if tools.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.schema,
                    "strict": False,
                }
                for tool in tools.tools
            ]
            if options.tool_choice != "auto":
                body["tool_choice"] = options.tool_choice
        if request.system.strip():
            body["instructions"] = request.system
        body["input"] = [item for message in request.messages for item in self._items(message, ids)]
        return Encoded(encodable_json({**body, **options.extra}), tools, ids.taken, options.stop)

    def decoder(self, encoded: Encoded) -> ResponsesDecoder:
        return ResponsesDecoder(self.model, Calls(encoded), StopCutter(encoded.stop))

    def _items(self, message: Message, ids: CallIds) -> Iterator[Mapping[str, Any]]:
        if isinstance(message, AssistantMessage):
            yield from self._assistant(message, ids)
        elif isinstance(message, ToolResult):
            yield {"type": "function_call_output", "call_id": ids[message.call_id], "output": _output(message)}
        elif isinstance(message, UserMessage):
            yield _message("user", [responses_part(part) for part in user_parts(message)])
        elif isinstance(message, ToolsChanged):
            yield _message("developer", [_text(change_note(message))])
        else:
            assert isinstance(message, Notice)
            yield _message("developer", [_text(host_note(message.text))])

    def _assistant(self, message: AssistantMessage, ids: CallIds) -> Iterator[Mapping[str, Any]]:
        if native := native_items(message, self.api, self.model):
            ids.keep(message)
            yield from native
            return
        for part in message.content:
            if isinstance(part, Text) and part.text.strip():
                yield {"type": "message", "role": "assistant", "content": part.text}
            elif isinstance(part, ToolCall):
                yield {
                    "type": "function_call",
                    "call_id": ids[part.id],
                    "name": part.name,
                    "arguments": arguments_text(part),
                }


def _message(role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def _text(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


def _output(result: ToolResult) -> str | list[dict[str, Any]]:
    found = [responses_part(part) for part in result_parts(result)]
    if result.is_error:  # the API has no flag for it
        found = [_text(as_text(part)) for part in result_parts(result)]
        found[0] = _text(f"Tool error: {found[0]['text']}")
    if all(part["type"] == "input_text" for part in found):
        return "\n".join(part["text"] for part in found)
    return found


class ResponsesDecoder:
    def __init__(self, model: str, calls: Calls, cutter: StopCutter) -> None:
        self.done = False
        self._model = model
        self._calls = calls
        self._cutter = cutter
        self._items: dict[int, dict[str, Any]] = {}
        self._ids: dict[int, str] = {}
        self._text: list[str] = []
        self._response: Mapping[str, Any] | None = None

    def feed(self, event: str, data: str) -> Iterable[Piece]:
        if event in _ECHOES:
            return ()
        body = read_event(data)
        kind = string(body.get("type")) or event
        if kind in _TEXT:
            return self._show(string(body.get("delta")))
        if kind in _REASONING:
            return (ReasoningDelta(string(body.get("delta"))),)
        if kind == "response.output_item.added":
            return self._begun(count(body.get("output_index")), mapping(body.get("item")))
        if kind == "response.output_item.done":
            self._items[count(body.get("output_index"))] = dict(mapping(body.get("item")))
        elif kind in ("response.completed", "response.incomplete"):
            self._response, self.done = mapping(body.get("response")), True
            return self._show(None)
        elif kind == "response.failed":
            raise _failure(mapping(mapping(body.get("response")).get("error")))
        elif kind == "error":
            raise _failure(mapping(body.get("error")) or body)
        return ()

    def _show(self, delta: str | None) -> Iterator[Piece]:
        shown = self._cutter.rest() if delta is None else self._cutter.feed(delta)
        if shown:
            self._text.append(shown)
            yield TextDelta(shown)

    def _begun(self, index: int, item: Mapping[str, Any]) -> Iterator[Piece]:
        if item.get("type") == "function_call":
            yield CallDelta(self._call_id(index, item), fit_name(item.get("name")))

    def _call_id(self, index: int, item: Mapping[str, Any]) -> str:
        if index not in self._ids:
            self._ids[index] = self._calls.unique(string(item.get("call_id")))
        return self._ids[index]

    def finish(self) -> AssistantMessage:
        if self._response is None:
            raise ModelCut("The model API ended its stream without completing the reply.", hint="Try again.")
        if not self._items:  # some servers name the items only here
            self._items = {index: dict(item) for index, item in enumerate(_listed(self._response.get("output")))}
        items: list[dict[str, Any]] = []
        content: list[Text | Reasoning | ToolCall] = []
        for index, item in sorted(self._items.items()):
            if item.get("type") == "function_call":
                item |= {"call_id": self._call_id(index, item), "name": fit_name(item.get("name"))}
            items.append(encodable_json(item))
            content += self._content(item)
        while items and items[-1].get("type") == "reasoning":
            items.pop()  # it is refused when nothing follows it
        usage = self._usage()
        if self._cutter.cut:  # the API went on writing; what it wrote is no part of the conversation
            return AssistantMessage((Text(encodable("".join(self._text))),), "stop", usage)
        stop = runnable(self._stop(content), (part for part in content if isinstance(part, ToolCall)))
        return AssistantMessage(tuple(content), stop, usage, Native(API, self._model, tuple(items)) if items else None)

    def _content(self, item: Mapping[str, Any]) -> Iterator[Text | Reasoning | ToolCall]:
        kind = item.get("type")
        if kind == "message":
            text = "".join(string(part.get("text") or part.get("refusal")) for part in _listed(item.get("content")))
            yield from [Text(encodable(text))] if text else []
        elif kind == "reasoning":
            told = [*_listed(item.get("summary")), *_listed(item.get("content"))]
            text = "\n".join(string(part.get("text")) for part in told)
            yield from [Reasoning(encodable(text))] if text else []
        elif kind == "function_call":
            yield self._calls.call(item["call_id"], item["name"], string(item.get("arguments")))

    def _stop(self, content: Iterable[Text | Reasoning | ToolCall]) -> Stop:
        assert self._response is not None
        reason = mapping(self._response.get("incomplete_details")).get("reason")
        if reason or self._response.get("status") == "incomplete":
            return _INCOMPLETE.get(string(reason), "length")
        if any(isinstance(part, ToolCall) for part in content):
            return "tools"
        return "refusal" if self._refused() else "end"

    def _refused(self) -> bool:
        return any(
            part.get("type") == "refusal" for item in self._items.values() for part in _listed(item.get("content"))
        )

    def _usage(self) -> Usage:
        usage = mapping(mapping(self._response).get("usage"))
        details = mapping(usage.get("input_tokens_details"))
        return Usage(
            count(usage.get("input_tokens")),
            count(usage.get("output_tokens")),
            count(details.get("cached_tokens")),
            count(details.get("cache_write_tokens")),
        )


def _listed(value: Any) -> list[Mapping[str, Any]]:
    return [mapping(item) for item in value] if isinstance(value, list) else []


def _failure(error: Mapping[str, Any]) -> Exception:
    return reported(string(error.get("type")), string(error.get("message")), string(error.get("code")))
