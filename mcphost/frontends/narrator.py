"""What a person sees of a run on stderr: progress, notices, and questions where a terminal can answer them.

Law 5: every text from outside is made safe, and one line of it stays one line. Lines that come while a question is open
wait until it is answered.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from mcphost import events
from mcphost.frontends.asking import Asker
from mcphost.frontends.base import Ending, Opening
from mcphost.frontends.paint import Paint
from mcphost.messages import Usage, to_json
from mcphost.questions import A, Question
from mcphost.text import one_line, safe

RUN_CHARACTERS = 12  # of a run's id, enough to name it
PROGRESS_EVERY = 1.0  # seconds between two progress lines of one call

_STOPS = {
    "limit": "Stopped after {steps} steps, before it was done. --max-steps N allows more.",
    "cut": "The answer was cut by the model's limit on its length.",
    "refused": "The model declined to answer.",
}


class Narrator:
    """Writes to `err`. Questions are answered by lines read from the terminal with file descriptor `terminal`, and an
    address is opened in the browser that `environ` names; None: nobody can be asked. `quiet` leaves only warnings;
    `verbose` adds servers, their logs, rules and tokens."""

    def __init__(
        self,
        err: TextIO,
        *,
        terminal: int | None = None,
        environ: Mapping[str, str] | None = None,
        quiet: bool = False,
        verbose: bool = False,
        color: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._err = err
        self._quiet = quiet
        self._verbose = verbose
        self._paint = Paint(color)
        self._asker = None if terminal is None else Asker(terminal, self._write, self._paint, environ=environ)
        self._turn_to_ask = asyncio.Lock()
        self._held: list[str] | None = None
        self._labels: dict[str, str] = {}
        self._progressed: dict[str, float] = {}
        self._clock = clock

    def begin(self, opening: Opening) -> None:
        if opening.yolo:
            self._warn(self._paint.red("--yolo: every call runs unasked, but for what a deny rule forbids"))
        for line in opening.widening:
            self._warn(one_line(line, 500))
        self._detail(f"model {one_line(opening.model)}, session {opening.session}")

    async def show(self, event: events.Event) -> None:
        match event:
            case events.CallStarted():
                self._call_started(event)
            case events.CallProgressed():
                self._call_progressed(event)
            case events.CallEnded():
                self._call_ended(event)
            case events.Replied() if event.message.calls and event.message.text.strip():
                self._say(self._paint.dim(safe(event.message.text).strip()))
            case events.ModelWaited():
                self._say(f"… the model cannot answer now ({one_line(event.why)}); again in {event.seconds:.0f} s")
            case events.Noticed():
                (self._warn if event.level == "warning" else self._say)(one_line(event.text, 1000))
            case events.ResourceUpdated() if not event.repeated:
                self._say(f"@{one_line(event.server, 60)}:{one_line(event.uri, 300)} changed")
            case events.RequestAnswered():
                self._request_answered(event)
            case events.ServerChanged():
                self._server_changed(event)
            case events.CallPaused():
                call = f"{self._label(event.server, event.tool)} {one_line(_json(event.arguments))}"
                self._say(f"… {call} waits for an answer: {one_line(event.why, 500)}")
            case events.CallDecided():
                self._detail(f"{self._label(event.server, event.tool)}: {event.decision} ({one_line(event.why)})")
            case events.ServerLogged():
                self._detail(f"{one_line(event.server)} says ({event.level}): {one_line(event.text, 1000)}")
            case _:
                pass

    async def ask(self, question: Question[A]) -> A:
        if self._asker is None:
            return question.refusal
        async with self._turn_to_ask:
            self._held = []
            try:
                return await self._asker.ask(question)
            finally:
                lines, self._held = self._held, None
                self._write("".join(lines))

    def finish(self, ending: Ending) -> None:
        if ending.stop == "answered" and not ending.result.strip():
            self._warn("The model answered with nothing. Try again, or ask in other words.")
        if ending.stop in _STOPS:
            self._warn(_STOPS[ending.stop].format(steps=ending.steps))
        if ending.stop == "paused":
            run = (ending.run or "")[:RUN_CHARACTERS]
            what = "a call waits" if len(ending.waiting) == 1 else f"{len(ending.waiting)} calls wait"
            self._warn(
                f"Paused: {what} for your answer. Look: mcphost runs show {run} · "
                f"answer: mcphost runs approve|deny {run} · go on: mcphost run --resume {run}"
            )
        unasked = [denied for denied in ending.denied if denied.unasked]
        if unasked:
            count = "One call was" if len(unasked) == 1 else f"{len(unasked)} calls were"
            patterns = dict.fromkeys(denied.suggestion for denied in unasked if denied.suggestion)
            options = " ".join(f"--allow {shlex.quote(one_line(pattern, 500))}" for pattern in patterns)
            self._warn(
                f"{count} refused because nobody could be asked."
                + (f" To let such calls pass: {options}" * bool(options))
            )
        self._detail(_tokens(ending.usage))

    # -- events --------------------------------------------------------------------------------------------------------

    def _call_started(self, event: events.CallStarted) -> None:
        label = self._labels[event.call] = self._label(event.server, event.tool)
        self._say(f"→ {label} {one_line(_json(event.arguments))}")

    def _call_progressed(self, event: events.CallProgressed) -> None:
        now = self._clock()
        if now - self._progressed.get(event.call, -PROGRESS_EVERY) < PROGRESS_EVERY:
            return
        self._progressed[event.call] = now
        share = f"{event.progress:g}" + ("" if event.total is None else f"/{event.total:g}")
        self._say(
            self._paint.dim(f"  {self._labels.get(event.call, '')} {share} {one_line(event.message or '')}".rstrip())
        )

    def _call_ended(self, event: events.CallEnded) -> None:
        started = event.call in self._labels
        label = self._labels.pop(event.call, None) or one_line(event.name)
        self._progressed.pop(event.call, None)
        took = f" {event.seconds:.1f}s" if started else ""
        if event.result.is_error:
            texts = (block.get("text", "") for block in event.result.content)
            self._say(f"{self._paint.red('✗')} {label}{took}: {one_line(' '.join(texts)) or 'failed without a word'}")
        else:
            self._say(f"{self._paint.green('✓')} {label}{took}")

    def _request_answered(self, event: events.RequestAnswered) -> None:
        line = f"{one_line(event.server)} asked for {event.kind}: {event.outcome}"
        if event.usage != Usage():
            line += f", {_tokens(event.usage)}"
        self._say(f"{line} ({one_line(event.why)})" if event.why else line)

    def _server_changed(self, event: events.ServerChanged) -> None:
        state = "needs you to sign in" if event.state == "needs-auth" else f"is {event.state}"
        known = (event.transport, event.era, event.version) if event.state == "ready" else ()
        detail = one_line(event.detail, 500) or ", ".join(filter(None, known))
        put = {"failed": self._warn, "needs-auth": self._warn, "restarting": self._say}.get(event.state, self._detail)
        put(f"server {one_line(event.server)} {state}" + (f": {detail}" if detail else ""))

    @staticmethod
    def _label(server: str, tool: str) -> str:
        return one_line(f"{server}__{tool}")

    # -- lines ---------------------------------------------------------------------------------------------------------

    def _warn(self, line: str) -> None:
        self._put(f"{self._paint.yellow('!')} {line}")

    def _say(self, line: str) -> None:
        if not self._quiet:
            self._put(line)

    def _detail(self, line: str) -> None:
        if self._verbose:
            self._put(self._paint.dim(line))

    def _put(self, line: str) -> None:
        if self._held is None:
            self._write(line + "\n")
        else:
            self._held.append(line + "\n")

    def _write(self, text: str) -> None:
        """A stderr that nobody reads any more is no reason to end a run."""
        try:
            self._err.write(text)
            self._err.flush()
        except OSError:
            pass


def _json(value: object) -> str:
    return json.dumps(to_json(value), ensure_ascii=False)


def _tokens(usage: Usage) -> str:
    return f"{usage.input:,} tokens in ({usage.cache_read:,} cached), {usage.output:,} out"
