"""A model API that costs nothing: Chat Completions as an event stream, answers at once, prints its base URL first.

The model's name says what it does: `20x1` calls the tool `echo` once in each of 20 steps, `1x8@0.3` calls `wait` eight
times in one step, 0.3 s each; then it answers "done".
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**26)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = re.search(r"content-length: (\d+)", head)
            request = json.loads(await reader.readexactly(int(length[1]))) if length else {}
            body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in reply(request))
            body += b"data: [DONE]\n\n"
            header = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(header.encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def reply(request: dict[str, Any]) -> Iterable[dict[str, Any]]:
    plan = re.fullmatch(r"(\d+)x(\d+)(?:@([\d.]+))?", request["model"])
    assert plan is not None, request["model"]
    steps, calls, seconds = int(plan[1]), int(plan[2]), plan[3]
    done = sum(message["role"] == "tool" for message in request["messages"]) // calls
    if done >= steps:
        yield chunk({"role": "assistant", "content": "done"})
        yield chunk({}, "stop")
    else:
        tool, arguments = ("wait", {"seconds": float(seconds)}) if seconds else ("echo", {"text": "hello"})
        name = next(t["function"]["name"] for t in request["tools"] if t["function"]["name"].endswith(tool))
        for index in range(calls):
            function = {"name": name, "arguments": json.dumps(arguments)}
            call = {"index": index, "id": f"call_{done}_{index}", "type": "function", "function": function}
            yield chunk({"tool_calls": [call]})
        yield chunk({}, "tool_calls")
    yield {**chunk({}), "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}}


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fast", "choices": [choice]}


if __name__ == "__main__":
    asyncio.run(main())
