"""Questions are calls: whatever needs a person's answer is awaited on `Frontend.ask` (law 7).

Every question carries `refusal`, the answer that holds when nobody can be asked, so a Frontend that cannot ask returns
it and nothing runs by accident (law 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, get_args

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


# How long an answer holds: for this call; for it and the others that the question shows; for this tool in this chat;
# for good: for this tool with exactly these arguments, for this tool, for every tool its server lists now.
Lasting: TypeAlias = Literal["once", "alike", "chat", "arguments", "always", "server"]


@dataclass(frozen=True, slots=True)
class Approval:
    """Answer to ToolApproval.

    `arguments` replaces the model's own where the person edited them. `asked` is False where nobody could be asked.
    `reason` of a refusal is read by the model. A refusal with `disable` is for good.
    """

    allowed: bool
    lasting: Lasting = "once"
    arguments: Mapping[str, Any] | None = None
    reason: str | None = None
    asked: bool = True
    disable: bool = False


@dataclass(frozen=True, slots=True)
class ToolApproval:
    """May this tool run with exactly these arguments? `description`, `title`, `annotations`: the server's word.

    `lasting` is how long a yes may hold, `disable` whether a no may be for good. `alike` are the arguments of other
    calls of this tool that wait for the same answer; `listed` is how many tools the server lists now. `changes` are
    lines about what is different since the tool was allowed.
    """

    call: str
    server: str
    tool: str
    arguments: Mapping[str, Any]
    why: str
    title: str | None = None
    description: str = ""
    annotations: Mapping[str, Any] = field(default_factory=dict)
    lasting: tuple[Lasting, ...] = ("once", "chat")
    disable: bool = False
    alike: tuple[Mapping[str, Any], ...] = ()
    listed: int = 0
    changes: tuple[str, ...] = ()
    refusal: Approval = field(default=Approval(allowed=False, asked=False, reason="nobody could be asked"), init=False)


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A call that waits for an answer which nobody could give yet, so that its run is paused.

    `call` is its id in the conversation, `name` the tool's name as the model knows it. `definition` and `entry` are
    those of the tool and of its server that the question was about; an answer holds for these alone. `answer` is there
    once somebody gave one. `messages.to_json` makes it JSON, `from_json` reads that.
    """

    call: str
    name: str
    server: str
    tool: str
    arguments: Mapping[str, Any]
    why: str
    definition: Mapping[str, Any]
    entry: Mapping[str, Any] = field(default_factory=dict)
    answer: Approval | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> WaitingCall:
        """Raises ValueError: it is no such value."""
        fields = {key: value for key, value in body.items() if key != "type"}
        answer = fields.pop("answer", None)
        try:
            return cls(**fields, answer=None if answer is None else approval(answer))
        except TypeError as error:
            raise ValueError(f"no waiting call: {error}") from error


def approval(body: Mapping[str, Any]) -> Approval:
    """The Approval that `body` stands for: its fields by name, of which `allowed` is needed.

    Raises:
        ValueError: it stands for none.
    """
    fields = {key: value for key, value in body.items() if key != "type"}
    try:
        found = Approval(**fields)
    except TypeError as error:
        raise ValueError(f"no approval: {error}") from error
    if body.get("allowed") not in (True, False) or body.get("lasting", "once") not in get_args(Lasting):
        raise ValueError(f"no approval: {dict(body)!r}")
    return found


@dataclass(frozen=True, slots=True)
class SamplingDecision:
    """Answer to SamplingReview and SampleResult. `edited` holds what the person changed, by the protocol's names:
    `messages`, `systemPrompt`, `maxTokens` of a request, `content` of an answer."""

    allowed: bool
    asked: bool = True
    edited: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SamplingReview:
    """May this server have the model answer this? Everything that would be sent stands here, as wire JSON."""

    server: str
    model: str
    messages: tuple[Mapping[str, Any], ...]
    max_tokens: int
    system: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    refusal: SamplingDecision = field(default=SamplingDecision(allowed=False, asked=False), init=False)


@dataclass(frozen=True, slots=True)
class SampleResult:
    """May this server have what the model answered? `content` is all that would leave, as wire JSON."""

    server: str
    model: str
    content: Mapping[str, Any] | tuple[Mapping[str, Any], ...]
    refusal: SamplingDecision = field(default=SamplingDecision(allowed=False, asked=False), init=False)


@dataclass(frozen=True, slots=True)
class ElicitationAnswer:
    """`content` holds the form's values and is present only with "accept" of a form. `lasting` "chat", with "decline":
    so is whatever else the server asks in this chat."""

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, Any] | None = None
    lasting: Literal["once", "chat"] = "once"


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
    """A server asks the person to visit `url`; `host` is its host in ASCII, `shown_as` what a browser may show for it
    where that is something else. Nothing is fetched or opened before yes."""

    server: str
    message: str
    url: str
    host: str
    warnings: tuple[str, ...] = ()
    shown_as: str = ""
    refusal: ElicitationAnswer = field(default=ElicitationAnswer("decline"), init=False)


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """This call was under way when its run was interrupted, and nobody knows whether it took effect: run it again?

    `name` is the tool's name as the model knows it.
    """

    call: str
    name: str
    arguments: Mapping[str, Any]
    refusal: Literal["retry", "fail"] = field(default="fail", init=False)


@dataclass(frozen=True, slots=True)
class Further:
    """Answer to StepLimit: go on for `steps` more (0: for as many as the limit allows), have the model answer with what
    it has, or stop."""

    action: Literal["go-on", "wrap-up", "stop"]
    steps: int = 0


@dataclass(frozen=True, slots=True)
class StepLimit:
    """How shall a turn go on that took `steps`, as many as it may, or in which the call `repeated` (its tool's name as
    the model knows it) gave the same result `times` times?"""

    steps: int
    repeated: str | None = None
    times: int = 0
    refusal: Further = field(default=Further("stop"), init=False)


@dataclass(frozen=True, slots=True)
class TrustDecision:
    trusted: bool
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Trust:
    """May something that a directory brings along be used? `lines` are all there is to judge it by, text from outside
    included; `changes` what is different since it was trusted."""

    title: str
    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    refusal: TrustDecision = field(default=TrustDecision(trusted=False, asked=False), init=False)


@dataclass(frozen=True, slots=True)
class ArgumentValue:
    """Answer to PromptArgument. `value` None: the prompt is not wanted any more."""

    value: str | None
    asked: bool = True


@dataclass(frozen=True, slots=True)
class PromptArgument:
    """What shall this argument be, which a server's prompt needs? `given` are the values of others, by name.

    `description` is the server's word, `suggestions` what it suggests before anything is typed.
    """

    server: str
    prompt: str
    argument: str
    description: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    suggestions: tuple[str, ...] = ()
    refusal: ArgumentValue = field(default=ArgumentValue(None, asked=False), init=False)


@dataclass(frozen=True, slots=True)
class PromptDecision:
    send: bool
    asked: bool = True


@dataclass(frozen=True, slots=True)
class PromptPreview:
    """Shall this be sent? `messages` are what a server made of its prompt, as wire JSON."""

    server: str
    prompt: str
    messages: tuple[Mapping[str, Any], ...]
    refusal: PromptDecision = field(default=PromptDecision(send=False, asked=False), init=False)


class Silent:
    """The Frontend of nobody: shows nothing, and every question gets its refusal."""

    async def show(self, event: Event) -> None:
        return None

    async def ask(self, question: Question[A]) -> A:
        return question.refusal
