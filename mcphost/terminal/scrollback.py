"""What has been said for good: printed above the live region once, and the terminal's own from then on.

Law: this is the only writer above the region, and it writes within a frame, which is one write to the terminal: nothing
flickers, and no output lands in the middle of the input line.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from prompt_toolkit.data_structures import Size
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.utils import get_cwidth

from mcphost.terminal.cells import SAVE_CURSOR, go_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_toolkit.application import Application

GATHER = 0.01  # seconds that pieces are gathered for before a frame is drawn for them

_JOINERS = re.compile("[\u200d\ufe0f]")
_DISPUTED = re.compile("[\u200d\ufe0f\u20e3\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")

# What belongs together; an empty line parts one group from the next, and one block of an answer from the next.
Group: TypeAlias = Literal["user", "answer", "calls", "notes", "output", "shell"]


class Terminal(Vt100_Output):
    """A terminal whose flushes can be held back. It is never asked where its cursor is: an answer could be taken for
    typed text, and the region that we draw needs none."""

    def __init__(self, stdout: TextIO, size: Callable[[], tuple[int, int]], term: str) -> None:
        """`size` gives (columns, rows) as they are now."""

        def get_size() -> Size:
            columns, rows = size()
            return Size(rows=rows, columns=columns)

        super().__init__(stdout, get_size, term=term, enable_cpr=False)
        self._held = False

    def erase_down(self) -> None:
        """Erase from the cursor, in two steps: a multiplexer takes one from the first row on for a cleared screen, and
        keeps what stood there in its history."""
        self.write_raw("\x1b7\x1b[K\x1b[B\r\x1b[J\x1b8")

    def write(self, data: str) -> None:
        """Write what stands in one cell of the region. A joined emoji stands there as its parts."""
        if _DISPUTED.search(data):
            data = _JOINERS.sub("", data)
            self.write_raw(SAVE_CURSOR)
            super().write(data)
            self.write_raw(go_on(get_cwidth(data)))
        else:
            super().write(data)

    def flush(self) -> None:
        if not self._held:
            super().flush()

    @contextmanager
    def held(self) -> Iterator[None]:
        self._held = True
        try:
            yield
        finally:
            self._held = False


class Scrollback:
    def __init__(self, output: Terminal) -> None:
        self._output = output
        self._app: Application[None] | None = None
        self._pending: list[str] = []
        self._last: Group | None = None
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, app: Application[None]) -> None:
        """From now on `app` draws the region below. Each of its frames has first what was put until then: what leaves
        the region is never gone from the screen for a moment."""
        self._app = app
        app.before_render += self._print_above
        self._schedule()

    def put(self, text: str, group: Group, *, joined: bool = False) -> None:
        """Print these lines. Within an answer blocks are parted by an empty line, unless this one is `joined`."""
        parted = self._last is not None and (group != self._last or group in ("answer", "output")) and not joined
        self._pending.append(f"\n{text}\n" if parted else f"{text}\n")
        self._last = group
        self._schedule()

    def flush(self) -> None:
        """Write now what is pending: there is no region any more."""
        self._write()
        self._output.flush()

    def _print_above(self, app: Application[None]) -> None:
        if self._pending:
            with self._output.held():
                app.renderer.erase()
            self._write()

    def _write(self) -> None:
        self._output.write_raw("".join(self._pending).replace("\n", "\r\n"))
        self._pending.clear()

    def _schedule(self) -> None:
        if self._app is not None and self._pending and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER, self._draw, self._app)

    def _draw(self, app: Application[None]) -> None:
        self._timer = None
        app.invalidate()
