"""The chat on a terminal that cannot move its cursor: lines in, lines out.

Several lines that arrive together are a paste, and a paste is text: it is one message, whatever it begins with.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from mcphost import events
from mcphost.errors import McpHostError
from mcphost.frontends import Ending, Narrator
from mcphost.questions import A, Question
from mcphost.terminal.recall import recall
from mcphost.terminal.typed import Typed
from mcphost.text import encodable, safe

if TYPE_CHECKING:
    from mcphost.agent import Reply
    from mcphost.host import Chat, Host
    from mcphost.journal import Record
    from mcphost.plugins import Registry

PATIENCE = 5.0  # seconds that the first message waits for servers
AGAIN = 2.0  # seconds in which a second Ctrl-C leaves


class LineFrontend:
    """Streams the answer to `out`; everything else is the narrator's, who writes there too."""

    def __init__(self, out: TextIO, narrator: Narrator) -> None:
        self._out = out
        self._narrator = narrator
        self._in_line = False

    async def show(self, event: events.Event) -> None:
        if isinstance(event, events.TextStreamed):
            self.write(safe(event.text))
            return
        self.end_line()
        if not isinstance(event, events.Replied):  # its text has been streamed
            await self._narrator.show(event)

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
        self.write(f"{safe(text)}\n")

    def warn(self, text: str) -> None:
        self.write(f"! {safe(text)}\n")

    def end_line(self) -> None:
        if self._in_line:
            self.write("\n")


class PlainChat:
    """Reads lines from the terminal with file descriptor `terminal`. `resume` is the recorded chat to go on with."""

    def __init__(
        self,
        open_host: Callable[[], Awaitable[tuple[Host, Registry]]],
        *,
        frontend: LineFrontend,
        terminal: int,
        resume: Record | None = None,
    ) -> None:
        self._open_host = open_host
        self._frontend = frontend
        self._terminal = terminal
        self._resume = resume
        self._sending: Chat | None = None
        self._interrupted_at = -AGAIN
        self._left = asyncio.Event()

    async def run(self) -> int:
        """Talk until the person leaves; returns the exit code.

        Raises:
            McpHostError: the host could not be set up.
        """
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
        host, registry = await self._open_host()
        async with host:
            chat = host.chat(patience=PATIENCE, resume=self._resume)
            if self._resume is not None:
                await self._take_up(chat, self._resume)
            while (line := await self._line()) is not None:
                if line.text.strip():
                    await self._answer(chat, registry, line)
        return 0

    async def _take_up(self, chat: Chat, record: Record) -> None:
        recall(record.messages, asked=lambda text: self._frontend.note(f"> {text}"), answered=self._frontend.note)
        if record.stop is None:
            self._frontend.note("This turn was interrupted. It goes on; Ctrl-C stops it.")
            with self._reporting():
                await self._turn(chat, chat.resume())

    async def _answer(self, chat: Chat, registry: Registry, line: Typed) -> None:
        from mcphost import commands

        with self._reporting():
            content = await commands.interpret(chat, registry, line.text, pasted=line.pasted)
            if isinstance(content, str):
                self._frontend.note(content)
                return
            await self._turn(chat, chat.send(content))

    async def _turn(self, chat: Chat, turn: Awaitable[Reply]) -> None:
        self._sending = chat
        try:
            reply = await turn
        finally:
            self._sending = None
        self._frontend.finish(Ending(reply.text, reply.stop, reply.steps, reply.usage))

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        from mcphost import commands

        try:
            yield
        except commands.Leave:
            self._left.set()
        except McpHostError as error:
            self._frontend.end_line()
            self._frontend.warn(str(error))

    def _interrupt(self) -> None:
        """Ctrl-C: stop the turn; without one, the second leaves. The terminal has cleared its line itself."""
        now = time.monotonic()
        if self._sending is not None:
            self._sending.cancel()
        elif now - self._interrupted_at < AGAIN:
            self._left.set()
        else:
            self._frontend.write("\nCtrl-C again leaves.\n> ")
        self._interrupted_at = now

    async def _line(self) -> Typed | None:
        """What was typed; None: the person leaves, or the terminal is gone."""
        self._frontend.end_line()
        self._frontend.write("> ")
        data = b""
        try:
            if await self._readable():
                data = os.read(self._terminal, 65536)
                while data and select.select([self._terminal], [], [], 0)[0]:
                    more = os.read(self._terminal, 65536)
                    data += more
                    if not more:
                        break
        except OSError:
            pass
        if not data:
            self._frontend.end_line()
            return None
        text = encodable(data.decode(errors="replace")).rstrip("\r\n")
        return Typed(text, (range(len(text)),) if "\n" in text else ())

    async def _readable(self) -> bool:
        """Wait for input; False: the person left meanwhile."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._terminal, ready.set)
        waits = [asyncio.create_task(ready.wait()), asyncio.create_task(self._left.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return not self._left.is_set()
        finally:
            loop.remove_reader(self._terminal)
            for wait in waits:
                wait.cancel()
