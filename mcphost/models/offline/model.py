"""A model without a language model: it turns a request into one tool call per step and answers from the results.

Law: the same conversation gives the same reply. Each step of a request is called once at most, and an error ends it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from mcphost.messages import (
    AssistantMessage,
    Message,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    ToolsChanged,
    UserMessage,
)
from mcphost.models.base import CallDelta, ModelInfo, ModelRequest, Piece, TextDelta
from mcphost.models.offline.answers import answer, extract, plain, refusal, unfilled, unknown
from mcphost.models.offline.entities import read, steps, without_values
from mcphost.models.offline.routing import Choice, Router, asks_for_knowledge

_GUESSES = 3
_FULL_NAME = re.compile(r"(?<![\w/.-])[A-Za-z0-9][\w-]*?__[\w-]+")
_OWN_NAME = re.compile(r"(?<![\w/.-])\w+(?:[_-]\w+)+(?![\w/.-])")


@dataclass(frozen=True, slots=True)
class _Turn:
    """The request being worked on, the calls made for it so far, and how many were made in the whole conversation."""

    text: str
    done: tuple[tuple[ToolCall, ToolResult], ...]
    calls: int


class OfflineModel:
    """Deterministic, needs no key and no network; `info.is_llm` is False. It implements `Model`."""

    def __init__(self) -> None:
        self._tools: tuple[ToolDefinition, ...] = ()
        self._router: Router | None = None

    @property
    def name(self) -> str:
        return "offline"

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(api="offline", endpoint="this computer, no language model", is_llm=False)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        reply = self._reply(request)
        if isinstance(reply, ToolCall):
            yield CallDelta(reply.id, reply.name)
            yield AssistantMessage((reply,), stop="tools")
            return
        for line in reply.splitlines(keepends=True):
            yield TextDelta(line)
        yield AssistantMessage((Text(reply),))

    def warm(self) -> None:
        """Nothing takes long here."""

    async def aclose(self) -> None:
        if self._router is not None:
            self._router.close()
            self._router = None

    def _reply(self, request: ModelRequest) -> ToolCall | str:
        turn = _turn(request.messages)
        tools = _offered(request)
        if not tools and not turn.done:
            return extract(turn.text, request.max_tokens)
        wanted = steps(turn.text)
        pending = wanted[len(turn.done) :]
        if turn.done and turn.done[-1][1].is_error:
            left = "".join(f"\nNot done after that: {step}" for step in pending)
            return answer(turn.done) + left
        if turn.done and (not pending or not tools):
            return answer(turn.done)
        step = pending[0] if pending else turn.text
        reply = self._step(step, tools, plain(turn.done[-1][1]) if turn.done else None, request)
        if isinstance(reply, str):
            return f"{answer(turn.done)}\n{reply}" if turn.done else reply
        tool, arguments = reply.tool, reply.filled.arguments
        return ToolCall(f"offline_{turn.calls + 1}", tool.name, arguments, json.dumps(arguments, ensure_ascii=False))

    def _step(
        self, text: str, tools: tuple[ToolDefinition, ...], result: str | None, request: ModelRequest
    ) -> Choice | str:
        router = self._routing(tools)
        name, tool = _named(text, tools)
        if name and tool is None:
            return unknown(name, [tool.name for tool in tools])
        at = without_values(text).find(name)
        rest = f"{text[:at]} {text[at + len(name) :]}" if name else text
        reading, implied = read(rest, result), None if result is None else read(rest, result, implied=True)
        if tool is not None:
            choice = router.forced(tool, reading, implied)
            if choice.filled.missing:
                return unfilled(tool, choice.filled.missing)
            return refusal(text, [tool], len(tools)) if asks_for_knowledge(text) else choice
        choices = router.choices(reading, implied)
        chosen = router.decide(choices, reading)
        if chosen is None and request.options.tool_choice == "required":
            chosen = next((choice for choice in choices if not choice.filled.missing), None)
        return chosen or refusal(text, [choice.tool for choice in choices[:_GUESSES]], len(tools))

    def _routing(self, tools: tuple[ToolDefinition, ...]) -> Router:
        if self._router is None or self._tools != tools:
            if self._router is not None:
                self._router.close()
            self._tools, self._router = tools, Router(tools)
        return self._router


def _offered(request: ModelRequest) -> tuple[ToolDefinition, ...]:
    """What may be called now: the request's tools as the messages since have changed them."""
    if request.options.tool_choice == "none":
        return ()
    tools = {tool.name: tool for tool in request.tools}
    for message in request.messages:
        if isinstance(message, ToolsChanged):
            tools.update((tool.name, tool) for tool in message.added)
            for name in message.removed:
                tools.pop(name, None)
    return tuple(tools.values())


def _turn(messages: Sequence[Message]) -> _Turn:
    """The latest user messages and what came of them; a message that steers starts anew."""
    texts: list[str] = []
    calls: dict[str, ToolCall] = {}
    done: list[tuple[ToolCall, ToolResult]] = []
    total, answered = 0, False
    for message in messages:
        if isinstance(message, UserMessage):
            if answered:
                texts, calls, done, answered = [], {}, [], False
            if message.origin != "resource":
                texts += [block.get("text", "") for block in message.content if block["type"] == "text"]
        elif isinstance(message, AssistantMessage):
            answered = True
            total += len(message.calls)
            calls.update((call.id, call) for call in message.calls)
        elif isinstance(message, ToolResult) and message.call_id in calls:
            done.append((calls[message.call_id], message))
    return _Turn("\n".join(texts), tuple(done), total)


def _named(text: str, tools: Sequence[ToolDefinition]) -> tuple[str, ToolDefinition | None]:
    """The tool name that stands in `text`, and the tool, if it is offered. Its own name is
    enough if only one server has it."""
    said = without_values(text)
    by_name = {tool.name: tool for tool in tools}
    for match in _FULL_NAME.finditer(said):
        return match[0], by_name.get(match[0])
    for match in _OWN_NAME.finditer(said):
        owners = [tool for name, tool in by_name.items() if name.partition("__")[2] == match[0]]
        if len(owners) == 1:
            return match[0], owners[0]
    return "", None
