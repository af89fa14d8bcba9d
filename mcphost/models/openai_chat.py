"""The codec of OpenAI's Chat Completions API, as OpenAI and dozens of compatible servers speak it.

Law: lenient in what it reads. Missing ids and indexes, whole calls in one chunk, arguments as objects, no usage and no
[DONE] are all in the wild; a reply without a finish reason is cut.
"""

from __future__ import annotations

import json
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
    CallIds,
    Calls,
    Encoded,
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
    steps,
    string,
)
from mcphost.models.content import Part, as_text, chat_part, host_note, result_parts, user_parts
from mcphost.models.failures import reported
from mcphost.text import encodable

API = "openai-chat"
DESCRIPTION_LIMIT = 1024
STOPS_LIMIT = 4

_STOPS: dict[str, Stop] = {
    "stop": "end",
    "tool_calls": "tools",
    "function_call": "tools",
    "length": "length",
    "content_filter": "refusal",
}
_REASONING_KEYS = ("reasoning_content", "reasoning")


class ChatCodec:
    """`compatible`: the endpoint is not OpenAI's own; it gets schemas that local grammars understand, and the older
    name of the token limit."""

    api = API
    path = "/chat/completions"

    def __init__(self, model: str, *, compatible: bool = False) -> None:
        self.model = model
        self._compatible = compatible

    def encode(self, request: ModelRequest, *, refused: Mapping[str, str]) -> Encoded:
        tools = offer(request, refused, description_limit=DESCRIPTION_LIMIT, grammar=self._compatible)
        ids = CallIds(request.messages)
        options = request.options
        body: dict[str, Any] = {"model": self.model, "stream": True, "stream_options": {"include_usage": True}}
        if request.max_tokens is not None:
            body["max_tokens" if self._compatible else "max_completion_tokens"] = request.max_tokens
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if stops := [stop for stop in options.stop if stop]:
            body["stop"] = stops[:STOPS_LIMIT]
        if tools.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
                }
                for tool in tools.tools
            ]
            if options.tool_choice != "auto":
                body["tool_choice"] = options.tool_choice
        body["messages"] = list(self._messages(request, ids))
        return Encoded(encodable_json({**body, **options.extra}), tools, ids.taken)

    def decoder(self, encoded: Encoded) -> ChatDecoder:
        return ChatDecoder(self.model, Calls(encoded))

    def _messages(self, request: ModelRequest, ids: CallIds) -> Iterator[Mapping[str, Any]]:
        """The host speaks as the user, for many servers refuse a system message that is not the first."""
        if request.system.strip():
            yield {"role": "system", "content": request.system}
        for message in steps(request.messages):
            if isinstance(message, AssistantMessage):
                yield from self._assistant(message, ids)
            elif isinstance(message, list):
                yield from _results(message, ids)
            elif isinstance(message, UserMessage):
                yield {"role": "user", "content": _user_content(user_parts(message))}
            elif isinstance(message, ToolsChanged):
                yield {"role": "user", "content": change_note(message)}
            elif isinstance(message, Notice):
                yield {"role": "user", "content": host_note(message.text)}

    def _assistant(self, message: AssistantMessage, ids: CallIds) -> Iterator[Mapping[str, Any]]:
        if native := native_items(message, self.api, self.model):
            ids.keep(message)
            yield from native
            return
        calls = [
            {"id": ids[call.id], "type": "function", "function": {"name": call.name, "arguments": arguments_text(call)}}
            for call in message.calls
        ]
        if message.text.strip() or calls:
            yield {"role": "assistant", "content": message.text or None, **({"tool_calls": calls} if calls else {})}


def _user_content(found: list[Part]) -> str | list[dict[str, Any]]:
    if all(part.kind in ("text", "document") for part in found):
        return "\n".join(as_text(part) for part in found)
    return [chat_part(part) for part in found]


def _results(results: Iterable[ToolResult], ids: CallIds) -> Iterator[dict[str, Any]]:
    """One tool message per result, text only; then one user message with all media of the step."""
    media: list[dict[str, Any]] = []
    for result in results:
        lines: list[str] = []
        for part in result_parts(result):
            sendable = chat_part(part)
            if sendable["type"] == "text" or result.is_error:
                lines.append(as_text(part))
                continue
            lines.append(f"[{part.kind} attached below]")
            media += [{"type": "text", "text": f"{part.kind} from the tool call {ids[result.call_id]}:"}, sendable]
        text = "\n".join(lines)
        content = f"Tool error: {text}" if result.is_error else text
        yield {"role": "tool", "tool_call_id": ids[result.call_id], "content": content}
    if media:
        yield {"role": "user", "content": media}


class _Call:
    """One call while its fragments arrive. `extra` holds what servers add to it and want back."""

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.given = ""
        self.name = ""
        self.written: list[str] = []
        self.announced = False
        self.extra: dict[str, Any] = {}


