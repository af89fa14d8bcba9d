"""Sampling: a server has the chat's model answer something.

Law 2: nothing reaches the model that was not allowed, by the configuration or by a person who saw all of it. What a
server can spend is bounded: one request at a time, so many a minute, so many tokens a chat. Nothing of the chat is
added to the request, and nothing of it is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio

from mcphost.config.schema import Decision
from mcphost.errors import McpHostError, ModelCut
from mcphost.events import RequestAnswered, Show
from mcphost.messages import AssistantMessage, Usage
from mcphost.models.base import Model, ModelOptions, ModelRequest
from mcphost.questions import Frontend, SamplingReview
from mcphost.requests import wire
from mcphost.requests.rate import Rate
from mcphost.servers.wire import RequestRefused
from mcphost.text import safe

PER_MINUTE = 10
TOKENS = 20_000  # input and output together, for each server in one chat
REJECTED, MODEL_FAILED, INVALID = -1, -2, -32602

# The model that shall answer, given the names a server hinted at, most wanted first.
Choose: TypeAlias = Callable[[Sequence[str]], Model]
_NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class _Prepared:
    model: Model
    request: ModelRequest
    review: SamplingReview
    tools: wire.Tools


class Sampler:
    """`decision` is the configuration's word on a server: allow, ask or deny."""

    def __init__(
        self,
        frontend: Frontend,
        show: Show,
        *,
        choose: Choose,
        decision: Callable[[str], Decision],
        clock: Callable[[], float],
    ) -> None:
        self._frontend = frontend
        self._show = show
        self._choose = choose
        self._decision = decision
        self._rate = Rate(PER_MINUTE, 60, clock)
        self._spent: Counter[str] = Counter()
        self._lock = anyio.Lock()

    async def sample(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._admit(server)
            async with self._lock:
                result, usage = await self._answer(server, params)
        except McpHostError as error:
            await self._tell(server, "failed", error.message)
            raise RequestRefused(MODEL_FAILED, error.message) from error
        except _Unanswered as error:
            why = "" if error.outcome == "declined" else error.message
            await self._tell(server, error.outcome, why, error.usage)
            raise
        await self._tell(server, "accepted", usage=usage)
        return result

    async def _tell(self, server: str, outcome: str, why: str = "", usage: Usage = _NO_USAGE) -> None:
        await self._show(RequestAnswered(server=server, kind="sampling", outcome=outcome, why=why, usage=usage))

    def _admit(self, server: str) -> None:
        if self._decision(server) == "deny":
            raise _Unanswered("the configuration denies sampling to this server")
        if not self._rate.take(server):
            raise _Unanswered(f"more than {PER_MINUTE} sampling requests in a minute")

    async def _answer(self, server: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], Usage]:
        try:
            prepared = self._prepare(server, params)
        except ValueError as error:
            raise _Unanswered(str(error), code=INVALID) from error
        if self._decision(server) == "ask":
            await self._ask(prepared.review)
        return await self._run(server, prepared)

    def _prepare(self, server: str, params: Mapping[str, Any]) -> _Prepared:
        messages = params.get("messages")
        wanted = params.get("maxTokens")
        if not isinstance(messages, list) or not isinstance(wanted, int) or wanted < 1:
            raise ValueError("messages and maxTokens are needed")
        tools = wire.tools(params.get("tools") or ())
        request = ModelRequest(
            wire.conversation(messages, tools),
            tools.definitions,
            safe(params.get("systemPrompt") or ""),
            max_tokens=min(wanted, self._left(server, params)),
            options=_options(params),
        )
        model = self._choose(_hints(params))
        review = SamplingReview(
            server,
            model.name,
            tuple(messages),
            request.max_tokens or 0,
            request.system or None,
            tuple(tools.originals.values()),
        )
        return _Prepared(model, request, review, tools)

    def _left(self, server: str, params: Mapping[str, Any]) -> int:
        """How many tokens the answer may have, once those of the request are counted."""
        asked = wire.estimate([params.get(key) for key in ("messages", "systemPrompt", "tools")])
        left = TOKENS - self._spent[server] - asked
        if left < 1:
            raise _Unanswered(f"this would pass the {TOKENS:,} tokens that a server may use in one chat")
        return left

    async def _ask(self, review: SamplingReview) -> None:
        answer = await self._frontend.ask(review)
        if not answer.asked:
            raise _Unanswered(f"nobody could be asked (mcphost.servers.{review.server}.sampling: allow would let it)")
        if not answer.allowed:
            raise _Unanswered("User rejected sampling request", outcome="declined")

    async def _run(self, server: str, prepared: _Prepared) -> tuple[dict[str, Any], Usage]:
        reply = await _reply(prepared.model, prepared.request)
        self._spent[server] += reply.usage.input + reply.usage.output
        name = reply.native.model if reply.native else prepared.model.name
        try:
            result = wire.result(reply, name, prepared.tools, prepared.request.options.stop)
        except ValueError as error:
            raise _Unanswered(str(error), code=MODEL_FAILED, outcome="failed", usage=reply.usage) from error
        return result, reply.usage


class _Unanswered(RequestRefused):
    """A request that gets an error. `outcome` and `usage` are for our own side."""

    def __init__(self, why: str, *, code: int = REJECTED, outcome: str = "refused", usage: Usage = _NO_USAGE) -> None:
        super().__init__(code, why)
        self.outcome = outcome
        self.usage = usage


def _hints(params: Mapping[str, Any]) -> tuple[str, ...]:
    hints = (params.get("modelPreferences") or {}).get("hints") or ()
    return tuple(str(hint["name"]) for hint in hints if hint.get("name"))


def _options(params: Mapping[str, Any]) -> ModelOptions:
    """includeContext counts as "none" and metadata is never forwarded: a server has no say beyond its own request."""
    mode = (params.get("toolChoice") or {}).get("mode")
    return ModelOptions(
        temperature=params.get("temperature"),
        stop=tuple(sequence for sequence in params.get("stopSequences") or () if sequence.strip()),
        tool_choice=mode if params.get("tools") and mode in ("auto", "required", "none") else "auto",
    )


async def _reply(model: Model, request: ModelRequest) -> AssistantMessage:
    async with aclosing(model.stream(request)) as pieces:
        async for piece in pieces:
            if isinstance(piece, AssistantMessage):
                return piece
    raise ModelCut("the model's answer ended before it was complete")
