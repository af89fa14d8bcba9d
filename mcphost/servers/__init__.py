"""MCP servers: processes, transports, connections, and the pool that owns them.

Importing this loads no SDK and no event loop: the command line spawns servers (`servers.process`) before anything else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcphost.servers.pool import Pool, ServerPool
    from mcphost.servers.server import Server
    from mcphost.servers.wire import Caller, CallOutcome, Progress, RequestRefused

__all__ = ["CallOutcome", "Caller", "Pool", "Progress", "RequestRefused", "Server", "ServerPool", "warm"]

_HOMES = {"Pool": "pool", "Server": "server", "ServerPool": "pool"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'wire')}"), name)


def warm() -> None:
    """Import everything that connecting needs, in one fixed order: about a second, for the one importer thread."""
    from mcphost.servers.adapter import changes, handshake, http, links  # noqa: F401
