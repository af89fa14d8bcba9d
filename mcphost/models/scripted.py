"""A model that says what it is told to: for tests, examples and dry runs. It ships, because fakes are products."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from mcphost.errors import ConfigError, ModelError
from mcphost.messages import AssistantMessage, Reasoning, Text, ToolCall
from mcphost.models.base import CallDelta, ModelInfo, ModelRequest, Piece, ReasoningDelta, TextDelta

Reply: TypeAlias = str | ToolCall | Sequence[ToolCall] | AssistantMessage | Exception
Script: TypeAlias = Reply | Callable[[ModelRequest], Reply]


def call(tool: str, /, **arguments: Any) -> ToolCall:
    """A call of `tool`; its id is made unique when the model says it."""
    return ToolCall("", tool, arguments, json.dumps(arguments))


class ScriptedModel:
    """Answers each request with the next of `replies`: a text, one or more calls, a whole message, an exception to
    raise, or a function of the request that returns one of these. `requests` holds what it was asked.

    >>> model = ScriptedModel([call("demo__add", a=2, b=3), "That makes 5."])
    """

    def __init__(self, replies: Iterable[Script], *, name: str = "scripted/model") -> None:
        self.name = name
        self.info = ModelInfo("scripted", is_llm=False)
        self.requests: list[ModelRequest] = []
        self._replies = iter(replies)
        self._calls = 0

    @classmethod
    def from_file(cls, path: Path | str) -> ScriptedModel:
        """The model of a JSON file: a list whose items are texts or {"calls": [{"name", "arguments"}], "text"?}.

        Raises:
            ConfigError: the file cannot be read, or is no such list.
        """
        try:
            items = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(items, list):
                raise TypeError("no list")
            return cls([_from_json(item) for item in items], name=f"scripted/{path}")
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise ConfigError(
                f"{path} is no script for a model: {error!r}",
                hint='Write a JSON list of texts and {"calls": [{"name": "SERVER__TOOL", "arguments": {}}]}.',
                file=str(path),
            ) from error

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        self.requests.append(request)
        reply = next(self._replies, None)
        if reply is None:
            raise ModelError(f"{self.name} has no reply left for request {len(self.requests)}.")
        if callable(reply):
            reply = reply(request)
        if isinstance(reply, Exception):
            raise reply
        message = self._message(reply)
        for part in message.content:
            if isinstance(part, Text):
                yield TextDelta(part.text)
            elif isinstance(part, Reasoning):
                yield ReasoningDelta(part.text)
            else:
                yield CallDelta(part.id, part.name)
        yield message

    def warm(self) -> None:
        pass

    async def aclose(self) -> None:
        pass

    def _message(self, reply: Reply) -> AssistantMessage:
        if isinstance(reply, AssistantMessage):
            content = tuple(self._numbered(part) if isinstance(part, ToolCall) else part for part in reply.content)
            return AssistantMessage(content, reply.stop, reply.usage, reply.native)
        if isinstance(reply, str):
            return AssistantMessage((Text(reply),))
        assert not isinstance(reply, Exception)
        calls = (reply,) if isinstance(reply, ToolCall) else tuple(reply)
        return AssistantMessage(tuple(self._numbered(part) for part in calls), "tools")

    def _numbered(self, part: ToolCall) -> ToolCall:
        self._calls += 1
        return part if part.id else ToolCall(f"call_{self._calls}", part.name, part.arguments, part.text)


def _from_json(item: Any) -> str | AssistantMessage:
    if isinstance(item, str):
        return item
    calls = [call(entry["name"], **entry.get("arguments", {})) for entry in item["calls"]]
    said = [Text(item["text"])] if item.get("text") else []
    return AssistantMessage((*said, *calls), "tools")
