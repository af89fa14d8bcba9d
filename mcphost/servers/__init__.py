"""MCP servers: processes, transports, connections, and the pool that owns them. Importing this loads no SDK."""

from mcphost.servers.pool import ServerPool
from mcphost.servers.server import Server
from mcphost.servers.wire import Caller, CallOutcome, Progress, RequestRefused

__all__ = ["CallOutcome", "Caller", "Progress", "RequestRefused", "Server", "ServerPool", "warm"]


def warm() -> None:
    """Import everything that connecting needs, in one fixed order: about a second, for the one importer thread."""
    from mcphost.servers.adapter import connection, http, links  # noqa: F401
