"""The journal of a process that need not survive: everything in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mcphost.journal.base import Effect, Run
from mcphost.messages import AssistantMessage, Message, ToolResult


@dataclass
class _Record:
    run: Run
    effects: dict[str, Effect] = field(default_factory=dict)
    outcomes: dict[str, AssistantMessage | ToolResult] = field(default_factory=dict)
    closing: tuple[Message, ...] = ()
    stop: str | None = None


class MemoryJournal:
    def __init__(self) -> None:
        self._runs: dict[str, _Record] = {}
        self._owners: dict[str, _Record] = {}

    async def begin(self, run: Run) -> None:
        self._runs[run.id] = _Record(run)

    async def intent(self, effect: Effect) -> None:
        record = self._runs[effect.run]
        record.effects[effect.id] = effect
        self._owners[effect.id] = record

    async def outcome(self, effect: str, message: AssistantMessage | ToolResult) -> None:
        self._owners[effect].outcomes[effect] = message

    async def finish(self, run: str, added: Sequence[Message], stop: str) -> None:
        record = self._runs[run]
        record.closing, record.stop = tuple(added), stop

    async def fold(self, run: str) -> tuple[Message, ...]:
        record = self._runs[run]
        messages: list[Message] = list(record.run.opening)
        for effect in record.effects.values():
            messages += effect.added
            if effect.id in record.outcomes:
                messages.append(record.outcomes[effect.id])
        return in_call_order([*messages, *record.closing])


def in_call_order(messages: Iterable[Message]) -> tuple[Message, ...]:
    """`messages` with every tool result moved behind the reply that called for it, in the order of the calls."""
    pending = list(messages)
    results = {message.call_id: message for message in pending if isinstance(message, ToolResult)}
    ordered: list[Message] = []
    for message in pending:
        if isinstance(message, ToolResult):
            continue
        ordered.append(message)
        if isinstance(message, AssistantMessage):
            ordered += [results[call.id] for call in message.calls if call.id in results]
    return tuple(ordered)
