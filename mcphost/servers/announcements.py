"""What a server says unasked, turned into events made safe."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from mcphost.events import Event, Noticed, ResourceUpdated, ServerListChanged, ServerLogged
from mcphost.servers.offer import Announced, Kind, Offer
from mcphost.servers.subscriptions import Subscriptions
from mcphost.text import one_line, safe

LOG_LIMIT = 4000  # characters of one log message


class Announcements:
    """The adapter's Listener for one server. `end` is called when its connection is gone."""

    def __init__(
        self,
        server: str,
        offer: Offer,
        subscriptions: Subscriptions,
        emit: Callable[[Event], None],
        end: Callable[[], None],
    ) -> None:
        self._server = server
        self._offer = offer
        self._subscriptions = subscriptions
        self._emit = emit
        self._end = end

    def changed(self, kind: Kind) -> None:
        self._offer.announce("resources" if kind == "templates" else kind)

    def updated(self, uri: str) -> None:
        news = self._subscriptions.updated(uri)
        self._emit(ResourceUpdated(server=self._server, uri=uri, repeated=not news))

    def logged(self, params: Mapping[str, Any]) -> None:
        data, logger = params.get("data"), params.get("logger")
        text = data if isinstance(data, str) else json.dumps(data, default=str, ensure_ascii=False)
        self._emit(
            ServerLogged(
                server=self._server,
                level=one_line(str(params.get("level", "info")), 20),
                text=safe(text[:LOG_LIMIT]),
                logger=one_line(logger, 80) if isinstance(logger, str) else None,
            )
        )

    def flooded(self, complaint: str) -> None:
        self._emit(Noticed(text=f"{self._server} {complaint}", level="warning"))

    def listed(self, kind: Announced) -> None:
        """What was announced has been listed again."""
        self._emit(ServerListChanged(server=self._server, kind=kind))

    def ended(self) -> None:
        self._end()
