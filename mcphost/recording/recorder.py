"""What happens at the edges of a Host, written down as it happens: model, servers, frontend, policy.

Law: recording changes nothing. What cannot be written ends the recording, never the run.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from mcphost import __version__, events
from mcphost.approvals import Policy
from mcphost.approvals.guard import Guard
from mcphost.config.network import is_loopback
from mcphost.config.schema import Limits
from mcphost.errors import UsageError
from mcphost.events import Event, ServerChanged, Show
from mcphost.journal import Journal
from mcphost.messages import Message, to_json
from mcphost.models.base import Model, ModelRequest, Piece
from mcphost.questions import Frontend
from mcphost.recording import lines, values
from mcphost.recording.lines import Line, Redact
from mcphost.recording.taps import RecordedFrontend, RecordedGuard, RecordedModel, RecordedPolicy, RecordedServer
from mcphost.servers import Pool
from mcphost.servers.server import Server
from mcphost.servers.wire import Passed

# The events of a chat that a recording names, so that a replay keeps their order; the others follow from a reply.
_MARKED = (
    events.TurnStarted,
    events.StepStarted,
    events.Replied,
    events.CallDecided,
    events.CallStarted,
    events.CallProgressed,
    events.CallEnded,
    events.RequestAnswered,
    events.TurnEnded,
)


def marked(event: Event) -> dict[str, Any] | None:
    """By what a recording names this event of a chat, if it does."""
    if not isinstance(event, _MARKED):
        return None
    about = {"call": call} if (call := getattr(event, "call", None)) else {}
    return {"event": type(event).__name__, **about}


class Recorder:
    """The Edges of one Host: writes what passes to `path`, a new file that only this user can read, line by line.

    `redact` takes the secrets out of every string. `stamp` gives a line its time, by default the seconds since now.
    `problem` says why the recording ended before the run did.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path | str, *, redact: Redact = str, stamp: Callable[[Line], float] | None = None) -> None:
        path = Path(path)
        try:
            path.unlink(missing_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error
        began = time.monotonic()
        self.path = path
        self.problem: str | None = None
        self._file: TextIO | None = os.fdopen(descriptor, "w", encoding="ascii")
        self._redact = redact
        self._stamp = stamp or (lambda line: round(time.monotonic() - began, 4))
        self._ids = itertools.count(1)
        self._early: list[str] | None = []  # what happens before the header can be written
        self._requests = lines.Requests()
        self._servers: dict[str, Server] = {}
        self._described: dict[str, Mapping[str, Any]] = {}
        self._frontends: dict[int, RecordedFrontend] = {}
        self._strict = False
        self._left = False

    def close(self) -> None:
        """Finish the file. Nothing is recorded afterwards."""
        if self._early:
            self._header({})
        if self._file is not None:
            self._file.close()
            self._file = None

    # -- what a Host hands over ----------------------------------------------------------------------------------------

    def turn(self, messages: Sequence[Message], *, model: Model, system: str, limits: Limits, policy: Policy) -> None:
        """Messages were sent to a chat; the first time, all that a replay has to know before them is written too."""
        if self._early is not None:
            self._changes()
            info = dataclasses.asdict(model.info)
            self._header(
                {
                    "model": {"name": model.name, **info},
                    "system": system,
                    "limits": dataclasses.asdict(limits),
                    "mode": policy.mode,
                    "yolo": policy.yolo,
                    "strict": self._strict,
                    "remembers": policy.remembered is not None,
                    "servers": list(self._described.values()),
                    "hidden": [
                        [server.name, tool["name"]]
                        for server in self._servers.values()
                        for tool in server.tools
                        if policy.hides(server.name, tool["name"])
                    ],
                }
            )
        self.write("turn", messages=to_json(messages))

    def model(self, model: Model) -> Model:
        return model if isinstance(model, RecordedModel) else RecordedModel(model, self)

    def frontend(self, frontend: Frontend) -> Frontend:
        if isinstance(frontend, RecordedFrontend):
            return frontend
        return self._frontends.setdefault(id(frontend), RecordedFrontend(frontend, self))

    def journal(self, journal: Journal) -> Journal:
        return journal

    def policy(self, policy: Policy) -> Policy:
        return policy if isinstance(policy, RecordedPolicy) else RecordedPolicy(policy, self)

    def guard(self, guard: Guard) -> Guard:
        self._strict = guard.strict
        return RecordedGuard(guard, self)

    def pool(self, build: Callable[[Callable[..., Server]], Pool], show: Show) -> Pool:
        return build(partial(RecordedServer, self))

    def watch(self, server: Server) -> None:
        """Describe `server` in the header, and again whenever it changed."""
        self._servers[server.name] = server

    def passed(self, server: str, passed: Passed) -> None:
        """The tap of `server`."""
        message = to_json(passed.message)
        self.write("message", server=server, sender=passed.sender, era=passed.era, message=message)

    async def show(self, event: Event) -> None:
        """A listener of the Host."""
        if not event.chat:
            # No two runs share a pid.
            self.write("event", event=to_json(event) | ({"pid": None} if isinstance(event, ServerChanged) else {}))
        elif (mark := marked(event)) is not None:
            self.write("shown", **mark)

    def left(self) -> None:
        """The servers are told to stop."""
        if not self._left:
            self._left = True
            self.write("left")

    # -- the file ------------------------------------------------------------------------------------------------------

    def ask(self, kind: str, **body: Any) -> int:
        """Write a line that gets an answer; returns its id, by which the answer names it."""
        id = next(self._ids)
        self.write(kind, id=id, **body)
        return id

    def requested(self, model: str, request: ModelRequest) -> int:
        id = self.ask("request", **self._requests.told(model, request))
        self._requests.add(id, model, request)
        return id

    def replied(self, id: int, pieces: Sequence[Piece], **ending: Any) -> None:
        self.write("reply", request=id, pieces=values.pieces_to_json(pieces, self._redact), **ending)

    def write(self, kind: str, **body: Any) -> None:
        """Write a line, and before it what has changed of the servers."""
        if self._early is None:
            for name, changed in self._changes().items():
                self._line("server", name=name, changed=changed)
        self._line(kind, **body)

    def _line(self, kind: str, **body: Any) -> None:
        line = lines.redacted(body, self._redact) | {"kind": kind}
        line["at"] = self._stamp(line)
        self._put(lines.dumps(line))

    def _changes(self) -> dict[str, dict[str, Any]]:
        changes = {}
        for name, server in self._servers.items():
            now, before = described(server), self._described.get(name, {})
            if now != before:
                changes[name] = {key: value for key, value in now.items() if key not in before or before[key] != value}
                self._described[name] = now
        return changes

    def _header(self, body: dict[str, Any]) -> None:
        early, self._early = self._early or [], None
        head = {"format": lines.FORMAT, "version": lines.VERSION, "mcphost": __version__}
        self._put(lines.dumps(lines.redacted(body, self._redact) | head))
        for text in early:
            self._put(text)

    def _put(self, text: str) -> None:
        if self._early is not None:
            self._early.append(text)
        elif self._file is not None:
            try:
                self._file.write(text + "\n")
                self._file.flush()
            except OSError as error:
                self.problem = f"{self.path} cannot be written: {error.strerror}"
                self._file = None


def described(server: Server) -> dict[str, Any]:
    """The server as it is now, as far as a replay has to know it."""
    config = server.config
    known = config and {
        "trust_annotations": config.trust_annotations,
        "read_only": config.read_only,
        "instructions": config.instructions,
        "sampling": config.sampling,
        "budget": dataclasses.asdict(config.budget),
        "local": config.url is None or is_loopback(config.url),
    }
    return {
        "name": server.name,
        "config": known,
        "state": server.state,
        "detail": server.detail,
        "transport": server.transport,
        "era": server.era,
        "version": server.version,
        "info": server.info,
        "instructions": server.instructions,
        "tools": server.tools,
        "resources": server.resources,
        "templates": server.templates,
        "prompts": server.prompts,
    }
