"""The Frontend of the screen: what moves goes to the live region, what is final to the scrollback, questions to the
panel.

Law 5: every text from outside passes `text.safe` here, or in the part that lays it out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mcphost import events
from mcphost.frontends import preview
from mcphost.frontends.paint import Paint
from mcphost.messages import Message, Usage, UserMessage
from mcphost.questions import A, Question
from mcphost.terminal.blocks import Commit
from mcphost.terminal.cells import hang
from mcphost.terminal.folds import Folds
from mcphost.terminal.live import Live
from mcphost.terminal.rows import Row, label, whole
from mcphost.terminal.scrollback import Group, Scrollback
from mcphost.text import one_line, safe

if TYPE_CHECKING:
    from mcphost.terminal.asking import PanelAsker
    from mcphost.terminal.pictures import Pictures
    from mcphost.terminal.render import Renderer

PREVIEW = 12  # lines of a prompt's text
BREATH = 0.02  # seconds that a stream may keep the keyboard waiting

STOPS = {
    "limit": "Stopped after {steps} steps, before it was done. Say “go on”, or start with --max-steps N.",
    "cut": "The answer was cut by the model's limit on its length. Say “go on”.",
    "refused": "The model declined to answer.",
    "cancelled": "Stopped.",
}


class ScreenFrontend:
    """`pictures` takes the images of results; without it they are not kept."""

    def __init__(
        self,
        scrollback: Scrollback,
        live: Live,
        *,
        asker: PanelAsker,
        renderer: Callable[[], Renderer],
        width: Callable[[], int],
        paint: Paint,
        verbose: bool = False,
        pictures: Pictures | None = None,
    ) -> None:
        self._scrollback = scrollback
        self._live = live
        self._asker = asker
        self._renderer = renderer
        self._width = width
        self._paint = paint
        self._verbose = verbose
        self._pictures = pictures
        self._folds = Folds()
        self._breathed = 0.0

    async def ask(self, question: Question[A]) -> A:
        return await self._asker.ask(question)

    async def show(self, event: events.Event) -> None:
        match event:
            case events.TurnStarted():
                self._folds.begin()
            case events.TextStreamed():
                self._fold_thought()
                self._commit(self._live.stream.feed(event.text))
                await self._breathe()
            case events.ReasoningStreamed():
                self._live.thought += event.text
                await self._breathe()
            case events.StepStarted():
                self._live.wait_for("thinking")
            case events.CallDrafted():
                self._fold_thought()
                self._live.rows[event.call] = Row(one_line(event.name, 100))
            case events.Replied():
                self._replied(event)
            case events.CallDecided():
                row = self._row(event.call, event.server, event.tool, event.arguments)
                row.decided = True
                row.refused = event.why if event.decision == "deny" else ""
                self._detail(f"{event.server}__{event.tool}: {event.decision} ({event.why})")
            case events.CallStarted():
                self._row(event.call, event.server, event.tool, event.arguments).since = time.monotonic()
            case events.CallProgressed() if event.call in self._live.rows:
                row = self._live.rows[event.call]
                row.progress, row.total, row.message = event.progress, event.total, one_line(event.message or "")
            case events.CallEnded():
                await self._call_ended(event)
            case _:
                self._note(event)

    # -- what the repl says ----------------------------------------------------------------------------------------

    def sent(self, text: str, mark: str = ">") -> None:
        """Echo what the person sent."""
        lines = safe(text).split("\n")
        self._put("\n".join([self._paint.bold(f"{mark} {lines[0]}"), *(f"  {line}" for line in lines[1:])]), "user")

    def answer(self, text: str) -> None:
        """What the model answered before."""
        self._put(self._renderer().document(text, self._width()), "answer")

    def expand(self) -> None:
        """Print whole what the latest turn showed in a line; the next time, the turn before."""
        opened = self._folds.open()
        if not opened:
            self.note("Nothing is folded.")
        for fold in opened:
            lines = safe(fold.body).strip("\n").split("\n")
            self._put("\n".join([self._paint.bold(f"▾ {fold.title}"), *map(self._paint.dim, lines)]), "output")

    def say(self, text: str) -> None:
        """What a command answered."""
        self._put(self._hung(safe(text)), "output")

    def output(self, text: str) -> None:
        """What a command of the person's own wrote."""
        self._put(safe(text).expandtabs() or " ", "shell")

    def warn(self, text: str) -> None:
        self._put(self._paint.yellow("!") + self._hung(f"! {safe(text)}")[1:], "notes")

    def fail(self, text: str) -> None:
        self._put(self._paint.red("✗") + self._hung(f"✗ {safe(text)}")[1:], "notes")

    def note(self, text: str) -> None:
        lines = self._hung(one_line(text, 1000)).split("\n")
        self._put("\n".join(map(self._paint.dim, lines)), "notes")

    def quote(self, text: str) -> None:
        """Words that go to the model in the person's name."""
        self._put("\n".join(self._paint.dim(f"│ {line}") for line in safe(text).split("\n")), "user")

    def attached(self, content: Sequence[Message]) -> None:
        """What goes to the model beside what was typed."""
        from mcphost.commands.resources import attachments

        for message in content:
            if isinstance(message, UserMessage) and message.origin == "prompt":
                for block in message.content:
                    self.quote(preview.described(block, PREVIEW))
        for line in attachments(content):
            self.note(f"attached {line}")

    def broken(self) -> None:
        """A turn ended by a failure: what had arrived of its answer stays."""
        self._fold_thought()
        self._commit(self._live.stream.finish())
        self._live.clear()

    def ended(self, stop: str, usage: Usage, steps: int, *, empty: bool) -> None:
        """A turn is over, however it ended."""
        self._fold_thought()
        self._commit(self._live.stream.finish())
        self._live.clear()
        if stop in STOPS:
            self.warn(STOPS[stop].format(steps=steps))
        elif empty:
            self.warn("The model answered with nothing. Try again, or ask in other words.")
        self._detail(f"{usage.input:,} tokens in ({usage.cache_read:,} cached), {usage.output:,} out")

    # -- events ----------------------------------------------------------------------------------------------------

    def _commit(self, commits: list[Commit]) -> None:
        if not commits:
            return
        self._live.changed()
        for commit in commits:
            text = self._renderer().commit(commit, self._width())
            if text or commit.kind == "code":
                self._scrollback.put(text, "answer", joined=commit.joined)

    def _fold_thought(self) -> None:
        """The reasoning is over: one line stays of it."""
        if thought := self._live.thought.strip():
            title = f"thought for {self._live.waited:.0f}s"
            self._folds.add(title, thought)
            width = self._width()
            line = hang(f"▸ {title}, {len(thought):,} characters (Ctrl+O shows them)", width)
            self._put("\n".join(map(self._paint.dim, line.split("\n"))), "notes")
        self._live.thought = ""

    async def _breathe(self) -> None:
        """Let keys be read and frames be drawn, however fast a model streams."""
        now = time.monotonic()
        if now - self._breathed > BREATH:
            await asyncio.sleep(0)
            self._breathed = time.monotonic()

    def _replied(self, event: events.Replied) -> None:
        self._fold_thought()
        self._commit(self._live.stream.finish())
        self._live.doing = ""
        self._live.rows = {
            call.id: Row(label(call.name, call.arguments or {}), call.arguments) for call in event.message.calls
        }
        self._live.changed()

    def _row(self, call: str, server: str, tool: str, arguments: Mapping[str, Any]) -> Row:
        row = self._live.rows.setdefault(call, Row(""))
        row.label, row.arguments = label(f"{server}__{tool}", arguments), arguments
        return row

    async def _call_ended(self, event: events.CallEnded) -> None:
        row = self._live.rows.pop(event.call, None)
        self._live.changed()
        row = row or Row(one_line(event.name, 100))
        self._put(row.ended(event.result, event.seconds, self._width(), self._paint), "calls")
        if hidden := whole(row.arguments, event.result):
            self._folds.add(row.label, hidden)
        if self._pictures is not None:
            for picture in await asyncio.to_thread(self._pictures.saved, event.result):
                self._put(f"  {picture.line(link=self._paint.colored)}", "calls")

    def _note(self, event: events.Event) -> None:
        match event:
            case events.ModelWaited():
                self.warn(f"the model cannot answer now ({one_line(event.why)}); again in {event.seconds:.0f} s")
            case events.Noticed():
                (self.warn if event.level == "warning" else self.note)(one_line(event.text, 1000))
            case events.RequestAnswered():
                why = f" ({event.why})" if event.why else ""
                self.note(f"{event.server} asked for {event.kind}: {event.outcome}{why}")
            case events.ServerChanged():
                self._server_changed(event)
            case events.ServerListChanged():
                self.note(f"{event.server}: its {event.kind} changed")
            case events.ResourceUpdated() if not event.repeated:
                self.note(f"@{event.server}:{event.uri} changed")
            case events.ServerLogged():
                self._detail(f"{event.server} says ({event.level}): {event.text}")
            case _:
                pass

    def _server_changed(self, event: events.ServerChanged) -> None:
        server, detail = one_line(event.server, 60), one_line(event.detail, 500)
        match event.state:
            case "ready":
                self.note(f"server {server} is ready" + ("" if event.tools is None else f", {event.tools} tools"))
            case "failed":
                self.warn(f"server {server} failed: {detail}")
            case "needs-auth":
                self.warn(f"server {server} needs you to sign in: {detail}")
            case "restarting":
                self.note(f"server {server} is starting again: {detail}")
            case _:
                pass

    # -- lines -----------------------------------------------------------------------------------------------------

    def _detail(self, text: str) -> None:
        if self._verbose:
            self.note(text)

    def _hung(self, text: str) -> str:
        width = self._width()
        return "\n".join(hang(line, width) for line in text.split("\n"))

    def _put(self, text: str, group: Group) -> None:
        if text:
            self._scrollback.put(text, group)
