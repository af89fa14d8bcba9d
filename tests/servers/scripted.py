"""An MCP server by hand inside the test, behind the SDK's transport protocol: its every message is ours to choose."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import anyio
import mcp_types as t
from mcp.shared.message import SessionMessage

ALL = {"tools": {"listChanged": True}, "resources": {"listChanged": True}, "prompts": {"listChanged": True}}


class Refuse(Exception):
    """Raised by an answer: a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(code, message, data)


class Scripted:
    """Answers each method by its entry in `answers`: a result, or a function of the params, which may be async.

    `received` holds what came, in order. `modern` chooses the era. `ask` sends a request of its own.
    """

    def __init__(self, answers: Mapping[str, Any], *, modern: bool = True, capabilities: Any = ALL) -> None:
        about = {"capabilities": capabilities}
        info = {"name": "scripted", "version": "1"}
        self.answers: dict[str, Any] = {
            "tools/list": {"tools": []},
            "resources/list": {"resources": []},
            "resources/templates/list": {"resourceTemplates": []},
            "prompts/list": {"prompts": []},
            **answers,
        }
        if modern:
            self.answers.setdefault("server/discover", {"supportedVersions": ["2026-07-28"], **about})
        else:
            initialized = {"protocolVersion": "2025-11-25", "serverInfo": info, **about}
            self.answers.setdefault("initialize", initialized)
        self.received: list[dict[str, Any]] = []
        self.connected = 0
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}

    def count(self, method: str) -> int:
        return sum(message.get("method") == method for message in self.received)

    async def send(self, method: str, **params: Any) -> None:
        await self._put({"jsonrpc": "2.0", "method": method, "params": params})

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer to a request of the server's own."""
        id = f"s{len(self._asked)}"
        self._asked[id] = asyncio.get_running_loop().create_future()
        await self._put({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        return await self._asked[id]

    async def hang_up(self) -> None:
        await self._out.aclose()

    async def __aenter__(self) -> Any:
        self.connected += 1
        self._out, reading = anyio.create_memory_object_stream[SessionMessage | Exception](100)
        writing, self._in = anyio.create_memory_object_stream[SessionMessage](100)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._serve)
        return reading, writing

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        self._out.close()
        self._in.close()

    async def _serve(self) -> None:
        async for item in self._in:
            message = item.message.model_dump(by_alias=True, exclude_unset=True)
            self.received.append(message)
            if "method" in message and "id" in message:
                self._tasks.start_soon(self._answer, message)
            elif message.get("id") in self._asked:
                self._asked[message["id"]].set_result(message)

    async def _answer(self, message: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        answer: Any = self.answers.get(message["method"])
        try:
            if answer is None:
                raise Refuse(-32601, "Method not found")
            if callable(answer):
                answer = answer(message.get("params", {}))
            reply["result"] = await answer if inspect.isawaitable(answer) else answer
        except Refuse as refusal:
            reply["error"] = dict(zip(("code", "message", "data"), refusal.args, strict=True))
        await self._put(reply)

    async def _put(self, message: dict[str, Any]) -> None:
        await self._out.send(SessionMessage(t.jsonrpc_message_adapter.validate_python(message)))


def tool(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **members}


def text(value: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}]}
