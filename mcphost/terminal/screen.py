"""The bottom of the screen: live region, question, input line, completions, status. Everything above is scrollback.

Law: the input line is there from the first moment to the last, whatever runs; what was typed survives every redraw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, has_focus, is_searching
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import merge_key_bindings
from prompt_toolkit.key_binding.bindings.auto_suggest import load_auto_suggest_bindings
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VerticalAlign,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import (
    AfterInput,
    AppendAutoSuggestion,
    ConditionalProcessor,
    HighlightIncrementalSearchProcessor,
)
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar

from mcphost.terminal import keys
from mcphost.terminal.cells import fit
from mcphost.terminal.keys import Chatter
from mcphost.terminal.live import FRAME, Live
from mcphost.terminal.panel import MENU, SPACIOUS, Panel
from mcphost.terminal.resize import ResizingApplication
from mcphost.terminal.scrollback import Scrollback, Terminal
from mcphost.terminal.suggesting import LineCompleter
from mcphost.terminal.typed import Folded, PasteMarks

if TYPE_CHECKING:
    from mcphost.config.schema import Editing

T = TypeVar("T")

ESCAPE = 0.05  # seconds after which an escape byte is the Esc key
SEQUENCE = 0.5  # seconds that a second key may come after a first, as of Esc Enter
HINT = "ask something, or / for commands, @ for resources"

_STYLE = Style.from_dict(
    {
        "prompt": "bold ansicyan",
        "hint": "ansibrightblack",
        "pasted": "ansicyan",
        "auto-suggestion": "ansibrightblack",
        "status": "reverse",
        "status.alarm": "noreverse bold bg:ansired fg:ansiwhite",
        "panel.title": "bold ansiyellow",
        "panel.keys": "bold",
        "panel.more": "ansiyellow",
        "panel.label": "bold",
        "panel.who": "ansibrightblack",
        "panel.said": "",
        "panel.why": "ansibrightblack",
        "panel.warning": "ansiyellow",
        "completion-menu": "noreverse bg:default fg:default",
        "completion-menu.completion": "bg:default fg:default",
        "completion-menu.completion.current": "reverse",
        "completion-menu.meta.completion": "bg:default fg:ansibrightblack",
        "completion-menu.meta.completion.current": "reverse",
    }
)


class Screen:
    """`status` gives the words of the last line, which is red with `alarm`."""

    def __init__(
        self,
        output: Terminal,
        *,
        live: Live,
        panel: Panel,
        scrollback: Scrollback,
        chatter: Chatter,
        status: Callable[[], str],
        alarm: bool = False,
        history: History,
        completer: LineCompleter,
        color: bool,
        input: Input | None = None,
        editing: Editing = "emacs",
        wraps_anew: bool = False,
    ) -> None:
        self._live = live
        self._panel = panel
        self._scrollback = scrollback
        self._status = status
        self._status_style = "class:status.alarm" if alarm else "class:status"
        self.shown = asyncio.Event()
        self.buffer = Buffer(
            multiline=True,
            history=history,
            auto_suggest=AutoSuggestFromHistory(),
            completer=completer,
            complete_while_typing=True,
        )
        self.marks = PasteMarks(self.buffer)
        search = SearchToolbar(ignore_case=True)
        line = self._line(search)
        self.app = ResizingApplication(
            layout=Layout(self._container(line, search), line),
            style=_STYLE,
            include_default_pygments_style=False,
            key_bindings=merge_key_bindings(
                [
                    load_auto_suggest_bindings(),
                    keys.bindings(self.buffer, completer, self.marks, chatter),
                    panel.bindings,
                ]
            ),
            color_depth=None if color else ColorDepth.DEPTH_1_BIT,
            erase_when_done=True,
            input=input,
            output=output,
            editing_mode=EditingMode.VI if editing == "vi" else EditingMode.EMACS,
        )
        self.app.wraps_anew = wraps_anew
        self.app.ttimeoutlen = ESCAPE
        self.app.timeoutlen = SEQUENCE
        self.app.key_processor.before_key_press += lambda _: panel.touched()
        self.app.after_render += lambda _: self.shown.set()

    async def run(self) -> None:
        """Draw and read keys until `close`, or until this is cancelled; the terminal is as before afterwards."""
        drawing = asyncio.create_task(self.app.run_async(set_exception_handler=False, handle_sigint=False))
        moving = asyncio.create_task(self._move())
        self._scrollback.attach(self.app)
        try:
            await asyncio.shield(drawing)
        except (EOFError, OSError):
            pass  # the terminal is gone
        finally:
            moving.cancel()
            self.close()
            await self._drawn(drawing)

    async def _drawn(self, drawing: asyncio.Task[None]) -> None:
        """Wait for its end: a second cancellation must not leave the terminal in raw mode."""
        while not drawing.done():
            try:
                await asyncio.wait([drawing])
            except asyncio.CancelledError:
                continue
        if isinstance(drawing.exception(), (EOFError, OSError)):
            return
        self._scrollback.flush()

    async def lend(self, use: Callable[[], T]) -> T:
        """Give the terminal to `use`, which runs in a thread; what is said meanwhile is printed afterwards."""
        return await run_in_terminal(use, in_executor=True)

    def fill(self, line: str, *, choose: bool) -> None:
        """Let `line` stand in front of what is typed; with `choose` its completions are offered, unless something else
        is typed already."""
        if choose and self.buffer.text:
            return
        text = line + self.buffer.text.lstrip()
        self.buffer.set_document(Document(text, len(text)))
        if choose:
            self.buffer.start_completion()

    def send_raw(self, sequence: str) -> None:
        """Write a sequence that moves nothing on the screen."""
        self.app.output.write_raw(sequence)
        self.app.output.flush()

    def close(self) -> None:
        if self.app.is_running and not self.app.is_done:
            self.app.exit()

    async def _move(self) -> None:
        """Redraw as long as something moves."""
        while True:
            await asyncio.sleep(FRAME)
            if self._live.moving or self._live.stream.open_text:
                self.app.invalidate()

    # -- layout --------------------------------------------------------------------------------------------------------

    def _container(self, line: Window, search: SearchToolbar) -> HSplit:
        live = Window(FormattedTextControl(self._live_text), dont_extend_height=True, wrap_lines=False)
        space = Window(height=1)
        status = Window(FormattedTextControl(self._status_text), height=1, style=self._status_style)
        return HSplit(
            [
                ConditionalContainer(space, Condition(lambda: self._rows() >= SPACIOUS)),
                ConditionalContainer(live, Condition(lambda: not self._panel.open() and bool(self._live_lines()))),
                self._panel.container,
                line,
                search,
                CompletionsMenu(max_height=MENU, scroll_offset=1, extra_filter=has_focus(self.buffer)),
                status,
            ],
            align=VerticalAlign.TOP,
        )

    def _line(self, search: SearchToolbar) -> Window:
        empty = Condition(lambda: not self.buffer.text and not self._panel.open()) & ~is_searching
        return Window(
            BufferControl(
                self.buffer,
                search_buffer_control=search.control,
                preview_search=True,
                input_processors=[
                    Folded(self.marks),
                    HighlightIncrementalSearchProcessor(),
                    ConditionalProcessor(AppendAutoSuggestion(), has_focus(self.buffer)),
                    ConditionalProcessor(AfterInput(self._hint, style="class:hint"), empty),
                ],
            ),
            get_line_prefix=_prefix,
            height=lambda: Dimension(min=1, max=max(self._rows() // 2, 1)),
            wrap_lines=True,
            dont_extend_height=True,
        )

    def _hint(self) -> str:
        return fit(HINT, self.app.output.get_size().columns - 3)

    def _rows(self) -> int:
        return self.app.output.get_size().rows

    def _live_lines(self) -> str:
        size = self.app.output.get_size()
        return self._live.text(size.columns, max(size.rows - 5, 1))

    def _live_text(self) -> StyleAndTextTuples:
        return to_formatted_text(ANSI(self._live_lines()))

    def _status_text(self) -> StyleAndTextTuples:
        width = self.app.output.get_size().columns
        return [(self._status_style, fit(f" {self._status()}", width).ljust(width))]


def _prefix(number: int, wrapped: int) -> StyleAndTextTuples:
    return [("class:prompt", "> " if number == 0 and wrapped == 0 else "  ")]
