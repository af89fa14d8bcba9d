"""What a server asks of us while it works for us: sampling, elicitation, roots.

Law: a request is answered by the Caller whose call it belongs to, or by nobody. Nothing here raises into the SDK.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import mcp_types as t
from mcp.client import ClientRequestContext
from mcp.shared.exceptions import MCPError
from pydantic import FileUrl, TypeAdapter, ValidationError

from mcphost.servers.adapter.errors import flatten
from mcphost.servers.clock import Clock
from mcphost.servers.wire import Caller, RequestRefused

SamplingResult = t.CreateMessageResult | t.CreateMessageResultWithTools

MOST_VISITS = 5  # addresses that one error may ask for

_logger = logging.getLogger(__name__)
_sampling_result: TypeAdapter[SamplingResult] = TypeAdapter(SamplingResult)


class OpenRequest:
    """One of our requests that the server is working on."""

    def __init__(self, requests: Requests, clock: Clock, caller: Caller | None) -> None:
        self.requests = requests
        self.clock = clock
        self.caller = caller
        self.refusal: RequestRefused | None = None


_current: ContextVar[OpenRequest | None] = ContextVar("mcphost_open_request", default=None)


class Requests:
    """The open requests of one connection, and the SDK callbacks that answer for them. At most `limit` questions of the
    server wait for their turn."""

    def __init__(self, server: str, roots: Sequence[Path], limit: int) -> None:
        self._server = server
        self._roots = roots
        self._limit = limit
        self._open: list[OpenRequest] = []
        self._asking: list[tuple[anyio.CancelScope, list[OpenRequest]]] = []
        self._waiting = 0
        self._turn = anyio.Lock()

    @contextmanager
    def open(self, clock: Clock, caller: Caller | None) -> Iterator[OpenRequest]:
        """Make `caller` the one who answers what the server asks inside; its questions end with the request."""
        request = OpenRequest(self, clock, caller)
        self._open.append(request)
        token = _current.set(request)
        try:
            yield request
        finally:
            _current.reset(token)
            self._open.remove(request)
            for scope, owners in self._asking:
                if not any(owner in self._open for owner in owners):
                    scope.cancel()

    def abandon(self) -> None:
        """The connection is gone: nothing that is open will be answered."""
        for request in self._open:
            request.clock.scope.cancel()

    async def sampling(
        self, context: ClientRequestContext, params: t.CreateMessageRequestParams
    ) -> SamplingResult | t.ErrorData:
        asked = _wire(params)
        answer = await self._ask("sampling", lambda caller: caller.sample(self._server, asked))
        if isinstance(answer, t.ErrorData):
            return answer
        try:
            return _sampling_result.validate_python(answer, by_name=False)
        except ValidationError:
            return self._broken("sampling")

    async def elicitation(
        self, context: ClientRequestContext, params: t.ElicitRequestParams
    ) -> t.ElicitResult | t.ErrorData:
        asked = {"mode": "form", **_wire(params)}
        answer = await self._ask("elicitation", lambda caller: caller.elicit(self._server, asked))
        if isinstance(answer, t.ErrorData):
            return answer
        try:
            return t.ElicitResult.model_validate(answer, by_name=False)
        except ValidationError:
            return self._broken("elicitation")

    async def visits(self, error: Exception) -> str | None:
        """What came of the addresses that the person must visit before the server does what it was asked for, by its
        `error`; None: that is not what it says. Only inside the request."""
        wanted = _addresses(error)
        for asked in wanted:
            answer = await self._ask("elicitation", partial(_elicit, self._server, asked))
            if isinstance(answer, t.ErrorData):
                return f"that was refused: {answer.message}"
            if answer.get("action") != "accept":
                return "the user did not agree to visit it"
        return "the user opened it; ask again once they say that they are done there" if wanted else None

    async def roots(self, context: ClientRequestContext) -> t.ListRootsResult | t.ErrorData:
        return t.ListRootsResult(roots=[t.Root(uri=FileUrl(path.as_uri()), name=path.name) for path in self._roots])

    async def _ask(
        self, what: str, question: Callable[[Caller], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any] | t.ErrorData:
        try:
            owners = self._owners(what)
        except RequestRefused as refusal:
            return t.ErrorData(code=refusal.code, message=refusal.message)
        with ExitStack() as resting:
            for owner in owners:
                resting.enter_context(owner.clock.resting())
            return await self._ask_owner(what, question, owners)

    async def _ask_owner(
        self, what: str, question: Callable[[Caller], Awaitable[dict[str, Any]]], owners: list[OpenRequest]
    ) -> dict[str, Any] | t.ErrorData:
        caller = owners[0].caller
        assert caller is not None
        asking = (anyio.CancelScope(), owners)
        self._asking.append(asking)
        self._waiting += 1
        try:
            with asking[0]:
                async with self._turn:
                    return await question(caller)
        except RequestRefused as refusal:
            for owner in owners:
                owner.refusal = refusal
            return t.ErrorData(code=refusal.code, message=refusal.message)
        except Exception:
            _logger.exception("answering %s for server %r failed", what, self._server)
            return self._broken(what)
        finally:
            self._waiting -= 1
            self._asking.remove(asking)
        return t.ErrorData(code=t.INVALID_REQUEST, message=f"the request that this {what} belonged to has ended")

    def _owners(self, what: str) -> list[OpenRequest]:
        """The open requests that a question of the server can belong to: one caller's.

        A legacy stdio server does not say which call it asks for, so there the only caller with open requests is meant.
        """
        if self._waiting >= self._limit:
            text = f"too many requests: {self._limit} are waiting already (waitingRequests)"
            raise RequestRefused(t.INVALID_REQUEST, text)
        current = _current.get()
        if current is not None and current.requests is self and current in self._open:
            owners = [current] if current.caller is not None else []
        else:
            owners = [request for request in self._open if request.caller is not None]
        if not owners:
            raise RequestRefused(t.INVALID_REQUEST, f"{what} is answered only during a request that can be asked about")
        if any(owner.caller != owners[0].caller for owner in owners):
            text = f"several chats use this server at once, and it does not say whose call needs {what}"
            raise RequestRefused(t.INVALID_REQUEST, text)
        return owners

    def _broken(self, what: str) -> t.ErrorData:
        return t.ErrorData(code=t.INTERNAL_ERROR, message=f"the host could not answer {what}")


def _addresses(error: Exception) -> Sequence[Mapping[str, Any]]:
    found = (cause for cause in flatten(error) if isinstance(cause, MCPError) and isinstance(cause.data, dict))
    listed = next((cause.data.get("elicitations") for cause in found if cause.code == t.URL_ELICITATION_REQUIRED), None)
    wanted = listed if isinstance(listed, list) else []
    return [asked for asked in wanted if isinstance(asked, dict) and asked.get("mode") == "url"][:MOST_VISITS]


async def _elicit(server: str, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    return await caller.elicit(server, asked)


def _wire(params: t.CreateMessageRequestParams | t.ElicitRequestParams) -> Mapping[str, Any]:
    return params.model_dump(by_alias=True, mode="json", exclude_none=True)
