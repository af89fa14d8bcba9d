"""Which models there are to choose from: what each endpoint that answers says of itself.

Law 4: an endpoint that is down, slow or talks nonsense costs its own entry, and never more than a moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from mcphost.config.schema import EndpointConfig
from mcphost.errors import McpHostError, ModelError
from mcphost.models.endpoints import Endpoint, find
from mcphost.models.wires import Connection

if TYPE_CHECKING:
    import httpx2

PATIENCE = 2.0  # seconds
MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Listing:
    """The models of one provider by the names that it has for them, or why there are none."""

    provider: str
    models: tuple[str, ...]
    failure: str = ""


async def list_models(
    endpoints: Mapping[str, EndpointConfig], environ: Mapping[str, str], *, patience: float = PATIENCE
) -> list[Listing]:
    """Ask every endpoint that is configured or has its key in `environ`, and Ollama, all at once. An Ollama that does
    not answer is left out: nobody said that there is one."""
    known = [
        found
        for name in dict.fromkeys((*endpoints, "anthropic", "openai", "ollama"))
        if (found := _known(name, endpoints, environ))
    ]
    listings: dict[str, Listing] = {}

    async def ask(endpoint: Endpoint) -> None:
        listings[endpoint.name] = await _listing(endpoint, patience)

    async with anyio.create_task_group() as group:
        for endpoint in known:
            group.start_soon(ask, endpoint)
    wanted = {*endpoints, *(("ollama",) if environ.get("OLLAMA_HOST") else ())}
    asked = (listings[endpoint.name] for endpoint in known)
    return [one for one in asked if one.models or one.provider != "ollama" or "ollama" in wanted]


def _known(name: str, endpoints: Mapping[str, EndpointConfig], environ: Mapping[str, str]) -> Endpoint | None:
    try:
        endpoint = find(name, endpoints, environ)
    except McpHostError:
        return None
    return endpoint if endpoint.key or endpoint.compatible or endpoint.headers else None


async def _listing(endpoint: Endpoint, patience: float) -> Listing:
    try:
        with anyio.fail_after(patience):
            return Listing(endpoint.name, await _models(endpoint))
    except TimeoutError:
        return Listing(endpoint.name, (), f"did not answer within {patience:g} s")
    except ModelError as error:
        return Listing(endpoint.name, (), error.message)


async def _models(endpoint: Endpoint) -> tuple[str, ...]:
    """Raises ModelError: it does not answer, refuses, or answers something else."""
    import httpx2

    from mcphost.models import failures
    from mcphost.models.wires.direct import headers

    path = "/v1/models?limit=1000" if endpoint.api == "anthropic" else "/models"
    wanted = headers(endpoint, accept="application/json")
    try:
        async with (
            Connection().client(endpoint, wanted) as client,
            client.stream("GET", endpoint.base_url.rstrip("/") + path) as response,
        ):
            body = await _body(response)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise failures.unreachable(error, endpoint) from error
    if not response.is_success:
        raise ModelError(f"its list of models was refused ({response.status_code})")
    return tuple(sorted(_names(body)))


async def _body(response: httpx2.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MOST_BYTES:
            raise ModelError("its list of models is too long")
    return body


def _names(body: bytes) -> list[str]:
    """The ids in `{"data": [{"id": …}, …]}`, which all three APIs answer with."""
    try:
        read: Any = json.loads(body)
    except (ValueError, RecursionError):
        read = None
    data = read.get("data") if isinstance(read, dict) else None
    if not isinstance(data, list):
        raise ModelError("what it answered is no list of models")
    return [item["id"] for item in data if isinstance(item, dict) and isinstance(item.get("id"), str)]
