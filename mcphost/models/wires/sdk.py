"""The wire through a client of an official SDK: for what a plain key cannot do, such as cloud sign-in.

Law: the client is used for credentials, URLs and sending alone. Its typed methods drop unknown fields, its retries are
silent, and its redirects would carry the conversation to another host.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx2

from mcphost.models import failures
from mcphost.models.endpoints import Endpoint
from mcphost.models.wires import Connection

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI


class SdkWire:
    """`client` belongs to whoever made it, and is not closed here."""

    def __init__(self, client: AsyncAnthropic | AsyncOpenAI, endpoint: Endpoint, connection: Connection) -> None:
        self._client: Any = client
        self._sdk = import_module("anthropic" if endpoint.api == "anthropic" else "openai")
        self._endpoint = endpoint
        self._connection = connection

    async def send(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        try:
            response: httpx2.Response = await self._client.post(
                path,
                body=dict(body),
                cast_to=httpx2.Response,
                stream=True,
                stream_cls=self._sdk.AsyncStream[object],
                options={"max_retries": 0, "timeout": self._connection.timeout, "follow_redirects": False},
            )
        except self._sdk.APIStatusError as error:
            response = error.response
        except self._sdk.APIConnectionError as error:
            raise failures.unreachable(error.__cause__ or error, self._endpoint) from error
        return response

    async def aclose(self) -> None:
        pass


def official_client(endpoint: Endpoint, connection: Connection) -> AsyncAnthropic | AsyncOpenAI:
    """A client that sends what the direct wire sends: no environment, no profile of the user's, no redirect."""
    http = connection.client(endpoint)
    key, headers = endpoint.key or "", dict(endpoint.headers)
    if endpoint.api == "anthropic":
        from anthropic import AsyncAnthropic

        return AsyncAnthropic(api_key=key, base_url=endpoint.base_url, default_headers=headers, http_client=http)
    from openai import AsyncOpenAI

    return AsyncOpenAI(api_key=key, base_url=endpoint.base_url, default_headers=headers, http_client=http)
