"""Where the README's numbers come from: mcphost against the floor, whole processes, interleaved, medians.

    python benchmarks/run.py all [-n RUNS] [--check]

A ratio holds on any machine, milliseconds only on this one. With --check the exit code is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO

HERE = Path(__file__).parent
SERVER = str(HERE / "peers" / "fast_server.py")
SERVERS = str(HERE / "servers.py")
FIFTY = 50
SLOW = 0.7  # seconds until a server answers that has much to import
STEPS = 20
CALLS, WAIT = 8, 0.3  # calls of one step, seconds of each


@dataclass(frozen=True, slots=True)
class Sample:
    """One process from start to exit, its reaped children included: seconds, seconds of CPU, megabytes at the peak.

    `loop` is the seconds from its first request to the model until its last, start and end left out.
    """

    wall: float
    cpu: float
    peak: float
    loop: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `value` is what `target` limits."""

    what: str
    ours: str
    floor: str
    value: float
    target: float
    unit: str

    @property
    def met(self) -> bool:
        return self.value <= self.target


class Bench:
    """Runs commands in an empty home against one fake model API, which writes the `loop` of each run to `loops`."""

    def __init__(self, url: str, loops: IO[str], home: Path, runs: int) -> None:
        self.url = url
        self.loops = loops
        self.home = home
        self.runs = runs
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}

    def config(self, servers: int, delay: float) -> str:
        """A file with this many servers, each of which needs `delay` seconds."""
        config = self.home / f"{servers}-{delay}.json"
        fast = {"command": sys.executable, "args": [SERVER, "--delay", str(delay)]}
        endpoint = {"api": "openai-chat", "baseUrl": self.url, "apiKey": "none"}
        document = {
            "mcpServers": {f"fast{n}": fast for n in range(servers)},
            "mcphost": {"models": {"bench": endpoint}},
        }
        config.write_text(json.dumps(document))
        return str(config)

    def ours(self, model: str, *, servers: int = 1, delay: float = 0.0) -> list[str]:
        config = self.config(servers, delay)
        allowed = [word for n in range(servers) for word in ("--allow", f"fast{n}__*")]
        return [mcphost(), "run", "-C", config, "-m", f"bench/{model}", *allowed, "go"]

    def floor(self, model: str, *, servers: int = 1, delay: float = 0.0) -> list[str]:
        options = ["--url", self.url, "--model", model, "--servers", str(servers), "--delay", str(delay)]
        return [sys.executable, str(HERE / "floor.py"), *options, "go"]

    def medians(self, *commands: Sequence[str], answer: str | None = "done") -> list[Sample]:
        """The median sample of each command; one after the other, so that a noisy minute hits them all."""
        for command in commands:
            self.run(command, answer)  # compiles, warms the disk cache
        rounds = [[self.run(command, answer) for command in commands] for _ in range(self.runs)]
        return [
            Sample(
                median(s.wall for s in samples),
                median(s.cpu for s in samples),
                max(s.peak for s in samples),
                median(s.loop for s in samples),
            )
            for samples in zip(*rounds, strict=True)
        ]

    def run(self, command: Sequence[str], answer: str | None) -> Sample:
        """Raises SystemExit if the command fails or does not print `answer`."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            started = time.perf_counter()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.environ, cwd=self.home
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            printed = out.read().decode().strip()
            if process.returncode != 0 or (answer is not None and printed != answer):
                sys.exit(f"{' '.join(command)}\nexit {process.returncode}: {printed}\n{err.read().decode()}")
        loop = 0.0 if answer is None else float(self.loops.readline())
        return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, loop)


def mcphost() -> str:
    return str(Path(sys.executable).with_name("mcphost"))


def cold(bench: Bench) -> Iterator[Row]:
    ours, floor = bench.medians(bench.ours("1x1"), bench.floor("1x1"))
    yield ratio("one-shot, 1 fast server, 1 call", ours, floor, 4.0)
    yield Row("  its peak memory", f"{ours.peak:.0f} MB", f"{floor.peak:.0f} MB", ours.peak, 85.0, "MB")


def slow_server(bench: Bench) -> Iterator[Row]:
    ours, floor = bench.medians(bench.ours("1x1", delay=SLOW), bench.floor("1x1", delay=SLOW))
    yield ratio(f"one-shot, 1 server of {SLOW} s", ours, floor, 1.1)


def five(bench: Bench) -> Iterator[Row]:
    ours, floor = bench.medians(bench.ours("1x1", servers=5, delay=SLOW), bench.floor("1x1", servers=5, delay=SLOW))
    yield ratio(f"5 servers of {SLOW} s at once", ours, floor, 1.1)


def fifty(bench: Bench) -> Iterator[Row]:
    for delay, target in ((0.0, 2.0), (SLOW, 1.1)):
        listing = [mcphost(), "tools", "-C", bench.config(FIFTY, delay)]
        by_hand = [sys.executable, SERVERS, "floor", str(FIFTY), str(delay)]
        ours, floor = bench.medians(listing, by_hand, answer=None)
        yield ratio(f"{FIFTY} servers {f'of {delay} s ' if delay else ''}listed", ours, floor, target)


def large_line(bench: Bench) -> Iterator[Row]:
    found = measured("large")
    yield Row("a line of 50 MB refused", f"{found['seconds']:.2f} s", "", found["seconds"], 1.0, "s")
    yield Row("  the loop's longest stall", f"{found['stall'] * 1000:.0f} ms", "", found["stall"] * 1000, 100.0, "ms")


def calls(bench: Bench) -> Iterator[Row]:
    found = measured("calls")
    ours, sdk = found["ours"], found["sdk"]
    yield Row("a tool call, against the bare SDK", f"{ours:.2f} ms", f"{sdk:.2f} ms", ours - sdk, 0.5, "ms beyond")


def measured(what: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, SERVERS, what], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def steps(bench: Bench) -> Iterator[Row]:
    samples = bench.medians(bench.ours(f"{STEPS}x1"), bench.floor(f"{STEPS}x1"))
    ours, floor = (sample.loop / STEPS * 1000 for sample in samples)
    yield Row(f"each of {STEPS} steps", f"{ours:.1f} ms", f"{floor:.1f} ms", ours - floor, 5.0, "ms beyond")


def parallel(bench: Bench) -> Iterator[Row]:
    model = f"1x{CALLS}@{WAIT}"
    ours, floor = (sample.loop for sample in bench.medians(bench.ours(model), bench.floor(model)))
    yield Row(f"{CALLS} calls of {WAIT} s in a step", f"{ours:.2f} s", f"{floor:.2f} s", ours / WAIT, 2.0, "x one call")


def imports(bench: Bench) -> Iterator[Row]:
    yield from cpu(bench, "import mcphost", [sys.executable, "-c", "import mcphost"])


def version(bench: Bench) -> Iterator[Row]:
    yield from cpu(bench, "mcphost --version", [mcphost(), "--version"])


def cpu(bench: Bench, what: str, command: Sequence[str]) -> Iterator[Row]:
    ours, floor = bench.medians(command, [sys.executable, "-c", "pass"], answer=None)
    milliseconds = ours.cpu * 1000
    yield Row(what, f"{milliseconds:.0f} ms", f"{floor.cpu * 1000:.0f} ms", milliseconds, 60.0, "ms CPU")


def ratio(what: str, ours: Sample, floor: Sample, target: float) -> Row:
    return Row(what, f"{ours.wall:.2f} s", f"{floor.wall:.2f} s", ours.wall / floor.wall, target, "x floor")


BENCHMARKS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "version": version,
    "import": imports,
    "cold": cold,
    "slow-server": slow_server,
    "five": five,
    "fifty": fifty,
    "large-line": large_line,
    "calls": calls,
    "steps": steps,
    "parallel": parallel,
}


@contextmanager
def fake_model() -> Iterator[tuple[str, IO[str]]]:
    """A fast model API in a process of its own; gives its base URL and where it writes the `loop` of each run."""
    command = [sys.executable, str(HERE / "peers" / "fast_model.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process.stdout
        finally:
            process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description="mcphost against the floor.")
    parser.add_argument("benchmark", choices=[*BENCHMARKS, "all"])
    parser.add_argument("-n", "--runs", type=int, default=9, help="runs of each command (default 9)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args()
    chosen = BENCHMARKS.values() if options.benchmark == "all" else [BENCHMARKS[options.benchmark]]
    missed = False
    line = "{:32} {:>10} {:>10} {:>26} {:>8}  {}"
    print(line.format("", "mcphost", "floor", "", "target", ""))
    with fake_model() as (url, loops), tempfile.TemporaryDirectory() as home:
        bench = Bench(url, loops, Path(home), options.runs)
        for benchmark in chosen:
            for row in benchmark(bench):
                value = f"{row.value:.2f} {row.unit}"
                print(line.format(row.what, row.ours, row.floor, value, f"{row.target:g}", "" if row.met else "MISSED"))
                sys.stdout.flush()
                missed |= not row.met
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
