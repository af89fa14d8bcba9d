"""The hostile peers are hostile: each fault really occurs, and the SDK's own transports suffer where ours must not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.hostile import http_peer, model_peer, stdio_peer
from tests.hostile.invariants import alive, arguments
from tests.hostile.test_http_matrix import peer as http

PEERS = (stdio_peer, http_peer, model_peer)
META = {"io.modelcontextprotocol/protocolVersion": stdio_peer.MODERN}
SHOWN_BY_OTHERS = {  # what one look at the wire cannot show
    "nothing",
    "closes its stderr",
    "reads oddly",
    "slow to start",
    "slow in a call",
    "a late answer",
    "one byte at a time",
    "a character split between writes",
    "closed as soon as it is idle",
    "stream: resumed",
}


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_lists_its_faults_with_their_moment_and_what_is_expected(peer: Any) -> None:
    listed = subprocess.run([sys.executable, peer.__file__, "--list"], capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == len(peer.FAULTS)
    last = {stdio_peer: "n", http_peer: "i", model_peer: "h"}[peer]
    assert {row.kind for row in peer.FAULTS.values()} == {*map(chr, range(ord("a"), ord(last) + 1))}
    for row in peer.FAULTS.values():
        assert re.search(rf"\b{row.expect.split('|')[0]}\b", peer.__doc__)


# -- each fault occurs -------------------------------------------------------------------------------------------------


def rpc(id: int, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {**params, "_meta": {**META, "progressToken": 7}}}


TALK = [
    rpc(1, "server/discover"),
    rpc(2, "initialize"),
    rpc(3, "tools/list"),
    rpc(4, "tools/call", name="fault", arguments={}),
    rpc(5, "tools/list"),
    rpc(6, "tools/call", name="echo", arguments={"text": "hi"}),
    rpc(7, "resources/list"),
    rpc(8, "prompts/list"),
    rpc(9, "resources/templates/list"),
]


def seen_on_stdio(fault: str, pids: Path) -> Any:
    """All that one can see of a peer during a short conversation."""
    talk = "".join(json.dumps(message) + "\n" for message in TALK).encode()
    command = [sys.executable, *arguments(Path(stdio_peer.__file__), fault, pids=pids, life=5)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, start_new_session=True) as process:
        try:
            out, err = process.communicate(talk, timeout=1.0)
            return out, err, process.returncode, len(pids.read_text().splitlines())
        except subprocess.TimeoutExpired:
            return "it does not end"
        finally:
            for pid in {process.pid, *alive(pids)}:
                with_kill(pid)


def with_kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass


@pytest.mark.long
@pytest.mark.parametrize("fault", [name for name in stdio_peer.FAULTS if name not in SHOWN_BY_OTHERS])
def test_a_fault_of_the_stdio_peer_occurs(fault: str, tmp_path: Path) -> None:
    healthy = seen_on_stdio("nothing", tmp_path / "healthy")
    assert healthy[2] == 0
    assert seen_on_stdio(fault, tmp_path / "hostile") != healthy


@pytest.mark.long
def test_a_slow_start_of_the_stdio_peer_takes_its_time(tmp_path: Path) -> None:
    began = time.monotonic()
    seen_on_stdio("slow to start", tmp_path / "hostile")
    assert time.monotonic() - began >= 0.4


@contextmanager
def listening(peer: Any, fault: str) -> Iterator[tuple[str, int]]:
    command = [sys.executable, *arguments(Path(peer.__file__), fault, life=10)]
    with subprocess.Popen(command, stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        host, port = re.findall(r"//([\d.]+):(\d+)", process.stdout.readline().decode())[0]
        yield host, int(port)
        process.stdin.close()


def exchange(address: tuple[str, int], method: str, path: str, body: Any) -> bytes:
    """What comes back within half a second, at most a megabyte of it."""
    data = json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nMcp-Session-Id: session-1\r\nContent-Length: {len(data)}\r\n\r\n"
    found = b""
    try:
        with socket.create_connection(address, timeout=0.5) as connection:
            connection.sendall(head.encode() + data)
            while len(found) < 2**20 and (piece := connection.recv(2**16)):
                found += piece
    except OSError as error:
        return found + type(error).__name__.encode()
    return found


def seen_over_http(fault: str) -> list[bytes]:
    with listening(http_peer, fault) as address:
        found = [exchange(address, "POST", "/mcp", message) for message in TALK[:5]]
        return found + [exchange(address, method, "/mcp", {}) for method in ("GET", "DELETE")]


@pytest.mark.long
@pytest.mark.parametrize("fault", [name for name in http_peer.FAULTS if name not in SHOWN_BY_OTHERS])
def test_a_fault_of_the_http_peer_occurs(fault: str) -> None:
    assert seen_over_http(fault) != seen_over_http("nothing")


def seen_at_the_api(fault: str, dialect: str) -> bytes:
    path = next(path for path, name in model_peer.PATHS.items() if name == dialect)
    with listening(model_peer, fault) as address:
        return exchange(address, "POST", path, {"messages": [{"role": "user", "content": f"call x {model_peer.ADD}"}]})


@pytest.mark.long
@pytest.mark.parametrize("fault", [name for name in model_peer.FAULTS if name not in SHOWN_BY_OTHERS])
def test_a_fault_of_the_model_peer_occurs(fault: str) -> None:
    for dialect in model_peer.FAULTS[fault].dialects:
        assert seen_at_the_api(fault, dialect) != seen_at_the_api("nothing", dialect)


# -- the SDK's plain transports ----------------------------------------------------------------------------------------


def plain(fault: str, pids: Path) -> Client:
    command = [*arguments(Path(stdio_peer.__file__), fault, pids=pids)]
    return Client(stdio_client(StdioServerParameters(command=sys.executable, args=command)), mode="legacy")


async def test_the_sdk_goes_deaf_after_one_bad_byte(tmp_path: Path) -> None:
    async def deaf() -> None:
        async with plain("invalid UTF-8", tmp_path / "pids") as client:
            await client.list_tools()
            for tool in ("fault", "echo"):
                with anyio.move_on_after(0.5) as waiting:
                    await client.call_tool(tool, {"text": "hi"})
                assert waiting.cancelled_caught

    with pytest.raises(BaseExceptionGroup) as raised:  # hidden until the connection is closed
        await deaf()
    assert raised.group_contains(UnicodeDecodeError)


async def test_the_sdk_leaves_children_behind(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    async with plain("leaves a child", pids) as client:
        await client.list_tools()
    left = alive(pids)
    assert left
    for pid in left:
        with_kill(pid)


async def test_the_sdk_loses_the_whole_list_for_one_bad_tool(tmp_path: Path) -> None:
    async with plain("tools without schemas", tmp_path / "pids") as client:
        with pytest.raises(ValueError, match="inputSchema"):
            await client.list_tools()


async def test_the_sdk_loses_a_result_that_contradicts_its_schema(tmp_path: Path) -> None:
    async with plain("output: contradicts its schema", tmp_path / "pids") as client:
        with pytest.raises(RuntimeError, match="Invalid structured content"):
            await client.call_tool("fault")


async def test_one_reset_kills_the_sdk_client_and_its_other_calls(tmp_path: Path) -> None:
    ended: list[BaseException] = []

    async def other(client: Client) -> None:
        try:
            await client.call_tool("slow", {"seconds": 5.0})
        except BaseException as error:
            ended.append(error)
            raise

    async def both(url: str) -> None:
        async with Client(url) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(other, client)
            await asyncio.sleep(0.2)
            await client.call_tool("fault")

    async with http("reset before the head", "modern", tmp_path / "log") as url:
        with pytest.raises(BaseExceptionGroup):
            await both(url)
    assert ended
