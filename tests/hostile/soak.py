"""The soak: many servers, many tasks, and somebody who kills servers at random.

    python -m tests.hostile.soak [--servers 50] [--calls 10000] [--tasks 64] [--kills 4] [--seconds 180] [--seed 1]

Prints one line, which stands in docs/robustness.md. Every call must have exactly one outcome: an answer of its own, or
one of the errors that say what became of it; and no call may run twice.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mcphost.config.schema import Limits, ServerConfig
from mcphost.errors import ServerError
from mcphost.events import Event
from mcphost.servers import Server, ServerPool
from tests.hostile import stdio_peer
from tests.hostile.invariants import arguments


@dataclass
class Soak:
    """What happened. Memory is in bytes, counts are (tasks, file descriptors)."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    kills: int = 0
    seconds: float = 0.0
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    early: int = 0
    late: int = 0
    ran: Counter[str] = field(default_factory=Counter)
    left: int = 0

    @property
    def twice(self) -> list[str]:
        return [text for text, times in self.ran.items() if times > 1]

    def line(self, servers: int, tasks: int) -> str:
        outcomes = ", ".join(f"{count:,} {kind}" for kind, count in self.outcomes.most_common())
        return (
            f"{self.outcomes.total():,} calls from {tasks} tasks to {servers} servers in {self.seconds:.0f} s, "
            f"{self.kills} kill -9: {outcomes}; {len(self.wrong)} wrong answers, {len(self.twice)} calls ran twice, "
            f"slowest answer {self.slowest:.2f} s. Tasks and file descriptors {self.before} before, {self.after} "
            f"after; {self.left} processes left; memory {(self.late - self.early) / 1e6:+.1f} MB over the last three "
            "quarters."
        )


async def soak(*, servers: int, calls: int, tasks: int, kills: int, seconds: float, seed: int) -> Soak:
    """Run it, for about `seconds`; each server is killed at most `kills` times."""
    found, dice = Soak(), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        logs = {f"s{number}": Path(folder) / f"s{number}" for number in range(servers)}
        configs = {name: _config(name, log, seconds) for name, log in logs.items()}
        gc.collect()
        found.before = _counts()
        began = time.monotonic()
        pool = ServerPool(configs, limits=Limits(), environ=os.environ, show=_nothing)
        async with pool:
            await pool.settled(60)
            assert all(server.state == "ready" for server in pool.servers.values())
            started = time.monotonic()
            await _load(found, [*pool.servers.values()], dice, calls, tasks, kills, seconds)
            found.late = psutil.Process().memory_info().rss
            found.seconds = time.monotonic() - started
            processes = [server.pid for server in pool.servers.values() if server.pid]
        assert time.monotonic() - began < seconds * 2 + 120
        gc.collect()
        await asyncio.sleep(0)
        found.after = _counts()
        found.left = sum(psutil.pid_exists(pid) for pid in processes)
        for log in logs.values():
            found.ran.update(_received(log))
    return found


async def _load(
    found: Soak, servers: list[Server], dice: random.Random, calls: int, tasks: int, kills: int, seconds: float
) -> None:
    numbers = iter(range(calls))
    pause = 2 * seconds * tasks / calls

    async def work() -> None:
        for number in numbers:
            await _call(found, dice.choice(servers), f"call {number}")
            if number == calls // 4:
                found.early = psutil.Process().memory_info().rss
            await asyncio.sleep(dice.uniform(0, pause))

    async def kill() -> None:
        killed: Counter[str] = Counter()
        while True:
            await asyncio.sleep(dice.uniform(0, 2 * seconds / (kills * len(servers))))
            victim = dice.choice(servers)
            if victim.state == "ready" and victim.pid and killed[victim.name] < kills:
                killed[victim.name] += 1
                found.kills += 1
                os.kill(victim.pid, signal.SIGKILL)

    killer = asyncio.create_task(kill())
    await asyncio.gather(*(work() for _ in range(tasks)))
    killer.cancel()
    await asyncio.wait([killer])


async def _call(found: Soak, server: Server, text: str) -> None:
    began = time.monotonic()
    try:
        outcome = await server.call("echo", {"text": text})
    except ServerError as error:
        found.outcomes[error.code.removeprefix("server_")] += 1
        return
    found.slowest = max(found.slowest, time.monotonic() - began)
    found.outcomes["answered"] += 1
    if outcome.content[0]["text"] != text:
        found.wrong.append(text)


def _config(name: str, log: Path, seconds: float) -> ServerConfig:
    command = arguments(Path(stdio_peer.__file__), "nothing", log=log, life=seconds * 2 + 120)
    return ServerConfig(name, command=sys.executable, args=command)


def _received(log: Path) -> list[str]:
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    messages = [entry["message"] for entry in entries if entry["what"] == "received"]
    return [m["params"]["arguments"]["text"] for m in messages if m.get("method") == "tools/call"]


def _counts() -> tuple[int, int]:
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))


async def _nothing(_: Event) -> None:
    pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--servers", type=int, default=50)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--kills", type=int, default=4, help="of one server; its fifth loss would leave it down")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = asyncio.run(soak(**vars(options)))
    print(found.line(options.servers, options.tasks))


if __name__ == "__main__":
    main()
