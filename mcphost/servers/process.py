"""Server processes: spawned before anything heavy is imported, each in a session and process group of its own.

Law 4: whatever a server started in its group ends with it, and no more of our environment reaches it than it needs.
This module runs first in `mcphost run`; what needs an event loop imports it late.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping
from io import FileIO
from typing import TYPE_CHECKING, cast

from mcphost.config.files import content_hash
from mcphost.config.schema import ServerConfig
from mcphost.errors import ServerUnavailable
from mcphost.servers.environment import inherited, resolve
from mcphost.servers.marks import marks
from mcphost.servers.reaper import MARK, Reaper

if TYPE_CHECKING:
    import asyncio

__all__ = ["MARK", "Process", "Reaper", "inherited", "resolve", "spawn"]

STDERR_RING = 64 * 1024  # bytes
_CHUNK = 64 * 1024
_LAST = 0.1  # seconds for a killed leader to be collected
_POLL = 0.02  # seconds between looks at a group without its leader


def spawn(config: ServerConfig, environ: Mapping[str, str], *, reaper: Reaper) -> Process:
    """Start the stdio server `config` describes. Takes about a millisecond and needs no event loop.

    `environ` is the host's environment, of which the server gets `inherited`, then its own `env`, then our `marks`.

    Raises:
        ServerUnavailable: command or working directory not found, or not executable; `detail["server"]` names it.
    """
    try:
        argv = _argv(config, environ)
        popen = subprocess.Popen(
            argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=config.cwd,
            env={**inherited(environ), **config.env, **marks(reaper.run_id, config.name, config.source.file)},
            start_new_session=True,
        )
    except ServerUnavailable as error:
        raise ServerUnavailable(error.message, hint=error.hint, server=config.name, **error.detail) from None
    except (OSError, ValueError) as error:
        raise ServerUnavailable(f"cannot start {argv[0]}: {_why(error)}", server=config.name) from error
    reaper.add(popen.pid)
    return Process(config.name, tuple(argv), popen, reaper)


def _argv(config: ServerConfig, environ: Mapping[str, str]) -> list[str]:
    if config.cwd is not None and not os.path.isdir(config.cwd):
        raise ServerUnavailable(f"working directory not found: {config.cwd}", hint="Check the entry's cwd.")
    for path, trusted in config.files.items():
        if content_hash(path) != trusted:
            raise ServerUnavailable(f"{path} has changed since it was trusted", hint="`mcphost trust` asks again.")
    base = config.source.file.parent if config.source.file else config.cwd
    return [*resolve(config.command or "", environ, base), *config.args]


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the interpreter its first line names does not exist"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


class Process:
    """One server process and its group.

    `stdin`, `stdout` and `stderr` are our ends of its pipes, unbuffered, non-blocking once attached. `started` is a
    `time.monotonic()`. Of stderr the last `stderr_bytes` are kept. `stray` holds the last lines of its stdout that
    were no messages, for a person to look at.

    A leader that ended stays unreaped until its group is swept where the platform allows: its number cannot become
    another's while we may still signal it.
    """

    def __init__(self, name: str, argv: tuple[str, ...], popen: subprocess.Popen[bytes], reaper: Reaper) -> None:
        self.name = name
        self.argv = argv
        self.pid = popen.pid
        self.started = time.monotonic()
        self.stdin = cast(FileIO, popen.stdin)
        self.stdout = cast(FileIO, popen.stdout)
        self.stderr = cast(FileIO, popen.stderr)
        self.stray: deque[str] = deque(maxlen=20)
        self.stderr_bytes = STDERR_RING
        self._popen = popen
        self._reaper = reaper
        self._returncode: int | None = None
        self._reason: str | None = None
        self._tail = bytearray()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pidfd: int | None = None

    @property
    def returncode(self) -> int | None:
        """The leader's exit code, negative for a signal; None while it lives; 255 if others took it from us."""
        if self._returncode is None:
            self._returncode = self._look()
        return self._returncode

    @property
    def reason(self) -> str | None:
        """Why the connection ended, in words that can follow the server's name; None while it lives."""
        return self._reason or (None if self.returncode is None else _ending(self.returncode))

    @property
    def stderr_tail(self) -> str:
        """The last that the server wrote to stderr, as it wrote it: text from outside."""
        return self._tail.decode(errors="replace")

    def attach(self) -> None:
        """Watch for the end and read stderr, on the running event loop. Attaching again does nothing."""
        import asyncio

        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._ended, self._stopping = asyncio.Event(), asyncio.Lock()
        for pipe in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(self.stderr, self._read_stderr)
        self._watch(self._loop)

    async def exited(self) -> int:
        """The leader's exit code, once it has one."""
        self.attach()
        await self._ended.wait()
        return cast(int, self.returncode)

    def explain(self, reason: str) -> None:
        """Say why the connection ended; the first reason stands."""
        self._reason = self._reason or reason

    def fail(self, reason: str) -> None:
        """Kill the whole group at once, because of `reason`."""
        self.explain(reason)
        if not self.stdout.closed:
            self._signal(signal.SIGKILL)

    async def stop(self, *, eof: float = 1.5, term: float = 1.5, kill: float = 1.0) -> int | None:
        """Close stdin, after `eof` seconds TERM the group, after `term` more KILL it, and wait at most `kill`.

        Each wait ends early; the group is swept also where the leader ended by itself. A cancelled stop kills at once.
        Returns the leader's exit code, None if not even KILL ended it.
        """
        self.attach()
        async with self._stopping:
            if not self.stdout.closed:
                try:
                    await self._wind_down(eof, term, kill)
                finally:
                    self._close()
        return self.returncode

    async def _wind_down(self, eof: float, term: float, kill: float) -> None:
        import anyio

        anyio.notify_closing(self.stdin)
        self.stdin.close()
        with anyio.move_on_after(eof):
            await self._ended.wait()
        self._signal(signal.SIGTERM)
        if not await self._group_ends(term):
            self._signal(signal.SIGKILL)
            await self._group_ends(kill)

    async def _group_ends(self, seconds: float) -> bool:
        """Whether leader and group ended within `seconds`; the leader is reaped, as they can end no earlier."""
        import anyio

        with anyio.move_on_after(seconds):
            await self._ended.wait()
            self._popen.wait()
            while _alive(self.pid):  # noqa: ASYNC110 - nothing announces the end of a group
                await anyio.sleep(_POLL)
            return True
        return False

    def _close(self) -> None:
        import anyio

        if self.returncode is None or _alive(self.pid):
            self._signal(signal.SIGKILL)
        try:
            self._popen.wait(_LAST)
            self._reaper.remove(self.pid)
            self._ended.set()
        except subprocess.TimeoutExpired:  # unkillable; the reaper tries again when the host ends
            pass
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        loop.remove_reader(self.stderr)
        self._unwatch(loop)
        for pipe in (self.stdin, self.stdout, self.stderr):
            if not pipe.closed:
                anyio.notify_closing(pipe)
                pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            pass

    def _look(self) -> int | None:
        """The exit code without reaping, where the platform can."""
        if self._popen.returncode is not None or not hasattr(os, "waitid"):
            return self._popen.poll()
        try:
            status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return 255
        if status is None:
            return None
        return status.si_status if status.si_code == os.CLD_EXITED else -status.si_status

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, or not allowed here
            threading.Thread(target=self._wait, args=(loop,), daemon=True).start()
        else:
            loop.add_reader(self._pidfd, self._on_exit)

    def _unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._pidfd is not None:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            if hasattr(os, "waitid"):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            else:
                self._popen.wait()
        except ChildProcessError:
            pass
        try:
            loop.call_soon_threadsafe(self._on_exit)
        except RuntimeError:  # the loop ended first
            pass

    def _on_exit(self) -> None:
        self._unwatch(cast("asyncio.AbstractEventLoop", self._loop))
        for _ in range(16):  # its last words; a descendant may go on for ever
            if not self._read_stderr():
                break
        self._ended.set()

    def _read_stderr(self) -> bool:
        chunk = None if self.stderr.closed else self.stderr.read(_CHUNK)
        if chunk:
            self._tail += chunk
            del self._tail[: -self.stderr_bytes]
        elif chunk is not None:
            cast("asyncio.AbstractEventLoop", self._loop).remove_reader(self.stderr)
        return bool(chunk)


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"exited with code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


def _alive(group: int) -> bool:
    """Whether a process of `group` runs. Zombies that nobody collects (a container without init) do not count."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    if not os.path.isdir("/proc/self"):
        return True
    return any(_runs_in(entry, group) for entry in os.listdir("/proc") if entry.isdigit())


def _runs_in(pid: str, group: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            state, _, pgrp = stat.read().rpartition(b")")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return int(pgrp) == group and state not in b"ZX"
