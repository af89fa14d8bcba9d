"""Where a recording taps a Host, and where a replay stands in for the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mcphost.approvals import Policy
from mcphost.approvals.guard import Guard
from mcphost.config.schema import Limits
from mcphost.events import Event, Show
from mcphost.journal import Journal
from mcphost.messages import Message
from mcphost.models.base import Model
from mcphost.questions import Frontend
from mcphost.servers import Pool
from mcphost.servers.server import Server


class Edges(Protocol):
    """Everything of one Host that meets the world passes here: each part is handed over, and what comes back is used
    in its place. What comes back may be handed over once more, and stays as it is."""

    def pool(self, build: Callable[[Callable[..., Server]], Pool], show: Show) -> Pool:
        """`build` makes the Host's own pool, of servers that are made by what it is given."""

    def model(self, model: Model) -> Model: ...

    def frontend(self, frontend: Frontend) -> Frontend:
        """The same for the same frontend."""

    def journal(self, journal: Journal) -> Journal: ...

    def policy(self, policy: Policy) -> Policy: ...

    def guard(self, guard: Guard) -> Guard: ...

    async def show(self, event: Event) -> None:
        """Is told every event of the Host, after the frontends."""

    def turn(self, messages: Sequence[Message], *, model: Model, system: str, limits: Limits, policy: Policy) -> None:
        """These messages are sent to a chat with this model, system text and policy; its servers have settled."""
