"""What commands want of a chat on a screen: the clipboard, an editor, a shell."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import anyio

from mcphost.errors import McpHostError
from mcphost.terminal import clipboard
from mcphost.terminal.editor import edited
from mcphost.terminal.typed import Typed

if TYPE_CHECKING:
    from mcphost.terminal.frontend import ScreenFrontend
    from mcphost.terminal.screen import Screen


class Actor:
    """`environ` names the editor, the shell and where the clipboard is."""

    def __init__(self, screen: Screen, frontend: ScreenFrontend, environ: Mapping[str, str]) -> None:
        self._screen = screen
        self._frontend = frontend
        self._environ = environ
        self._shells: set[anyio.CancelScope] = set()

    async def copy(self, text: str) -> None:
        if program := await clipboard.by_program(text, self._environ):
            self._frontend.note(f"Copied {len(text):,} characters, by {program}.")
        elif sequence := clipboard.sequence(text):
            self._screen.send_raw(sequence)
            self._frontend.note(
                f"Handed {len(text):,} characters to your terminal's clipboard. If they cannot be pasted, it does not "
                "take them (tmux: set -g set-clipboard on); /save FILE writes them to a file."
            )
        else:
            self._frontend.warn("That is too long for a terminal's clipboard. /save FILE writes it to a file.")

    async def edit(self, line: Typed) -> None:
        """Let `line` be edited, and stand in the input line."""
        try:
            text = await self._screen.lend(partial(edited, line.text, self._environ))
        except McpHostError as error:
            self._frontend.fail(str(error))
        else:
            self._screen.marks.put_back(line.edited(text))

    async def shell(self, command: str) -> None:
        from mcphost.commands import shell

        with anyio.CancelScope() as scope:
            self._shells.add(scope)
            try:
                code = await shell.run(command, self._environ, self._frontend.output)
            except McpHostError as error:
                self._frontend.fail(str(error))
                return
            finally:
                self._shells.discard(scope)
            if code:
                self._frontend.warn(f"It ended with exit code {code}.")
        if scope.cancelled_caught:
            self._frontend.warn("Stopped.")

    @property
    def busy(self) -> bool:
        return bool(self._shells)

    def stop(self) -> bool:
        """Stop the shell's commands; False: there is none."""
        for scope in self._shells:
            scope.cancel()
        return self.busy
