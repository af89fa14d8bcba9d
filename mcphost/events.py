"""What happened: frozen values in the past tense, JSON-able through `messages.to_json` (law 7).

Whoever emits an event leaves `chat`, `turn` and `seq` alone; the Chat stamps them. Events of a server that happen
outside any chat keep the empty chat.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from mcphost.messages import AssistantMessage, ToolResult, Usage


@dataclass(frozen=True, kw_only=True)
class Event:
    chat: str = ""
    turn: int = 0
    seq: int = 0


Show: TypeAlias = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class TurnStarted(Event):
    text: str
    model: str


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    """A model request left; `step` counts from 1 within the turn, `tools` is how many tools it offered."""

    step: int
    tools: int


@dataclass(frozen=True, kw_only=True)
class TextStreamed(Event):
    text: str


@dataclass(frozen=True, kw_only=True)
class ReasoningStreamed(Event):
    text: str


@dataclass(frozen=True, kw_only=True)
class CallDrafted(Event):
    """The model began to write a call; its arguments are not complete yet."""

    call: str
    name: str


@dataclass(frozen=True, kw_only=True)
class ModelWaited(Event):
    """The model API could not answer; the request is repeated in `seconds`."""

    seconds: float
    why: str


@dataclass(frozen=True, kw_only=True)
class Replied(Event):
    message: AssistantMessage


@dataclass(frozen=True, kw_only=True)
class CallDecided(Event):
    """The Gate's verdict on a call: by which rule or answer (`why`), with which arguments it may run, and for which
    definition of the tool (`pin`)."""

    call: str
    server: str
    tool: str
    arguments: Mapping[str, Any]
    decision: Literal["allow", "deny"]
    why: str
    asked: bool
    pin: str = ""


@dataclass(frozen=True, kw_only=True)
class CallPaused(Event):
    """A call waits for an answer that nobody can give now: the turn pauses once its other calls have ended."""

    call: str
    server: str
    tool: str
    arguments: Mapping[str, Any]
    why: str


@dataclass(frozen=True, kw_only=True)
class CallAnswered(Event):
    """Somebody answered a call of a run that is paused; it is decided when the run goes on."""

    call: str
    server: str
    tool: str
    arguments: Mapping[str, Any]
    decision: Literal["allow", "deny"]
    why: str


@dataclass(frozen=True, kw_only=True)
class CallStarted(Event):
    call: str
    server: str
    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CallProgressed(Event):
    call: str
    progress: float
    total: float | None = None
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class CallEnded(Event):
    """Every call ends once, also the ones that never ran; `seconds` counts from its start."""

    call: str
    name: str
    result: ToolResult
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ServerChanged(Event):
    """A server changed its state. `detail` says why in a line, `hint` what to do; `era` and `version` are known once it
    is ready. `attempt` counts the starts after losses; `exit_code` is that of the process that was lost last."""

    server: str
    state: str
    detail: str = ""
    era: str | None = None
    transport: str | None = None
    version: str | None = None
    pid: int | None = None
    tools: int | None = None
    attempt: int | None = None
    exit_code: int | None = None
    hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class ServerLogged(Event):
    server: str
    level: str
    text: str
    logger: str | None = None


@dataclass(frozen=True, kw_only=True)
class ServerListChanged(Event):
    """A server announced that what it offers changed, and it has been listed again."""

    server: str
    kind: Literal["tools", "resources", "prompts"]


@dataclass(frozen=True, kw_only=True)
class ResourceUpdated(Event):
    """A resource changed; `repeated`: once more, since it was read last."""

    server: str
    uri: str
    repeated: bool = False


@dataclass(frozen=True, kw_only=True)
class RequestAnswered(Event):
    """A server asked something of us (`sampling`, `elicitation`) and got `outcome`: accepted, declined, refused …"""

    server: str
    kind: Literal["sampling", "elicitation"]
    outcome: str
    why: str = ""
    usage: Usage = field(default=Usage())


@dataclass(frozen=True, kw_only=True)
class Noticed(Event):
    """The host has something to say to the person; `level` warning wants to be seen even with -q."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, kw_only=True)
class TurnEnded(Event):
    stop: str
    usage: Usage
    steps: int
