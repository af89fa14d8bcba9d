"""What the chat costs on a terminal: long answers, keystrokes while much happens, the first prompt.

    python benchmarks/terminal.py [--check]

Long answers are counted in seconds of CPU; everything else is wall time, and means something on a quiet machine only,
but for the busy prompt, which is compared with the idle one of the same run. With --check the exit code is 1 if a
target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pty
import re
import select
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import TextIO, cast

from prompt_toolkit.input import PipeInput, create_pipe_input

from mcphost import events
from mcphost.app import registry
from mcphost.config.schema import Config
from mcphost.host import Host
from mcphost.messages import AssistantMessage, Text
from mcphost.models.base import ModelInfo, ModelRequest, Piece, TextDelta
from mcphost.plugins import Registry
from mcphost.terminal.compose import on_screen
from mcphost.terminal.frontend import ScreenFrontend
from mcphost.terminal.repl import Repl
from mcphost.terminal.scrollback import Terminal

PIECE = 5  # characters
LONG, LONGER = 100_000, 400_000
TOOLS, RESOURCES = 1000, 2000
RATE = 0.01  # seconds between two pieces of a stream
PATIENCE = 600.0
SERVER = Path(__file__).parent / "peers" / "fast_server.py"

SECTION = """\
## Section {n}

A paragraph with **bold words**, `code`, [a link](https://example.org/{n}) and enough text to be wrapped on every \
terminal that people use, as answers of models usually are.

- an item of a list
- another one, with a nested list
  - that has one item
  - and another

```python
def section_{n}(value: int) -> str:
    \"\"\"What it says.\"\"\"
    return f"section {n}: {{value + {n}}}"  # a comment
```

| name | value | remark |
|------|------:|--------|
| a    | {n}   | some text in a cell |
| b    | 2     | and more of it |

"""


def document(size: int) -> str:
    text = "".join(SECTION.format(n=n) for n in range(size // 400))
    return text[:size]


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    measured: str
    value: float
    target: float

    @property
    def met(self) -> bool:
        return self.value <= self.target


class Sink:
    """A terminal that remembers the end of what it was told, and shows nothing."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.last = ""
        self.wrote = asyncio.Event()

    def write(self, text: str) -> int:
        self.last = (self.last + text)[-4000:]
        self.wrote.set()
        return len(text)

    def flush(self) -> None:
        pass

    async def until(self, text: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while text not in self.last:
                self.wrote.clear()
                await self.wrote.wait()


class Answer:
    """A model that says one text, in pieces."""

    name = "bench/answer"
    info = ModelInfo("bench")

    def __init__(self, text: str) -> None:
        self._text = text

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        for start in range(0, len(self._text), PIECE):
            yield TextDelta(self._text[start : start + PIECE])
        yield AssistantMessage((Text(self._text),))

    def warm(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


@asynccontextmanager
async def chatting(
    answer: str, servers: dict[str, object] | None = None
) -> AsyncIterator[tuple[Repl, PipeInput, Sink]]:
    sink = Sink()
    output = Terminal(cast(TextIO, sink), lambda: (100, 40), "xterm-256color")

    async def open_host(frontend: ScreenFrontend) -> tuple[Host, Registry]:
        return Host(Config(), model=Answer(answer), frontend=frontend, servers=servers, environ={}), registry(Config())

    with create_pipe_input() as keyboard:
        repl = on_screen(open_host, output=output, history=Path(os.devnull), mode="ask", color=True, input=keyboard)
        running = asyncio.create_task(repl.run())
        await until(repl, lambda: repl.chat is not None)
        try:
            yield repl, keyboard, sink
        finally:
            repl.leave()
            await running


async def until(repl: Repl, condition: Callable[[], bool]) -> None:
    """Wait until a screen was drawn while `condition` held."""
    drawn = asyncio.Event()

    def rendered(_: object) -> None:
        if condition():
            drawn.set()

    repl.screen.app.after_render += rendered
    if condition():
        repl.screen.app.invalidate()
    try:
        async with asyncio.timeout(PATIENCE):
            await drawn.wait()
    finally:
        repl.screen.app.after_render -= rendered


# -- long answers ------------------------------------------------------------------------------------------------------


async def streamed(size: int) -> float:
    """Seconds of CPU for an answer of `size` characters, from Enter to the next prompt."""
    async with chatting(document(size) + "\n\nThe very end.") as (repl, keyboard, sink):
        started = time.process_time()
        keyboard.send_text("go\r")
        await sink.until("The very end.")
        await until(repl, lambda: not repl.busy)
        return time.process_time() - started


def long_answers() -> Iterator[Row]:
    asyncio.run(streamed(2000))  # imports
    short, longer = (min(asyncio.run(streamed(size)) for _ in range(3)) for size in (LONG, LONGER))
    yield Row("an answer of 100 kB in pieces of 5", f"{short:.2f} s CPU", short, 3.0)
    yield Row("one of 400 kB, against it", f"{longer:.2f} s CPU", longer / short, 4.4)


# -- keystrokes --------------------------------------------------------------------------------------------------------


def crowded() -> object:
    """A server with a thousand tools and two thousand resources."""
    from mcp.server import MCPServer

    server = MCPServer("crowded")

    def tool(value: int) -> int:
        return value

    for n in range(TOOLS):
        server.tool(name=f"tool_number_{n}", description=f"It does the thing that tools of number {n} do.")(tool)
    for n in range(RESOURCES):
        server.resource(f"file:///folder/{n}/of/many.txt", name=f"file {n}")(lambda: "text")
    return server


async def pressed(repl: Repl, keyboard: PipeInput, sink: Sink, keys: str) -> list[float]:
    """Milliseconds from each key until the screen shows it."""
    times = []
    for key in keys:
        wanted = repl.screen.buffer.text + key
        started = time.perf_counter()
        keyboard.send_text(key)
        await until(repl, partial(_holds, repl, wanted))
        times.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(RATE)
        if len(repl.screen.buffer.text) > 30:
            repl.screen.buffer.reset()
    repl.screen.buffer.reset()
    return times


def _holds(repl: Repl, text: str) -> bool:
    return repl.screen.buffer.text == text


async def busy(repl: Repl) -> None:
    """Text streams and three calls report their progress, until cancelled."""
    frontend = repl.frontend
    for n in range(3):
        await frontend.show(events.CallStarted(call=f"{n}", server="crowded", tool=f"tool_{n}", arguments={"value": n}))
    text, at = document(LONG), 0
    while True:
        await frontend.show(events.TextStreamed(text=text[at : at + 4 * PIECE]))
        at = (at + 4 * PIECE) % LONG
        for n in range(3):
            await frontend.show(events.CallProgressed(call=f"{n}", progress=at, total=LONG, message=f"at {at}"))
        await asyncio.sleep(RATE)


async def keystrokes() -> tuple[float, float]:
    """p95 in milliseconds, idle and busy."""
    async with chatting("Here.", {"crowded": crowded()}) as (repl, keyboard, sink):
        await sink.until("1/1 ready")
        await pressed(repl, keyboard, sink, "warm up")
        idle, working = [], []
        for _ in range(3):
            idle += await pressed(repl, keyboard, sink, "words as people type them, @crowded:file")
            load = asyncio.create_task(busy(repl))
            working += await pressed(repl, keyboard, sink, "words as people type them, @crowded:file")
            working += await pressed(repl, keyboard, sink, "crowded__tool")
            load.cancel()
            repl.frontend.broken()
        return _p95(idle), _p95(working)


def keys_while_busy() -> Iterator[Row]:
    idle, working = asyncio.run(keystrokes())
    yield Row("a key, p95, idle", f"{idle:.1f} ms", idle, 30.0)
    yield Row("  while text and 3 calls move", f"{working:.1f} ms", working - idle, 15.0)


def _p95(times: list[float]) -> float:
    return quantiles(times, n=20)[-1]


# -- the first prompt --------------------------------------------------------------------------------------------------


def booted(home: Path) -> tuple[float, list[float]]:
    """Seconds until the program's prompt, and milliseconds of each key while modules load and servers boot."""
    config = home / "config.json"
    entry = {"command": sys.executable, "args": [str(SERVER), "--delay", "0.7"]}
    config.write_text(json.dumps({"mcpServers": {f"slow{n}": entry for n in range(3)}}))
    argv = [str(Path(sys.executable).with_name("mcphost")), "-C", str(config), "-m", "offline"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(argv[0], argv, environ)
    try:
        _read_until(terminal, lambda seen: "starting" in seen)
        ready = time.perf_counter() - started
        keys = []
        for key in "abcdefghij" * 4:
            pressed_at = time.perf_counter()
            os.write(terminal, key.encode())
            _read_until(terminal, partial(_shows, key))
            keys.append((time.perf_counter() - pressed_at) * 1000)
            time.sleep(0.02)
        os.write(terminal, b"\x03\x04")
        _read_until(terminal, lambda seen: False)
        return ready, keys
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def _read_until(terminal: int, seen_it: Callable[[str], bool]) -> None:
    seen = ""
    while not seen_it(seen):
        if not select.select([terminal], [], [], PATIENCE)[0]:
            raise TimeoutError(seen)
        try:
            seen += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # it has ended
            return


def _shows(text: str, written: str) -> bool:
    return text in re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", written)


def first_prompt() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as home:
        booted(Path(home))  # compiles
        starts = [booted(Path(home)) for _ in range(5)]
    ready = min(ready for ready, _ in starts)
    keys = _p95([key for _, keys in starts for key in keys])
    yield Row("the first prompt, best of 5", f"{ready:.2f} s", ready, 0.25)
    yield Row("a key, p95, while it boots", f"{keys:.1f} ms", keys, 30.0)


BENCHMARKS: dict[str, Callable[[], Iterator[Row]]] = {
    "answers": long_answers,
    "keys": keys_while_busy,
    "start": first_prompt,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="What the chat costs on a terminal.")
    parser.add_argument("benchmark", nargs="?", choices=[*BENCHMARKS, "all"], default="all")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args()
    chosen = BENCHMARKS.values() if options.benchmark == "all" else [BENCHMARKS[options.benchmark]]
    missed = False
    for benchmark in chosen:
        for row in benchmark():
            verdict = "" if row.met else "  MISSED"
            print(f"{row.what:36} {row.measured:>12} {row.value:>8.2f}, at most {row.target:g}{verdict}", flush=True)
            missed |= not row.met
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
