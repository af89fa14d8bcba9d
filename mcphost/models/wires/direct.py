"""The wire for a plain key and base URL: httpx2 alone, no SDK."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2

from mcphost.models import failures
from mcphost.models.endpoints import Endpoint
from mcphost.models.wires import Connection

ANTHROPIC_VERSION = "2026-10-21"


class DirectWire:
    def __init__(self, endpoint: Endpoint, connection: Connection) -> None:
        self._endpoint = endpoint
        self._url = endpoint.base_url.rstrip("/")
        self._client = connection.client(endpoint, headers(endpoint))

    async def send(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        try:
            request = self._client.build_request("POST", self._url + path, content=content)
            return await self._client.send(request, stream=True)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise failures.unreachable(error, self._endpoint) from error

    async def aclose(self) -> None:
        await self._client.aclose()


def headers(endpoint: Endpoint, *, accept: str = "text/event-stream") -> httpx2.Headers:
    sent = httpx2.Headers({"accept": accept, "content-type": "application/json", "user-agent": "mcphost"})
    if endpoint.key:
        sent["authorization"] = f"Bearer {endpoint.key}"
    if endpoint.api == "anthropic":
        sent["anthropic-version"] = ANTHROPIC_VERSION
    sent.update(endpoint.headers)
    return sent
