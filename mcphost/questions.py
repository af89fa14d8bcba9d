"""Questions are calls: whatever needs a person's answer is awaited on `Frontend.ask` (law 7).

Every question carries `refusal`, the answer that holds when nobody can be asked, so a Frontend that cannot ask returns
it and nothing runs by accident (law 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from mcphost.events import Event

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)


class Question(Protocol[A_co]):
    """What a Frontend is asked. `refusal` is the answer when nobody can be asked."""

    @property
    def refusal(self) -> A_co: ...


class Frontend(Protocol):
    """Whoever sees the events of a chat and answers its questions."""

    async def show(self, event: Event) -> None:
        """Take note of a fact. Must not raise and should return soon: the turn waits for it."""

    async def ask(self, question: Question[A]) -> A:
        """Answer, or return `question.refusal` when nobody can be asked. May be cancelled with the turn."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Answer to ToolApproval. `lasting`: "once" or "chat" (this tool for the rest of this chat).

    `arguments` replaces the model's own where the person edited them. `asked` is False where nobody could be asked.
    `reason` of a refusal is read by the model.
    """

    allowed: bool
    lasting: Literal["once", "chat"] = "once"
    arguments: Mapping[str, Any] | None = None
    reason: str | None = None
    asked: bool = True


@dataclass(frozen=True, slots=True)
class ToolApproval:
    """May this tool run with exactly these arguments? `description`, `title`, `annotations`: the server's word."""

    call: str
    server: str
    tool: str
    arguments: Mapping[str, Any]
    why: str
    title: str | None = None
    description: str = ""
    annotations: Mapping[str, Any] = field(default_factory=dict)
    refusal: Approval = field(default=Approval(allowed=False, asked=False, reason="nobody could be asked"), init=False)


@dataclass(frozen=True, slots=True)
class SamplingDecision:
    allowed: bool
    asked: bool = True


@dataclass(frozen=True, slots=True)
class SamplingReview:
    """May this server have the model answer this? Everything that would be sent stands here, as wire JSON."""

    server: str
    model: str
    messages: tuple[Mapping[str, Any], ...]
    max_tokens: int
    system: str | None = None
    tools: tuple[str, ...] = ()
    refusal: SamplingDecision = field(default=SamplingDecision(allowed=False, asked=False), init=False)


@dataclass(frozen=True, slots=True)
class ElicitationAnswer:
    """`content` holds the form's values and is present only with "accept" of a form."""

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ElicitationForm:
    """A server asks the person to fill in a flat form. `schema` is its requestedSchema (`frontends.form` reads it),
    `problems` what was wrong with the previous answer, by property name."""

    server: str
    message: str
    schema: Mapping[str, Any]
    problems: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    refusal: ElicitationAnswer = field(default=ElicitationAnswer("decline"), init=False)


@dataclass(frozen=True, slots=True)
class ElicitationUrl:
    """A server asks the person to visit `url`; `host` is its host in ASCII. Nothing is fetched or opened before yes."""

    server: str
    message: str
    url: str
    host: str
    warnings: tuple[str, ...] = ()
    refusal: ElicitationAnswer = field(default=ElicitationAnswer("decline"), init=False)


class Silent:
    """The Frontend of nobody: shows nothing, and every question gets its refusal."""

    async def show(self, event: Event) -> None:
        return None

    async def ask(self, question: Question[A]) -> A:
        return question.refusal
