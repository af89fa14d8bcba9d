"""The pool over real processes and in-process servers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer

from mcphost.config.schema import Limits, ServerConfig
from mcphost.errors import ConfigError, ServerRefused, ServerUnavailable
from mcphost.events import Event, ServerChanged
from mcphost.servers import ServerPool
from mcphost.servers.process import Reaper, spawn


class Seen:
    """A Show that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()

    async def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the event that makes `condition` true."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    def states(self, server: str) -> list[str]:
        return [event.state for event in self.events if isinstance(event, ServerChanged) and event.server == server]


def demo(name: str = "demo", **changes: Any) -> ServerConfig:
    return ServerConfig(name, command=sys.executable, args=("-m", "mcphost", "demo-server"), **changes)


def python(name: str, code: str, **changes: Any) -> ServerConfig:
    return ServerConfig(name, command=sys.executable, args=("-c", code), **changes)


def pool(servers: Mapping[str, ServerConfig], **changes: Any) -> ServerPool:
    arguments: dict[str, Any] = {"limits": Limits(), "environ": os.environ, "show": Seen(), **changes}
    return ServerPool(servers, **arguments)


def adder() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("adder")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    return server


@pytest.mark.parametrize(("protocol", "era"), [("auto", "modern"), ("legacy", "legacy"), ("modern", "modern")])
async def test_a_stdio_server_is_ready_in_the_era_that_was_asked_for(protocol: str, era: str) -> None:
    seen = Seen()
    async with pool({"demo": demo(protocol=protocol)}, show=seen) as servers:
        assert await servers.settled(20)
        server = servers.servers["demo"]
        assert (server.state, server.era, server.transport) == ("ready", era, "stdio")
        assert server.pid
        assert server.problems == ()
        assert "add" in [tool["name"] for tool in server.tools]
        outcome = await server.call("add", {"a": 1, "b": 2})
        assert outcome.content[0]["text"] == "3"
    assert seen.states("demo") == ["ready", "stopped"]


async def test_one_bad_server_is_a_state_and_the_others_work() -> None:
    servers = {
        "missing": ServerConfig("missing", command="no-such-command-anywhere"),
        "dies": python("dies", "import sys; sys.exit('cannot find my database')"),
        "off": demo("off", disabled=True),
    }
    failures = {"broken": ConfigError("broken: command is missing")}
    seen = Seen()
    async with pool(servers, live={"adder": adder()}, failures=failures, show=seen) as running:
        assert await running.settled(10)
        found = running.servers
        assert {name: server.state for name, server in found.items()} == {
            "missing": "failed",
            "dies": "failed",
            "off": "disabled",
            "adder": "ready",
            "broken": "failed",
        }
        assert "no-such-command-anywhere" in found["missing"].detail
        assert "exited with code 1" in found["dies"].detail
        assert "cannot find my database" in found["dies"].stderr_tail
        assert found["broken"].detail == "broken: command is missing"
        assert seen.states("broken") == ["failed"]
        assert (await found["adder"].call("add", {"a": 2, "b": 2})).structured == {"result": 4}
        with pytest.raises(ServerUnavailable, match="missing is failed"):
            await found["missing"].call("add", {})


async def test_a_process_that_runs_already_is_taken_over() -> None:
    reaper = Reaper()
    config = demo()
    process = spawn(config, os.environ, reaper=reaper)
    async with pool({"demo": config}, processes={"demo": process}, reaper=reaper) as running:
        assert await running.settled(20)
        assert running.servers["demo"].pid == process.pid
        assert running.servers["demo"].state == "ready"
    assert process.returncode is not None
    reaper.close()


async def test_a_process_that_nobody_takes_over_is_stopped() -> None:
    reaper = Reaper()
    process = spawn(python("extra", "import sys; sys.stdin.read()"), os.environ, reaper=reaper)
    async with pool({}, processes={"extra": process}, reaper=reaper):
        pass
    assert process.returncode == 0
    reaper.close()


def test_importing_the_package_loads_neither_sdk_nor_http() -> None:
    script = "import mcphost.servers, sys; print({'mcp', 'mcp_types', 'httpx2', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


async def test_names_that_are_not_listed_are_never_called() -> None:
    async with pool({}, live={"adder": adder()}) as running:
        await running.settled(10)
        with pytest.raises(ServerRefused, match="adder lists no tool 'sub'"):
            await running.servers["adder"].call("sub", {"a": 2, "b": 2})


async def test_an_error_in_the_body_leaves_the_pool_as_it_is() -> None:
    with pytest.raises(LookupError):
        async with pool({}, live={"adder": adder()}):
            raise LookupError


async def test_servers_that_ignore_everything_but_kill_end_together() -> None:
    deaf = (
        "import signal, time\n"
        "for sign in (signal.SIGTERM, signal.SIGINT): signal.signal(sign, signal.SIG_IGN)\n"
        "time.sleep(60)"
    )
    servers = {name: python(name, deaf) for name in ("a", "b", "c")}
    async with pool(servers) as running:
        assert not await running.settled(0.5)
        started = time.monotonic()
    assert 3 < time.monotonic() - started < 5


async def test_each_server_has_its_own_time_to_end(tmp_path: Path) -> None:
    slow = "import pathlib, sys, time; sys.stdin.read(); time.sleep(0.5); pathlib.Path({!r}).touch()"
    hasty, patient = tmp_path / "hasty", tmp_path / "patient"
    servers = {
        "hasty": python("hasty", slow.format(str(hasty)), limits={"stop": 0.05, "kill": 0.05}),
        "patient": python("patient", slow.format(str(patient))),
    }
    async with pool(servers, limits=Limits(stop=20.0)) as running:
        assert not await running.settled(0.3)
    assert (hasty.exists(), patient.exists()) == (False, True)
