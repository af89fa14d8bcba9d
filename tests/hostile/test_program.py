"""The installed program among hostile servers: it ends in time, with the right code and words, and leaves nothing."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.cli.program import config, one_call, script, start
from tests.hostile import stdio_peer
from tests.hostile.invariants import ACTING, ALIVE, EXIT, alive, arguments

PEER = Path(stdio_peer.__file__)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}

# What may be going on at a server when the signal comes.
FAULTS = [
    "silent in a call",
    "ignores all but SIGKILL",
    "leaves a child in a session of its own, without the pipes",
    "leaves a child that ignores SIGTERM",
    "stops reading",
    "stopped in a call",
    "messages without end",
    "stderr for ever",
    "silent in the handshake",
    "launcher that waits",
    "dies while a child in another session holds its pipes",
]
QUICK = [("ignores all but SIGKILL", signal.SIGTERM), ("stopped in a call", signal.SIGKILL)]
SIGNALS = [
    pytest.param(
        fault, number, id=f"{fault}, {number.name}", marks=() if (fault, number) in QUICK else pytest.mark.long
    )
    for fault in FAULTS
    for number in CODES
]
ENDINGS = [
    # fault, exit code, what stderr says
    ("exit at start", 4, "exited with code 3"),
    ("handshake: unknown versions", 4, ""),
    ("exit in a call", 0, "was lost"),
    ("attack in a failed result", 0, ""),
    ("attack in log messages", 0, ""),
    ("escapes on stderr, then death", 0, "was lost"),
    ("attack in every text of a tool", 0, ""),
    ("a text of 50 MB", 0, "larger than 16 MiB"),
    ("100,000 log messages", 0, ""),
    ("asks: 500 forms", 0, ""),
    ("ignores the end of its input", 0, ""),
    ("leaves twenty children", 0, ""),
]


async def running(tmp_path: Path, fault: str) -> tuple[asyncio.subprocess.Process, Path]:
    """A run that calls the hostile tool, or waits for a healthy one where there is none."""
    pids = tmp_path / "pids"
    file = config(
        tmp_path,
        {
            "hostile": (sys.executable, *arguments(PEER, fault, pids=pids)),
            "healthy": (sys.executable, *arguments(PEER, "nothing", pids=pids)),
        },
        limits={"connectTimeoutSeconds": 5},
    )
    model = script(tmp_path, one_call("hostile__fault"), one_call("healthy__slow", seconds=60), "done")
    process = await start("run", "-C", file, "-m", model, "--yolo", "-v", "--server", "healthy", "hi")
    return process, pids


def check_output(out: bytes, err: bytes) -> str:
    text = (out + err).decode()
    assert "Traceback" not in text, text
    assert not ACTING.search(text), text.encode()
    return text


async def gone(pids: Path) -> None:
    async with asyncio.timeout(ALIVE):
        while alive(pids):  # noqa: ASYNC110 - nothing tells when somebody else's process ends
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("fault", "number"), SIGNALS)
@pytest.mark.deadline(40)
async def test_a_signal_ends_everything(fault: str, number: signal.Signals, tmp_path: Path) -> None:
    process, pids = await running(tmp_path, fault)
    assert process.stdout is not None
    assert process.stderr is not None
    seen = b""
    async with asyncio.timeout(20):
        if "handshake" in fault:
            while not alive(pids):  # noqa: ASYNC110 - nothing tells when somebody else's process has begun
                await asyncio.sleep(0.02)
        else:
            while b"__fault" not in seen:
                seen += await process.stderr.readline()
    await asyncio.sleep(0.3)  # somewhere amid the fault
    began = time.monotonic()
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), EXIT)
    assert time.monotonic() - began < EXIT
    assert process.returncode == CODES[number]
    check_output(out, seen + err)
    await gone(pids)


@pytest.mark.parametrize(("fault", "code", "says"), ENDINGS, ids=[row[0] for row in ENDINGS])
@pytest.mark.deadline(40)
@pytest.mark.long
async def test_a_fault_ends_with_the_right_code_and_words(fault: str, code: int, says: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    servers = {"hostile": (sys.executable, *arguments(PEER, fault, pids=pids))}
    model = script(tmp_path, *([] if code else [one_call("hostile__fault")]), "done")
    process = await start("run", "-C", config(tmp_path, servers), "-m", model, "--yolo", "-v", "hi")
    out, err = await process.communicate()
    text = check_output(out, err)
    assert process.returncode == code, text
    assert says in text
    await gone(pids)
