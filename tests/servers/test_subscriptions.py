"""Being told of changes of single resources, in both eras."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcphost.errors import ServerRefused
from mcphost.events import Noticed, ResourceUpdated
from mcphost.servers import Server
from tests.servers.scripted import Refuse, Scripted
from tests.servers.test_edge import connected
from tests.servers.test_pool import Seen

URI = "notes://today"
SUBSCRIBING = {"resources": {"subscribe": True}}


class Notes(Scripted):
    """A server of either era whose resources can be watched; `watched` are the URIs that are. It refuses `refused`."""

    def __init__(self, *, modern: bool, capabilities: Any = SUBSCRIBING) -> None:
        answers = {
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
            "subscriptions/listen": self._listen,
        }
        super().__init__(answers, modern=modern, capabilities=capabilities)
        self.modern = modern
        self.watched: list[str] = []
        self.refused = False
        self.changed = asyncio.Event()

    async def update(self, uri: str = URI) -> None:
        await self.send("notifications/resources/updated", uri=uri)

    async def until(self, *watched: str) -> None:
        while self.watched != [*watched]:
            self.changed.clear()
            await self.changed.wait()

    def _note(self, watched: list[str]) -> None:
        self.watched = watched
        self.changed.set()

    def _subscribe(self, params: dict[str, Any]) -> dict[str, Any]:
        if self.refused:
            raise Refuse(-32602, "not that one")
        self._note([*self.watched, params["uri"]])
        return {}

    def _unsubscribe(self, params: dict[str, Any]) -> dict[str, Any]:
        self._note([uri for uri in self.watched if uri != params["uri"]])
        return {}

    async def _listen(self, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params["notifications"]
        granted = {"resourceSubscriptions": [] if self.refused else wanted["resourceSubscriptions"]}
        id = next(message["id"] for message in self.received if message.get("params") is params)
        meta = {"io.modelcontextprotocol/subscriptionId": id}
        self._note([*self.watched, *granted["resourceSubscriptions"]])
        await self.send("notifications/subscriptions/acknowledged", notifications=granted, _meta=meta)
        await asyncio.Event().wait()
        return {}


@asynccontextmanager
async def notes(*, modern: bool, **options: Any) -> AsyncIterator[tuple[Server, Notes, Seen]]:
    peer, seen = Notes(modern=modern, **options), Seen()
    async with connected(peer, show=seen) as server:
        yield server, peer, seen


@pytest.mark.parametrize("modern", [True, False])
async def test_a_change_of_a_watched_resource_is_an_event(modern: bool) -> None:
    async with notes(modern=modern) as (server, peer, seen):
        await server.subscribe(URI)
        await server.subscribe(URI)
        assert peer.watched == [URI]
        assert server.watched == {URI}
        assert not server.changed
        await peer.update()
        await seen.until(lambda: ResourceUpdated(server="it", uri=URI) in seen.events)
        assert server.changed == {URI}
        await peer.update()
        await seen.until(lambda: ResourceUpdated(server="it", uri=URI, repeated=True) in seen.events)
        server.unsubscribe(URI)
        assert not server.watched | server.changed


@pytest.mark.parametrize("modern", [True, False])
async def test_it_is_watched_again_after_a_restart_until_it_is_not_wanted(modern: bool) -> None:
    async with notes(modern=modern) as (server, peer, _):
        await server.subscribe(URI)
        peer.watched = []
        server.restart()
        await peer.until(URI)
        server.unsubscribe(URI)
        server.unsubscribe("notes://other")
        if not modern:
            await peer.until()
        peer.watched = []
        server.restart()
        await server.ready()
        assert peer.watched == []


@pytest.mark.parametrize("modern", [True, False])
async def test_a_subscription_that_is_refused_says_so(modern: bool) -> None:
    async with notes(modern=modern) as (server, peer, _):
        peer.refused = True
        with pytest.raises(ServerRefused, match=r"not that one|does not announce changes of notes://today"):
            await server.subscribe(URI)
        peer.refused = False
        await server.subscribe(URI)
        assert server.state == "ready"


@pytest.mark.parametrize("modern", [True, False])
async def test_one_that_is_refused_after_a_restart_is_said_and_forgotten(modern: bool) -> None:
    async with notes(modern=modern) as (server, peer, seen):
        await server.subscribe(URI)
        peer.refused = True
        server.restart()
        await seen.until(lambda: any(isinstance(event, Noticed) for event in seen.events))
        await server.ready()
        assert [server.state] == ["ready"]
    (notice,) = [event.text for event in seen.events if isinstance(event, Noticed)]
    assert notice.startswith(f"changes of {URI} are announced no more: it ")


async def test_a_server_that_declares_no_subscriptions_is_not_asked() -> None:
    async with notes(modern=False, capabilities={"resources": {}}) as (server, peer, _):
        with pytest.raises(ServerRefused, match="it announces no changes of single resources"):
            await server.subscribe(URI)
        assert peer.count("resources/subscribe") == 0
