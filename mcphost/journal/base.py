"""The Journal protocol."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from mcphost.messages import AssistantMessage, Message, ToolCall, ToolDefinition, ToolResult


@dataclass(frozen=True, slots=True)
class Run:
    """A turn or task in the journal: what the model had been told when it began, the user's message last."""

    id: str
    chat: str
    system: str
    tools: tuple[ToolDefinition, ...]
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
    """Every method returns once its record is as durable as the journal is."""

    async def begin(self, run: Run) -> None:
        """Record that `run` starts."""

    async def intent(self, effect: Effect) -> None:
        """Record what is about to happen. The effect may start once this returns."""

    async def outcome(self, effect: str, message: AssistantMessage | ToolResult) -> None:
        """Record what became of the effect with this id. Nothing may build on it before this returns."""

    async def settle(self, effect: Effect, message: ToolResult) -> None:
        """Record in one act an effect that was never started (refused, invalid) and the result it got instead."""

    async def finish(self, run: str, stop: str) -> None:
        """Record that the run ended as `stop`."""

    async def fold(self, run: str) -> tuple[Message, ...]:
        """The conversation as far as this run's record goes: results stand in the order of their calls.

        Raises:
            KeyError: no such run.
        """


def in_call_order(messages: Iterable[Message]) -> tuple[Message, ...]:
    """`messages` with the results behind each reply in the order of its calls; call ids may repeat between replies."""
    ordered: list[Message] = []
    rank: dict[str, int] = {}
    start = 0
    for message in messages:
        ordered.append(message)
        if isinstance(message, AssistantMessage):
            rank = {call.id: index for index, call in enumerate(message.calls)}
            start = len(ordered)
        elif isinstance(message, ToolResult):
            ordered[start:] = sorted(
                ordered[start:], key=lambda item: rank[item.call_id] if isinstance(item, ToolResult) else len(rank)
            )
    return tuple(ordered)
