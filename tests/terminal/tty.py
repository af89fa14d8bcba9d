"""A chat on an emulated terminal: keys go in through a pipe, what is drawn goes to a screen with a scrollback."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO, cast

import pyte
from prompt_toolkit.input import PipeInput, create_pipe_input

from mcphost.app import registry
from mcphost.config.schema import Config, Editing
from mcphost.host import Host
from mcphost.journal import Journal
from mcphost.messages import AssistantMessage, Text
from mcphost.models.base import Model, ModelInfo, ModelRequest, Piece, TextDelta
from mcphost.plugins import Registry
from mcphost.terminal.compose import on_screen
from mcphost.terminal.frontend import ScreenFrontend
from mcphost.terminal.repl import Repl
from mcphost.terminal.scrollback import Terminal
from tests.terminal.emulator import Emulator

PATIENCE = 8.0  # seconds that a text may take to appear
ESC, ENTER, UP, CTRL_C, CTRL_D, CTRL_J, CTRL_S = "\x1b", "\r", "\x1b[A", "\x03", "\x04", "\n", "\x13"


class Screen:
    """What a person would see: `display`, and `text` with everything that was scrolled away before it."""

    def __init__(self, columns: int, rows: int, *, clusters: bool = False) -> None:
        self.size = (columns, rows)
        self.raw = ""
        self.encoding = "utf-8"
        self._screen = Emulator(columns, rows, clusters=clusters)
        self._stream = pyte.Stream(self._screen)
        self._drawn = asyncio.Event()

    def write(self, text: str) -> int:
        self.raw += text
        self._stream.feed(text)
        self._drawn.set()
        return len(text)

    def flush(self) -> None:
        pass

    def resize(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)
        self._screen.resize(rows, columns)

    @property
    def display(self) -> list[str]:
        return self._screen.display

    def background(self, row: int) -> str:
        """The colour behind the second cell of a row."""
        return str(self._screen.buffer[row][1].bg)

    def column(self, text: str) -> list[int]:
        """The column in which `text` begins, for each row that shows it."""
        return self._screen.column(text)

    @property
    def cursor(self) -> tuple[str, int]:
        """What stands before the cursor, and the cursor's column."""
        at = self._screen.cursor
        return self._screen.buffer[at.y][at.x - 1].data, at.x

    @property
    def text(self) -> str:
        return self._screen.text

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._drawn.clear()
                    await self._drawn.wait()
        except TimeoutError:
            raise AssertionError(f"{what} did not happen; on the screen:\n" + "\n".join(self.display)) from None


class Tty:
    """The keyboard and the screen of a running chat."""

    def __init__(self, keyboard: PipeInput, screen: Screen, repl: Repl) -> None:
        self._keyboard = keyboard
        self.screen = screen
        self.repl = repl
        self._pressed = asyncio.Event()
        repl.screen.app.key_processor.after_key_press += self._key_was_read
        self.running: asyncio.Task[int]

    def type(self, keys: str) -> None:
        self._keyboard.send_text(keys)

    async def press(self, *keys: str) -> None:
        """Type each of `keys` when the one before has been read."""
        for key in keys:
            self._pressed.clear()
            self.type(key)
            await self._pressed.wait()

    def hang_up(self) -> None:
        self._keyboard.close()

    def _key_was_read(self, _: object) -> None:
        self._pressed.set()

    def paste(self, text: str) -> None:
        self._keyboard.send_text(f"\x1b[200~{text}\x1b[201~")

    async def see(self, *texts: str) -> None:
        """Wait until each of `texts` is on the display."""
        for text in texts:
            await self.screen.until(partial(self._shows, text), f"{text!r}")

    async def miss(self, text: str) -> None:
        """Wait until `text` is not on the display."""
        await self.screen.until(lambda: not self._shows(text), f"the end of {text!r}")

    def _shows(self, text: str) -> bool:
        return text in "\n".join(self.screen.display)

    async def ready(self) -> None:
        await self.see("ready ·")

    async def choose(self, title: str, key: str) -> None:
        """Answer the question with this title by one key, once it takes keys."""
        await self.see(title, "[n] ")
        self.type(key)

    @property
    def conversation(self) -> list[Any]:
        assert self.repl.chat is not None
        assert self.repl.chat.conversation is not None
        return self.repl.chat.conversation.messages


@asynccontextmanager
async def chatting(
    model: Model,
    *,
    tools: Sequence[Callable[..., Any]] = (),
    servers: Mapping[str, object] | None = None,
    config: Config | None = None,
    history: Path = Path("/dev/null"),
    size: tuple[int, int] = (100, 30),
    clusters: bool = False,
    color: bool = True,
    opening: asyncio.Event | None = None,
    environ: Mapping[str, str] | None = None,
    editing: Editing = "emacs",
    journal: Journal | None = None,
    yolo: bool = False,
) -> AsyncIterator[Tty]:
    """A chat that runs until the block ends. With `opening`, its Host comes only when that is set. `clusters` is as for
    the Emulator."""
    screen = Screen(*size, clusters=clusters)
    output = Terminal(cast(TextIO, screen), lambda: screen.size, "xterm-256color")

    async def open_host(frontend: ScreenFrontend) -> tuple[Host, Registry]:
        if opening is not None:
            await opening.wait()
        host = Host(
            config or Config(),
            model=model,
            frontend=frontend,
            tools=tools,
            servers=servers,
            journal=journal,
            environ=environ or {},
        )
        return host, registry(Config())

    with create_pipe_input() as keyboard:
        repl = on_screen(
            open_host,
            output=output,
            history=history,
            environ=environ or {},
            mode="ask",
            yolo=yolo,
            color=color,
            input=keyboard,
            editing=editing,
        )
        tty = Tty(keyboard, screen, repl)
        tty.running = asyncio.create_task(repl.run())
        try:
            yield tty
        finally:
            repl.leave()
            async with asyncio.timeout(PATIENCE):
                await tty.running


class Streaming:
    """A model that streams each of `answers` piece by piece, as they are put into `pieces`; None ends an answer."""

    name = "test/streaming"
    info = ModelInfo("test")

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue()

    def say(self, text: str, size: int = 5) -> None:
        for start in range(0, len(text), size):
            self.pieces.put_nowait(text[start : start + size])

    def end(self) -> None:
        self.pieces.put_nowait(None)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        self.requests.append(request)
        said = ""
        while (piece := await self.pieces.get()) is not None:
            said += piece
            yield TextDelta(piece)
        yield AssistantMessage((Text(said),))

    def warm(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def plain(raw: str) -> str:
    """`raw` without the sequences that the line editor and the renderer may use; whatever else is left is suspect."""
    return re.sub(r"\x1b[78]|\x1b\[[\d;?]*[A-Za-z]|\x1b\[\d+ q|[\r\n]", "", raw)
