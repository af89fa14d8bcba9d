"""The marks that every server process and its descendants carry in their environment: who started them, and for what.

They travel with the process, so nothing needs to be kept in a file, and a host killed with -9 leaves them behind.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from mcphost.servers.reaper import MARK

ORIGIN = "MCPHOST_ORIGIN"
"""JSON: `server` and `config` file, the pid of the `host`, and when that one started (`started`, see `start_time`)."""


def marks(run: str, server: str, config: Path | None) -> dict[str, str]:
    """What to add to the environment of a process that this host spawns."""
    host = os.getpid()
    origin = {"server": server, "config": str(config) if config else None, "host": host, "started": start_time(host)}
    return {MARK: run, ORIGIN: json.dumps(origin)}


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since the machine did: with the pid it is unique until the next boot.

    None: there is no such process, it is a zombie, or there is no /proc.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[19]) if len(fields) > 19 and fields[0] not in b"ZX" else None
