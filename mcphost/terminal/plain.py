"""The chat in lines: for a terminal that cannot move its cursor, a screen reader, or a pipe.

Several lines that arrive together from a terminal are a paste, and a paste is text: it is one message, whatever it
begins with. Of a pipe, each line is one.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import anyio

from mcphost import events
from mcphost.errors import McpHostError, UsageError
from mcphost.frontends import Ending, Narrator
from mcphost.questions import A, Question
from mcphost.terminal import clipboard
from mcphost.terminal.editor import edited
from mcphost.terminal.lines import Lines
from mcphost.terminal.pictures import Pictures
from mcphost.terminal.recall import recall
from mcphost.terminal.typed import Typed
from mcphost.text import one_line, safe

if TYPE_CHECKING:
    from mcphost.agent import Reply
    from mcphost.host import Chat, Host
    from mcphost.journal import Record
    from mcphost.messages import Message
    from mcphost.plugins import Act, Registry

PATIENCE = 5.0  # seconds that the first message waits for servers
AGAIN = 2.0  # seconds in which a second Ctrl+C leaves


class LineFrontend:
    """Streams the answer to `out`; everything else is the narrator's, who writes there too. Images of results are saved
    in the directory `pictures`."""

    def __init__(self, out: TextIO, narrator: Narrator, *, pictures: Path | None = None) -> None:
        self._out = out
        self._pictures = None if pictures is None else Pictures(pictures)
        self._narrator = narrator
        self._in_line = False

    async def show(self, event: events.Event) -> None:
        if isinstance(event, events.TextStreamed):
            self.write(safe(event.text))
            return
        self.end_line()
        if not isinstance(event, events.Replied):  # its text has been streamed
            await self._narrator.show(event)
        if isinstance(event, events.CallEnded) and self._pictures is not None:
            for picture in await asyncio.to_thread(self._pictures.saved, event.result):
                self.note(picture.line(link=False))

    async def ask(self, question: Question[A]) -> A:
        self.end_line()
        return await self._narrator.ask(question)

    def finish(self, ending: Ending) -> None:
        self.end_line()
        self._narrator.finish(ending)

    def write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._in_line = not text.endswith("\n")

    def note(self, text: str) -> None:
        if text:
            self.write(f"{safe(text)}\n")

    def warn(self, text: str) -> None:
        self.write(f"! {safe(text)}\n")

    def end_line(self) -> None:
        if self._in_line:
            self.write("\n")


class PlainChat:
    """Reads lines from the terminal or pipe with file descriptor `source`. `resume` is the recorded chat to go on with;
    `environ` names the editor, the shell and where the clipboard is."""

    def __init__(
        self,
        open_host: Callable[[], Awaitable[tuple[Host, Registry]]],
        *,
        frontend: LineFrontend,
        source: int,
        environ: Mapping[str, str],
        resume: Record | None = None,
    ) -> None:
        self._open_host = open_host
        self._frontend = frontend
        self._lines = Lines(source)
        self._environ = environ
        self._resume = resume
        self._chat: Chat
        self._registry: Registry
        self._begun = ""
        self._work: anyio.CancelScope | None = None
        self._sending: Chat | None = None
        self._interrupted_at = -AGAIN
        self._left = asyncio.Event()

    async def run(self) -> int:
        """Talk until the person leaves; returns the exit code.

        Raises:
            McpHostError: the host could not be set up.
        """
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
        host, self._registry = await self._open_host()
        async with host:
            if not self._lines.is_terminal:  # nobody sees that servers are still starting
                await host.pool.settled(PATIENCE)
            await self._go_on(host.chat(patience=PATIENCE, resume=self._resume), self._resume)
            while (line := await self._line()) is not None:
                if line.text.strip():
                    await self._answer(line)
        return 0

    async def _go_on(self, chat: Chat, record: Record | None) -> None:
        self._chat = chat
        if record is None:
            return
        recall(record.messages, asked=lambda text: self._frontend.note(f"> {text}"), answered=self._frontend.note)
        if not record.ended:
            self._frontend.note("This turn did not end. It goes on; Ctrl+C stops it.")
            with self._reporting():
                await self._turn(chat, chat.resume())

    async def _answer(self, line: Typed) -> None:
        from mcphost import commands, plugins
        from mcphost.commands.resources import attachments

        with self._reporting():
            meant: str | Act | Sequence[Message] = ()
            with anyio.CancelScope() as scope:
                self._work = scope
                if line.text.startswith("/") and commands.command_of(line.text)[0] not in self._registry.commands:
                    await self._chat.host.pool.settled(PATIENCE)  # it may be a prompt of a server that still starts
                meant = await commands.interpret(self._chat, self._registry, line.text, pasted=line.pasted)
                if isinstance(meant, plugins.Act):
                    await self._act(meant)
            self._work = None
            if scope.cancelled_caught:
                self._frontend.warn("Stopped.")
            elif isinstance(meant, str):
                self._frontend.note(meant)
            elif not isinstance(meant, plugins.Act) and meant:
                for attached in attachments(meant):
                    self._frontend.note(f"attached {attached}")
                await self._turn(self._chat, self._chat.send(meant))

    async def _act(self, act: Act) -> None:
        from mcphost import plugins
        from mcphost.commands import shell

        match act:
            case plugins.Leave():
                self._left.set()
            case plugins.Help(text):
                self._frontend.note(f"{text}\n\nCtrl+C  stops the turn; twice leaves\nCtrl+D  leaves")
            case plugins.Copy(text):
                await self._copy(text)
            case plugins.Edit(text):
                await self._edit(text)
            case plugins.Fill(line, said, choose):
                await self._fill(line, said, choose)
            case plugins.Shell(command):
                code = await shell.run(command, self._environ, self._frontend.note)
                if code:
                    self._frontend.warn(f"It ended with exit code {code}.")
            case plugins.GoOn(chat, said, record):
                self._frontend.note(said)
                await self._go_on(chat, record)

    async def _copy(self, text: str) -> None:
        if program := await clipboard.by_program(text, self._environ):
            self._frontend.note(f"Copied {len(text):,} characters, by {program}.")
        else:
            self._frontend.warn("There is no clipboard that can be reached from here. /save FILE writes to a file.")

    async def _edit(self, text: str) -> None:
        """What the editor leaves is sent: there is no line for it to stand in."""
        if not self._lines.is_terminal:
            raise UsageError("an editor needs a terminal")
        changed = await anyio.to_thread.run_sync(edited, text, self._environ)
        if changed and changed != text:
            self._frontend.note(f"> {changed}")
            await self._answer(Typed(changed))
        else:
            self._frontend.note("Nothing was changed, and nothing is sent.")

    async def _fill(self, line: str, said: str, choose: bool) -> None:
        """What would stand in the input line is put before the next one, or what it could be is listed."""
        from mcphost.commands import command_offers
        from mcphost.commands.tables import table

        self._frontend.note(said)
        if choose:
            offers = await command_offers(self._chat, self._registry, line)
            self._frontend.note(table([(one_line(word, 80), one_line(what, 60)) for word, what in offers]))
        else:
            self._begun = line
            self._frontend.note(f"Your next message begins with {line}")

    async def _turn(self, chat: Chat, turn: Awaitable[Reply]) -> None:
        self._sending = chat
        try:
            reply = await turn
        finally:
            self._sending = None
        self._frontend.finish(Ending(reply.text, reply.stop, reply.steps, reply.usage))
        if reply.stop == "cancelled":
            self._frontend.warn("Stopped.")

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except McpHostError as error:
            self._work = None
            self._frontend.end_line()
            self._frontend.warn(str(error))

    def _interrupt(self) -> None:
        """Ctrl+C: stop the turn; without one, the second leaves. The terminal has cleared its line itself."""
        now = time.monotonic()
        if self._sending is not None:
            self._sending.cancel()
        elif self._work is not None:
            self._work.cancel()
        elif now - self._interrupted_at < AGAIN:
            self._left.set()
        else:
            self._frontend.write("\nCtrl-C again leaves.\n> ")
        self._interrupted_at = now

    async def _line(self) -> Typed | None:
        """What was typed; None: the person leaves, or the terminal is gone."""
        self._frontend.end_line()
        self._frontend.write("> ")
        line = await self._lines.read(self._left)
        if line is None:
            self._frontend.end_line()
        elif self._begun and line.text.strip() and line.text[0] not in "/!":
            begun, self._begun = self._begun, ""
            pasted = tuple(range(span.start + len(begun), span.stop + len(begun)) for span in line.pasted)
            return Typed(begun + line.text, pasted)
        return line
