"""The Journal protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mcphost.messages import AssistantMessage, Message, ToolCall, ToolResult


@dataclass(frozen=True, slots=True)
class Run:
    """A turn or task in the journal. `opening` is the conversation it starts from, the user's message last."""

    id: str
    chat: str
    opening: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """One model request or one tool call. `id` is minted at the intent: never a position, calls run side by side.

    Of a model request, `added` holds the messages that entered the conversation since the effect before (steering,
    notices, changed tools); of a tool call, `call` is what runs, edits of a person included, and `safe` says that the
    user calls the tool read-only or idempotent.
    """

    id: str
    run: str
    kind: Literal["model", "tool"]
    added: tuple[Message, ...] = ()
    call: ToolCall | None = None
    safe: bool = False


class Journal(Protocol):
    async def begin(self, run: Run) -> None:
        """Record that `run` starts. Returns once it is as durable as the journal is."""

    async def intent(self, effect: Effect) -> None:
        """Record what is about to happen. The effect may start once this returns."""

    async def outcome(self, effect: str, message: AssistantMessage | ToolResult) -> None:
        """Record what became of the effect with this id. Nothing may build on it before this returns."""

    async def finish(self, run: str, added: Sequence[Message], stop: str) -> None:
        """Record that the run ended as `stop`, with the messages that no effect recorded (results of calls that never
        ran, say)."""

    async def fold(self, run: str) -> tuple[Message, ...]:
        """The conversation as far as this run's record goes: results stand in the order of their calls.

        Raises:
            KeyError: no such run.
        """
