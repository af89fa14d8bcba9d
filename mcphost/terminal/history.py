"""The lines that a person sent before, in a file that only they can read.

A line that begins with a space is not kept, and neither is one that repeats the line before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory


class PrivateHistory(FileHistory):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def append_string(self, string: str) -> None:
        if not string.startswith(" ") and string.strip() and self.get_strings()[-1:] != [string]:
            super().append_string(string)

    def load_history_strings(self) -> Iterable[str]:
        """A file that cannot be read costs the history as well."""
        try:
            return super().load_history_strings()
        except OSError:
            return ()

    def store_string(self, string: str) -> None:
        """A directory that cannot be written costs the history, not the chat."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600))
            super().store_string(string)
        except OSError:
            pass
