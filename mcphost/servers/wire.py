"""What a server offers and answers, as the wire JSON it came as: checked in the adapter, unknown keys kept (law 6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Required, TypeAlias, TypedDict

from mcphost.messages import Block


class WireTool(TypedDict, total=False):
    name: Required[str]
    title: str
    description: str
    inputSchema: Required[dict[str, Any]]
    outputSchema: dict[str, Any]
    annotations: dict[str, Any]


class WireResource(TypedDict, total=False):
    uri: Required[str]
    name: Required[str]
    title: str
    description: str
    mimeType: str
    size: int


class WireTemplate(TypedDict, total=False):
    uriTemplate: Required[str]
    name: Required[str]
    title: str
    description: str
    mimeType: str


class WireArgument(TypedDict, total=False):
    name: Required[str]
    description: str
    required: bool


class WirePrompt(TypedDict, total=False):
    name: Required[str]
    title: str
    description: str
    arguments: list[WireArgument]


class PromptMessage(TypedDict):
    role: str
    content: Block


class ResourceContents(TypedDict, total=False):
    uri: Required[str]
    mimeType: str
    text: str
    blob: str


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The server's answer to tools/call. `structured` absent: None. `note` is ours: what was wrong with the answer."""

    content: tuple[Block, ...]
    structured: Any = None
    is_error: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A JSON-RPC message on its way between the Client and the transport, as it is on the wire."""

    sender: Literal["host", "server"]
    era: Literal["modern", "legacy"]
    message: Mapping[str, Any]


# Is shown every message of one server. Must neither block nor keep the message: it changes.
Tap: TypeAlias = Callable[[Passed], None]

Progress: TypeAlias = Callable[[float, float | None, str | None], Awaitable[None]]


class RequestRefused(Exception):
    """Raised by a Caller: the server's request is answered with this JSON-RPC error (`code`, message)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Caller(Protocol):
    """Whoever has a request open at a server answers what that server asks meanwhile. Params and results are wire JSON.

    Both are called on the event loop, may take as long as a person does (the request's clock stands still), and may
    raise RequestRefused.
    """

    async def sample(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `sampling/createMessage`."""

    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `elicitation/create`; `params["mode"]` is "form" where the server left it out."""
