"""The chat's main scenes, played on a real pseudo-terminal: what the screenshots show and the screen tests compare."""

from __future__ import annotations

import json
import os
import queue
import re
import select
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pyte.screens import Char

from tests.terminal.pty import Pty, started

LAB = Path(__file__).with_name("lab.py")
SIZE = (92, 26)

ANSWER = """\
Three samples fit on **one tray**. First the [calibration](https://example.org/calibration), then the readings:

| sample | density | remark |
|:-------|--------:|:-------|
| iron   |    7.87 | 鉄, the reference |
| copper |    8.96 | twice, as it drifts |

```python
def mean(readings: list[float]) -> float:
    \"\"\"The mean of what was read,
    without the first.\"\"\"
    return sum(readings[1:]) / (len(readings) - 1)
```

- [x] calibrated
- [ ] measured
   1. iron
   2. copper

> What is not written down was not mea"""


class Api:
    """A model API (Chat Completions) that says what it is told to, when it is told to."""

    def __init__(self) -> None:
        self.pieces: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._answering = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                with api._answering:
                    self._answer()

            def _answer(self) -> None:
                delta: dict[str, Any] | None = {}
                while delta is not None:
                    try:
                        delta = api.pieces.get(timeout=0.02)
                    except queue.Empty:
                        if select.select([self.connection], [], [], 0)[0]:  # the turn was stopped
                            return
                        continue
                    last = {"delta": {}, "finish_reason": "stop"}
                    self._send({"choices": [{"index": 0, **(last if delta is None else {"delta": delta})}]})

            def _send(self, chunk: dict[str, Any]) -> None:
                common = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "model"}
                self.wfile.write(b"data: " + json.dumps({**common, **chunk}).encode() + b"\n\n")
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def say(self, text: str, *, reasoning: bool = False) -> None:
        for start in range(0, len(text), 7):
            self.pieces.put({"reasoning_content" if reasoning else "content": text[start : start + 7]})

    def call(self, *calls: tuple[str, dict[str, Any]]) -> None:
        for index, (name, arguments) in enumerate(calls):
            function = {"name": name, "arguments": json.dumps(arguments)}
            call = {"index": index, "id": f"c{index}", "type": "function", "function": function}
            self.pieces.put({"tool_calls": [call]})
        self.end()

    def end(self) -> None:
        self.pieces.put(None)

    def answering(self) -> bool:
        """Whether a request has come and has not ended."""
        return self._answering.locked()

    def stopped(self) -> None:
        """After a turn was stopped: wait until its request has ended."""
        with self._answering:
            pass


SAMPLES = ("iron", "copper", "tin")


@dataclass
class Stage:
    """A chat on a terminal, its model API, and the directory with the FIFOs that its measurements wait for."""

    pty: Pty
    api: Api
    samples: Path

    def measured(self, sample: str, seen: str) -> None:
        """Let the measurement of this sample end."""
        (self.samples / sample).open("w").close()  # waits for the measurement
        self.pty.see(seen)

    def send(self, text: str) -> None:
        self.pty.type(text + "\r")
        self.pty.see(f"> {text}")


