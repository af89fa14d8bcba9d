"""Runs against the demo server in this process, recorded, replayed, and recorded while they are replayed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mcphost.approvals import Policy
from mcphost.approvals.guard import Guard
from mcphost.demo.notes import NoteStore
from mcphost.demo.server import create_server
from mcphost.events import CallEnded, Event, Show
from mcphost.host import Host
from mcphost.journal import Journal
from mcphost.messages import Message, to_json
from mcphost.models.base import Model
from mcphost.questions import (
    Approval,
    ElicitationAnswer,
    ElicitationForm,
    Frontend,
    Question,
    SampleResult,
    SamplingDecision,
    SamplingReview,
    ToolApproval,
)
from mcphost.recording import Recorder, Replay, read
from mcphost.recording.stand_ins import ReplayedServer
from mcphost.recording.tape import Tape
from mcphost.recording.taps import RecordedServer
from mcphost.servers import Pool
from mcphost.servers.server import Server
from mcphost.servers.wire import CallOutcome, Passed
from mcphost.testing import ScriptedFrontend, ScriptedModel

A = TypeVar("A")

MEETING = {"title": "Retro", "day": "2026-03-01"}


def person(**answers: Any) -> ScriptedFrontend:
    """Somebody who says yes to everything; `approve` decides about calls."""
    return ScriptedFrontend(
        {
            ToolApproval: answers.get("approve", Approval(True)),
            SamplingReview: SamplingDecision(True),
            SampleResult: SamplingDecision(True, edited={"content": {"type": "text", "text": "as edited"}}),
            ElicitationForm: ElicitationAnswer("accept", MEETING),
        }
    )


async def record(
    file: Path, replies: Sequence[Any], *tasks: str, frontend: ScriptedFrontend | None = None, **options: Any
) -> list[Event]:
    """Send `tasks` to one chat of a recorded Host with the demo server; the events that a person saw."""
    frontend = frontend or person()
    recorder = Recorder(file, redact=options.pop("redact", str))
    with closing(NoteStore(None)) as store, closing(recorder):
        options.setdefault("servers", {"demo": create_server(store)})
        model = ScriptedModel(replies)
        async with Host(model=model, frontend=frontend, environ={}, edges=recorder, **options) as host:
            chat = host.chat()
            for task in tasks:
                await chat.send(task)
    assert recorder.problem is None
    return frontend.events


@asynccontextmanager
async def replaying(recorded: Replay, frontend: Frontend, edges: Any = None) -> AsyncIterator[Host]:
    async with Host(
        recorded.config,
        model=recorded.recorded,
        frontend=frontend,
        system=recorded.system,
        environ={},
        edges=edges or recorded,
    ) as host:
        yield host


async def replay(file: Path, again: Path | None = None) -> list[Event]:
    """Run the recording again, and record that in the file `again`; the events that a person saw."""
    frontend = ScriptedFrontend()
    recorder: Recorder | None = None

    def tap(server: str, passed: Passed) -> None:
        if recorder:
            recorder.passed(server, passed)

    recorded = Replay(read(file), tap=tap)
    recorder = Recorder(again, stamp=recorded.stamp) if again else None
    edges = Both(recorder, recorded) if recorder else recorded
    with closing(recorder) if recorder else nullcontext():
        async with replaying(recorded, frontend, edges) as host:
            chat = host.chat()
            for messages in recorded.recording.turns:
                await chat.send(messages)
        recorded.finish()
    return frontend.events


class Both:
    """A replay that is recorded."""

    def __init__(self, recorder: Recorder, replay: Replay) -> None:
        self._recorder = recorder
        self._replay = replay

    def pool(self, build: Callable[[Callable[..., Server]], Pool], show: Show) -> Pool:
        return self._replay.pool(build, show, partial(RecordedReplay, self._recorder))

    def model(self, model: Model) -> Model:
        return self._recorder.model(self._replay.model(model))

    def frontend(self, frontend: Frontend) -> Frontend:
        return InTurn(self._recorder.frontend(self._replay.frontend(frontend)), self._replay.tape)

    def journal(self, journal: Journal) -> Journal:
        return self._replay.journal(journal)

    def policy(self, policy: Policy) -> Policy:
        return self._recorder.policy(self._replay.policy(policy))

    def guard(self, guard: Guard) -> Guard:
        return self._recorder.guard(self._replay.guard(guard))

    def turn(self, messages: Sequence[Message], **about: Any) -> None:
        self._recorder.turn(messages, **about)
        self._replay.turn(messages)

    async def show(self, event: Event) -> None:
        await self._recorder.show(event)
        await self._replay.show(event)


class InTurn:
    """Asks when the question's place in the recording has come, so that it is recorded there."""

    def __init__(self, frontend: Frontend, tape: Tape) -> None:
        self.show = frontend.show
        self._frontend = frontend
        self._tape = tape

    async def ask(self, question: Question[A]) -> A:
        await self._tape.reach("question", question=to_json(question))
        return await self._frontend.ask(question)


class RecordedReplay(RecordedServer, ReplayedServer):
    """Calls when the call's place in the recording has come."""

    async def call(self, tool: str, arguments: Mapping[str, Any], **rest: Any) -> CallOutcome:
        await self._tape.reach("call", server=self.name, verb="call", about={"tool": tool, "arguments": arguments})
        return await super().call(tool, arguments, **rest)


def facts(events: Sequence[Event]) -> list[Mapping[str, Any]]:
    """Events as JSON, without what no two runs share: the chat's id, pids and measured seconds."""
    found = []
    for event in events:
        body = to_json(event) | {"chat": "", "pid": None}
        found.append(body | {"seconds": 0} if isinstance(event, CallEnded) else body)
    return found
