"""A model behind an API: one codec, one wire, and the retries between them. Codecs and wires are imported on use.

Law: a request is repeated only while nothing of its reply was shown, and every wait is a piece that people see.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from mcphost.errors import ContextOverflow, ModelBusy, ModelCut, ModelError
from mcphost.models.base import ModelInfo, ModelRequest, Piece, ReasoningDelta, TextDelta, ToolQuarantined, Waiting
from mcphost.models.endpoints import ANTHROPIC_URL, OPENAI_URL, Endpoint
from mcphost.models.failures import blamed_tool
from mcphost.models.retries import Retries
from mcphost.models.sse import Pair
from mcphost.models.wires import Connection, Wire, pairs

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

    from mcphost.models.codec import Codec, Decoder, Encoded

_GRACE = 1.0  # seconds for a stream to end by itself after its last event, so that its connection can be used again
REPLY_LIMIT = 8 * 1024 * 1024  # characters, several times what the largest output of any model is


class HttpModel:
    """A `Model` over HTTP. `client` None: requests go to `endpoint` by httpx2 alone; the connection is built by
    `warm()` or the first request."""

    def __init__(
        self,
        codec: Codec,
        endpoint: Endpoint,
        *,
        client: AsyncAnthropic | AsyncOpenAI | None = None,
        connection: Connection | None = None,
        retries: Retries | None = None,
    ) -> None:
        self._codec = codec
        self._endpoint = endpoint
        self._client = client
        self._connection = connection or Connection()
        self._retries = retries or Retries()
        self._wire: Wire | None = None
        self._building = threading.Lock()
        self._refused: dict[str, str] = {}
        self._told: set[str] = set()

    @property
    def name(self) -> str:
        return f"{self._endpoint.name}/{self._codec.model}"

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(self._codec.api, self._endpoint.base_url)

    def warm(self) -> None:
        """Import the wire and build its connection; may run in a thread."""
        self._open()

    async def aclose(self) -> None:
        if self._wire is not None:
            await self._wire.aclose()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """See `Model.stream`."""
        failed, again = 0, True
        while True:
            encoded = self._codec.encode(request, refused=self._refused)
            for name, why in encoded.offer.quarantined.items():
                if name not in self._told:
                    self._told.add(name)
                    yield ToolQuarantined(name, why)
            shown = False
            try:
                async with aclosing(self._reply(encoded)) as pieces:
                    async for piece in pieces:
                        shown = True
                        yield piece
                return
            except ModelBusy as error:
                failed += 1
                if shown:
                    raise
                waiting = Waiting(self._retries.wait(failed, error), error.message)
            except ModelCut as error:
                if shown or not again:
                    raise
                again, waiting = False, Waiting(0.0, error.message)
            except ModelError as error:
                if shown or isinstance(error, ContextOverflow):
                    raise
                request = self._amended(request, encoded, error)
                continue
            yield waiting
            await anyio.sleep(waiting.seconds)

    async def _reply(self, encoded: Encoded) -> AsyncGenerator[Piece, None]:
        decoder = self._codec.decoder(encoded)
        wire, path = self._open(), self._codec.path
        size = 0
        async with aclosing(pairs(wire, path, encoded.body, self._endpoint, self._connection)) as events:
            try:
                async for event, data in events:
                    for piece in decoder.feed(event, data):
                        size += len(piece.text) if isinstance(piece, TextDelta | ReasoningDelta) else 0
                        if size > REPLY_LIMIT:
                            raise ModelError(
                                f"The model API's reply is longer than {REPLY_LIMIT} characters.",
                                hint="No model writes that much: look at what answers at this address.",
                            )
                        yield piece
                    if decoder.done:
                        await _drain(events)
                        break
            except ModelCut:
                if not _complete(decoder):
                    raise
        yield decoder.finish()

    def _amended(self, request: ModelRequest, encoded: Encoded, error: ModelError) -> ModelRequest:
        """The request without what the API would not take, where its refusal names that; else raises the error."""
        tool = blamed_tool(error, [tool.name for tool in encoded.offer.tools])
        if tool is not None:
            self._refused[tool] = error.message
            return request
        options = request.options
        about = f"{error.detail.get('param', '')} {error.message}"
        if error.detail.get("status") == 400 and options.temperature is not None and "temperature" in about:
            return dataclasses.replace(request, options=dataclasses.replace(options, temperature=None))
        raise error

    def _open(self) -> Wire:
        with self._building:
            if self._wire is None:
                self._wire = self._build()
            return self._wire

    def _build(self) -> Wire:
        if self._client is None:
            from mcphost.models.wires.direct import DirectWire

            return DirectWire(self._endpoint, self._connection)
        from mcphost.models.wires.sdk import SdkWire

        return SdkWire(self._client, self._endpoint, self._connection)


def _complete(decoder: Decoder) -> bool:
    """The reply came to its proper end, although its stream did not."""
    try:
        decoder.finish()
    except ModelCut:
        return False
    return True


async def _drain(events: AsyncGenerator[Pair, None]) -> None:
    with anyio.move_on_after(_GRACE):
        try:
            async for _ in events:
                pass
        except ModelCut:
            pass


class AnthropicModel(HttpModel):
    """A model behind Anthropic's Messages API.

    `AnthropicModel("claude-sonnet-5-5", client=AsyncAnthropic())` uses your client, whatever its credentials;
    `AnthropicModel("claude-sonnet-5-5", Endpoint("anthropic", "anthropic", ANTHROPIC_URL, key))` needs no SDK.
    """

    def __init__(
        self,
        model: str,
        endpoint: Endpoint | None = None,
        *,
        client: AsyncAnthropic | None = None,
        connection: Connection | None = None,
        retries: Retries | None = None,
    ) -> None:
        from mcphost.models.anthropic import AnthropicCodec

        endpoint = endpoint or _endpoint("anthropic", "anthropic", ANTHROPIC_URL, client)
        codec = AnthropicCodec(model, compatible=endpoint.compatible)
        super().__init__(codec, endpoint, client=client, connection=connection, retries=retries)


class ResponsesModel(HttpModel):
    """A model behind OpenAI's Responses API; `client` as for `AnthropicModel`, an `AsyncOpenAI`."""

    def __init__(
        self,
        model: str,
        endpoint: Endpoint | None = None,
        *,
        client: AsyncOpenAI | None = None,
        connection: Connection | None = None,
        retries: Retries | None = None,
    ) -> None:
        from mcphost.models.openai_responses import ResponsesCodec

        endpoint = endpoint or _endpoint("openai", "openai-responses", OPENAI_URL, client)
        super().__init__(ResponsesCodec(model), endpoint, client=client, connection=connection, retries=retries)


class ChatModel(HttpModel):
    """A model behind the Chat Completions API of any server; `client` as for `AnthropicModel`, an `AsyncOpenAI`."""

    def __init__(
        self,
        model: str,
        endpoint: Endpoint | None = None,
        *,
        client: AsyncOpenAI | None = None,
        connection: Connection | None = None,
        retries: Retries | None = None,
    ) -> None:
        from mcphost.models.openai_chat import ChatCodec

        endpoint = endpoint or _endpoint("openai", "openai-chat", OPENAI_URL, client)
        codec = ChatCodec(model, compatible=endpoint.compatible)
        super().__init__(codec, endpoint, client=client, connection=connection, retries=retries)


def _endpoint(name: str, api: str, url: str, client: AsyncAnthropic | AsyncOpenAI | None) -> Endpoint:
    """Where a model goes that was given no endpoint. A client's credentials are its own affair."""
    source = "the credentials of the client you passed" if client else "the endpoint's key"
    return Endpoint(name, api, str(client.base_url) if client else url, key_source=source)
