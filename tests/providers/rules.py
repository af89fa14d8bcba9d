"""What the true model APIs refuse: each check raises `Refused` with the words and fields that the API would use."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs

from tests.providers.script import Json

KEY = "test-key"

_ANTHROPIC_FIELDS = {
    *("model", "max_tokens", "messages", "stream", "system", "tools", "tool_choice", "stop_sequences", "metadata"),
    *("cache_control", "thinking", "output_config", "service_tier"),
}
_RESPONSES_FIELDS = {
    *("model", "input", "instructions", "stream", "store", "include", "tools", "tool_choice", "temperature"),
    *("max_output_tokens", "reasoning", "stream_options", "parallel_tool_calls", "prompt_cache_key", "text"),
}
_CHAT_FIELDS = {
    *("model", "messages", "stream", "stream_options", "tools", "tool_choice", "temperature", "stop", "max_tokens"),
    *("max_completion_tokens", "parallel_tool_calls", "reasoning_effort"),
}
_COMBINATORS = {"oneOf", "anyOf", "allOf"}
_MAGIC = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}


class Refused(Exception):
    def __init__(
        self, message: str, *, status: int = 400, type: str = "invalid_request_error", param: str = ""
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.type, self.param = message, status, type, param


def need(condition: object, message: str, param: str = "") -> None:
    if not condition:
        raise Refused(message, param=param)


def authorized(headers: Mapping[str, str], *, anthropic: bool, key: str = KEY) -> None:
    given = headers.get("authorization", "").removeprefix("Bearer ")
    if anthropic:
        need(headers.get("anthropic-version"), "anthropic-version: header is required")
        given = given or headers.get("x-api-key", "")
    if given != key:
        raise Refused(f"Incorrect API key provided: {given}", status=401, type="authentication_error")
    need(headers.get("content-type") == "application/json", "content-type must be application/json")


def _fields(body: Json, allowed: Iterable[str], required: Iterable[str]) -> None:
    for name in required:
        need(name in body, f"{name}: Field required", name)
    for name in body:
        need(name in allowed, f"{name}: Extra inputs are not permitted", name)
    need(body["stream"] is True, "stream: must be true here", "stream")


def _schema(schema: Any, place: str, *, forbidden: Iterable[str]) -> None:
    need(isinstance(schema, dict), f"{place}: must be an object", place)
    need(schema.get("type") == "object", f"{place}.type: Input should be 'object'", place)
    for key in forbidden:
        need(key not in schema, f"{place}: {key} is not supported at the top level", place)
    try:
        jsonschema_rs.Draft202012Validator(schema)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise Refused(f"{place}: JSON schema is invalid: {error}", param=place) from None


def _base64(data: Any, mime: str, place: str) -> None:
    try:
        raw = base64.b64decode(data, validate=True)
    except (ValueError, TypeError):
        raise Refused(f"{place}: invalid base64 data") from None
    need(raw.startswith(_MAGIC.get(mime, b"%PDF" if mime == "application/pdf" else b"")), f"{place}: is no {mime}")


# -- Anthropic Messages ------------------------------------------------------------------------------------------------


def anthropic(body: Json) -> None:
    _fields(body, _ANTHROPIC_FIELDS, ("model", "max_tokens", "messages", "stream"))
    names: set[str] = set()
    for index, tool in enumerate(body.get("tools", [])):
        place = f"tools.{index}.custom"
        need(re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool["name"]), f"{place}.name: String should match pattern")
        need(tool["name"] not in names, f"{place}: Tool names must be unique.")
        names.add(tool["name"])
        need(
            tool.keys() <= {"name", "description", "input_schema", "strict", "cache_control"}, f"{place}: extra inputs"
        )
        _schema(tool["input_schema"], f"{place}.input_schema", forbidden=_COMBINATORS)
        for key in tool["input_schema"].get("properties", {}):
            need(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", key), f"{place}.input_schema.properties: Property keys {key}")
    for stop in body.get("stop_sequences", []):
        need(stop.strip(), "stop_sequences: each stop sequence must contain non-whitespace")
    if body.get("tool_choice", {}).get("type") == "any":
        need(names, "tool_choice: needs tools")
        need(
            body.get("thinking", {}).get("type") in (None, "disabled"), "Thinking may not be enabled with forced tools"
        )
    for part in body.get("system", []) if isinstance(body.get("system"), list) else []:
        need(part["text"].strip(), "system: text content blocks must be non-empty")
    _anthropic_messages(body["messages"])


def _anthropic_messages(messages: list[Json]) -> None:
    need(messages, "messages: at least one message is required")
    need(messages[0]["role"] == "user", "messages: first message must use the user role")
    need(messages[-1]["role"] != "assistant", "This model does not support assistant message prefill.")
    open_calls: list[str] = []
    seen: set[str] = set()
    for index, message in enumerate(messages):
        place, content = f"messages.{index}", message["content"]
        need(message["role"] in ("user", "assistant", "system"), f"{place}.role: invalid")
        need(content, f"{place}: all messages must have non-empty content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if open_calls:
            need(
                message["role"] == "user", f"{place}: tool_use ids were found without tool_result blocks: {open_calls}"
            )
            first = [block["type"] for block in blocks[: len(results)]]
            need(set(first) == {"tool_result"}, f"{place}: tool_result blocks must come first")
        need(sorted(results) == sorted(open_calls), f"{place}: tool_result without tool_use, or missing: {open_calls}")
        need(message["role"] != "assistant" or blocks[-1]["type"] != "thinking", f"{place}: ends in thinking")
        open_calls = []
        for block in blocks:
            _anthropic_block(block, message["role"], place)
            if block["type"] == "tool_use":
                need(block["id"] not in seen, f"{place}: tool_use ids must be unique")
                seen.add(block["id"])
                open_calls.append(block["id"])
    need(not open_calls, f"tool_use ids were found without tool_result blocks: {open_calls}")


def _anthropic_block(block: Json, role: str, place: str) -> None:
    kind = block["type"]
    allowed = {
        "user": {"text", "image", "document", "tool_result"},
        "assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
        "system": {"text"},
    }[role]
    need(kind in allowed, f"{place}: {kind} blocks are not allowed in {role} messages")
    if kind == "text":
        need(block["text"].strip(), f"{place}: text content blocks must contain non-whitespace text")
    elif kind == "thinking":
        need(block.get("signature"), f"{place}: thinking.signature: Field required")
    elif kind == "tool_use":
        need(re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]), f"{place}: tool_use.id: String should match pattern")
        need(re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", block["name"]), f"{place}: tool_use.name: should match pattern")
        need(isinstance(block["input"], dict), f"{place}: tool_use.input: Input should be an object")
    elif kind == "tool_result":
        for part in block.get("content", []):
            need(part["type"] in ("text", "image", "document"), f"{place}: {part['type']} in a tool_result")
            need(not block.get("is_error") or part["type"] == "text", f"{place}: all content must be text if is_error")
            _anthropic_block(part, "user", place)
    else:
        source = block["source"]
        if source["type"] == "base64":
            _base64(source["data"], source["media_type"], place)
        else:
            need(source["data"].strip(), f"{place}: document text must be non-empty")


# -- OpenAI Responses --------------------------------------------------------------------------------------------------


def responses(body: Json) -> None:
    _fields(body, _RESPONSES_FIELDS, ("model", "input", "stream"))
    need(body.get("max_output_tokens", 16) >= 16, "max_output_tokens: integer below minimum value", "max_output_tokens")
    if "temperature" in body and re.match(r"gpt-[56]|o\d", body["model"]):
        raise Refused("Unsupported parameter: 'temperature' is not supported with this model.", param="temperature")
    for index, tool in enumerate(body.get("tools", [])):
        place = f"tools[{index}]"
        need(tool["type"] == "function", f"{place}.type: unsupported", f"{place}.type")
        need(
            tool.get("strict") is False, f"Invalid schema for function '{tool['name']}': strict", f"{place}.parameters"
        )
        _openai_function(tool, place, tool)
    calls: dict[str, bool] = {}
    for index, item in enumerate(body["input"]):
        _responses_item(item, f"input[{index}]", calls, stored=body.get("store", True))
    for before, after in itertools.pairwise([*body["input"], {"role": "user"}]):
        alone = before.get("type") == "reasoning" and after.get("role") in ("user", "developer")
        need(
            not alone,
            f"Item '{before.get('id')}' of type 'reasoning' was provided without its required following item.",
        )
    for call_id, answered in calls.items():
        need(answered, f"No tool output found for function call {call_id}.", "input")


def _openai_function(tool: Json, place: str, holder: Json) -> None:
    need(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", holder["name"]), f"Invalid '{place}.name': pattern", f"{place}.name")
    forbidden = {*_COMBINATORS, "enum", "const", "not"}
    _schema(holder["parameters"], f"{place}.parameters", forbidden=forbidden)


def _responses_item(item: Json, place: str, calls: dict[str, bool], *, stored: bool) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        texts = (
            ("output_text", "refusal") if item["role"] == "assistant" else ("input_text", "input_image", "input_file")
        )
        need(item["role"] in ("user", "assistant", "developer", "system"), f"{place}.role", place)
        for part in item["content"] if isinstance(item["content"], list) else []:
            need(part["type"] in texts, f"Invalid value: '{part['type']}'", f"{place}.content")
    elif kind == "reasoning":
        need(stored or item.get("encrypted_content"), f"Item with id '{item.get('id')}' not found.", place)
    elif kind == "function_call":
        need(isinstance(item["arguments"], str), f"{place}.arguments: expected a string", place)
        need(0 < len(item["call_id"]) <= 64, f"Invalid '{place}.call_id': string too long or empty", place)
        need(item["call_id"] not in calls, f"Duplicate call_id {item['call_id']}", place)
        calls[item["call_id"]] = False
    elif kind == "function_call_output":
        need(item["call_id"] in calls, f"No tool call found for function call output with call_id {item['call_id']}.")
        calls[item["call_id"]] = True
        for part in item["output"] if isinstance(item["output"], list) else []:
            need(part["type"] in ("input_text", "input_image", "input_file"), f"{place}.output: {part['type']}", place)
    else:
        raise Refused(f"Invalid value: '{kind}'", param=place)


# -- Chat Completions --------------------------------------------------------------------------------------------------


def chat(body: Json) -> None:
    _fields(body, _CHAT_FIELDS, ("model", "messages", "stream"))
    need(len(body.get("stop", [])) <= 4, "Invalid 'stop': array too long", "stop")
    for index, tool in enumerate(body.get("tools", [])):
        place, function = f"tools[{index}].function", tool["function"]
        _openai_function(tool, place, function)
        need(len(function.get("description", "")) <= 1024, f"Invalid '{place}.description': string too long", place)
    open_calls: list[str] = []
    for index, message in enumerate(body["messages"]):
        place = f"messages[{index}]"
        if message["role"] == "tool":
            need(
                message["tool_call_id"] in open_calls, f"{place}: 'tool' must follow a message with 'tool_calls'", place
            )
            open_calls.remove(message["tool_call_id"])
            _chat_content(message["content"], ("text",), place)
            continue
        need(not open_calls, f"An assistant message with 'tool_calls' must be followed by: {open_calls}", place)
        need(message["role"] in ("system", "developer", "user", "assistant"), f"{place}.role: invalid", place)
        if message["role"] != "assistant":
            need(message["content"], f"{place}.content: is empty", place)
            _chat_content(message["content"], ("text", "image_url", "input_audio", "file"), place)
            continue
        open_calls = [_chat_call(call, place) for call in message.get("tool_calls", [])]
        need(message.get("content") or open_calls, f"{place}.content: expected a string, got null", place)
    need(not open_calls, f"An assistant message with 'tool_calls' must be followed by tool messages: {open_calls}")


def _chat_call(call: Json, place: str) -> str:
    need(call["type"] == "function" and 0 < len(call["id"]) <= 40, f"Invalid '{place}.tool_calls[0].id'", place)
    need(isinstance(call["function"]["arguments"], str), f"{place}: arguments: expected a string", place)
    need(isinstance(json.loads(call["function"]["arguments"]), dict), f"{place}: arguments: no object", place)
    return str(call["id"])


def _chat_content(content: Any, kinds: tuple[str, ...], place: str) -> None:
    for part in content if isinstance(content, list) else []:
        need(part["type"] in kinds, f"{place}.content: {part['type']} is not allowed here", place)
