"""The Caller of one chat: its Frontend is asked, its Model answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mcphost.config.network import is_loopback
from mcphost.config.schema import Decision, SamplingBudget, ServerConfig
from mcphost.events import Show
from mcphost.models.base import Model
from mcphost.questions import Frontend
from mcphost.requests.elicitation import Elicitor
from mcphost.requests.sampling import Sampler


class Requests:
    """Answers what servers ask while a call of this chat is open at them (`servers.wire.Caller`).

    `model` gives the chat's model of the moment; `models` opens others by name, where a server's hint names one.
    `servers` says what each server may ask; one that is not in it, held by an embedder in this process, is asked about.
    `sampling` has the last word on it, given the server and what its configuration says. While `asks` is False nobody
    is asked, and what would need a person is refused.
    `clock` is in seconds and never runs backwards.
    """

    def __init__(
        self,
        *,
        frontend: Frontend,
        show: Show,
        model: Callable[[], Model],
        servers: Mapping[str, ServerConfig],
        sampling: Callable[[str, Decision], Decision] = lambda server, configured: configured,
        asks: Callable[[], bool] = lambda: True,
        models: Mapping[str, Callable[[], Model]] = MappingProxyType({}),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._sampling = sampling
        self._asks = asks
        self._model = model
        self._models = models
        self._sampler = Sampler(
            frontend, show, choose=self._choose, decision=self._decision, budget=self._budget, clock=clock
        )
        self._elicitor = Elicitor(frontend, show, asks=asks, is_local=self._is_local, clock=clock)

    async def sample(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `sampling/createMessage`.

        Raises:
            RequestRefused: nobody allowed it, a budget is used up, the request is malformed, or the model failed.
        """
        return await self._sampler.sample(server, params)

    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `elicitation/create`.

        Raises:
            RequestRefused: the form is none that the protocol allows, the address is unsafe, or there were too many.
        """
        return await self._elicitor.elicit(server, params)

    def _choose(self, hints: Sequence[str]) -> Model:
        """The model for a sampling request: the first hint that fits any name decides; the chat's own comes first."""
        own = self._model()
        name = matching(hints, (own.name, *self._models))
        return own if name is None or name == own.name else self._models[name]()

    def _decision(self, server: str) -> Decision:
        config = self._servers.get(server)
        decision = self._sampling(server, config.sampling if config else "ask")
        return decision if decision != "ask" or self._asks() else "deny"

    def _budget(self, server: str) -> SamplingBudget:
        config = self._servers.get(server)
        return config.budget if config else SamplingBudget()

    def _is_local(self, server: str) -> bool:
        config = self._servers.get(server)
        return config is None or config.url is None or is_loopback(config.url)


def matching(hints: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of `names` that contains the first hint that any of them contains, whatever the case."""
    for hint in filter(None, hints):
        for name in names:
            if hint.lower() in name.lower():
                return name
    return None
