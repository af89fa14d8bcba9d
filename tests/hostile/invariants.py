"""What holds whatever a peer does: one context manager around every fault.

| id | invariant | bound |
|---|---|---|
| I1 | a healthy neighbour answers, before, during and after | 1 s |
| I2 | no process of a peer is alive after the end | 4 s |
| I3 | the host ends | 6 s |
| I4 | no character that acts on a terminal or hides from a reader comes out, to a person or to a model | |
| I5 | memory grows | 150 MB |
| I6 | the event loop stalls | 0.3 s |
| I7 | every call of the conversation has exactly one result | |
| I12 | nobody sees a traceback | |
| I14 | tasks and file descriptors are as many as before | |
| I16 | no exception goes unhandled | |
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from mcphost import Host
from mcphost.agent import Reply
from mcphost.approvals import Policy
from mcphost.config.schema import Config, Limits, ServerConfig
from mcphost.events import Event, Noticed, ServerChanged
from mcphost.frontends import Narrator, PlainFrontend
from mcphost.host import Chat
from mcphost.messages import AssistantMessage, ToolResult
from mcphost.models.anthropic import AnthropicCodec
from mcphost.models.base import Model, ModelRequest
from mcphost.servers import Server
from mcphost.servers.adapter import connection, http, links  # noqa: F401 - once and here, not amid a measurement
from mcphost.testing import ScriptedModel

NEIGHBOUR, ALIVE, EXIT, GROWTH, STALL = 1.0, 4.0, 6.0, 150e6, 0.3

# All that `mcphost.text.safe` removes, written down once more: this is the bound, that is the product.
ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef\ud800-\udfff]"
)


class Screen:
    """A frontend that shows everything, and remembers it; nobody answers its questions."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.events: list[Event] = []
        self._plain = PlainFrontend(self.out, Narrator(self.out, verbose=True))
        self._news = asyncio.Event()

    async def show(self, event: Event) -> None:
        self.events.append(event)
        await self._plain.show(event)
        self._news.set()

    async def ask(self, question: Any) -> Any:
        return question.refusal

    async def until(self, server: Server, *states: str, seconds: float) -> None:
        """Wait for one of these states; fails after `seconds`."""
        async with asyncio.timeout(seconds):
            while server.state not in states:
                self._news.clear()
                await self._news.wait()

    async def until_back(self, server: Server, pid: int | None, *, seconds: float) -> None:
        """Wait for the server's next process after `pid` to be ready; fails after `seconds`."""
        async with asyncio.timeout(seconds):
            while server.state != "ready" or server.pid == pid:
                self._news.clear()
                await self._news.wait()

    def states(self, server: str) -> list[str]:
        return [event.state for event in self.events if isinstance(event, ServerChanged) and event.server == server]

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Noticed) and event.level == "warning"]


class Held:
    """The invariants of one fault: what was measured so far."""

    def __init__(self, pids: Path) -> None:
        self.pids = pids
        self.screen = Screen()
        self.shown: list[str] = []  # other texts that a person may see
        self.requests: list[ModelRequest] = []
        self.slowest = 0.0
        self.growth = 0.0
        self.stall = 0.0
        self.exit = 0.0

    @asynccontextmanager
    async def host(self, config: Config, model: Model | str) -> AsyncIterator[Host]:
        """A host that allows every call. Its end is timed; its servers' states are shown."""
        host = Host(config, model=model, frontend=self.screen, policy=Policy(default="allow"), environ=dict(os.environ))
        began = 0.0
        try:
            async with host:
                yield host
                for server in host.servers.values():
                    self.shown += [server.detail, *server.problems]
                began = time.monotonic()
        finally:
            self.exit = time.monotonic() - began

    @asynccontextmanager
    async def neighbour(self, server: Server) -> AsyncIterator[None]:
        """`server` is asked again and again, and answers, also once the body is done."""
        answered = asyncio.Event()

        async def ask() -> None:
            while True:
                began = time.monotonic()
                outcome = await server.call("echo", {"text": "hi"})
                self.slowest = max(self.slowest, time.monotonic() - began)
                assert outcome.content[0]["text"] == "hi"
                answered.set()
                await asyncio.sleep(0.02)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            yield
            answered.clear()
            async with asyncio.timeout(NEIGHBOUR + STALL):
                await answered.wait()
            tasks.cancel_scope.cancel()

    def check(self) -> None:
        """Fail where something did not hold."""
        assert self.growth < GROWTH, f"I5: memory grew by {self.growth / 1e6:.0f} MB"
        assert self.stall < STALL, f"I6: the loop stalled for {self.stall:.2f} s"
        assert self.slowest < NEIGHBOUR, f"I1: the neighbour took {self.slowest:.2f} s"
        assert self.exit < EXIT, f"I3: the host took {self.exit:.1f} s to end"
        for text in (*self.shown, self.screen.out.getvalue()):
            assert not ACTING.search(text), f"I4: {text[:300]!r}"
            assert "Traceback" not in text, f"I12: {text[:2000]}"
        for request in self.requests:
            body = AnthropicCodec("m").encode(request, refused={}).body
            for text in _texts({key: body.get(key) for key in ("system", "messages")}):
                assert not ACTING.search(text), f"I4, to the model: {text[:300]!r}"
            for tool in body.get("tools", ()):
                assert not ACTING.search(tool["description"]), f"I4, to the model: {tool['description'][:300]!r}"
                assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool["name"])


