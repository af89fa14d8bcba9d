"""kill -9 at random moments of `mcphost run`, then `mcphost run --resume latest`: what happened to every side effect.

    python -m tests.journal.kills [COUNT] [--seed N]

Real processes: the program, a server that counts what it did, a model API on loopback. Prints a table; raises
AssertionError with the seed of the kill where anything ran twice, got lost, or was asked of the model twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcphost.journal import chats, rows
from mcphost.messages import AssistantMessage, ToolResult
from tests.cli.program import mcphost, start
from tests.providers.fake import KEY, FakeApi
from tests.providers.script import Answer, Call

SERVER = Path(__file__).with_name("counting_server.py")
STEPS, CALLS = 4, 3  # steps of a run, and calls side by side in each
SECONDS = 0.01  # that the server takes before the effect, and after it
UNKNOWN = "may or may not have taken effect"


@dataclass(frozen=True)
class Outcome:
    """`phase`: where the kill struck. `once`, `unknown`: effects that happened exactly once, or are reported unknown;
    `unknown_done`: how many of these did happen."""

    phase: str
    once: int
    unknown: int
    unknown_done: int
    asked_again: int


class Model:
    """Wants CALLS marks in each of STEPS steps, then says "done". `steps` are the steps it was asked for."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self._asked = asyncio.Event()

    def answer(self, body: Mapping[str, Any]) -> Answer:
        step = sum(1 for message in body["messages"] if message.get("tool_calls"))
        self.steps.append(step)
        self._asked.set()
        if step == STEPS:
            return "done"
        return [Call("marks__mark", {"token": token(step, index)}) for index in range(CALLS)]

    async def reaches(self, step: int, ending: asyncio.Future[Any]) -> None:
        """Wait until it was asked for this step, or `ending` is done."""
        while step not in self.steps and not ending.done():
            self._asked.clear()
            asked = asyncio.ensure_future(self._asked.wait())
            await asyncio.wait([asked, ending], return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()


def token(step: int, index: int) -> str:
    return f"{step}-{index}"


async def kill_once(folder: Path, seed: int) -> Outcome:
    """One run, killed once and then resumed to its end. Raises AssertionError where a promise is broken."""
    dice = random.Random(seed)
    marks, model = folder / "marks", Model()
    async with FakeApi() as api:
        api.script(*[model.answer] * 100)
        arguments = arguments_of(folder, api, marks)
        env = {"XDG_STATE_HOME": str(folder / "state")}
        process = await start("run", *arguments, "leave your marks", env=env, cwd=folder)
        ending = asyncio.ensure_future(process.communicate())
        if dice.random() < 0.2:  # anywhere, also while it starts or ends
            await asyncio.wait([ending], timeout=dice.uniform(0, 2.0))
        else:
            await model.reaches(dice.randrange(STEPS + 1), ending)
            await asyncio.wait([ending], timeout=dice.uniform(0, 6 * SECONDS))
        if not ending.done():
            with suppress(ProcessLookupError):  # process.kill would collect one that has just ended, unseen by asyncio
                os.kill(process.pid, signal.SIGKILL)
        await ending
        before, acted = list(model.steps), lines(marks)
        ran = await mcphost("run", *arguments, "--resume", "latest", "--json", env=env, cwd=folder)
    assert process.returncode in (0, -9), f"it ended by itself, exit {process.returncode}"
    if ran.code == 2 and "nothing" in ran.err:
        assert (before, acted) == ([], []), "it acted before anything was recorded"
        return Outcome("before its first record", 0, 0, 0, 0)
    assert ran.code == 0, f"exit {ran.code}: {ran.err}"
    assert ran.json["result"] == "done", ran.out
    phase = "after its end" if process.returncode == 0 else f"in step {max(before, default=0) + 1}"
    return judged(phase, told(folder / "state" / "mcphost" / "journal.db"), Counter(lines(marks)), model.steps)


def judged(phase: str, reported: Mapping[str, bool], happened: Counter[str], asked: list[int]) -> Outcome:
    """`reported` says of each token whether the model was told that its outcome is unknown."""
    everything = {token(step, index) for step in range(STEPS) for index in range(CALLS)}
    assert set(reported) == everything
    unknown = {mark for mark, is_unknown in reported.items() if is_unknown}
    for mark in everything - unknown:
        assert happened[mark] == 1, f"{mark} happened {happened[mark]} times and was reported done"
    for mark in unknown:
        assert happened[mark] <= 1, f"{mark} happened {happened[mark]} times"
    assert len({mark.partition("-")[0] for mark in unknown}) <= 1, "unknown, though not under way at the kill"
    again = len(asked) - len(set(asked))
    assert set(asked) == set(range(STEPS + 1))
    assert again <= 1, f"the model was asked again: {asked}"  # only the request under way at the kill
    return Outcome(phase, len(everything - unknown), len(unknown), sum(happened[mark] for mark in unknown), again)


def told(journal: Path) -> dict[str, bool]:
    """Of each token, whether its result in the conversation says that the outcome is unknown."""
    with closing(sqlite3.connect(journal)) as db:
        chat = chats.find(db, "latest", directory=None)
        messages = rows.fold(db, chats.last_run(db, chat)).messages
    calls = [call for message in messages if isinstance(message, AssistantMessage) for call in message.calls]
    results = [message for message in messages if isinstance(message, ToolResult)]
    return {
        (call.arguments or {})["token"]: UNKNOWN in result.content[0].get("text", "")
        for call, result in zip(calls, results, strict=True)
    }


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def arguments_of(folder: Path, api: FakeApi, marks: Path) -> list[str]:
    server = {"command": sys.executable, "args": [str(SERVER), str(marks), str(SECONDS)]}
    endpoint = {"api": "openai-chat", "baseUrl": api.openai_url, "apiKey": KEY}
    document = {"mcpServers": {"marks": server}, "mcphost": {"models": {"fake": endpoint}}}
    config = folder / "config.json"
    config.write_text(json.dumps(document))
    return ["-C", str(config), "-m", "fake/model", "--allow", "marks__*"]


async def many(seeds: Iterable[int]) -> list[Outcome]:
    """As many kills as there are seeds, two at a time."""
    limit = asyncio.Semaphore(2)

    async def one(seed: int) -> Outcome:
        async with limit:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    return await kill_once(Path(folder), seed)
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}: {error}") from error

    return await asyncio.gather(*map(one, seeds))


def table(outcomes: Sequence[Outcome]) -> str:
    phases = sorted({outcome.phase for outcome in outcomes})
    out = ["| killed | runs | effects once | reported unknown (of these happened) | requests asked again |"]
    out.append("|---|---|---|---|---|")
    for phase in phases:
        those = [outcome for outcome in outcomes if outcome.phase == phase]
        sums = [sum(getattr(one, name) for one in those) for name in ("once", "unknown", "unknown_done", "asked_again")]
        out.append(f"| {phase} | {len(those)} | {sums[0]} | {sums[1]} ({sums[2]}) | {sums[3]} |")
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=200)
    parser.add_argument("--seed", type=int, default=0)
    wish = parser.parse_args()
    print(table(asyncio.run(many(range(wish.seed, wish.seed + wish.count)))))


if __name__ == "__main__":
    main()
