"""The parts of a Host that a recorder stands behind: each does what it did, and what happened is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mcphost.approvals import Policy
from mcphost.approvals.guard import Flow, Guard
from mcphost.approvals.policy import Judgement
from mcphost.config.schema import Decision
from mcphost.errors import McpHostError
from mcphost.events import Event
from mcphost.messages import AssistantMessage, ToolResult, to_json
from mcphost.models.base import Model, ModelRequest, Piece
from mcphost.questions import Frontend, Question
from mcphost.recording import values
from mcphost.servers.dial import Dial, Settings
from mcphost.servers.server import Server
from mcphost.servers.wire import (
    Caller,
    CallOutcome,
    Progress,
    PromptMessage,
    RequestRefused,
    ResourceContents,
)
from mcphost.tools import Tool

if TYPE_CHECKING:
    from mcphost.recording.recorder import Recorder

A = TypeVar("A")
R = TypeVar("R")


class RecordedModel:
    def __init__(self, model: Model, recorder: Recorder) -> None:
        self.name = model.name
        self.info = model.info
        self._model = model
        self._recorder = recorder

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        id = self._recorder.requested(self.name, request)
        pieces: list[Piece] = []
        try:
            async with aclosing(self._model.stream(request)) as stream:
                async for piece in stream:
                    if isinstance(piece, AssistantMessage):
                        self._recorder.replied(id, pieces, message=to_json(piece))
                    pieces.append(piece)
                    yield piece
        except McpHostError as error:
            self._recorder.replied(id, pieces, error=values.error_to_json(error))
            raise

    def warm(self) -> None:
        self._model.warm()

    async def aclose(self) -> None:
        await self._model.aclose()


class RecordedFrontend:
    def __init__(self, frontend: Frontend, recorder: Recorder) -> None:
        self._frontend = frontend
        self._recorder = recorder

    async def show(self, event: Event) -> None:
        await self._frontend.show(event)

    async def ask(self, question: Question[A]) -> A:
        id = self._recorder.ask("question", question=to_json(question))
        answer = await self._frontend.ask(question)
        self._recorder.write("answer", question=id, answer=to_json(answer))
        return answer


class RecordedPolicy(Policy):
    """`policy`, with every judgement of it written down."""

    def __init__(self, policy: Policy, recorder: Recorder) -> None:
        super().__init__(
            policy.rules,
            default=policy.default,
            mode=policy.mode,
            yolo=policy.yolo,
            origin=policy.origin,
            remembered=policy.remembered,
            coverage=policy.coverage,
            lock=policy.lock,
        )
        self._policy = policy
        self._recorder = recorder

    def cover(self, tools: Iterable[Tool]) -> None:
        self._policy.cover(tools)

    def judge(self, tool: Tool, arguments: Mapping[str, Any]) -> Judgement:
        judgement = self._policy.judge(tool, arguments)
        rule = judgement.rule
        self._recorder.write(
            "judged",
            server=tool.server,
            tool=tool.tool,
            arguments=to_json(arguments),
            decision=judgement.decision,
            why=judgement.why,
            unasked=judgement.unasked,
            changes=list(judgement.changes),
            rule=rule and {"decision": rule.decision, "message": rule.message},
        )
        return judgement

    def hides(self, server: str, tool: str) -> bool:
        return self._policy.hides(server, tool)

    def sampling(self, server: str, configured: Decision) -> Decision:
        decision = self._policy.sampling(server, configured)
        self._recorder.write("judged", server=server, sampling=decision)
        return decision


class RecordedGuard(Guard):
    """`guard`, with every flow that it finds, or does not find, written down."""

    def __init__(self, guard: Guard, recorder: Recorder) -> None:
        super().__init__(strict=guard.strict)
        self._guard = guard
        self._recorder = recorder

    def saw(self, result: ToolResult) -> None:
        self._guard.saw(result)

    def flow(self, tool: Tool, arguments: Mapping[str, Any]) -> Flow | None:
        flow = self._guard.flow(tool, arguments)
        about = {"server": tool.server, "tool": tool.tool, "arguments": to_json(arguments)}
        self._recorder.write("judged", flow=flow and dataclasses.asdict(flow), **about)
        return flow


class RecordedServer(Server):
    """Arguments as for Server, behind the recorder's."""

    def __init__(self, recorder: Recorder, *rest: Any, **options: Any) -> None:
        super().__init__(*rest, **options)
        self._recorder = recorder
        recorder.watch(self)

    def stop(self) -> None:
        self._recorder.left()
        super().stop()

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        caller: Caller | None = None,
        progress: Progress | None = None,
    ) -> CallOutcome:
        id = self._call_begins("call", tool=tool, arguments=to_json(arguments))
        recorded = caller and RecordedCaller(caller, self._recorder, id)
        call = super().call(
            tool, arguments, caller=recorded, progress=progress and partial(self._progressed, id, progress)
        )
        return await self._call_ends(id, call)

    async def read(self, uri: str, *, caller: Caller | None = None) -> tuple[ResourceContents, ...]:
        id = self._call_begins("read", uri=uri)
        return await self._call_ends(
            id, super().read(uri, caller=caller and RecordedCaller(caller, self._recorder, id))
        )

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], *, caller: Caller | None = None
    ) -> tuple[PromptMessage, ...]:
        id = self._call_begins("prompt", name=name, arguments=dict(arguments))
        recorded = caller and RecordedCaller(caller, self._recorder, id)
        return await self._call_ends(id, super().get_prompt(name, arguments, caller=recorded))

    async def complete(
        self, ref: Mapping[str, Any], argument: str, value: str, context: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        id = self._call_begins("complete", ref=dict(ref), argument=argument, value=value, context=dict(context or {}))
        return await self._call_ends(id, super().complete(ref, argument, value, context))

    def _call_begins(self, verb: str, **about: Any) -> int:
        return self._recorder.ask("call", server=self.name, verb=verb, about=about)

    async def _call_ends(self, id: int, call: Awaitable[R]) -> R:
        try:
            outcome = await call
        except McpHostError as error:
            self._recorder.write("outcome", call=id, error=values.error_to_json(error))
            raise
        self._recorder.write("outcome", call=id, value=to_json(outcome))
        return outcome

    async def _progressed(
        self, id: int, progress: Progress, done: float, total: float | None, message: str | None
    ) -> None:
        self._recorder.write("progress", call=id, progress=done, total=total, message=message)
        await progress(done, total, message)

    def _settings(self, dial: Dial, seconds: float) -> Settings:
        return dataclasses.replace(super()._settings(dial, seconds), tap=partial(self._recorder.passed, self.name))


@dataclasses.dataclass(frozen=True)
class RecordedCaller:
    """`caller` for one call. Two of them are the same chat if their callers are."""

    caller: Caller
    recorder: Recorder = dataclasses.field(compare=False)
    call: int = dataclasses.field(compare=False)

    async def sample(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return await self._answered("sample", self.caller.sample, server, params)

    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return await self._answered("elicit", self.caller.elicit, server, params)

    async def _answered(
        self,
        what: str,
        answer: Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]],
        server: str,
        params: Mapping[str, Any],
    ) -> dict[str, Any]:
        id = self.recorder.ask("asked", call=self.call, what=what, params=to_json(params))
        try:
            result = await answer(server, params)
        except RequestRefused as refusal:
            refused = {"code": refusal.code, "message": refusal.message}
            self.recorder.write("answered", asked=id, refused=refused)
            raise
        self.recorder.write("answered", asked=id, result=to_json(result))
        return result
