"""What stands below the loop in a replay, in place of models, servers and people: each answers from the tape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar, cast

import anyio

from mcphost.config.schema import Limits, Price, SamplingBudget, ServerConfig
from mcphost.errors import Divergence, ServerUnavailable
from mcphost.events import Event, Show
from mcphost.journal import Effect, Journal, Record, Run
from mcphost.messages import AssistantMessage, ToolResult, from_json, to_json
from mcphost.models.base import Model, ModelInfo, ModelRequest, Piece
from mcphost.questions import Frontend, Question, WaitingCall
from mcphost.recording.lines import Line, Requests
from mcphost.recording.tape import EVENTS, PATIENCE, Tape
from mcphost.recording.values import (
    answer_from_json,
    error_from_json,
    event_from_json,
    outcome_from_json,
    piece_from_json,
)
from mcphost.servers.dial import Dial
from mcphost.servers.server import Server
from mcphost.servers.wire import Caller, CallOutcome, Progress, PromptMessage, RequestRefused, ResourceContents

A = TypeVar("A")


class ReplayedModel:
    """Law: once anything differed, there is no further reply."""

    def __init__(self, tape: Tape, described: Mapping[str, Any]) -> None:
        info = dict(described)
        self.name: str = info.pop("name")
        self.info = ModelInfo(**info)
        self._tape = tape
        self._requests = Requests()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        told = self._requests.told(self.name, request)
        await self._tape.reach("request", **told)
        line = self._tape.did("request", **told)
        self._requests.add(line["id"], self.name, request)
        reply = await self._tape.next(("request", line["id"]))
        for piece in reply["pieces"]:
            yield piece_from_json(piece)
        self._tape.go_soon(reply)
        if "error" in reply:
            raise error_from_json(reply["error"])
        yield from_json(reply["message"])

    def warm(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class LiveModel:
    """`model` itself, until a call differs from what was recorded."""

    def __init__(self, tape: Tape, model: Model) -> None:
        self.name = model.name
        self.info = model.info
        self._tape = tape
        self._model = model

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        self._tape.check()
        async with aclosing(self._model.stream(request)) as pieces:
            async for piece in pieces:
                yield piece

    def warm(self) -> None:
        self._model.warm()

    async def aclose(self) -> None:
        await self._model.aclose()


class ReplayedFrontend:
    """Shows everything to `frontend`, and asks it only what was never asked when another model is at work."""

    def __init__(self, tape: Tape, frontend: Frontend, *, live: bool) -> None:
        self._tape = tape
        self._frontend = frontend
        self._live = live

    async def show(self, event: Event) -> None:
        await self._frontend.show(event)

    async def ask(self, question: Question[A]) -> A:
        body = to_json(question)
        if self._live and not self._tape.knows("question", question=body):
            return await self._frontend.ask(question)
        await self._tape.reach("question", question=body)
        line = self._tape.did("question", question=body)
        answer = await self._tape.next(("question", line["id"]))
        self._tape.go(answer)
        return cast(A, answer_from_json(answer["answer"]))


class ReplayedServer(Server):
    """A server as it was described, answering as it answered."""

    def __init__(self, tape: Tape, described: Mapping[str, Any]) -> None:
        config = configured(described)
        dial = Dial(described["transport"])
        super().__init__(described["name"], config, dial, _no_link, limits=Limits(), emit=_nothing)
        self._tape = tape
        self._described: Mapping[str, Any] = {}
        self.describe(described)

    def describe(self, changed: Mapping[str, Any]) -> None:
        """It is now as this says, and for the rest as it was."""
        self._described = described = {**self._described, **changed}
        self.era = described["era"]
        self.version = described["version"]
        self.info = described["info"]
        self.instructions = described["instructions"]
        self._status.enter(described["state"], described["detail"])
        self._offer.restore({kind: described[kind] for kind in ("tools", "resources", "templates", "prompts")})

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        caller: Caller | None = None,
        progress: Progress | None = None,
    ) -> CallOutcome:
        about = {"tool": tool, "arguments": to_json(arguments)}
        outcome: CallOutcome = await self._ask("call", about, caller, progress)
        return outcome

    async def read(self, uri: str, *, caller: Caller | None = None) -> tuple[ResourceContents, ...]:
        contents: tuple[ResourceContents, ...] = await self._ask("read", {"uri": uri}, caller)
        return contents

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], *, caller: Caller | None = None
    ) -> tuple[PromptMessage, ...]:
        about = {"name": name, "arguments": dict(arguments)}
        messages: tuple[PromptMessage, ...] = await self._ask("prompt", about, caller)
        return messages

    async def complete(
        self, ref: Mapping[str, Any], argument: str, value: str, context: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        about = {"ref": dict(ref), "argument": argument, "value": value, "context": dict(context or {})}
        values: tuple[str, ...] = await self._ask("complete", about)
        return values

    async def _ask(
        self, verb: str, about: Mapping[str, Any], caller: Caller | None = None, progress: Progress | None = None
    ) -> Any:
        await self._tape.reach("call", server=self.name, verb=verb, about=about)
        try:
            line = self._tape.did("call", server=self.name, verb=verb, about=about)
            ending = await self._play(line["id"], caller, progress)
        except Divergence as error:
            # Nobody below the loop may end a turn: the model's next request does.
            raise ServerUnavailable(error.message, server=self.name) from error
        self._tape.go_soon(ending)
        if "error" in ending:
            raise error_from_json(ending["error"])
        return outcome_from_json(verb, ending["value"])

    async def _play(self, id: int, caller: Caller | None, progress: Progress | None) -> Line:
        """What the server did during the call with this id, until it ended."""
        failure: Divergence | None = None
        ending: Line = {}
        async with anyio.create_task_group() as asking:
            while not ending and failure is None:
                try:
                    line = await self._tape.next(("call", id))
                except Divergence as error:
                    failure = error
                    break
                if line["kind"] == "outcome":
                    ending = line
                elif line["kind"] == "asked" and caller:
                    asking.start_soon(self._answer, line, caller)
                else:
                    if progress and line["kind"] == "progress":
                        await progress(line["progress"], line["total"], line["message"])
                    self._tape.go(line)
            asking.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return ending

    async def _answer(self, line: Line, caller: Caller) -> None:
        answer = caller.sample if line["what"] == "sample" else caller.elicit
        self._tape.go_soon(line)
        try:
            said: dict[str, Any] = {"result": to_json(await answer(self.name, line["params"]))}
        except RequestRefused as refusal:
            said = {"refused": {"code": refusal.code, "message": refusal.message}}
        try:
            self._tape.answered(asked=line["id"], **said)
        except Divergence:
            pass  # the tape keeps it


class OrderedJournal:
    """`journal`, which also holds the loop back until it had come as far in the recorded run: what happens next is
    seen in the same order, also of calls that run side by side."""

    def __init__(self, tape: Tape, journal: Journal) -> None:
        self._tape = tape
        self._journal = journal

    async def begin(self, run: Run) -> None:
        await self._journal.begin(run)

    async def intent(self, effect: Effect) -> None:
        await self._journal.intent(effect)
        await self._reach(
            "StepStarted" if effect.call is None else "CallStarted", effect.call.id if effect.call else None
        )

    async def outcome(self, effect: str, message: AssistantMessage | ToolResult) -> None:
        await self._journal.outcome(effect, message)
        if isinstance(message, ToolResult):
            await self._reach("CallEnded", message.call_id)
        elif message.stop != "cut":
            await self._reach("Replied")

    async def settle(self, effect: Effect, message: ToolResult) -> None:
        await self._journal.settle(effect, message)
        await self._reach("CallEnded", message.call_id)

    async def wait(self, run: str, waiting: WaitingCall) -> None:
        await self._journal.wait(run, waiting)

    async def finish(self, run: str, stop: str) -> None:
        await self._journal.finish(run, stop)
        if stop != "failed":
            await self._reach("TurnEnded")

    async def fold(self, run: str) -> Record:
        return await self._journal.fold(run)

    async def _reach(self, event: str, call: str | None = None) -> None:
        await self._tape.reach("shown", event=event, **({"call": call} if call else {}))


class ReplayedPool:
    """The servers of a recording. What they announced is shown when its place has come."""

    def __init__(
        self,
        tape: Tape,
        described: Sequence[Mapping[str, Any]],
        show: Show,
        make: Callable[[Tape, Mapping[str, Any]], ReplayedServer] = ReplayedServer,
    ) -> None:
        self._servers = {one["name"]: make(tape, one) for one in described}
        self.servers: Mapping[str, Server] = MappingProxyType(self._servers)
        self._tape = tape
        self._show = show
        self._telling: asyncio.Task[None]

    async def __aenter__(self) -> ReplayedPool:
        for line in self._tape.opening():
            await self._happen(line)
        self._telling = asyncio.create_task(self._tell())
        self._tape.telling = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        for server in self._servers.values():
            server.stop()
        self._tape.saw("left")
        if self._tape.ended:
            await asyncio.wait([self._telling], timeout=PATIENCE)
        self._telling.cancel()
        await asyncio.wait([self._telling])
        return None

    def change(self, server: str, changed: Mapping[str, Any]) -> None:
        self._servers[server].describe(changed)

    async def settled(self, seconds: float, names: Collection[str] | None = None) -> bool:
        wanted = (self._servers[name] for name in (self._servers if names is None else names))
        return all(server.state not in ("pending", "restarting") for server in wanted)

    async def _tell(self) -> None:
        try:
            while self._tape.goes_on(EVENTS):
                line = await self._tape.next(EVENTS)
                await self._happen(line)
                self._tape.go(line)
        finally:
            self._tape.telling = False

    async def _happen(self, line: Line) -> None:
        await self._show(event_from_json(line["event"]))


def configured(described: Mapping[str, Any]) -> ServerConfig | None:
    """As much of a server's configuration as the loop asks for."""
    known = described.get("config")
    if known is None:
        return None
    remote = described["transport"] != "stdio"
    return ServerConfig(
        described["name"],
        url=("http://localhost/" if known["local"] else "https://server.invalid/") if remote else None,
        transport=described["transport"],
        sampling=known["sampling"],
        budget=_budget(known["budget"]) if "budget" in known else SamplingBudget(),
        trust_annotations=known["trust_annotations"],
        read_only=tuple(known["read_only"]),
        instructions=known["instructions"],
    )


def _budget(told: Mapping[str, Any]) -> SamplingBudget:
    prices = {model: Price(**price) for model, price in told["prices"].items()}
    return SamplingBudget(**{**told, "prices": prices})


def _no_link(dial: Dial) -> Any:
    raise AssertionError("a replayed server is never started")


def _nothing(event: Event) -> None:
    pass
