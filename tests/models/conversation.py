"""What the tests of models share: a tool, requests, and reading a stream to its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from mcphost.messages import (
    AssistantMessage,
    Message,
    Native,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    UserMessage,
    text_block,
)
from mcphost.models.anthropic import AnthropicCodec
from mcphost.models.base import ModelOptions, ModelRequest, Piece
from mcphost.models.codec import Codec
from mcphost.models.endpoints import Endpoint
from mcphost.models.http_model import HttpModel
from mcphost.models.openai_chat import ChatCodec
from mcphost.models.openai_responses import ResponsesCodec
from mcphost.models.retries import Retries
from mcphost.models.wires import Connection
from mcphost.models.wires.sdk import official_client
from tests.providers.fake import KEY, FakeApi
from tests.providers.script import Scripted

MODEL = "gpt-6-luna"
APIS = ("anthropic", "openai-responses", "openai-chat")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQK"

ADD = ToolDefinition(
    "demo__add",
    "Add two numbers.",
    {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]},
)
QUICK = Retries(first=0.001, most=0.001)


def user(text: str) -> UserMessage:
    return UserMessage((text_block(text),))


def result(call_id: str, text: str, **changes: Any) -> ToolResult:
    return ToolResult(call_id, (text_block(text),), **changes)


def called(*calls: ToolCall, text: str = "", native: Native | None = None) -> AssistantMessage:
    said = (Text(text),) if text else ()
    return AssistantMessage((*said, *calls), "tools", native=native)


def request(*messages: Message | str, tools: Sequence[ToolDefinition] = (ADD,), **options: Any) -> ModelRequest:
    given = tuple(user(message) if isinstance(message, str) else message for message in messages)
    return ModelRequest(given, tuple(tools), "Be brief.", options=ModelOptions(**options))


def endpoint(api: FakeApi, name: str, key: str | None = KEY) -> Endpoint:
    url = api.base_url if name == "anthropic" else api.openai_url
    return Endpoint("fake", name, url, key, "FAKE_KEY")


def codec(name: str, *, compatible: bool = False, model: str = MODEL) -> Codec:
    if name == "anthropic":
        return AnthropicCodec(model, compatible=compatible)
    return ResponsesCodec(model) if name == "openai-responses" else ChatCodec(model, compatible=compatible)


@asynccontextmanager
async def behind(
    api: str, *script: Scripted, wire: str = "direct", compatible: bool = False, key: str = KEY, **changes: Any
) -> AsyncIterator[tuple[FakeApi, HttpModel]]:
    """A fake server with this script, and a model behind it that hardly waits. `wire` "sdk": by an official client."""
    async with FakeApi(key=key) as fake:
        fake.script(*script)
        changes = {"retries": QUICK, "connection": Connection(connect=2, first_byte=10, idle=10), **changes}
        where = changes.pop("endpoint", endpoint(fake, api))
        client = official_client(where, changes["connection"]) if wire == "sdk" else None
        made = HttpModel(codec(api, compatible=compatible), where, client=client, **changes)
        try:
            yield fake, made
        finally:
            await made.aclose()
            if client:
                await client.close()


async def pieces(stream: AsyncGenerator[Piece, None]) -> list[Piece]:
    async with aclosing(stream) as reading:
        return [piece async for piece in reading]


async def ask(asked: HttpModel, what: ModelRequest) -> AssistantMessage:
    """The reply to one request."""
    found = await pieces(asked.stream(what))
    assert isinstance(found[-1], AssistantMessage)
    return found[-1]
