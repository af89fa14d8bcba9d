"""The installed program on a real pseudo-terminal, seen through an emulated screen."""

from __future__ import annotations

import os
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte

from tests.cli.program import PROGRAM
from tests.terminal.emulator import Emulator

PATIENCE = 20.0  # seconds that a text may take to appear


class Pty:
    """`see` waits for a text, `type` types; `raw` is all that was written."""

    def __init__(
        self,
        *arguments: str,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        size: tuple[int, int] = (100, 30),
    ) -> None:
        columns, rows = size
        environ = {**os.environ, "TERM": "xterm-256color", "TMUX": "", **(env or {})}
        self.child = pexpect.spawn(
            PROGRAM[0], [*PROGRAM[1:], *arguments], env=environ, encoding="utf-8", dimensions=(rows, columns), cwd=cwd
        )
        self.child.delaybeforesend = None
        self.modes = termios.tcgetattr(self.child.child_fd)
        self.raw = ""
        self.screen = Emulator(columns, rows)
        self._stream = pyte.Stream(self.screen)

    @property
    def display(self) -> str:
        return "\n".join(self.screen.display)

    @property
    def text(self) -> str:
        """What was scrolled away, and the display."""
        return self.screen.text

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{what} did not happen:\n{self.display}"
            self._read()

    def see(self, text: str) -> None:
        self.until(lambda: text in self.display, repr(text))

    def miss(self, text: str) -> None:
        self.until(lambda: text not in self.display, f"the end of {text!r}")

    def _read(self) -> None:
        try:
            data = self.child.read_nonblocking(65536, 0.05)
        except pexpect.TIMEOUT:
            return
        except pexpect.EOF:
            raise AssertionError(f"it ended:\n{self.display}") from None
        self.raw += data
        self._stream.feed(data)

    def type(self, keys: str) -> None:
        self.child.send(keys)

    def ended(self) -> int:
        """Wait for its end; its exit code. The terminal is as it was before."""
        while not self.child.eof():
            try:
                self.raw += self.child.read_nonblocking(65536, PATIENCE)
            except pexpect.EOF:
                break
        self.child.wait()
        assert isinstance(self.child.exitstatus, int), self.raw
        return self.child.exitstatus


@contextmanager
def started(
    *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None, size: tuple[int, int] = (100, 30)
) -> Iterator[Pty]:
    pty = Pty(*arguments, env=env, cwd=cwd, size=size)
    try:
        yield pty
    finally:
        pty.child.close(force=True)
