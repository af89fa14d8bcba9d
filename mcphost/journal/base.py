"""The Journal protocol."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from mcphost.messages import AssistantMessage, Message, ToolCall, ToolDefinition, ToolResult
from mcphost.questions import WaitingCall


@dataclass(frozen=True, slots=True)
class Run:
    """A turn or task in the journal.

    It goes on from the whole conversation of the run `parent`; `opening` is what was added since, the user's message
    last. Without a parent `opening` is all that the model had been told. `model` is the name it was opened by.
    """

    id: str
    chat: str
    model: str
    system: str
    tools: tuple[ToolDefinition, ...]
    opening: tuple[Message, ...]
    parent: str | None = None


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


@dataclass(frozen=True, slots=True)
class Record:
    """A run as far as it is recorded.

    `messages` is the whole conversation, results in the order of their calls; `messages[start:]` is what the run itself
    brought about. `pending` are the effects that were intended and have no outcome: nobody knows whether they took
    place. `waiting` are the calls whose answer it paused for. `stop` is None as long as the run has not ended.
    """

    run: Run
    messages: tuple[Message, ...]
    start: int
    pending: tuple[Effect, ...] = ()
    waiting: tuple[WaitingCall, ...] = ()
    stop: str | None = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to go on with: it was neither interrupted nor paused."""
        return self.stop not in (None, "paused")


class Journal(Protocol):
    """Every method returns once its record is as durable as the journal is. Writing never raises for a fault of the
    journal's own: a run goes on without its record, and a person is told."""

    async def begin(self, run: Run) -> None:
        """Record that `run` starts, or that a run with its id goes on.

        Raises:
            Busy: another process is at this chat.
        """

    async def intent(self, effect: Effect) -> None:
        """Record what is about to happen, the second time of a retried effect included. It may start once this
        returns."""

    async def outcome(self, effect: str, message: AssistantMessage | ToolResult) -> None:
        """Record what became of the effect with this id. Nothing may build on it before this returns."""

    async def settle(self, effect: Effect, message: ToolResult) -> None:
        """Record in one act an effect that was never started (refused, invalid, given up) and its result instead."""

    async def wait(self, run: str, waiting: WaitingCall) -> None:
        """Record that a call of this run waits for an answer, until its effect is recorded."""

    async def finish(self, run: str, stop: str) -> None:
        """Record that the run ended as `stop`."""

    async def fold(self, run: str) -> Record:
        """What is recorded of the run with this id.

        Raises:
            KeyError: no such run.
            JournalError: the journal cannot be read.
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
            last = len(rank)
            ordered[start:] = sorted(
                ordered[start:], key=lambda item: rank.get(item.call_id, last) if isinstance(item, ToolResult) else last
            )
    return tuple(ordered)
