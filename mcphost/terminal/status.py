"""What the status line says of the servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcphost.servers import Server

STARTING = ("pending", "restarting")


def servers(every: Collection[Server]) -> str:
    """How many are ready, and how the others are; before that, how many resources that are subscribed to changed since
    they were read."""
    states = [server.state for server in every if server.state != "disabled"]
    if not states:
        return "no servers"
    counts = Counter("starting" if state in STARTING else state for state in states)
    others = [f"{count} {state}" for state, count in counts.items() if state != "ready"]
    ready = ", ".join([f"servers {counts['ready']}/{len(states)} ready", *others])
    changed = sum(len(server.changed) for server in every)
    return f"{changed} changed (/resources) · {ready}" if changed else ready
