"""What a model is to the rest of the host: a name and a stream that ends in one AssistantMessage."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from mcphost.messages import AssistantMessage, Message, ToolDefinition


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Wishes beyond the conversation; a codec drops what its API does not know.

    `extra` is merged into the request body as it stands.
    """

    temperature: float | None = None
    stop: tuple[str, ...] = ()
    tool_choice: Literal["auto", "required", "none"] = "auto"
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One model request: the whole conversation and what the model may call. `max_tokens` None: the API's default."""

    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...] = ()
    system: str = ""
    max_tokens: int | None = None
    options: ModelOptions = ModelOptions()


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class CallDelta:
    """The model began to write a call of the tool with this model-side name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The API could not answer now; the request is repeated in `seconds`, because of `why`."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class ToolQuarantined:
    """The tool with this model-side name is left out of every request to this API, because of `why`."""

    name: str
    why: str


Piece: TypeAlias = TextDelta | ReasoningDelta | CallDelta | Waiting | ToolQuarantined | AssistantMessage


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """`api` names the wire format, `endpoint` where requests go, for people; `is_llm` False: no language model."""

    api: str
    endpoint: str = ""
    is_llm: bool = True
    context_tokens: int | None = None


class Model(Protocol):
    """`name` is "PROVIDER/NAME" as a person would type it after -m."""

    @property
    def name(self) -> str: ...

    @property
    def info(self) -> ModelInfo: ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """The reply as it comes: deltas, at last exactly one AssistantMessage. Read it under `aclosing()`.

        Raises:
            SignInNeeded: the API refused the credentials, or there are none.
            ModelBusy: still rate limited, overloaded or unreachable after the last retry.
            ContextOverflow: the conversation does not fit.
            ModelCut: the stream ended before the reply was complete.
            ModelError: anything else the API did wrong.
        """

    def warm(self) -> None:
        """Import and build now what the first request would; may run in a thread."""

    async def aclose(self) -> None:
        """Give back connections. The model cannot be used afterwards."""
