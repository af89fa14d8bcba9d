"""`!COMMAND`: a command of the person's own, in their shell. What it says is for them; the model does not read it."""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Mapping

import anyio

from mcphost.errors import UsageError

GRACE = 0.5  # seconds between SIGTERM and SIGKILL


async def run(command: str, environ: Mapping[str, str], show: Callable[[str], None]) -> int:
    """Run `command` and give what it writes to `show`, in whole lines; returns its exit code. Cancelled, it ends all
    that the command started. It reads nothing: the keyboard is the chat's.

    Raises:
        UsageError: the shell cannot be started.
    """
    shell = environ.get("SHELL") or "/bin/sh"
    try:
        process = await asyncio.create_subprocess_exec(
            shell, "-c", command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=environ, start_new_session=True
        )
    except OSError as error:
        raise UsageError(f"the shell {shell!r} cannot be started: {error.strerror}", hint="Set SHELL.") from None
    except ValueError as error:
        raise UsageError(f"that is no command: {error}") from None
    try:
        await _read(process, show)
        return await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _read(process: Process, show: Callable[[str], None]) -> None:
    assert process.stdout is not None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    line = ""
    while data := await process.stdout.read(65536):
        whole, newline, line = (line + decoder.decode(data)).rpartition("\n")
        if newline:
            show(whole)
    if line:
        show(line)


async def _end(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        with anyio.move_on_after(GRACE):
            await process.wait()
