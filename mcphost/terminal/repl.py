"""The chat as a whole: lines in, turns one after the other, an orderly end.

The prompt never waits: not for servers, not for imports, not for a turn. One task enters the Host, runs the turns and
leaves the Host again; what is typed meanwhile is queued.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup

from mcphost.config.schema import MODES
from mcphost.errors import McpHostError
from mcphost.messages import Message, UserMessage
from mcphost.terminal import keys, status
from mcphost.terminal.acting import Actor
from mcphost.terminal.frontend import ScreenFrontend
from mcphost.terminal.live import Live
from mcphost.terminal.queue import Queue
from mcphost.terminal.recall import recall
from mcphost.terminal.status import STARTING
from mcphost.terminal.typed import Typed
from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.agent import Reply
    from mcphost.approvals import Mode
    from mcphost.host import Chat, Host
    from mcphost.journal import Record
    from mcphost.plugins import Act, Registry
    from mcphost.terminal.screen import Screen

WAITING = ("clear", "new", "resume", "fork", "rewind")  # commands that are about a conversation at rest
LEAVING = ("/quit", "/exit")
PATIENCE = 5.0  # seconds that a first message waits for servers
AGAIN = 2.0  # seconds in which a second Ctrl+C leaves

INTERRUPTED = 130


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
        environ: Mapping[str, str],
        mode: Mode,
        yolo: bool = False,
        resume: Record | None = None,
    ) -> None:
        self._open_host = open_host
        self.frontend = frontend
        self._live = live
        self._environ = environ
        self._mode: Mode = mode
        self._yolo = yolo
        self._resume = resume
        self.screen: Screen
        self._actor: Actor
        self.chat: Chat | None = None
        self.registry: Registry | None = None
        self._model = ""
        self._queue = Queue(live)
        self._hurry = asyncio.Event()
        self._beside: asyncio.Queue[Callable[[], Coroutine[Any, Any, None]]] = asyncio.Queue()
        self._work: anyio.CancelScope | None = None
        self._sending = False
        self._interrupted_at = -AGAIN
        self._interrupted = False  # something, by the first Ctrl+C
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

        self._actor = Actor(self.screen, self.frontend, self._environ)
        self.screen.buffer.on_text_changed += self._forget_interrupt
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            tasks.start_soon(self._run_beside, tasks)
            await self.screen.run()
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return self._code

    async def _run_beside(self, tasks: TaskGroup) -> None:
        """Start what keys asked for beside the turn."""
        while True:
            tasks.start_soon(await self._beside.get())

    async def _serve(self) -> None:
        await self.screen.shown.wait()
        host, self.registry = await self._open_host()
        async with host:
            chat = host.chat(patience=0, resume=self._resume)
            chat.policy.mode = self._mode
            await self._stoppable(self._go_on(chat, self._resume))
            while True:
                line = await self._queue.next()
                self.frontend.sent(line.shown)
                await self._stoppable(self._do(line))

    async def _go_on(self, chat: Chat, record: Record | None) -> None:
        """Let `chat` be the one that is talked in. Its model is opened now: a missing key is better known before the
        first message than after it."""
        self.chat = chat
        try:
            self._model = chat.model.name
        except McpHostError as error:
            self._model = "no model"
            self.frontend.fail(str(error))
        self.screen.app.invalidate()
        if record is not None:
            await self._take_up(chat, record)

    async def _take_up(self, chat: Chat, record: Record) -> None:
        """Show how the conversation stands, and go on with its last turn where that was interrupted."""
        recall(record.messages, asked=self.frontend.sent, answered=self.frontend.answer)
        self._live.wait_for("waiting for servers")
        await chat.host.pool.settled(PATIENCE)
        self._live.clear()
        if not record.ended:
            self.frontend.note("This turn did not end. It goes on; Esc stops it.")
            await self._turn(chat.resume())

    # -- one line --------------------------------------------------------------------------------------------------

    async def _do(self, line: Typed) -> None:
        assert self.chat is not None
        if not self._is_command(line):
            await self._servers(self.chat)
        content = await self._interpret(self.chat, line)
        if content:
            await self._send(self.chat, content)

    async def _stoppable(self, work: Awaitable[None]) -> None:
        with anyio.CancelScope() as self._work:
            await work
        if self._work.cancelled_caught:
            self.frontend.warn("Stopped.")
        self._work = None
        self._live.clear()
        self.screen.app.invalidate()

    async def _servers(self, chat: Chat) -> None:
        """Give servers that are still starting a moment, before the conversation's first message; Enter ends it."""
        starting = [server.name for server in chat.host.servers.values() if server.state in STARTING]
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
        self.frontend.attached(content)
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

    async def _command(self, chat: Chat, line: Typed) -> None:
        """One that need not wait for the turn to end."""
        self.frontend.sent(line.shown)
        await self._interpret(chat, line)

    async def _steer(self, chat: Chat, line: Typed) -> None:
        """Hand `line` to the running turn, with what it mentions; to the next one where it ended meanwhile."""
        content = await self._interpret(chat, line)
        blocks = [block for one in content if isinstance(one, UserMessage) for block in one.content]
        if blocks and self._sending:
            self.frontend.sent(line.shown, mark="»")
            self.frontend.attached(content)
            chat.steer(blocks)
        elif blocks:
            self.submit(line)

    async def _interpret(self, chat: Chat, line: Typed) -> Sequence[Message]:
        """What is to be sent; a command has been run, and sends nothing."""
        from mcphost import commands, plugins

        assert self.registry is not None
        try:
            meant = await commands.interpret(chat, self.registry, line.text, pasted=line.pasted)
        except McpHostError as error:
            self.frontend.fail(str(error))
            return ()
        if isinstance(meant, str):
            self.frontend.say(meant)
        elif isinstance(meant, plugins.Act):
            await self._act(meant)
        else:
            return meant
        try:
            self._model = (self.chat or chat).model.name
        except McpHostError:
            pass  # it was said when the chat began
        return ()

    async def _act(self, act: Act) -> None:
        from mcphost import plugins

        match act:
            case plugins.Leave():
                self.leave()
            case plugins.Help(text):
                self.frontend.say(f"{text}\n\n{keys.described()}")
            case plugins.Copy(text):
                await self._actor.copy(text)
            case plugins.Edit(text):
                await self._actor.edit(Typed(text))
            case plugins.Fill(line, said, choose):
                self.frontend.say(said)
                self.screen.fill(line, choose=choose)
            case plugins.Shell(command):
                await self._actor.shell(command)
            case plugins.GoOn(chat, said, record):
                self.frontend.say(said)
                await self._go_on(chat, record)

    def _is_command(self, line: Typed) -> bool:
        """Whether it is about the chat itself, and not for the model."""
        from mcphost.commands import command_of

        if self.registry is None or not _is_read(line):
            return False
        return line.text.startswith("!") or command_of(line.text)[0] in self.registry.commands

    def _runs_beside(self, line: Typed) -> bool:
        from mcphost.commands import command_of

        return self._is_command(line) and command_of(line.text)[0] not in WAITING

    # -- keys (Chatter) --------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self._work is not None or self._actor.busy

    def submit(self, line: Typed) -> None:
        if not line.text.strip():
            self._hurry.set()
        elif line.text in LEAVING:
            self.leave()
        elif self._work is not None and self.chat is not None and self._runs_beside(line):
            self._beside.put_nowait(partial(self._command, self.chat, line))
        else:
            self._hurry.set()
            self._queue.put(line)
            self.screen.app.invalidate()

    def steer(self, line: Typed) -> None:
        if not line.text.strip():
            line = self._queue.first() or line
        if not line.text.strip():
            return
        if self._sending and self.chat is not None and not _is_read(line):
            self._beside.put_nowait(partial(self._steer, self.chat, line))
        else:
            self.submit(line)

    def take_back(self) -> Typed | None:
        return self._queue.last()

    def edit(self, line: Typed) -> None:
        self._beside.put_nowait(partial(self._actor.edit, line))

    def stop(self) -> None:
        """Stop what a person would want stopped first: a command of their own, the calls that run, the turn."""
        if not self._actor.stop() and not (self.chat is not None and self.chat.cancel_calls()):
            self._stop_turn()

    def _stop_turn(self) -> None:
        if self._sending and self.chat is not None:
            self.chat.cancel()
        elif self._work is not None:
            self._work.cancel()

    def interrupt(self) -> None:
        """Stop what runs; the second time within a moment, leave: with a code that says so where something ran."""
        now = time.monotonic()
        if now - self._interrupted_at < AGAIN:
            self._code = INTERRUPTED if self._interrupted else 0
            self.leave()
        self._interrupted_at, self._interrupted = now, self.busy
        if not self._actor.stop():
            self._stop_turn()
        asyncio.get_running_loop().call_later(AGAIN + 0.01, self.screen.app.invalidate)

    def _forget_interrupt(self, _: object) -> None:
        """Something was typed: the next Ctrl+C is a first one."""
        self._interrupted_at = -AGAIN

    def next_mode(self) -> None:
        """The next way to judge calls, from the next call on."""
        self._mode = MODES[(MODES.index(self._judged) + 1) % len(MODES)]
        if self.chat is not None:
            self.chat.policy.mode = self._mode
        self.screen.app.invalidate()

    @property
    def _judged(self) -> Mode:
        return self._mode if self.chat is None else self.chat.policy.mode

    def expand(self) -> None:
        self.frontend.expand()

    def leave(self) -> None:
        self.screen.close()

    # -- status ----------------------------------------------------------------------------------------------------

    def status(self) -> str:
        """The words of the status line, the most useful first: a narrow screen cuts the end."""
        servers = status.servers(self.chat.host.servers.values()) if self.chat is not None else ""
        alarm = "YOLO: nothing is asked" if self._yolo else ""
        return " · ".join(filter(None, [alarm, self._state(), self._model, self._judged, servers]))

    def _state(self) -> str:
        if time.monotonic() - self._interrupted_at < AGAIN:
            return "Ctrl+C again leaves"
        if self._sending:
            return "Esc stops, Ctrl+S steers"
        if self.busy:
            return "Esc stops"
        return "ready" if self.chat is not None else "starting"


def _is_read(line: Typed) -> bool:
    """Whether it is a command, a shell command or a prompt, which is a message of its own, and no message as it is."""
    return line.text[:1] in ("/", "!") and not any(0 in span for span in line.pasted)
