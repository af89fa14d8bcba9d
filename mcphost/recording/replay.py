"""A recorded run, run again from its recording.

Law: nothing is asked of anybody, no model, no server and no person, and no SDK is imported.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from mcphost.approvals import Mode, Policy
from mcphost.approvals.guard import Guard
from mcphost.config.schema import Config, Limits
from mcphost.errors import UsageError
from mcphost.events import Event, Show
from mcphost.journal import Journal
from mcphost.messages import Message, to_json
from mcphost.models.base import Model
from mcphost.questions import Frontend
from mcphost.recording.judgements import ReplayedGuard, ReplayedPolicy, Said
from mcphost.recording.lines import Line, Recording, dumps
from mcphost.recording.recorder import marked
from mcphost.recording.stand_ins import (
    LiveModel,
    OrderedJournal,
    ReplayedFrontend,
    ReplayedModel,
    ReplayedPool,
    ReplayedServer,
    configured,
)
from mcphost.recording.tape import Tape
from mcphost.servers import Pool
from mcphost.servers.wire import Passed


class Replay:
    """The Edges of one Host, which is to have its `config`, `system` and `recorded` model: everything answers from the
    recording.

    `model` is asked instead of the recorded one, while the servers stay as recorded. `tap` is shown the MCP messages.

    Raises:
        UsageError: the recorded run ended before it sent anything.
    """

    def __init__(
        self, recording: Recording, *, model: Model | None = None, tap: Callable[[str, Passed], None] | None = None
    ) -> None:
        header = recording.header
        if "model" not in header:
            raise UsageError("the recorded run ended before anything was sent", hint="Record another one.")
        self.recording = recording
        self._live = model is not None
        self._tap = tap
        self._pool: ReplayedPool | None = None
        self.tape = Tape(recording.lines, ordered=model is None, passing=self._pass)
        self.system: str = header["system"]
        self.mode: Mode = header["mode"]
        self.yolo: bool = header["yolo"]
        self.recorded: Model = LiveModel(self.tape, model) if model else ReplayedModel(self.tape, header["model"])
        self._said = Said(self.tape, recording.lines)
        self._policy = ReplayedPolicy(self._said, header)
        self._frontends: dict[int, ReplayedFrontend] = {}
        configs = {one["name"]: configured(one) for one in header["servers"]}
        self.config = Config(
            servers={name: config for name, config in configs.items() if config}, limits=_limits(header["limits"])
        )
        self._times: dict[str, deque[float]] = defaultdict(deque)
        for line in recording.lines:
            self._times[_untimed(line)].append(line["at"])

    def pool(
        self,
        build: object,
        show: Show,
        make: Callable[[Tape, Mapping[str, Any]], ReplayedServer] = ReplayedServer,
    ) -> Pool:
        self._pool = ReplayedPool(self.tape, self.recording.header["servers"], show, make)
        return self._pool

    def journal(self, journal: Journal) -> Journal:
        return OrderedJournal(self.tape, journal)

    def model(self, model: Model) -> Model:
        return self.recorded

    def frontend(self, frontend: Frontend) -> Frontend:
        """`frontend` is shown everything, and its questions are answered from the recording."""
        if isinstance(frontend, ReplayedFrontend):
            return frontend
        replayed = ReplayedFrontend(self.tape, frontend, live=self._live)
        return self._frontends.setdefault(id(frontend), replayed)

    def policy(self, policy: Policy) -> Policy:
        return self._policy

    def guard(self, guard: Guard) -> Guard:
        return ReplayedGuard(self._said, strict=self.recording.header["strict"])

    def turn(self, messages: Sequence[Message], **rest: object) -> None:
        self.tape.saw("turn", messages=to_json(messages))

    async def show(self, event: Event) -> None:
        if (mark := marked(event)) is not None:
            self.tape.saw("shown", **mark)
            await self.tape.caught_up()

    def stamp(self, line: Line) -> float:
        """When this happened in the recorded run: the `stamp` of a Recorder that records the replay."""
        times = self._times[_untimed(line)]
        return times.popleft() if times else 0.0

    def check(self) -> None:
        """Raises the Divergence that there was, whatever became of it on its way."""
        self.tape.check()

    def finish(self) -> None:
        """Raises Divergence where anything differed, or the recording goes on."""
        self.tape.finish()

    def _pass(self, line: Line) -> None:
        if line["kind"] == "server" and self._pool is not None:
            self._pool.change(line["name"], line["changed"])
        elif self._tap is not None:
            self._tap(line["server"], Passed(line["sender"], line["era"], line["message"]))


def _limits(recorded: Mapping[str, Any]) -> Limits:
    known = {field.name for field in fields(Limits)}
    return Limits(**{name: value for name, value in recorded.items() if name in known})


def _untimed(line: Line) -> str:
    return dumps({key: value for key, value in line.items() if key != "at"})
