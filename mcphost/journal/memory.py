"""The journal of a process that need not survive: everything in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mcphost.journal.base import Effect, Record, Run, in_call_order
from mcphost.messages import AssistantMessage, Message, ToolResult
from mcphost.questions import WaitingCall


@dataclass
class _Entry:
    run: Run
    messages: list[Message] = field(default_factory=list)
    pending: dict[str, Effect] = field(default_factory=dict)
    waiting: dict[str, WaitingCall] = field(default_factory=dict)
    stop: str | None = None


class MemoryJournal:
    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._owners: dict[str, _Entry] = {}

    async def begin(self, run: Run) -> None:
        self._entries.setdefault(run.id, _Entry(run)).stop = None

    async def intent(self, effect: Effect) -> None:
        entry = self._owners[effect.id] = self._entries[effect.run]
        if effect.id not in entry.pending:
            entry.messages += effect.added
        entry.pending[effect.id] = replace(effect, added=())
        if effect.call is not None:
            entry.waiting.pop(effect.call.id, None)

    async def outcome(self, effect: str, message: AssistantMessage | ToolResult) -> None:
        entry = self._owners.pop(effect)
        del entry.pending[effect]
        entry.messages.append(message)

    async def settle(self, effect: Effect, message: ToolResult) -> None:
        entry = self._entries[effect.run]
        entry.pending.pop(effect.id, None)
        entry.waiting.pop(message.call_id, None)
        entry.messages.append(message)

    async def wait(self, run: str, waiting: WaitingCall) -> None:
        self._entries[run].waiting[waiting.call] = waiting

    async def finish(self, run: str, stop: str) -> None:
        self._entries[run].stop = stop

    async def fold(self, run: str) -> Record:
        entry = self._entries[run]
        before = (*(await self.fold(entry.run.parent)).messages,) if entry.run.parent else ()
        start = len(before) + len(entry.run.opening)
        messages = in_call_order((*before, *entry.run.opening, *entry.messages))
        pending, waiting = tuple(entry.pending.values()), tuple(entry.waiting.values())
        return Record(entry.run, messages, start, pending, waiting, entry.stop)
