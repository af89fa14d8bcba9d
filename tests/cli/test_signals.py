"""Ctrl+C, TERM, HUP and kill -9 at any moment leave no server process behind, and the exit code says which it was."""

from __future__ import annotations

import asyncio
import random
import shlex
import signal
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.program import config, fast_server, gone, marked, one_call, script, start

STUBBORN = Path(__file__).parents[1] / "servers" / "peers" / "stubborn.py"


def servers(tmp_path: Path) -> Path:
    """A healthy server, and one that ignores SIGTERM and has grandchildren, one of them in its own session."""
    return config(tmp_path, {"fast": fast_server(), "stubborn": (sys.executable, str(STUBBORN))})


async def running(tmp_path: Path, mark: str, file: Path | None = None) -> asyncio.subprocess.Process:
    """A run in the middle of a long call, with the configuration in `file`."""
    model = script(tmp_path, one_call("fast__wait", seconds=60), "never")
    process = await start(
        "run", "-C", file or servers(tmp_path), "-m", model, "--yolo", "--server", "fast", "hi", env={"TZ": mark}
    )
    assert process.stderr is not None
    async for line in process.stderr:
        if b"fast__wait" in line:
            return process
    raise AssertionError("the call never started")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)]
)
async def test_a_signal_in_the_middle_of_a_call_ends_everything(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    mark = uuid.uuid4().hex  # TZ is inherited by servers, so it marks them
    process = await running(tmp_path, mark)
    process.send_signal(number)
    assert process.stderr is not None
    assert b"Traceback" not in await process.stderr.read()
    assert await process.wait() == code
    await gone(mark)


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGTERM), (signal.SIGKILL,)])
@pytest.mark.deadline(60)
async def test_a_signal_at_any_moment_of_the_start_leaves_nothing_behind(
    tmp_path: Path, numbers: Sequence[signal.Signals]
) -> None:
    moments = random.Random(7)
    for turn in range(6):
        mark = uuid.uuid4().hex
        model = script(tmp_path, one_call("fast__wait", seconds=60), "never")
        process = await start("run", "-C", servers(tmp_path), "-m", model, "--yolo", "hi", env={"TZ": mark})
        await asyncio.sleep(moments.uniform(0.05, 1.2))  # any moment is the point
        process.send_signal(numbers[turn % len(numbers)])
        assert process.stderr is not None
        assert b"Traceback" not in await process.stderr.read()
        await process.wait()
        await gone(mark)


async def test_a_second_ctrl_c_does_not_wait_for_stubborn_servers(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    lingering = ("sh", "-c", f"{shlex.join(fast_server())}; sleep 60")
    process = await running(tmp_path, mark, config(tmp_path, {"fast": lingering}))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 130
    await gone(mark)
    assert marked(mark) == []
