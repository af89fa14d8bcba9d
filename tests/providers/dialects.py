"""Replies as the three model APIs stream them: lists of (event name or None, data)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from tests.providers.script import Call, Json, Reply, Say, Think, arguments_text

Event: TypeAlias = tuple[str | None, Any]


def fragments(text: str, size: int = 7) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def anthropic(reply: Reply, request: Json, number: int) -> list[Event]:
    total, output = reply.usage
    usage = {
        "input_tokens": total - reply.cached,
        "cache_read_input_tokens": reply.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": 1,
    }
    message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": request["model"], "content": []}
    events: list[Json] = [{"type": "message_start", "message": {**message, "stop_reason": None, "usage": usage}}]
    events.append({"type": "ping"})
    for index, part in enumerate(reply.parts):
        block, deltas = _anthropic_block(part, f"toolu_{number}_{index}", reply)
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = reply.stop or ("tool_use" if any(isinstance(part, Call) for part in reply.parts) else "end_turn")
    delta = {"stop_reason": stop, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}})
    events.append({"type": "message_stop"})
    return [(event["type"], event) for event in events]


def _anthropic_block(part: Say | Think | Call, call_id: str, reply: Reply) -> tuple[Json, list[Json]]:
    if isinstance(part, Say):
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in fragments(part.text)]
    if isinstance(part, Think):
        deltas: list[Json] = [{"type": "thinking_delta", "thinking": text} for text in fragments(part.text)]
        deltas.append({"type": "signature_delta", "signature": "c2lnbmVk"})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    given = "" if "no id" in reply.oddities else call_id if part.id is None else part.id
    block = {"type": "tool_use", "id": given, "name": part.name, "input": {}, "caller": {"type": "direct"}}
    if part.arguments == {}:
        return block, []
    return block, [{"type": "input_json_delta", "partial_json": text} for text in fragments(arguments_text(part))]


def responses(reply: Reply, request: Json, number: int) -> list[Event]:
    total, output = reply.usage
    head = {"id": f"resp_{number}", "object": "response", "model": request["model"], "status": "in_progress"}
    echo = {**head, "tools": request.get("tools", [])} if reply.echo else head
    events: list[Json] = [{"type": f"response.{kind}", "response": echo} for kind in ("created", "in_progress")]
    items = []
    for index, part in enumerate(reply.parts):
        item, deltas = _responses_item(part, f"{number}_{index}", reply)
        items.append(item)
        hollow = {**item, "arguments": ""} if isinstance(part, Call) else {**item, "content": []}
        events.append({"type": "response.output_item.added", "output_index": index, "item": hollow})
        events += [{**delta, "output_index": index, "item_id": item["id"]} for delta in deltas]
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    usage = {
        "input_tokens": total,
        "input_tokens_details": {"cached_tokens": reply.cached},
        "output_tokens": output,
        "total_tokens": total + output,
    }
    done: Json = {**echo, "status": "completed", "output": items, "usage": usage}
    if reply.stop:
        done |= {"status": "incomplete", "incomplete_details": {"reason": reply.stop}}
    events.append({"type": f"response.{done['status']}", "response": done})
    return [(event["type"], {**event, "sequence_number": place}) for place, event in enumerate(events)]


def _responses_item(part: Say | Think | Call, suffix: str, reply: Reply) -> tuple[Json, list[Json]]:
    if isinstance(part, Say):
        content = [{"type": "output_text", "text": part.text, "annotations": []}]
        item = {"type": "message", "id": f"msg_{suffix}", "role": "assistant", "status": "completed"}
        deltas = [{"type": "response.output_text.delta", "delta": text} for text in fragments(part.text)]
        return {**item, "content": content}, deltas
    if isinstance(part, Think):
        item = {"type": "reasoning", "id": f"rs_{suffix}", "encrypted_content": "c2VjcmV0"}
        deltas = [{"type": "response.reasoning_summary_text.delta", "delta": text} for text in fragments(part.text)]
        return {**item, "summary": [{"type": "summary_text", "text": part.text}]}, deltas
    given = "" if "no id" in reply.oddities else f"call_{suffix}" if part.id is None else part.id
    text = arguments_text(part)
    item = {"type": "function_call", "id": f"fc_{suffix}", "call_id": given, "name": part.name, "arguments": text}
    deltas = [{"type": "response.function_call_arguments.delta", "delta": piece} for piece in fragments(text)]
    return {**item, "status": "completed"}, deltas


def chat(reply: Reply, request: Json, number: int) -> list[Event]:
    head = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "model": request["model"], "created": 1}
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    calls = [part for part in reply.parts if isinstance(part, Call)]
    for part in reply.parts:
        if isinstance(part, Say):
            deltas += [{"content": text} for text in fragments(part.text)]
        elif isinstance(part, Think):
            deltas += [{"reasoning_content": text} for text in fragments(part.text)]
    for index, call in enumerate(calls):
        for fragment in _chat_call(call, f"call_{number}_{index}", reply):
            if "no index" not in reply.oddities:
                fragment["index"] = 0 if "same index" in reply.oddities else index
            deltas.append({"tool_calls": [fragment]})
    stop = reply.stop or ("tool_calls" if calls and "stop for calls" not in reply.oddities else "stop")
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": stop}]})
    if "no usage" not in reply.oddities:
        total, output = reply.usage
        details = {"cached_tokens": reply.cached}
        usage = {"prompt_tokens": total, "completion_tokens": output, "prompt_tokens_details": details}
        chunks.append({**head, "choices": [], "usage": usage})
    events: list[Event] = [(None, chunk) for chunk in chunks]
    return events if "no DONE" in reply.oddities else [*events, (None, "[DONE]")]


def _chat_call(call: Call, call_id: str, reply: Reply) -> Iterator[Json]:
    text = arguments_text(call)
    begin: Json = {"id": call_id if call.id is None else call.id, "type": "function"}
    if "no id" in reply.oddities:
        del begin["id"]
    if "arguments as object" in reply.oddities:
        yield {**begin, "function": {"name": call.name, "arguments": json.loads(text)}}
    elif "whole call" in reply.oddities:
        yield {**begin, "function": {"name": call.name, "arguments": text}}
    else:
        yield {**begin, "function": {"name": call.name, "arguments": ""}}
        yield from ({"function": {"arguments": piece}} for piece in fragments(text))


def broken(dialect: str) -> Event:
    """The event by which an API says amid a stream that it failed."""
    error = {"type": "overloaded_error", "message": "Overloaded"}
    if dialect == "anthropic":
        return "error", {"type": "error", "error": error}
    if dialect == "responses":
        return "error", {"type": "error", "code": "server_error", "message": "Overloaded", "param": None}
    return None, {"error": {**error, "code": 503}}