class ChatDecoder:
    def __init__(self, model: str, calls: Calls) -> None:
        self.done = False
        self._model = model
        self._calls = calls
        self._text: list[str] = []
        self._reasoning: dict[str, list[str]] = {}
        self._begun: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._usage: Mapping[str, Any] = {}
        self._finish: str | None = None
        self._refused = False

    def feed(self, event: str, data: str) -> Iterable[Piece]:
        if data.strip() == "[DONE]":
            self.done = True
            return ()
        body = read_event(data)
        if body.get("error"):
            raise _failure(body["error"])
        self._usage = mapping(body.get("usage")) or self._usage
        choices = body.get("choices")
        choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
        self._finish = string(choice.get("finish_reason")) or self._finish
        return self._delta(mapping(choice.get("delta")) or mapping(choice.get("message")))

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Piece]:
        for key in _REASONING_KEYS:
            if text := string(delta.get(key)):
                self._reasoning.setdefault(key, []).append(text)
                yield ReasoningDelta(text)
                break  # some servers send it under both names
        refusal = string(delta.get("refusal"))
        self._refused = self._refused or bool(refusal)
        for text in (_content_text(delta.get("content")), refusal):
            if text:
                self._text.append(text)
                yield TextDelta(text)
        calls = delta.get("tool_calls")
        for fragment in calls if isinstance(calls, list) else ():
            yield from self._fragment(mapping(fragment))

    def _fragment(self, fragment: Mapping[str, Any]) -> Iterator[Piece]:
        function = mapping(fragment.get("function"))
        call = self._call_of(fragment, string(fragment.get("id")), string(function.get("name")))
        call.name = call.name or string(function.get("name"))
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            call.written.append(arguments)
        elif arguments is not None:
            call.written.append(json.dumps(arguments, ensure_ascii=False))
        call.extra.update({key: value for key, value in fragment.items() if key not in _CALL_KEYS})
        if call.name and not call.announced:
            call.announced = True
            yield CallDelta(call.id, fit_name(call.name))

    def _call_of(self, fragment: Mapping[str, Any], given: str, name: str) -> _Call:
        """The call that a fragment belongs to, whether or not the server numbered it."""
        index = fragment.get("index")
        known: _Call | None = None
        if isinstance(index, int):
            known = self._by_index.get(index)
        elif given:
            known = next((call for call in self._begun if call.given == given), None)
        elif self._begun and not name:
            known = self._begun[-1]
        if known is not None and not (given and known.given and given != known.given):
            return known
        call = _Call(self._calls.unique(given))
        call.given = given
        self._begun.append(call)
        if isinstance(index, int):
            self._by_index[index] = call
        return call

    def finish(self) -> AssistantMessage:
        if self._finish is None:
            raise ModelCut("The model API ended its stream without a finish reason.", hint="Try again.")
        text = encodable("".join(self._text))
        reasoning = {key: encodable("".join(parts)) for key, parts in self._reasoning.items()}
        calls = [self._calls.call(call.id, fit_name(call.name), "".join(call.written)) for call in self._begun]
        content: list[Text | Reasoning | ToolCall] = [Reasoning(said) for said in reasoning.values()]
        content += [Text(text)] if text.strip() else []
        content += calls
        stop = "refusal" if self._refused else _STOPS.get(self._finish, "end")
        if self._finish == "stop" and calls:  # some servers have no other finish reason
            stop = "tools"
        native = Native(API, self._model, (self._message(text, reasoning, calls),)) if text.strip() or calls else None
        return AssistantMessage(tuple(content), runnable(stop, calls), self._total(), native)

    def _message(self, text: str, reasoning: Mapping[str, str], calls: list[ToolCall]) -> dict[str, Any]:
        sent = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(begun, call)},
                **begun.extra,
            }
            for begun, call in zip(self._begun, calls, strict=True)
        ]
        message: dict[str, Any] = {"role": "assistant", "content": text or None, **reasoning}
        if sent:
            message["tool_calls"] = sent
        native: dict[str, Any] = encodable_json(message)
        return native

    def _total(self) -> Usage:
        details = mapping(self._usage.get("prompt_tokens_details"))
        return Usage(
            count(self._usage.get("prompt_tokens")),
            count(self._usage.get("completion_tokens")),
            count(details.get("cached_tokens")),
            count(details.get("cache_write_tokens")),
        )


_CALL_KEYS = {"index", "id", "type", "function"}


def _arguments(begun: _Call, call: ToolCall) -> str:
    """The call's arguments as they came, unless servers could not read them back."""
    written = "".join(begun.written).strip()
    return arguments_text(call) if call.arguments is None else written or "{}"


def _content_text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(string(mapping(part).get("text")) for part in content)
    return string(content)


def _failure(error: Any) -> Exception:
    if not isinstance(error, dict):
        return reported("", str(error))
    code = error.get("code")
    transient = isinstance(code, int) and (code == 429 or code >= 500)
    kind = "server_error" if transient else string(error.get("type"))
    return reported(kind, string(error.get("message")), string(code))
