"""What a turn works on and what it comes to: the conversation, its calls, the reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mcphost.messages import (
    AssistantMessage,
    Message,
    ToolCall,
    ToolDefinition,
    ToolResult,
    ToolsChanged,
    Usage,
)
from mcphost.questions import WaitingCall

# What becomes of a call whose outcome is unknown, as its run was killed: a person is asked, it runs again, or it fails.
# Read-only and idempotent ones always run again.
OnUnknown: TypeAlias = Literal["ask", "retry", "fail"]
ReplyStop: TypeAlias = Literal["answered", "limit", "cancelled", "cut", "refused", "paused"]


@dataclass
class Conversation:
    """What a model has been told. `system` and `tools` never change once the first request has left (law 11).

    The first `recorded` messages are the conversation of the run `run` in the journal.
    """

    system: str
    tools: tuple[ToolDefinition, ...]
    messages: list[Message] = field(default_factory=list)
    run: str | None = None
    recorded: int = 0

    def known(self) -> dict[str, ToolDefinition]:
        """The tools that the model believes it has, by name."""
        known = {tool.name: tool for tool in self.tools}
        for message in self.messages:
            if isinstance(message, ToolsChanged):
                for name in message.removed:
                    known.pop(name, None)
                known.update({tool.name: tool for tool in message.added})
        return known


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a turn and what became of it. `suggestion` is the --allow pattern that would have let it pass."""

    call: ToolCall
    result: ToolResult
    seconds: float
    denied: str | None = None
    unasked: bool = False
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """How a turn ended. `message` is the last thing the model said in it, None when it said nothing. With the stop
    "paused", `waiting` are the calls that need an answer before it can go on. `run` is its id in the journal."""

    message: AssistantMessage | None
    stop: ReplyStop
    usage: Usage
    steps: int
    calls: tuple[Called, ...]
    waiting: tuple[WaitingCall, ...] = ()
    run: str | None = None

    @property
    def text(self) -> str:
        return self.message.text if self.message else ""

    @property
    def denied(self) -> tuple[Called, ...]:
        return tuple(called for called in self.calls if called.denied)


def unanswered(messages: Sequence[Message]) -> list[ToolCall]:
    """The calls of the last reply in `messages` that have no result."""
    answered: set[str] = set()
    for message in reversed(messages):
        if isinstance(message, AssistantMessage):
            return [call for call in message.calls if call.id not in answered]
        if isinstance(message, ToolResult):
            answered.add(message.call_id)
    return []