@asynccontextmanager
async def holding(pids: Path) -> AsyncIterator[Held]:
    """Everything in the table above, around the body; `pids` is the file where peers write their processes."""
    gc.collect()
    held = Held(pids)
    loop = asyncio.get_running_loop()
    unhandled: list[str] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(repr(context)))
    before = _counts()
    watching = AsyncExitStack()
    try:
        with _logged() as records, _memory(held):
            async with watching:
                stalls = asyncio.create_task(_stalls(held))
                watching.callback(stalls.cancel)
                yield held
        await asyncio.sleep(0)
        held.check()
        await _gone(pids)
        gc.collect()
        assert _counts() <= before, f"I14: (tasks, descriptors) were {before} and are {_counts()}"
        assert not unhandled, f"I16: {unhandled}"
        assert not records.tracebacks, f"I12: {records.tracebacks}"
    finally:
        loop.set_exception_handler(None)
        for pid in alive(pids):
            os.kill(pid, 9)


async def a_turn(held: Held, host: Host, *replies: Any) -> tuple[Reply, dict[str, ToolResult]]:
    """A turn with a model that says these; the results of its calls by id. Checks I7."""
    model = ScriptedModel(replies)
    chat = host.chat(model=model, patience=0)
    try:
        reply = await chat.send("go")
    finally:
        held.requests += model.requests
    return reply, results(chat)


def results(chat: Chat) -> dict[str, ToolResult]:
    """The results of a conversation by call; fails where a call has none, or several (I7)."""
    messages = chat.conversation.messages if chat.conversation else []
    calls = [call.id for message in messages if isinstance(message, AssistantMessage) for call in message.calls]
    found = [message for message in messages if isinstance(message, ToolResult)]
    assert sorted(calls) == sorted(result.call_id for result in found), f"I7: {calls}"
    return {result.call_id: result for result in found}


def rows(faults: Iterable[Any], variants: str, *, each: Callable[[Any], object]) -> list[Any]:
    """A parameter set for every fault in each of its `variants` (the name of an attribute). The everyday suite runs
    the first fault of those that `each` puts together, in one variant; all others are long."""
    found, seen = [], set[object]()
    for fault in faults:
        quick = not fault.slow and each(fault) not in seen
        names = getattr(fault, variants)
        if quick:
            seen.add(each(fault))
        for place, name in enumerate(names):
            chosen = quick and place == len(seen) % len(names)
            marks = () if chosen else pytest.mark.long
            found.append(pytest.param(fault, name, id=f"{fault.kind}: {fault.name} [{name}]", marks=marks))
    return found


def alive(pids: Path) -> list[int]:
    """The processes in the file that run; zombies do not."""
    return [pid for pid in _written(pids) if _runs(pid)]


def config(servers: dict[str, ServerConfig], **limits: Any) -> Config:
    return Config(servers=servers, limits=Limits(**{"connect": 6.0, "probe": 1.0, "listing": 1.5, **limits}))


def _written(pids: Path) -> list[int]:
    return [int(line.split()[0]) for line in pids.read_text().splitlines()] if pids.exists() else []


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _gone(pids: Path) -> None:
    try:
        async with asyncio.timeout(ALIVE):
            while alive(pids):  # noqa: ASYNC110 - nothing tells when somebody else's process ends
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"I2: alive after {ALIVE:g} s: {alive(pids)}") from None


def _counts() -> tuple[int, int]:
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))


async def _stalls(held: Held) -> None:
    while True:
        began, waited = time.monotonic(), _waited()
        await asyncio.sleep(0.02)
        gap = time.monotonic() - began - 0.02
        held.stall = max(held.stall, gap - (_waited() - waited))


def _waited() -> float:
    """Seconds that this thread was ready to run while the machine had no core for it: no fault of ours."""
    with open("/proc/thread-self/schedstat") as file:
        return int(file.read().split()[1]) / 1e9


class _memory:
    """Samples the growth of this process's memory, in a thread: a stalled loop must not hide it."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.wait(0.02):
            growth = self._process.memory_info().rss - self._before
            self._held.growth = max(self._held.growth, growth)


class _logged(logging.Handler):
    """Collects what our own code and asyncio log with a traceback. The SDK's loggers are the adapter's to silence."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.tracebacks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.name.startswith(("mcphost", "asyncio")):
            self.tracebacks.append(f"{record.getMessage()}: {record.exc_info[1]!r}")

    def __enter__(self) -> _logged:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    found = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in found for text in _texts(item)]


def arguments(peer: Path, fault: str, **options: Any) -> tuple[str, ...]:
    """The command line of a peer, without the interpreter."""
    return (
        "-I",
        "-S",
        str(peer),
        fault,
        *(part for key, value in options.items() for part in (f"--{key}", str(value))),
    )


def said(result: ToolResult) -> str:
    """All that a result tells a model."""
    return json.dumps([result.content, result.structured], ensure_ascii=False) + (result.note or "")
