"""Chromium without a window, driven by the DevTools protocol over a pipe."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


# It wants its pipes under these numbers.
LAUNCH = (
    "import fcntl, os, sys; read, write = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]); "
    "os.dup2(read, 3); os.dup2(write, 4); os.execv(sys.argv[3], sys.argv[3:])"
)


class Page:
    """One page. `heard` are the events of its console, its network and its policy."""

    def __init__(self, reader: asyncio.StreamReader, pipe: int) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._reader, self._pipe = reader, pipe
        self._session: str | None = None
        self._last = 0

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._pipe, json.dumps(message).encode() + b"\0")
        while True:
            said = await self._next()
            if said.get("id") == self._last:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result

    async def until(self, event: str) -> None:
        while not any(name == event for name, _ in self.heard):
            await self._next()

    async def value(self, script: str) -> Any:
        """What `script` comes to in the page."""
        found = await self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def open(self, file: Path) -> None:
        target = (await self.ask("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            await self.ask(f"{domain}.enable")
        await self.ask("Page.navigate", url=file.as_uri())
        await self.until("Page.loadEventFired")

    async def _next(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads((await self._reader.readuntil(b"\0"))[:-1])
        if "method" in said:
            self.heard.append((said["method"], said["params"]))
        return said


@asynccontextmanager
async def browser(home: Path) -> AsyncIterator[Page]:
    """A browser with a profile of its own below `home`."""
    assert PROGRAM is not None
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LAUNCH,
        str(to_read),
        str(from_write),
        PROGRAM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        f"--user-data-dir={home}",
        "--remote-debugging-pipe",
        "about:blank",
        pass_fds=(to_read, from_write),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(from_write)
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_read, "rb")
    )
    try:
        yield Page(reader, to_write)
    finally:
        os.close(to_write)  # which ends it
        transport.close()
        await process.wait()
