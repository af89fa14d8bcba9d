"""The chat as a whole: lines in, turns one after the other, an orderly end.

The prompt never waits: not for servers, not for imports, not for a turn. One task enters the Host, runs the turns and
leaves the Host again; what is typed meanwhile is queued.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import anyio

from mcphost.errors import McpHostError
from mcphost.messages import Message, UserMessage
from mcphost.terminal.frontend import ScreenFrontend
from mcphost.terminal.live import Live
from mcphost.terminal.recall import recall
from mcphost.terminal.typed import Typed
from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.agent import Reply
    from mcphost.approvals import Mode
    from mcphost.host import Chat, Host
    from mcphost.journal import Record
    from mcphost.plugins import Registry
    from mcphost.terminal.screen import Screen

MODES: Sequence[Mode] = ("ask", "read-only", "plan", "auto")
PATIENCE = 5.0  # seconds that a first message waits for servers
AGAIN = 2.0  # seconds in which a second Ctrl-C leaves
PREVIEW = 12  # lines of a prompt's text

INTERRUPTED = 130
_STARTING = ("pending", "restarting")


class Repl:
    """`open_host` gives the Host, not yet entered, once everything is imported; it may take its time.

    `mode` is how calls are judged, for the status line. `resume` is the recorded chat to go on with. `registry` is what
    `open_host` filled.
    """

    def __init__(
        self,
        open_host: Callable[[], Awaitable[tuple[Host, Registry]]],
        *,
        frontend: ScreenFrontend,
        live: Live,
        mode: Mode,
        yolo: bool = False,
        resume: Record | None = None,
    ) -> None:
        self._open_host = open_host
        self.frontend = frontend
        self._live = live
        self._mode: Mode = mode
        self._yolo = yolo
        self._resume = resume
        self.screen: Screen
        self.chat: Chat | None = None
        self.registry: Registry | None = None
        self._model = ""
        self._queue: deque[Typed] = deque()
        self._queued = asyncio.Event()
        self._hurry = asyncio.Event()
        self._commands: asyncio.Queue[tuple[Chat, Typed]] = asyncio.Queue()
        self._work: anyio.CancelScope | None = None
        self._sending = False
        self._interrupted_at = -AGAIN
        self._code = 0

    async def run(self) -> int:
        """Talk until the person leaves; returns the exit code.

        Raises:
            McpHostError: the host could not be set up.
        """
        failure: McpHostError | None = None

        async def serve() -> None:
            nonlocal failure
            try:
                await self._serve()
            except McpHostError as error:
                failure = error
                self.screen.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            tasks.start_soon(self._run_commands)
            await self.screen.run()
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return self._code

    async def _serve(self) -> None:
        await self.screen.shown.wait()
        host, self.registry = await self._open_host()
        async with host:
            self.chat = host.chat(patience=0, resume=self._resume)
            self.chat.policy.mode = self._mode
            self._open_model(self.chat)
            self.screen.app.invalidate()
            if self._resume is not None:
                await self._take_up(self.chat, self._resume)
            while True:
                await self._queued.wait()
                await self._do(self.chat, self._next())

    def _open_model(self, chat: Chat) -> None:
        """Open the model now: a missing key is better known before the first message than after it."""
        try:
            self._model = chat.model.name
        except McpHostError as error:
            self._model = "no model"
            self.frontend.fail(str(error))

    async def _take_up(self, chat: Chat, record: Record) -> None:
        """Show how the conversation stands, and go on with its last turn where that was interrupted."""
        recall(record.messages, asked=self.frontend.sent, answered=self.frontend.say)
        self._live.wait_for("waiting for servers")
        await chat.host.pool.settled(PATIENCE)
        self._live.clear()
        if record.stop is None:
            self.frontend.note("This turn was interrupted. It goes on; Esc stops it.")
            with anyio.CancelScope() as self._work:
                await self._turn(chat.resume())
            self._work = None
            self.screen.app.invalidate()

    # -- one line --------------------------------------------------------------------------------------------------

    async def _do(self, chat: Chat, line: Typed) -> None:
        self.frontend.sent(line.text)
        with anyio.CancelScope() as self._work:
            if not self._is_command(line):
                await self._servers(chat)
            content = await self._interpret(chat, line)
            if content:
                await self._send(chat, content)
        if self._work.cancelled_caught:
            self.frontend.warn("Stopped.")
        self._work = None
        self._interrupted_at = -AGAIN  # it stopped what ran: the next Ctrl-C is a first one
        self._live.clear()
        self.screen.app.invalidate()

    async def _servers(self, chat: Chat) -> None:
        """Give servers that are still starting a moment, before the conversation's first message; Enter ends it."""
        starting = [server.name for server in chat.host.servers.values() if server.state in _STARTING]
        if chat.conversation is not None or not starting:
            return
        self._live.wait_for(f"waiting for {one_line(', '.join(starting), 60)} (Enter: send now)")
        self._hurry.clear()
        settled = asyncio.create_task(chat.host.pool.settled(PATIENCE))
        hurry = asyncio.create_task(self._hurry.wait())
        try:
            await asyncio.wait([settled, hurry], return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()
            hurry.cancel()
            self._live.doing = ""

    async def _send(self, chat: Chat, content: Sequence[Message]) -> None:
        self._show_attached(content)
        await self._turn(chat.send(content))

    async def _turn(self, turn: Awaitable[Reply]) -> None:
        self._live.wait_for("thinking")
        self._sending = True
        try:
            reply = await turn
        except McpHostError as error:
            self.frontend.broken()
            self.frontend.fail(str(error))
            return
        finally:
            self._sending = False
        self.frontend.ended(reply.stop, reply.usage, reply.steps, empty=not reply.text.strip())

    def _show_attached(self, content: Sequence[Message]) -> None:
        """Say what goes to the model beside what was typed."""
        for message in content:
            if not isinstance(message, UserMessage):
                continue
            for block in message.content:
                if message.origin == "prompt":
                    lines = block.get("text", f"[{block['type']}]").split("\n")
                    more = [f"… {len(lines) - PREVIEW} more lines"] if len(lines) > PREVIEW else []
                    self.frontend.quote("\n".join([*lines[:PREVIEW], *more]))
                elif block["type"] == "resource":
                    resource = block["resource"]
                    size = len(resource.get("text") or resource.get("blob") or "")
                    self.frontend.note(f"attached {resource.get('uri')}, {size:,} characters")

    async def _run_commands(self) -> None:
        """Those that need not wait for the turn to end."""
        while True:
            chat, line = await self._commands.get()
            self.frontend.sent(line.text)
            await self._interpret(chat, line)

    async def _interpret(self, chat: Chat, line: Typed) -> Sequence[Message]:
        """What is to be sent; a command has been run, and sends nothing."""
        from mcphost import commands

        assert self.registry is not None
        try:
            content = await commands.interpret(chat, self.registry, line.text, pasted=line.pasted)
        except commands.Leave:
            self.leave()
            return ()
        except McpHostError as error:
            self.frontend.fail(str(error))
            return ()
        if not isinstance(content, str):
            return content
        self._answered(chat, content)
        return ()

    def _answered(self, chat: Chat, text: str) -> None:
        self.frontend.say(text)
        try:
            self._model = chat.model.name
        except McpHostError:
            pass  # it was said when the chat began

    def _is_command(self, line: Typed) -> bool:
        name = line.text[1:].partition(" ")[0]
        typed = line.text.startswith("/") and not any(0 in span for span in line.pasted)
        return typed and self.registry is not None and name in self.registry.commands

    def _next(self) -> Typed:
        line = self._queue.popleft()
        self._update_queue()
        return line

    def _update_queue(self) -> None:
        self._live.queued = [line.text for line in self._queue]
        self._live.changed()
        (self._queued.set if self._queue else self._queued.clear)()
        self.screen.app.invalidate()

    # -- keys (Chatter) --------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self._work is not None

    def submit(self, line: Typed) -> None:
        if not line.text.strip():
            self._hurry.set()
        elif line.text == "/quit":
            self.leave()
        elif self.busy and self.chat is not None and self._is_command(line):
            self._commands.put_nowait((self.chat, line))
        else:
            self._hurry.set()
            self._queue.append(line)
            self._update_queue()

    def steer(self, line: Typed) -> None:
        if not line.text.strip() and self._queue:
            line = self._next()
        if not line.text.strip():
            return
        if self._sending and self.chat is not None and not line.text.startswith("/"):
            self.chat.steer(line.text)
            self.frontend.sent(line.text, mark="»")
        else:
            self.submit(line)

    def take_back(self) -> Typed | None:
        if not self._queue:
            return None
        line = self._queue.pop()
        self._update_queue()
        return line

    def stop(self) -> None:
        if self._sending and self.chat is not None:
            self.chat.cancel()
        elif self._work is not None:
            self._work.cancel()

    def interrupt(self) -> None:
        """Stop what runs; the second time within a moment, leave."""
        now = time.monotonic()
        if now - self._interrupted_at < AGAIN:
            self._code = INTERRUPTED if self.busy else 0
            self.leave()
        self._interrupted_at = now
        self.stop()
        asyncio.get_running_loop().call_later(AGAIN + 0.01, self.screen.app.invalidate)

    def next_mode(self) -> None:
        """The next way to judge calls, from the next call on."""
        self._mode = MODES[(MODES.index(self._mode) + 1) % len(MODES)]
        if self.chat is not None:
            self.chat.policy.mode = self._mode
        self.screen.app.invalidate()

    def leave(self) -> None:
        self.screen.close()

    # -- status ----------------------------------------------------------------------------------------------------

    def status(self) -> str:
        """The words of the status line, the most useful first: a narrow screen cuts the end."""
        mode = f"{self._mode}, YOLO: nothing is asked" if self._yolo else self._mode
        return " · ".join(filter(None, [self._state(), self._model, mode, self._servers_now()]))

    def _state(self) -> str:
        if time.monotonic() - self._interrupted_at < AGAIN:
            return "Ctrl-C again leaves"
        if self._sending:
            return "Esc stops, Ctrl-S steers"
        if self.busy:
            return "Esc stops"
        return "ready" if self.chat is not None else "starting"

    def _servers_now(self) -> str:
        if self.chat is None:
            return ""
        states = [server.state for server in self.chat.host.servers.values() if server.state != "disabled"]
        if not states:
            return "no servers"
        counts = Counter("starting" if state in _STARTING else state for state in states)
        others = [f"{count} {state}" for state, count in counts.items() if state != "ready"]
        return ", ".join([f"servers {counts['ready']}/{len(states)} ready", *others])
