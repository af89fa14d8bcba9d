"""What a run tells its Frontend besides events: how it began and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mcphost.messages import Usage
from mcphost.questions import Frontend, WaitingCall


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server's state as a run reports it; the fields are those of `events.ServerChanged`. `latency`: seconds that its
    last call took."""

    name: str
    state: str
    detail: str = ""
    transport: str | None = None
    era: str | None = None
    version: str | None = None
    tools: int | None = None
    pid: int | None = None
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """How a run begins. `widening`: what a -C file adds to what may run and where things are sent, a line each."""

    session: str
    model: str
    mode: str = "ask"
    yolo: bool = False
    servers: tuple[ServerRow, ...] = ()
    widening: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """A call that was refused. `unasked`: nobody could be asked; `suggestion`: the --allow pattern for it."""

    id: str
    name: str
    why: str
    unasked: bool = False
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `error` is the body of an error envelope, where it failed. `servers`: as they are now.
    `waiting`: the calls that a paused one needs an answer for, `run` its id in the journal."""

    result: str
    stop: str
    steps: int = 0
    usage: Usage = field(default=Usage())
    structured: Any = None
    is_error: bool = False
    denied: tuple[Denied, ...] = ()
    waiting: tuple[WaitingCall, ...] = ()
    servers: tuple[ServerRow, ...] = ()
    error: Mapping[str, Any] | None = None
    run: str | None = None


class RunFrontend(Frontend, Protocol):
    """A Frontend of `mcphost run`: `begin` before the first message is sent, `finish` once whatever happened."""

    def begin(self, opening: Opening) -> None: ...

    def finish(self, ending: Ending) -> None: ...
