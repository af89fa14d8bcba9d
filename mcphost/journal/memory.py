"""The journal of a process that need not survive: everything in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from mcphost.journal.base import Effect, Run, in_call_order
from mcphost.messages import AssistantMessage, Message, ToolResult


@dataclass
class _Record:
    run: Run
    messages: list[Message] = field(default_factory=list)
    stop: str | None = None


class MemoryJournal:
    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}
        self._owners: dict[str, _Record] = {}

    async def begin(self, run: Run) -> None:
        self._records[run.id] = _Record(run, list(run.opening))

    async def intent(self, effect: Effect) -> None:
        record = self._owners[effect.id] = self._records[effect.run]
        record.messages += effect.added

    async def outcome(self, effect: str, message: AssistantMessage | ToolResult) -> None:
        self._owners.pop(effect).messages.append(message)

    async def settle(self, effect: Effect, message: ToolResult) -> None:
        self._records[effect.run].messages.append(message)

    async def finish(self, run: str, stop: str) -> None:
        self._records[run].stop = stop

    async def fold(self, run: str) -> tuple[Message, ...]:
        return in_call_order(self._records[run].messages)
