"""`mcphost ps` and `mcphost gc`, against hosts that live and hosts that were killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from mcphost.servers.census import Found, census, end
from mcphost.servers.marks import ORIGIN, start_time
from tests.cli.program import config, fast_server, mcphost, start

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")


async def test_a_live_hosts_servers_are_listed_and_gc_leaves_them_alone(tmp_path: Path) -> None:
    file = config(tmp_path, {"fast": fast_server()})
    host = await start("call", "-C", file, "fast__wait", "seconds=60")
    try:
        row = await _row(str(file))
        assert (row["server"], row["host"], row["orphaned"]) == ("fast", host.pid, False)
        assert 0 <= row["age_seconds"] < 30
        listed = (await mcphost("ps")).out
        assert "SERVER" in listed
        assert any(str(row["pid"]) in line and "fast" in line for line in listed.splitlines())
        assert str(row["pid"]) not in (await mcphost("gc", "--dry-run")).out
    finally:
        host.kill()
        await host.communicate()


async def test_gc_ends_what_a_host_left_that_was_killed_with_its_reaper(tmp_path: Path) -> None:
    deaf = (sys.executable, "-c", "import time; time.sleep(60)")  # nor does it notice that its stdin ended
    file = config(tmp_path, {"deaf": deaf})
    host = await start("servers", "-C", file)
    server = (await _row(str(file)))["pid"]
    host.send_signal(signal.SIGSTOP)
    for child in psutil.Process(host.pid).children():
        if child.pid != server:
            child.kill()
    host.kill()
    await host.communicate()
    row = await _row(str(file))
    assert (row["pid"], row["orphaned"]) == (server, True)
    assert f"would end deaf: {server}" in (await mcphost("gc", "--dry-run")).out
    assert psutil.pid_exists(server)
    ran = await mcphost("gc")
    assert (ran.code, ran.err) == (0, "")
    assert f"ending deaf: {server}" in ran.out
    assert start_time(server) is None
    assert str(server) not in (await mcphost("ps")).out


async def test_a_pid_that_became_another_process_is_left_alone() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    seen = Found(process.pid, (start_time(process.pid) or 0) - 1, "run", "it", None, 1, None)
    assert end([seen], term=0.1) == []
    assert process.returncode is None
    assert start_time(process.pid) is not None
    process.kill()
    await process.wait()


@pytest.mark.parametrize(
    "mark",
    ["[1", "[" * 50_000, '"host"', '{"server": 1, "config": "c", "host": 1, "started": 1}'],
    ids=["broken", "deep", "text", "wrong types"],
)
async def test_a_forged_or_broken_mark_is_nobodys(mark: str) -> None:
    environ = {**os.environ, "MCPHOST_RUN": "x", ORIGIN: mark}
    process = await asyncio.create_subprocess_exec("sleep", "60", env=environ)
    assert process.pid not in [found.pid for found in census()]
    process.kill()
    await process.wait()


async def _row(file: str) -> dict[str, Any]:
    """The row of the server that `file` configures, once there is one."""
    async with asyncio.timeout(10):
        while True:
            ran = await mcphost("ps", "--json")
            assert ran.code == 0, ran.err
            for row in json.loads(ran.out):
                if row["config"] == file:
                    return dict(row)
