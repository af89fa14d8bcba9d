"""Every live server process of this user, whichever mcphost started it: found in /proc by its marks.

Law 4 beyond the end of a host. A process is ended only while pid and start time are both those that were seen.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mcphost.errors import McpHostError
from mcphost.servers.marks import ORIGIN, start_time
from mcphost.servers.reaper import MARK

TERM = 2.0  # seconds between TERM and KILL
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Found:
    """A process, the server it belongs to, and the host that started that. Times as `start_time` gives them."""

    pid: int
    started: int
    run: str
    server: str
    config: str | None
    host: int
    host_started: int | None

    @property
    def orphaned(self) -> bool:
        """Whether its host is gone."""
        return start_time(self.host) is None or start_time(self.host) != self.host_started

    @property
    def age(self) -> float:
        """Seconds since it started."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / os.sysconf("SC_CLK_TCK")


def census() -> list[Found]:
    """The marked processes of this user, those of a server together, the oldest first.

    Raises:
        McpHostError: there is no /proc.
    """
    if start_time(os.getpid()) is None:
        raise McpHostError(
            "server processes cannot be found here: this system has no /proc",
            hint="They end with their host all the same; look for others with your system's ps.",
        )
    found = filter(None, map(_look, filter(str.isdigit, os.listdir("/proc"))))
    return sorted(found, key=lambda one: (one.run, one.server, one.started, one.pid))


def end(found: Sequence[Found], *, term: float = TERM) -> list[Found]:
    """TERM, and after `term` seconds KILL, those of `found` that are still the same processes; returns what is left."""
    _send(found, signal.SIGTERM)
    left = _wait(found, term)
    _send(left, signal.SIGKILL)
    return _wait(left, term)


def _wait(found: Iterable[Found], seconds: float) -> list[Found]:
    until = time.monotonic() + seconds
    while left := [one for one in found if start_time(one.pid) == one.started]:
        if time.monotonic() >= until:
            break
        time.sleep(_POLL)
    return left


def _send(found: Iterable[Found], number: signal.Signals) -> None:
    for one in found:
        try:
            process = os.pidfd_open(one.pid)
        except OSError:  # it ended
            continue
        try:
            # What was opened cannot become another process any more; what was seen may have, until then.
            if start_time(one.pid) == one.started:
                signal.pidfd_send_signal(process, number)
        except OSError:
            pass
        finally:
            os.close(process)


def _look(entry: str) -> Found | None:
    pid = int(entry)
    started = start_time(pid)
    try:
        if started is None or os.stat(f"/proc/{pid}").st_uid != os.getuid():
            return None
        with open(f"/proc/{pid}/environ", "rb") as environ:
            variables = dict(
                variable.decode(errors="replace").partition("=")[::2]
                for variable in environ.read().split(b"\0")
                if variable.startswith((MARK.encode(), ORIGIN.encode()))
            )
        origin = _origin(json.loads(variables[ORIGIN]))
        return Found(pid, started, variables[MARK], **origin) if origin else None
    except (OSError, KeyError, ValueError, RecursionError):  # it ended, or carries no mark of ours
        return None


def _origin(written: Any) -> dict[str, Any] | None:
    """What a process says of where it comes from, if that can be: it may have forged it."""
    match written:
        case {
            "server": str(server),
            "config": str() | None as config,
            "host": int(host),
            "started": int() | None as started,
        }:
            return {"server": server, "config": config, "host": host, "host_started": started}
    return None
