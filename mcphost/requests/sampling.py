"""Sampling: a server has the chat's model answer something.

Law 2: nothing reaches the model, and no answer the server, that was not allowed, by the configuration or by a person
who saw all of it. What a server can spend is bounded: one request at a time, so many a minute, and a budget for the
chat. Nothing of the chat is added to the request, and nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio

from mcphost.config.schema import Decision, SamplingBudget
from mcphost.errors import McpHostError, ModelCut
from mcphost.events import RequestAnswered, Show
from mcphost.messages import AssistantMessage, Usage
from mcphost.models.base import Model, ModelOptions, ModelRequest
from mcphost.questions import Frontend, SampleResult, SamplingDecision, SamplingReview
from mcphost.requests import wire
from mcphost.requests.budget import Budgets, OverBudget
from mcphost.requests.rate import Rate
from mcphost.servers.wire import RequestRefused
from mcphost.text import safe

PER_MINUTE = 10
REJECTED, MODEL_FAILED, INVALID = -1, -2, -32602

# The model that shall answer, given the names a server hinted at, most wanted first.
Choose: TypeAlias = Callable[[Sequence[str]], Model]
_NO_USAGE = Usage()
_EDITABLE = {SamplingReview: ("messages", "systemPrompt", "maxTokens"), SampleResult: ("content",)}


@dataclass(frozen=True, slots=True)
class _Prepared:
    model: Model
    request: ModelRequest
    review: SamplingReview
    tools: wire.Tools


class Sampler:
    """`decision` is the configuration's word on a server: allow, ask or deny; `budget` what it may use up."""

    def __init__(
        self,
        frontend: Frontend,
        show: Show,
        *,
        choose: Choose,
        decision: Callable[[str], Decision],
        budget: Callable[[str], SamplingBudget],
        clock: Callable[[], float],
    ) -> None:
        self._frontend = frontend
        self._show = show
        self._choose = choose
        self._decision = decision
        self._rate = Rate(PER_MINUTE, 60, clock)
        self._budgets = Budgets(budget)
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
        prepared = self._prepared(server, params)
        if self._decision(server) == "allow":
            return await self._run(server, prepared)
        edited = await self._ask(prepared.review)
        if edited:
            prepared = self._prepared(server, {**params, **edited})
        result, usage = await self._run(server, prepared)
        return {**result, **await self._ask(_outgoing(server, result), usage)}, usage

    def _prepared(self, server: str, params: Mapping[str, Any]) -> _Prepared:
        try:
            return self._prepare(server, params)
        except ValueError as error:
            raise _Unanswered(str(error), code=INVALID) from error
        except OverBudget as error:
            raise _Unanswered(str(error)) from error

    def _prepare(self, server: str, params: Mapping[str, Any]) -> _Prepared:
        messages = params.get("messages")
        wanted = params.get("maxTokens")
        if not isinstance(messages, list) or not isinstance(wanted, int) or wanted < 1:
            raise ValueError("messages and maxTokens are needed")
        tools = wire.tools(params.get("tools") or ())
        model = self._choose(_hints(params))
        asked = wire.estimate([params.get(key) for key in ("messages", "systemPrompt", "tools")])
        request = ModelRequest(
            wire.conversation(messages, tools),
            tools.definitions,
            safe(params.get("systemPrompt") or ""),
            max_tokens=self._budgets.allowance(server, model.name, input=asked, output=wanted),
            options=_options(params),
        )
        review = SamplingReview(
            server,
            model.name,
            tuple(messages),
            request.max_tokens or 0,
            request.system or None,
            tuple(params.get("tools") or ()),
        )
        return _Prepared(model, request, review, tools)

    async def _ask(self, review: SamplingReview | SampleResult, usage: Usage = _NO_USAGE) -> Mapping[str, Any]:
        """What the person changed, once they agreed. `usage`: what was used up already."""
        answer: SamplingDecision = await self._frontend.ask(review)
        if not answer.asked:
            why = f"nobody could be asked (mcphost.servers.{review.server}.sampling: allow would let it)"
            raise _Unanswered(why, usage=usage)
        if not answer.allowed:
            raise _Unanswered("User rejected sampling request", outcome="declined", usage=usage)
        return {key: value for key, value in answer.edited.items() if key in _EDITABLE[type(review)]}

    async def _run(self, server: str, prepared: _Prepared) -> tuple[dict[str, Any], Usage]:
        self._budgets.begin(server)
        reply = await _reply(prepared.model, prepared.request)
        self._budgets.spend(server, prepared.model.name, reply.usage)
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


def _outgoing(server: str, result: Mapping[str, Any]) -> SampleResult:
    content = result["content"]
    return SampleResult(server, result["model"], tuple(content) if isinstance(content, list) else content)


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
