"""A small conversation to record."""

from __future__ import annotations

from mcphost.journal import Run
from mcphost.messages import (
    AssistantMessage,
    Message,
    Native,
    Reasoning,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    Usage,
    UserMessage,
    text_block,
)

TOOL = ToolDefinition("demo__add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}})


def user(text: str) -> UserMessage:
    return UserMessage((text_block(text),))


def reply(*calls: str) -> AssistantMessage:
    said = (Reasoning("hm"), Text("so"))
    wishes = tuple(ToolCall(id, "demo__add", {"a": 1}, '{"a": 1}') for id in calls)
    native = Native("openai-responses", "m", ({"id": "rs_1", "encrypted": "x" * 10_000},))
    return AssistantMessage((*said, *wishes), "tools" if calls else "end", Usage(3, 2, 1), native)


def result(id: str, text: str = "2") -> ToolResult:
    return ToolResult(id, (text_block(text),), structured={"sum": 2}, note="n")


def run(id: str = "r1", *opening: Message, chat: str = "c1", parent: str | None = None) -> Run:
    return Run(id, chat, "scripted/model", "be brief", (TOOL,), opening or (user("2 + 2?"),), parent)
