"""The lines of a recording in their order: what the host does is checked against them, the rest handed out.

Law: nothing from outside is handed out before the host has done what it had done by then, so that the same events come
in the same order; and what the host does differently ends the replay.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from mcphost.approvals.differences import difference
from mcphost.errors import Divergence
from mcphost.recording.lines import ANSWERS, Line, dumps

PATIENCE = 2.0  # seconds that an answer waits for the host to do what it had done before; then the order is given up
CANDIDATES = 50  # lines that are looked at for the one that a differing act is most like

Owner: TypeAlias = tuple[str, int]
EVENTS: Owner = ("event", 0)
_PASSING = ("message", "server")

_NAMES = {
    "request": "model request",
    "call": "request to a server",
    "question": "question",
    "answered": "answer to a server",
}


class Tape:
    """`passing` is shown each MCP message and each change of a server when its place comes. With `ordered` False, as
    when another model is asked, acts may come in any order and are matched by what they are about."""

    def __init__(self, lines: Sequence[Line], *, ordered: bool = True, passing: Callable[[Line], None]) -> None:
        self.divergence: Divergence | None = None
        self.telling = False  # whether somebody takes the events
        self._lines = lines
        self._ordered = ordered
        self._passing = passing
        self._at = 0
        self._told = asyncio.Event()
        self._done = [False] * len(lines)
        self._acts: dict[str, deque[int]] = defaultdict(deque)
        self._answers: dict[Owner, deque[int]] = defaultdict(deque)
        self._takers: dict[int, asyncio.Future[None]] = {}
        for index, line in enumerate(lines):
            if owner := _owner(line):
                self._answers[owner].append(index)
            elif line["kind"] not in _PASSING:
                self._acts[self._key(line)].append(index)

    def opening(self) -> Iterator[Line]:
        """What came from outside before the host did anything."""
        while self._at < len(self._lines) and self._lines[self._at]["kind"] in ("event", *_PASSING):
            line = self._lines[self._at]
            if line["kind"] == "event":
                self._answers[EVENTS].popleft()
                yield line
            else:
                self._passing(line)
            self._done[self._at] = True
            self._at += 1

    def did(self, kind: str, **body: Any) -> Line:
        """The host did this; the line that says so.

        Raises:
            Divergence: no line does.
        """
        self.check()
        found = self._acts.get(self._key({"kind": kind, **body}))
        if not found:
            self.divergence = self._diverged(kind, body)
            raise self.divergence
        return self._pass(found.popleft())

    def answered(self, **body: Any) -> None:
        """The host answered what a server asked. Raises as `did`, unless another model is at work."""
        if self._ordered:
            self.did("answered", **body)

    def knows(self, kind: str, **body: Any) -> bool:
        """Whether the host doing this next is in the recording."""
        return bool(self._acts.get(self._key({"kind": kind, **body})))

    def goes_on(self, owner: Owner) -> bool:
        """Whether there is more in answer to this act."""
        return bool(self._answers[owner])

    def saw(self, kind: str, **body: Any) -> None:
        """The host did this, which matters only for the order of what follows."""
        if found := self._acts.get(self._key({"kind": kind, **body})):
            self._pass(found.popleft())

    async def next(self, owner: Owner) -> Line:
        """What came next in answer to the act with this id, once its place has come. Nothing follows it until it is
        let `go`.

        Raises:
            Divergence: nothing did: the recorded run was ended here.
        """
        answers = self._answers[owner]
        if not answers:
            self.divergence = self.divergence or Divergence(
                f"the recording has no answer to this {_NAMES.get(owner[0], owner[0])}: the run was ended here",
                hint="Record a run that comes to its end.",
            )
            raise self.divergence
        index = answers.popleft()
        if self._ordered or owner == EVENTS:
            await self._turn_of(index, patient=owner == EVENTS)
        return self._lines[index]

    def go_soon(self, line: Line) -> None:
        """`go` as soon as whoever got the line has gone on as far as it can."""
        asyncio.get_running_loop().call_soon(self.go, line)

    def go(self, line: Line) -> None:
        """Let follow what stands behind a line that was handed out."""
        if self._at < len(self._lines) and self._lines[self._at] is line:
            self._pass(self._at)

    async def reach(self, kind: str, **body: Any) -> None:
        """Wait until the host had come so far as to do this."""
        found = self._acts.get(self._key({"kind": kind, **body}))
        if found and self._ordered:
            await self._turn_of(found[0], patient=False)

    async def caught_up(self) -> None:
        """Wait until the events that stand here have been shown: the host goes on behind them."""
        while self.telling and self._at < len(self._lines) and self._lines[self._at]["kind"] == "event":
            await self._told.wait()

    def check(self) -> None:
        """Raises the Divergence that there was."""
        if self.divergence is not None:
            raise self.divergence

    def finish(self) -> None:
        """Raises Divergence where there was one, or where the recording goes on."""
        self.check()
        left = [self._lines[index]["kind"] for index, done in enumerate(self._done) if not done]
        for kind, name in _NAMES.items():
            if self._ordered and kind in left:
                raise Divergence(
                    f"the recording goes on: {left.count(kind)} more {name}(s) were made",
                    hint="Find out what ends earlier now, or record it again.",
                )

    @property
    def ended(self) -> bool:
        """Whether nothing is left that the host did."""
        return all(line["kind"] in ("event", *_PASSING) for line in self._lines[self._at :])

    async def _turn_of(self, index: int, *, patient: bool) -> None:
        if index < self._at:
            return
        waiting = self._takers[index] = asyncio.get_running_loop().create_future()
        try:
            self._advance()
            while not waiting.done():
                at = self._at
                await asyncio.wait([waiting], timeout=None if patient else PATIENCE)
                if not waiting.done() and self._at == at:
                    self._at += 1  # the host does not do any more what stands here; what differs will show
                    self._advance()
        finally:
            del self._takers[index]

    def _pass(self, index: int) -> Line:
        self._done[index] = True
        self._told.set()
        self._told = asyncio.Event()
        self._advance()
        return self._lines[index]

    def _advance(self) -> None:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line["kind"] in _PASSING:
                self._done[self._at] = True
                self._passing(line)
            elif not self._done[self._at]:
                if (waiting := self._takers.get(self._at)) and not waiting.done():
                    waiting.set_result(None)
                return
            self._at += 1

    def _diverged(self, kind: str, body: dict[str, Any]) -> Divergence:
        name = _NAMES.get(kind, kind)
        hint = "Record it again if the change is meant."
        recorded = [
            _about(self._lines[index])
            for index, done in enumerate(self._done)
            if not done and self._lines[index]["kind"] == kind
        ]
        if not recorded:
            shown = difference({}, body)
            text = f"the recording holds no further {name} than those that were made; this one came"
        else:
            shown = min((difference(line, body) for line in recorded[:CANDIDATES]), key=len)
            text = f"a {name} differs from the recording (- recorded, + now)"
        return Divergence("\n".join([f"{text}:", *map(_short, shown)]), hint=hint, diff=list(shown))

    def _key(self, line: Line) -> str:
        about = _about(line)
        if not self._ordered and line["kind"] == "question":
            about["question"] = {key: value for key, value in about["question"].items() if key != "call"}
        return dumps({**about, "kind": line["kind"]})


def _owner(line: Line) -> Owner | None:
    if line["kind"] == "event":
        return EVENTS
    key = ANSWERS.get(line["kind"])
    return (key, line[key]) if key else None


def _about(line: Line) -> dict[str, Any]:
    """What makes a line this one and no other."""
    return {key: value for key, value in line.items() if key not in ("at", "id", "kind")}


def _short(text: str) -> str:
    return f"  {text}" if len(text) <= 500 else f"  {text[:500]} […]"
