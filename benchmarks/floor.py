"""The floor: what `mcphost run` does, as the shortest script that does it by hand, on httpx2 and raw JSON-RPC.

    python benchmarks/floor.py --url URL --model NAME [--servers N] [--delay SECONDS] TASK

It starts N servers, shakes hands and lists their tools, all at once; asks the model, runs the calls of a step at once,
and prints the answer. No consent, no checks, no errors, no journal.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import httpx2

SERVER = str(Path(__file__).with_name("peers") / "fast_server.py")


class Server:
    def __init__(self, name: str) -> None:
        self.name = name
        self.ids = itertools.count()
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.tools: list[dict[str, Any]] = []

    async def start(self, delay: float) -> Server:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, SERVER, "--delay", str(delay), stdin=pipe, stdout=pipe
        )
        self.reading = asyncio.create_task(self.read())
        await self.request(
            "initialize",
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "floor", "version": "1"}},
        )
        self.send({"method": "notifications/initialized"})
        self.tools = (await self.request("tools/list", {}))["tools"]
        return self

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            message = json.loads(line)
            self.waiting.pop(message["id"]).set_result(message["result"])

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def request(self, method: str, params: dict[str, Any]) -> Any:
        id = next(self.ids)
        self.waiting[id] = asyncio.get_running_loop().create_future()
        self.send({"id": id, "method": method, "params": params})
        return await self.waiting[id]

    async def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()


async def ask(client: httpx2.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """One request to the model; the streamed reply as one message."""
    text, calls = "", list[dict[str, Any]]()
    async with client.stream("POST", "chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
                for call in choice["delta"].get("tool_calls", ()):
                    calls.append({key: call[key] for key in ("id", "type", "function")})
    return {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}


async def run(servers: dict[str, Server], call: dict[str, Any]) -> dict[str, Any]:
    name, _, tool = call["function"]["name"].partition("__")
    arguments = json.loads(call["function"]["arguments"])
    result = await servers[name].request("tools/call", {"name": tool, "arguments": arguments})
    return {"role": "tool", "tool_call_id": call["id"], "content": result["content"][0]["text"]}


async def main(options: argparse.Namespace) -> None:
    started = await asyncio.gather(*(Server(f"fast{n}").start(options.delay) for n in range(options.servers)))
    servers = {server.name: server for server in started}
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"{server.name}__{tool['name']}",
                "description": tool["description"],
                "parameters": tool["inputSchema"],
            },
        }
        for server in started
        for tool in server.tools
    ]
    messages: list[dict[str, Any]] = [{"role": "user", "content": options.task}]
    headers = {"authorization": "Bearer none"}
    async with httpx2.AsyncClient(base_url=options.url, headers=headers, timeout=60, trust_env=False) as client:
        while True:
            body = {"model": options.model, "messages": messages, "tools": tools, "stream": True}
            reply = await ask(client, body)
            messages.append(reply)
            if "tool_calls" not in reply:
                break
            messages += await asyncio.gather(*(run(servers, call) for call in reply["tool_calls"]))
    print(reply["content"])
    await asyncio.gather(*(server.stop() for server in started))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("task")
    asyncio.run(main(parser.parse_args()))
