"""Which chats this process is at: byte-range locks in one file beside the journal.

The system releases them when the process ends, however it ends, so that a killed run can be taken up at once. They are
held by process: two journals of one process on one file do not see each other's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPENING = 1 << 48  # above the offset of any chat


class Claims:
    """Opens the lock file `path`, and makes it if it is missing. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._mine: set[str] = set()

    def take(self, chat: str) -> bool:
        """Claim `chat` until `close`; False: another process has it."""
        if chat not in self._mine:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(chat))
            except OSError:
                return False
            self._mine.add(chat)
        return True

    def free(self, chat: str) -> bool:
        """Whether nobody is at `chat`, this process included."""
        if chat in self._mine or not self.take(chat):
            return False
        self._mine.discard(chat)
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(chat))
        return True

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Wait until no other process is repairing the journal's file, and keep others out."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _OPENING)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _OPENING)

    def close(self) -> None:
        os.close(self._file)


def _offset(chat: str) -> int:
    return int.from_bytes(hashlib.sha256(chat.encode()).digest()[:6], "big")
