"""Wires move bytes: a body out, (event, data) pairs back. `direct` needs httpx2 alone, `sdk` an official client.

Law: wires only send, answers are read here, so both yield the same pairs and errors; neither follows a redirect or
retries. Nothing heavy is imported until a wire is built.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mcphost.errors import ModelCut, ModelError
from mcphost.models import failures
from mcphost.models.endpoints import Endpoint
from mcphost.models.sse import EventReader, Pair
from mcphost.text import one_line

if TYPE_CHECKING:
    import ssl

    import httpx2

REPLY_LIMIT = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an API. `tls` None: a context of the wire's own. The limits are in seconds: to connect, from a
    request to the first byte of its answer, and between any two bytes after it."""

    tls: ssl.SSLContext | None = None
    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 120.0

    @property
    def timeout(self) -> httpx2.Timeout:
        import httpx2

        return httpx2.Timeout(self.first_byte, connect=self.connect)

    def client(self, endpoint: Endpoint, headers: httpx2.Headers | None = None) -> httpx2.AsyncClient:
        """A client that goes the endpoint's own way: no environment, no redirects. A context takes long to build, and
        plain http uses none.

        Raises:
            ModelError: its proxy or its certificates cannot be used.
        """
        import httpx2

        network = endpoint.network
        plain = endpoint.base_url.startswith("http:")
        try:
            return httpx2.AsyncClient(
                headers=headers,
                verify=False if plain else self.tls or network.tls(),
                proxy=network.proxy,
                timeout=self.timeout,
                trust_env=False,
                follow_redirects=False,
            )
        except (ImportError, OSError, ValueError) as error:
            raise ModelError(
                f"The model API {endpoint.name!r} cannot be reached: {one_line(str(error))}",
                hint="Check proxy and caFile in mcphost.models, the proxy variables, SSL_CERT_FILE and SSL_CERT_DIR.",
            ) from error


class Wire(Protocol):
    async def send(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        """Post `body`; the answer, of whatever status, with its body unread or (an error's) read.

        Raises:
            ModelBusy, ModelError: no answer began.
        """

    async def aclose(self) -> None: ...


async def pairs(
    wire: Wire, path: str, body: Mapping[str, Any], endpoint: Endpoint, connection: Connection
) -> AsyncGenerator[Pair, None]:
    """Post `body` and yield the answer's events. Read it under `aclosing()`: that closes the answer at once.

    Raises:
        SignInNeeded, ModelBusy, ContextOverflow, ModelError: the API refused, or does not speak this API.
        ModelCut: the connection broke, or fell silent, after the answer had begun.
    """
    import httpx2

    response = await wire.send(path, body)
    # The connection reads this when the body begins; no other place knows of two limits for one request.
    response.request.extensions["timeout"]["read"] = connection.idle
    try:
        await _check(response, endpoint)
        reader, size = EventReader(), 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > REPLY_LIMIT:
                raise ModelError(f"The model API {endpoint.name!r} sent more than {REPLY_LIMIT} bytes in one reply.")
            for pair in reader.feed(chunk):
                yield pair
    except httpx2.ReadTimeout:
        raise ModelCut(
            f"The model API {endpoint.name!r} fell silent for {connection.idle:g} s amid its reply.", hint="Try again."
        ) from None
    except httpx2.HTTPError as error:
        raise ModelCut(
            f"The connection to the model API {endpoint.name!r} broke amid its reply.", hint="Try again."
        ) from error
    finally:
        await response.aclose()


async def _check(response: httpx2.Response, endpoint: Endpoint) -> None:
    if not response.is_success:
        body = await _head(response)
        raise failures.refused(response.status_code, response.headers, body, endpoint, now=time.time())
    content_type = response.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "text/event-stream":
        raise failures.not_the_api(content_type, endpoint)


async def _head(response: httpx2.Response) -> bytes:
    """The first bytes of an error's body; what cannot be read does not hide the status."""
    import httpx2

    if response.is_closed:
        return response.content[: failures.BODY_LIMIT]
    body = b""
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= failures.BODY_LIMIT:
                break
    except httpx2.HTTPError:
        pass
    return body[: failures.BODY_LIMIT]
