"""From a transport to a connection: the handshake in whichever era the server speaks, and why there was none.

Law: the task that enters a connection leaves it, and whatever a dying transport throws at it ends here.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from mcphost.errors import ServerError, ServerLost, ServerTimeout, ServerUnavailable
from mcphost.servers.adapter.connection import Connection, Listener
from mcphost.servers.adapter.edge import Transport
from mcphost.servers.adapter.errors import flatten, translate
from mcphost.servers.dial import Loss, ProbeUnanswered, Settings


@asynccontextmanager
async def connect(
    transport: Transport, settings: Settings, listener: Listener, why: Callable[[], Awaitable[Loss]]
) -> AsyncIterator[Connection]:
    """Shake hands over `transport` and stay connected inside; ends quietly however the transport ends.

    Raises:
        ServerError: there was no handshake, or the body raised one while the connection stood.
        ProbeUnanswered: the era probe may be what silenced or killed the server.
    """
    try:
        connection = Connection(transport, settings, listener, why)
    except ValueError as error:
        text = f"{settings.server}: what was remembered of it is no use"
        raise ServerUnavailable(text, server=settings.server) from error
    connection.connecting.deadline = anyio.current_time() + settings.connect
    connected = False
    failure: Exception | None = None
    inside: Exception | None = None
    try:
        with connection.connecting:
            async with connection.client:
                connected = True
                connection.connecting.deadline = math.inf
                try:
                    yield connection
                except Exception as error:
                    inside = None if connection.gone.is_set() else error
    except Exception as error:  # what a dying transport throws at its owner
        failure = error
    if not connected:
        raise await _refused(connection, settings, failure, why) from failure
    if inside is not None:
        raise next((error for error in flatten(inside) if isinstance(error, ServerError)), inside)


async def _refused(
    connection: Connection, settings: Settings, failure: Exception | None, why: Callable[[], Awaitable[Loss]]
) -> ServerError:
    """Why there was no handshake."""
    server = settings.server
    if failure is None:
        text = f"{server} did not answer the handshake in time, {settings.limits.connect:g} s (connectTimeoutSeconds)"
        error: ServerError = ServerTimeout(text, server=server)
    else:
        error = translate(failure, server, "the handshake")
        if isinstance(error, ServerLost):
            loss = await why()
            text = f"{server} ended before it was ready: {loss.reason}"
            error = ServerUnavailable(text, hint=loss.hint, server=server, **loss.detail)
    if connection.probe in ("sent", "silent") and settings.mode == "auto":
        return ProbeUnanswered(error.message, hint=error.hint, **error.detail)
    return error
