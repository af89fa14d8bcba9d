"""What `run.py` measures of servers alone, each in a process of its own.

python benchmarks/servers.py floor N DELAY    start N servers, shake hands, list their tools, end: by hand
python benchmarks/servers.py large            a 50 MB answer in one line: until it is refused, and the longest stall
python benchmarks/servers.py calls            a tool call, by mcphost and by the bare SDK, in milliseconds
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

PEERS = Path(__file__).parent / "peers"
FAST = str(PEERS / "fast_server.py")
LARGE = str(PEERS / "large_server.py")
SIZE = 50_000_000  # bytes
ROUNDS, CALLS = 7, 200
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "floor", "version": "1"}}


async def floor(count: int, delay: float) -> None:
    """As a host does: all of them live until the last one has listed, then all end at once."""
    running = await asyncio.gather(*(_listed(delay) for _ in range(count)))
    await asyncio.gather(*(_ended(process) for process in running))


async def _listed(delay: float) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, FAST, "--delay", str(delay), stdin=pipe, stdout=pipe, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None

    async def ask(id: int, method: str, params: object) -> object:
        assert process.stdin is not None
        assert process.stdout is not None
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        process.stdin.write(json.dumps(message).encode() + b"\n")
        return json.loads(await process.stdout.readline())["result"]

    await ask(0, "initialize", HELLO)
    process.stdin.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
    await ask(1, "tools/list", {})
    return process


async def _ended(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


async def large() -> None:
    from mcphost.errors import ServerError

    async with _pool(LARGE) as call:
        stalls = [0.0]
        watching = asyncio.create_task(_watch(stalls))
        started = time.perf_counter()
        try:
            await call("large", {"bytes": SIZE})
            refused = False
        except ServerError:
            refused = True
        seconds = time.perf_counter() - started
        watching.cancel()
        await call("echo", {"text": "still here"})
    print(json.dumps({"refused": refused, "seconds": seconds, "stall": max(stalls)}))


async def _watch(stalls: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        stalls.append(time.perf_counter() - before - 0.005)


async def calls() -> None:
    from mcp import Client, StdioServerParameters

    async with _pool(FAST) as ours, Client(StdioServerParameters(command=sys.executable, args=[FAST])) as client:
        await client.list_tools()
        rounds = [
            (await _per_call(ours), await _per_call(lambda tool, arguments: client.call_tool(tool, dict(arguments))))
            for _ in range(ROUNDS)
        ]
    ours_ms, sdk_ms = (median(column) for column in zip(*rounds, strict=True))
    print(json.dumps({"ours": ours_ms, "sdk": sdk_ms}))


Call = Callable[[str, dict[str, object]], Awaitable[object]]


async def _per_call(call: Call) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        await call("echo", {"text": "x"})
    return (time.perf_counter() - started) / CALLS * 1000


@asynccontextmanager
async def _pool(server: str) -> AsyncIterator[Call]:
    """The calls of one server in mcphost's pool."""
    from mcphost.config.schema import Limits, ServerConfig
    from mcphost.events import Event
    from mcphost.servers import ServerPool

    async def show(event: Event) -> None:
        return None

    config = ServerConfig("it", command=sys.executable, args=(server,))
    async with ServerPool({"it": config}, limits=Limits(), environ=os.environ, show=show) as pool:
        await pool.settled(30)
        yield pool.servers["it"].call


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["floor", count, delay]:
            asyncio.run(floor(int(count), float(delay)))
        case ["large"]:
            asyncio.run(large())
        case ["calls"]:
            asyncio.run(calls())
        case _:
            sys.exit(__doc__)
