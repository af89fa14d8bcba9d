"""What the journal costs: a record on its way, a long chat opened, many messages searched, a recorded run replayed.

    python benchmarks/journal.py effect|open|search|replay|all [--check]

Milliseconds of this machine. With --check the exit code is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from mcphost import testing
from mcphost.config.schema import Config, Limits, Rule, Sync
from mcphost.host import Host
from mcphost.journal import Effect, Run, chats, file, rows
from mcphost.journal.sqlite import SqliteJournal
from mcphost.messages import AssistantMessage, Text, ToolCall, ToolDefinition, ToolResult, UserMessage, text_block
from mcphost.models.scripted import ScriptedModel, call
from mcphost.recording import Recorder

EFFECTS = 1000
IDLE = 0.002  # seconds between two effects: the writer thread sleeps, as it does in a run
LONG_CHAT = 10_000
MANY = 100_000
STEPS = 200
SENTENCE = "the server answers with a list of open issues and the date on which each of them was reported"
TOOLS = tuple(ToolDefinition(f"demo__tool_{n}", "Does it.", {"type": "object", "properties": {}}) for n in range(20))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, in milliseconds."""

    what: str
    value: float
    target: float
    beside: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.target


def run(id: str, chat: str, text: str, parent: str | None = None) -> Run:
    return Run(id, chat, "bench/model", "Be brief.", TOOLS, (UserMessage((text_block(text),)),), parent)


async def effect(folder: Path) -> list[Row]:
    return [await _effects(folder / f"{sync}.db", sync) for sync in _SYNCS]


async def _effects(path: Path, sync: Sync) -> Row:
    """An effect is an intent and an outcome, each waited for. Beside it, in turns with it, the floor: an idle thread
    asked twice for nothing."""
    wish, result = ToolCall("k", "demo__tool_1", {"n": 1}, '{"n": 1}'), ToolResult("k", (text_block("x" * 2000),))
    ours, floor = [], []
    with SqliteJournal(path, sync=sync) as journal, ThreadPoolExecutor(1) as idle:
        await journal.begin(run("r", "c", "go"))
        for number in range(EFFECTS):
            await asyncio.sleep(IDLE)
            began = time.perf_counter()
            await journal.intent(Effect(f"e{number}", "r", "tool", call=wish))
            await journal.outcome(f"e{number}", result)
            ours.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(IDLE)
            began = time.perf_counter()
            for _ in range(2):
                await asyncio.get_running_loop().run_in_executor(idle, int)
            floor.append((time.perf_counter() - began) * 1000)
    beside = f"median {median(ours):.2f}; floor: p95 {_p95(floor):.2f}, median {median(floor):.2f}"
    return Row(f"an effect recorded, sync {sync}, p95", _p95(ours), _SYNCS[sync], beside)


def _p95(took: Sequence[float]) -> float:
    return quantiles(took, n=20)[18]


async def open_(folder: Path) -> list[Row]:
    path, last = folder / "long.db", None
    with closing(file.connect(path)) as db:
        db.execute("BEGIN")
        for turn in range(LONG_CHAT // 4):
            last = _turn(db, turn, "c", last)
        db.execute("COMMIT")
    assert last is not None
    took = []
    for _ in range(5):
        began = time.perf_counter()
        with SqliteJournal(path) as journal:
            record = await journal.fold(last)
            took.append((time.perf_counter() - began) * 1000)
        assert len(record.messages) == LONG_CHAT
    return [Row(f"a chat of {LONG_CHAT:,} messages opened, median", median(took), 300)]


async def search(folder: Path) -> list[Row]:
    with closing(file.connect(folder / "many.db")) as db:
        db.execute("BEGIN")
        last = None
        for turn in range(MANY // 4):
            last = _turn(db, turn, f"c{turn // 100}", last if turn % 100 else None)
        began = time.perf_counter()
        chats.index(db)
        indexing = f"indexing took {time.perf_counter() - began:.1f} s"
        db.execute("COMMIT")
        found = []
        for query in ("number4711", "server", "open issues rep", "tool:tool_7 numb", "server:demo look"):
            took = []
            for _ in range(5):
                began = time.perf_counter()
                assert chats.search(db, query), query
                took.append((time.perf_counter() - began) * 1000)
            found.append(Row(f"{MANY:,} messages searched for {query!r}, median", median(took), 100, indexing))
            indexing = ""
    return found


async def replay(folder: Path) -> list[Row]:
    """Steps of one call each, by the processor's time."""
    recorder = Recorder(folder / "run.jsonl", redact=str)
    config = Config(rules=(Rule("local", "*", "allow"),), limits=Limits(max_steps=STEPS + 1))
    model = ScriptedModel([*(call("local__double", number=number) for number in range(STEPS)), "Done."])
    async with Host(config, model=model, tools=[double], environ={}, edges=recorder) as host:
        await host.chat().send("go")
    recorder.close()
    async with testing.replay(folder / "run.jsonl", tools=[double]) as host:
        chat = host.chat()
        began = time.process_time()
        await chat.send("go")
        spent = (time.process_time() - began) * 1000
    return [Row(f"each of {STEPS} replayed steps", spent / STEPS, 1)]


def double(number: int) -> int:
    """Twice as much."""
    return number * 2


def _turn(db: sqlite3.Connection, turn: int, chat: str, parent: str | None) -> str:
    """A turn of four messages; returns its run."""
    id = f"{chat}-{turn}"
    words = SENTENCE.split()
    call = ToolCall(f"k{turn}", f"demo__tool_{turn % 20}", {"number": turn}, "{}")
    rows.begin(db, run(id, chat, f"{' '.join(words)} number{turn}", parent), None)
    for number, message in enumerate(_messages(call, " ".join(reversed(words)))):
        rows.intent(db, Effect(f"{id}-{number}", id, "model"))
        rows.outcome(db, f"{id}-{number}", message)
    rows.finish(db, id, "answered")
    return id


def _messages(call: ToolCall, text: str) -> Iterator[AssistantMessage | ToolResult]:
    yield AssistantMessage((Text("I look."), call), "tools")
    yield ToolResult(call.id, (text_block(text),))
    yield AssistantMessage((Text(f"It says: {text}"),))


_SYNCS: dict[Sync, float] = {"normal": 1.0, "intents": 5.0, "full": 10.0}
BENCHES: dict[str, Callable[[Path], Awaitable[list[Row]]]] = {
    "effect": effect,
    "open": open_,
    "search": search,
    "replay": replay,
}


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=[*BENCHES, "all"])
    parser.add_argument("--check", action="store_true")
    wish = parser.parse_args()
    missed = False
    print("| what | ms | target |  |\n|---|---|---|---|")
    for name, bench in BENCHES.items():
        if wish.what in (name, "all"):
            with tempfile.TemporaryDirectory() as folder:
                for row in await bench(Path(folder)):
                    print(f"| {row.what} | {row.value:.2f} | {row.target:g} | {row.beside} |", flush=True)
                    missed |= not row.met
    return int(wish.check and missed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
