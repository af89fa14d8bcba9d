"""What a server is asked to announce: changes of its lists, and of single resources, in the way of its era.

Nothing is replayed: after a stream was dropped and opened again, everything it is about counts as changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import TaskStatus
from mcp.client.subscriptions import Subscription, SubscriptionLost
from mcp.shared.exceptions import MCPError

from mcphost.errors import ServerError, ServerRefused
from mcphost.servers.adapter.connection import Connection
from mcphost.servers.adapter.edge import CANCEL_SECONDS
from mcphost.servers.adapter.errors import translate
from mcphost.servers.adapter.salvage import Kind
from mcphost.text import one_line

FIRST, LONGEST = 1.0, 60.0  # seconds before a dropped stream is opened again


async def follow(connection: Connection, opened: anyio.Event) -> None:
    """Keep a modern server's change stream open; `opened` is set once it is, or never will be."""
    kinds = _announced(connection)

    def on_open(stream: Subscription) -> None:
        if opened.is_set():
            for kind in kinds:
                connection.changed(kind)
        opened.set()

    try:
        if connection.era == "modern" and kinds:
            await _listen(connection, on_open, **{f"{kind}_list_changed": True for kind in kinds})
    except (SubscriptionLost, MCPError):  # refused: this server has no change stream
        pass
    finally:
        opened.set()


async def watch(connection: Connection, uri: str, *, task_status: TaskStatus[None]) -> None:
    """Have the server announce changes of one resource, until cancelled; started once it agreed.

    Raises:
        ServerError: it did not.
    """
    declared = connection.client.server_capabilities.resources
    if not (declared and declared.subscribe):
        raise ServerRefused(f"{connection.server} announces no changes of single resources", server=connection.server)
    if connection.era == "modern":
        await _watch_stream(connection, uri, task_status)
        return
    try:
        await connection.subscribe(uri)
        task_status.started()
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        await _unsubscribe(connection, uri)
        raise


async def _unsubscribe(connection: Connection, uri: str) -> None:
    with anyio.move_on_after(CANCEL_SECONDS, shield=True):
        try:
            await connection.unsubscribe(uri)
        except ServerError:  # it went away
            pass


async def _watch_stream(connection: Connection, uri: str, task_status: TaskStatus[None]) -> None:
    started = False

    def on_open(stream: Subscription) -> None:
        nonlocal started
        if uri not in (stream.honored.resource_subscriptions or ()):
            text = f"{connection.server} does not announce changes of {one_line(uri)}"
            raise ServerRefused(text, server=connection.server)
        if started:
            connection.updated(uri)
        else:
            task_status.started()
        started = True

    try:
        await _listen(connection, on_open, resource_subscriptions=[uri])
    except (SubscriptionLost, MCPError) as error:
        raise translate(error, connection.server, f"the subscription to {one_line(uri)}") from error


async def _listen(connection: Connection, on_open: Callable[[Subscription], None], **wanted: Any) -> None:
    """Keep a stream open; raises only where the first one does not open, and what `on_open` raises."""
    delay, opened = FIRST, False
    while not connection.gone.is_set():
        try:
            async with connection.client.listen(**wanted) as stream:
                on_open(stream)
                opened = True
                async for _ in stream:
                    delay = FIRST
        except (SubscriptionLost, MCPError):
            if not opened:
                raise
        await anyio.sleep(delay)
        delay = min(delay * 2, LONGEST)


def _announced(connection: Connection) -> list[Kind]:
    found = connection.client.server_capabilities
    declared: dict[Kind, Any] = {"tools": found.tools, "prompts": found.prompts, "resources": found.resources}
    return [kind for kind, capability in declared.items() if capability and capability.list_changed]
