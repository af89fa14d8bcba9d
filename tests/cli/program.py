"""The installed program as a process: run it, feed it, signal it, and look for what it left behind."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PROGRAM = (sys.executable, "-P", "-m", "mcphost")
FAST = Path(__file__).parents[2] / "benchmarks" / "peers" / "fast_server.py"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


async def start(
    *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: int | None = None
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )


async def mcphost(
    *arguments: str | Path, stdin: str | None = None, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Ran:
    process = await start(*arguments, env=env, cwd=cwd, stdin=None if stdin is None else asyncio.subprocess.PIPE)
    out, err = await process.communicate(None if stdin is None else stdin.encode())
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


def config(path: Path, servers: Mapping[str, Sequence[str]] | None = None, **mcphost: Any) -> Path:
    """A configuration file with these servers (name -> argv)."""
    entries = {name: {"command": argv[0], "args": list(argv[1:])} for name, argv in (servers or {}).items()}
    file = path / "config.json"
    file.write_text(json.dumps({"mcpServers": entries, "mcphost": mcphost}))
    return file


def fast_server(*options: str) -> Sequence[str]:
    return (sys.executable, str(FAST), *options)


def script(path: Path, *replies: Any) -> str:
    """The -m of a model that says these: texts, or {"calls": [...]}."""
    file = path / "script.json"
    file.write_text(json.dumps(replies))
    return f"scripted/{file}"


def one_call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"calls": [{"name": name, "arguments": arguments}]}


def marked(mark: str) -> list[int]:
    """The living processes whose environment holds `mark`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and mark in process.environ().values():
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


async def gone(mark: str, seconds: float = 4.0) -> None:
    """Wait until no process with this mark is alive; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while marked(mark):  # noqa: ASYNC110 - nothing tells when somebody else's process ends
            await asyncio.sleep(0.02)
