"""`/model`: which model answers, and which could."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mcphost.commands.complete import best
from mcphost.host import Chat
from mcphost.models.base import Model
from mcphost.models.carrying import not_carried
from mcphost.models.endpoints import BUILT_IN
from mcphost.models.listing import Listing, list_models
from mcphost.plugins import Fill, Offer
from mcphost.text import one_line

FRESH = 60.0  # seconds that a list of models is good for


class ModelChoice:
    """Knows what the endpoints listed a moment ago."""

    def __init__(self) -> None:
        self._listings: Sequence[Listing] = ()
        self._listed_at = -FRESH

    async def model(self, chat: Chat, line: str) -> str | Fill:
        """Show the model, and what it could be; or switch to the one that `line` names or nearly names.

        Raises:
            UsageError: there is none of this name.
            SignInNeeded: its key is missing.
        """
        if not line:
            said = "\n".join([describe(chat.model), *await self._failures(chat)])
            return Fill("/model ", said, choose=True)
        if _named(chat, line):
            return switch(chat, line)
        fits = [name for name, _ in best(await self.offers(chat, line), line)]
        if len(fits) > 1:
            return Fill(f"/model {line}", f"{len(fits)} models fit {one_line(line)!r}.", choose=True)
        return switch(chat, fits[0] if fits else line)

    async def offers(self, chat: Chat, line: str) -> Sequence[Offer]:
        """Every model of an endpoint that answers, and the offline one."""
        offers = [
            (f"{listing.provider}/{name}", listing.provider)
            for listing in await self._all(chat)
            for name in listing.models
        ]
        return [*offers, ("offline", "no language model: it matches words to tools")]

    async def _all(self, chat: Chat) -> Sequence[Listing]:
        if time.monotonic() - self._listed_at > FRESH:
            self._listings = await list_models(chat.host.config.endpoints, chat.host.environ)
            self._listed_at = time.monotonic()
        return self._listings

    async def _failures(self, chat: Chat) -> list[str]:
        return [
            f"{one_line(listing.provider)} lists no models: {one_line(listing.failure or 'it has none', 300)}"
            for listing in await self._all(chat)
            if not listing.models
        ]


def switch(chat: Chat, name: str) -> str:
    """Let the model of this name answer from now on; says what of the conversation it will not see."""
    chat.model = chat.host.open_model(name)
    lost = not_carried(chat.conversation.messages if chat.conversation else (), chat.model)
    return "\n".join([describe(chat.model), *(f"not carried over: {what}" for what in lost)])


def describe(model: Model) -> str:
    info = model.info
    kind = "" if info.is_llm else " · it matches words to tools"
    return f"{model.name} · {info.api}{f' · {info.endpoint}' if info.endpoint else ''}{kind}"


def _named(chat: Chat, line: str) -> bool:
    """Whether `line` says which provider is meant, so that nothing needs to be guessed."""
    provider = line.partition("/")[0]
    return "/" in line or provider in (*BUILT_IN, *chat.host.config.endpoints, *chat.host.config.endpoint_failures)