@contextmanager
def stage(
    home: Path, *arguments: str, size: tuple[int, int] = SIZE, env: Mapping[str, str] | None = None
) -> Iterator[Stage]:
    """The program, started in the empty directory `home`, with one server and one model."""
    api = Api()
    serving = threading.Thread(target=api.server.serve_forever, args=(0.02,), daemon=True)
    serving.start()
    samples = home / "samples"
    samples.mkdir()
    for sample in SAMPLES:
        os.mkfifo(samples / sample)
    file = home / ".config" / "mcphost" / "config.json"
    file.parent.mkdir(parents=True)
    document = {
        "mcpServers": {"lab": {"command": sys.executable, "args": [str(LAB), str(samples)]}},
        "mcphost": {
            "model": "demo/model",
            "servers": {"lab": {"protocol": "legacy"}},  # where a server may ask in the midst of a call
            "models": {"demo": {"api": "openai-chat", "baseUrl": api.url, "apiKey": "none"}},
            "approvals": {
                "rules": [
                    {"server": "lab", "tool": tool, "decision": "allow"} for tool in ("measure", "book", "explain")
                ]
            },
        },
    }
    file.write_text(json.dumps(document))
    environ = {"HOME": str(home), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", "NO_COLOR": "", **(env or {})}
    try:
        with started(*arguments, env=environ, cwd=home, size=size) as pty:
            yield Stage(pty, api, samples)
    finally:
        api.end()
        api.server.shutdown()
        api.server.server_close()


Picture = list[list[Char]]  # rows of cells


def play(home: Path) -> Iterator[tuple[str, Picture]]:
    """Each scene's name and screen."""
    with stage(home) as on:
        pty, api = on.pty, on.api
        pty.see("server lab is ready")
        pty.see("ready · demo/model")
        yield "start", picture(pty)

        on.send("How do I weigh three samples?")
        api.say("They want a plan.\nA tray holds three samples, so one pass is enough.", reasoning=True)
        pty.see("one pass is enough")
        api.say(ANSWER)
        pty.see("was not mea")
        pty.see("☑ calibrated")  # until then the live region shows the end of the list alone
        pty.see(" Esc stops")  # the last line: a frame may arrive in pieces
        yield "answer", picture(pty)
        api.say("sured.")
        api.end()
        pty.see("ready ·")

        on.send("Measure them.")
        api.call(*[("lab__measure", {"sample": sample}) for sample in SAMPLES])
        for words in ("reading 3 of 12", "reading 8 of 12", "reading 11 of 12"):
            pty.see(words)
        pty.see(" Esc stops")
        yield "tools", picture(pty)
        for sample in ("copper", "tin", "iron"):
            on.measured(sample, f'✓ lab__measure(sample="{sample}")')
        api.call(("lab__erase", {"path": "/measurements/2026/iron.csv"}))
        pty.see("[y] yes, once")
        pty.see(" Esc stops")
        yield "question", picture(pty)
        pty.type("n")
        pty.see("Why not")
        pty.type("\r")
        pty.see("✗ lab__erase")
        api.call(("lab__book", {}))
        pty.see("laboratory to be booked")
        pty.see("[y] fill in")
        pty.type("y")
        pty.see("field 1 of")
        pty.type("Ada\rx")
        pty.see("✗ expected")
        pty.see(" Esc stops")
        yield "form", picture(pty)
        pty.type("\x03")
        pty.see("! Stopped.")
        pty.type("/mo")
        pty.see("> /mo")
        pty.see("/model ")
        pty.see("/mode ")
        pty.see(" ready ·")
        yield "commands", picture(pty)
        pty.type("\x03")
        pty.miss("> /mo")
        pty.type("\x0f")
        pty.see("▾ lab__measure")
        pty.see(" ready ·")
        yield "expanded", picture(pty)
        pty.type("/quit\r")
        pty.ended()


def play_plain(home: Path) -> Iterator[tuple[str, Picture]]:
    with stage(home, "--plain", size=(SIZE[0], 12)) as on:
        on.pty.see("Ctrl+D leaves")
        on.pty.type("Measure tin.\r")
        on.api.call(("lab__measure", {"sample": "tin"}))
        on.pty.see("reading 11 of 12")
        on.measured("tin", "✓ lab__measure")
        on.api.say("Tin has **2.75** g/cm³.")
        on.api.end()
        on.pty.see("g/cm³.\n>")
        yield "plain", picture(on.pty)
        on.pty.type("/quit\r")
        on.pty.ended()


_SPINNER = re.compile("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]")
_SECONDS = re.compile(r"\b\d+(\.\d)?s\b")


def picture(pty: Pty) -> Picture:
    """What is on the screen; what time it took is made the same for every run."""
    screen = pty.screen
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    for row in rows:
        text = "".join(cell.data or "\0" for cell in row)
        if len(text) != len(row):  # combined characters: no time stands there
            continue
        text = _SECONDS.sub(lambda match: re.sub(r"\d", "2", match[0]), _SPINNER.sub("⠹", text))
        row[:] = [cell._replace(data=data.strip("\0")) for cell, data in zip(row, text, strict=True)]
    while rows and not "".join(cell.data for cell in rows[-1]).strip():
        rows.pop()
    return rows


def lines(picture: Picture) -> list[str]:
    return ["".join(cell.data for cell in row).rstrip() for row in picture]
