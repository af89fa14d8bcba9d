"""The region at the bottom, when a terminal gets narrower and wraps anew what stands on it.

Its lines then take more rows than were drawn, so that its top is further up than where it is erased from. A terminal
does not say whether it wraps anew, and it is not asked: only one that is known to is taken to.
"""

from __future__ import annotations

from collections.abc import Mapping

from prompt_toolkit.application import Application
from prompt_toolkit.layout.screen import Char

_MARKS = (
    "TMUX", "VTE_VERSION", "KITTY_WINDOW_ID", "ALACRITTY_WINDOW_ID", "WEZTERM_PANE", "WT_SESSION", "KONSOLE_VERSION",
    "GHOSTTY_RESOURCES_DIR",
)  # fmt: skip
_PROGRAMS = ("iTerm.app", "Apple_Terminal", "vscode", "WezTerm", "ghostty", "rio")


def wraps_anew(environ: Mapping[str, str]) -> bool:
    """Whether the terminal is one that is known to wrap its lines anew."""
    return any(environ.get(mark) for mark in _MARKS) or environ.get("TERM_PROGRAM") in _PROGRAMS


class ResizingApplication(Application[None]):
    """`wraps_anew`: its terminal does so."""

    wraps_anew = False

    def _on_resize(self) -> None:
        if self.wraps_anew:
            self.output.cursor_up(self._pushed_up())
        super()._on_resize()

    def _pushed_up(self) -> int:
        """How many rows more there are now from the region's top to the cursor."""
        drawn = self.renderer.last_rendered_screen
        if drawn is None:
            return 0
        columns = self.output.get_size().columns
        cursor = drawn.get_cursor_position(self.layout.current_window)
        above = sum(max(_width(drawn.data_buffer[row]) - 1, 0) // columns for row in range(cursor.y))
        return above + cursor.x // columns


def _width(row: Mapping[int, Char]) -> int:
    return max((column + max(cell.width, 1) for column, cell in row.items() if cell.char != " "), default=0)
