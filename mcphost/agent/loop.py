"""The loop: model, tools, gate, show.

Law 1: however a turn ends, every tool call in the conversation has its result. Law 3: the intent of each effect is in
the journal before it starts, its outcome before anything builds on it.
"""

from __future__ import annotations

from collections import deque

import anyio

from mcphost.agent.call import UNKNOWN, error_result, mint
from mcphost.agent.conversation import Conversation, OnUnknown, Reply, ReplyStop, unanswered
from mcphost.agent.turn import Turn
from mcphost.approvals import Gate
from mcphost.config.schema import Limits
from mcphost.events import (
    Show,
)
from mcphost.journal import Effect, Journal, Record, Run
from mcphost.journal.base import in_call_order
from mcphost.messages import (
    Message,
    UserMessage,
)
from mcphost.models.base import (
    Model,
)
from mcphost.questions import Frontend, Silent
from mcphost.servers.wire import Caller
from mcphost.tools import Toolbox


class Agent:
    """Runs turns on a conversation until the model answers."""

    def __init__(
        self,
        *,
        model: Model,
        toolbox: Toolbox,
        gate: Gate,
        show: Show,
        journal: Journal,
        limits: Limits,
        caller: Caller | None = None,
        frontend: Frontend | None = None,
        on_unknown: OnUnknown = "fail",
    ) -> None:
        self.model = model
        self.toolbox = toolbox
        self.gate = gate
        self.show = show
        self.journal = journal
        self.limits = limits
        self.caller = caller
        self.frontend: Frontend = frontend or Silent()
        self.on_unknown = on_unknown
        self.running: set[anyio.CancelScope] = set()

    def cancel_calls(self) -> bool:
        """Cancel the calls that run now: each has a result that says so, and the turn goes on. False: none runs."""
        for scope in self.running:
            scope.cancel()
        return bool(self.running)

    async def run(
        self,
        chat: str,
        conversation: Conversation,
        inbox: deque[UserMessage],
        scope: anyio.CancelScope,
        *,
        record: Record | None = None,
    ) -> Reply:
        """One turn. `conversation` grows in place and stays consistent also when this is cancelled or raises.

        `inbox` is drained at each step boundary (steering). Cancelling `scope` ends the turn with a Reply that says
        so; a cancelled caller sees its own cancellation. `record` is of an interrupted run whose conversation this
        is: it goes on where it stopped, and nothing that was answered is asked again.

        Raises:
            ModelError, SignInNeeded: the model API failed; of the failed request only text that had arrived is left.
        """
        run = record.run if record else self._begun(chat, conversation)
        turn = Turn(self, run.id, conversation)
        stop: ReplyStop | None = None
        await self.journal.begin(run)
        try:
            with scope:
                stop = (record and await turn.take_up(record)) or await turn.play(inbox)
            stop = stop or "cancelled"
        finally:
            with anyio.CancelScope(shield=True):
                await self.journal.finish(run.id, stop or "failed")
            conversation.run, conversation.recorded = run.id, len(conversation.messages)
        return turn.reply(stop)

    def _begun(self, chat: str, conversation: Conversation) -> Run:
        opening = tuple(conversation.messages[conversation.recorded :])
        return Run(mint(), chat, self.model.name, conversation.system, conversation.tools, opening, conversation.run)


async def abandon(journal: Journal, record: Record) -> tuple[Message, ...]:
    """End an interrupted run that does not go on. Returns its conversation, in which every call has its result."""
    pending = {effect.call.id: effect for effect in record.pending if effect.call is not None}
    messages, calls = list(record.messages), unanswered(record.messages)
    if record.stop is not None and not calls:
        return record.messages
    await journal.begin(record.run)
    for call in calls:
        effect = pending.get(call.id) or Effect(mint(), record.run.id, "tool", call=call)
        result = error_result(call, UNKNOWN if call.id in pending else "Not run: the run was interrupted before.")
        await journal.settle(effect, result)
        messages.append(result)
    await journal.finish(record.run.id, record.stop or "interrupted")
    return in_call_order(messages)
