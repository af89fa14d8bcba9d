"""Lines from a terminal or a pipe, without keeping the event loop waiting."""

from __future__ import annotations

import asyncio
import os
import select
import stat

from mcphost.terminal.typed import Typed
from mcphost.text import encodable


class Lines:
    """Reads from the file descriptor `source`."""

    def __init__(self, source: int) -> None:
        self._source = source
        self.is_terminal = os.isatty(source)
        self._waits = not stat.S_ISREG(os.fstat(source).st_mode)  # a file can always be read, and not be waited for
        self._read = b""

    async def read(self, left: asyncio.Event) -> Typed | None:
        """The next line, or what was pasted; None: there is no more, or `left` was set meanwhile."""
        if self.is_terminal:
            data = await self._available(left)
            while data and select.select([self._source], [], [], 0)[0]:
                more = self._take()
                data += more
                if not more:
                    break
            return _typed(data) if data else None
        while b"\n" not in self._read and (data := await self._available(left)):
            self._read += data
        line, newline, self._read = self._read.partition(b"\n")
        return _typed(line) if (line or newline) and not left.is_set() else None

    async def _available(self, left: asyncio.Event) -> bytes:
        """What there is to read, once there is something; nothing: it ended, or the person left."""
        if not self._waits:
            return b"" if left.is_set() else self._take()
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._source, ready.set)
        waits = [asyncio.create_task(ready.wait()), asyncio.create_task(left.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return b"" if left.is_set() else self._take()
        finally:
            loop.remove_reader(self._source)
            for wait in waits:
                wait.cancel()

    def _take(self) -> bytes:
        try:
            return os.read(self._source, 65536)
        except OSError:
            return b""


def _typed(data: bytes) -> Typed:
    text = encodable(data.decode(errors="replace")).rstrip("\r\n")
    return Typed(text, (range(len(text)),) if "\n" in text else ())
