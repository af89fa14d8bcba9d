"""A model API that costs nothing: Chat Completions as an event stream, every answer at once.

The model's name says what it does: `20x1` calls the tool `echo` once in each of 20 steps, `1x8@0.3` calls `wait` eight
times in one step, 0.3 s each; then it answers "done". Prints its base URL, then for each conversation, one at a time,
the seconds from its first request to its last.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    steps: int
    calls: int
    seconds: float | None

    @classmethod
    def of(cls, model: str) -> Plan:
        match = re.fullmatch(r"(\d+)x(\d+)(?:@([\d.]+))?", model)
        assert match is not None, model
        return cls(int(match[1]), int(match[2]), float(match[3]) if match[3] else None)


class FastModel:
    def __init__(self) -> None:
        self.began = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = re.search(r"content-length: (\d+)", head)
                assert length is not None, head
                chunks = self.reply(json.loads(await reader.readexactly(int(length[1]))))
                body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
                header = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                body += b"data: [DONE]\n\n"
                writer.write(f"{header}content-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def reply(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        plan = Plan.of(request["model"])
        done = sum(message["role"] == "tool" for message in request["messages"])
        if done == 0:
            self.began = time.perf_counter()
        usage = {**chunk({}), "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}}
        if done < plan.steps * plan.calls:
            return [*calls(plan, done, request["tools"]), chunk({}, "tool_calls"), usage]
        print(time.perf_counter() - self.began, flush=True)
        return [chunk({"role": "assistant", "content": "done"}), chunk({}, "stop"), usage]


def calls(plan: Plan, done: int, tools: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    wanted = "echo" if plan.seconds is None else "wait"
    name = next(offered["function"]["name"] for offered in tools if offered["function"]["name"].endswith(wanted))
    for index in range(plan.calls):
        arguments = {"text": f"hello {done + index}"} if plan.seconds is None else {"seconds": plan.seconds}
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"index": index, "id": f"call_{done + index}", "type": "function", "function": function}
        yield chunk({"tool_calls": [call]})


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fast", "choices": [choice]}


async def main() -> None:
    server = await asyncio.start_server(FastModel().serve, "127.0.0.1", 0, limit=2**26)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
