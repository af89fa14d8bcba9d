"""Tool calls that run as tasks: the server answers at once with a handle and is asked how it goes until it is done.

There are two kinds: the core tasks of 2025-11-25, asked for where a tool requires them, and the extension of SEP-2663,
where the server decides. Law: a task does not outlive its call; however that ends, the server is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import mcp_types as t
from mcp import Client
from mcp.client import ClientRequestContext, ClientSession
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter

from mcphost.servers.adapter.edge import CANCEL_SECONDS, wire
from mcphost.servers.adapter.errors import local_error
from mcphost.servers.clock import Clock, ProgressReports
from mcphost.text import one_line

EXTENSION = "io.modelcontextprotocol/tasks"
POLL = 1.0  # seconds between two questions where the server names no interval
MIN_POLL = 0.05
ROUNDS = 10  # how often one task may ask for input

_input_request: TypeAdapter[t.InputRequest] = TypeAdapter(t.InputRequest)


class _Call(t.Request[dict[str, Any], str]):
    """Any method, with params as they are."""


class _TaskCall(_Call):
    name_param = "taskId"


def requires_task(tool: Mapping[str, Any]) -> bool:
    """Whether a listed tool of the legacy era may only be called as a task."""
    execution = tool.get("execution")
    return isinstance(execution, dict) and execution.get("taskSupport") == "required"


def runs_tasks(client: Client) -> bool:
    """Whether a legacy server declares tool calls as tasks."""
    declared = client.server_capabilities.tasks
    requests = declared.requests if declared else None
    return bool(requests and requests.tools and requests.tools.call)


async def call(client: Client, tool: str, arguments: dict[str, Any], clock: Clock, reports: ProgressReports) -> Any:
    """Call a tool of a modern server, which may make a task of it; the wire JSON of the tool's result."""
    answer = wire(await client.call_tool(tool, arguments, progress_callback=reports))
    if answer.get("resultType") != "task":
        return answer
    task = _Task(client.session, answer, clock, reports)
    return await task.run(task.extension)


async def call_as_task(
    client: Client, tool: str, arguments: dict[str, Any], clock: Clock, reports: ProgressReports
) -> Any:
    """Call a tool of a legacy server as a task; the wire JSON of the tool's result."""
    params = {"name": tool, "arguments": arguments, "task": {"ttl": round(clock.total * 1000)}}
    request = _Call(method="tools/call", params=params)
    answer = wire(await client.session.send_request(request, t.Result, progress_callback=reports))
    task = _Task(client.session, answer.get("task"), clock, reports)
    return await task.run(task.core)


class _Task:
    """One task, from its handle on. Raises what the SDK raises: MCPError, also for what we say in the peer's place."""

    def __init__(self, session: ClientSession, handle: Any, clock: Clock, reports: ProgressReports) -> None:
        self._session = session
        self._clock = clock
        self._reports = reports
        self._state: Mapping[str, Any] = handle if isinstance(handle, dict) else {}
        self._id = self._state.get("taskId")
        self._interval: Any = None
        self._said: Any = None
        self._told = 0
        self._answered: set[str] = set()
        self._rounds = 0
        self._over = False

    async def run(self, finish: Callable[[], Awaitable[Any]]) -> Any:
        if not isinstance(self._id, str):
            raise _fault("it started a task and gave it no id")
        try:
            return await finish()
        finally:
            if not self._over:
                await self._cancel()

    async def extension(self) -> Any:
        """The result of a task of SEP-2663."""
        while True:
            match await self._status():
                case "completed":
                    return self._checked(self._state.get("result"))
                case "failed":
                    raise _fault(f"its task failed{self._why()}")
                case "input_required":
                    await self._answer(self._state.get("inputRequests"))
            await self._refresh()

    async def core(self) -> Any:
        """The result of a task of 2025-11-25. Asked for early, it has the server put its questions meanwhile."""
        while await self._status() == "working":
            await self._refresh()
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._watch)
            result = self._checked(await self._ask("tasks/result"))
            watching.cancel_scope.cancel()
        return result

    async def _watch(self) -> None:
        while await self._status() in ("working", "input_required"):
            await self._refresh()

    async def _status(self) -> str:
        """The state it was last said to be in: "working", "input_required", "completed" or "failed".

        What the server said with it is shown as progress.

        Raises:
            MCPError: it will have no result.
        """
        status, said = self._state.get("status"), self._state.get("statusMessage")
        self._clock.touch()
        self._interval = self._state.get("pollIntervalMs", self._state.get("pollInterval", self._interval))
        if isinstance(said, str) and said != self._said:
            self._said, self._told = said, self._told + 1
            await self._reports(float(self._told), None, one_line(said, 300))
        if status not in ("working", "input_required"):
            self._over = True
        if status == "cancelled":
            raise _fault(f"its task was cancelled there{self._why()}")
        if status not in ("working", "input_required", "completed", "failed"):
            raise _fault(f"its task is in the unknown state {one_line(str(status), 60)!r}")
        return str(status)

    def _why(self) -> str:
        error = self._state.get("error")
        said = error.get("message") if isinstance(error, dict) else self._said
        return f": {one_line(said, 500)}" if isinstance(said, str) and said else ""

    def _checked(self, result: Any) -> Any:
        if not isinstance(result, dict):
            raise _fault("its task was completed without a result")
        return result

    async def _refresh(self) -> None:
        await anyio.sleep(self._pause())
        self._state = await self._ask("tasks/get")

    def _pause(self) -> float:
        """Seconds until it is asked again: as it wishes, but not so long that its call would pass for idle."""
        wish = self._interval if isinstance(self._interval, int | float) else POLL * 1000
        return max(MIN_POLL, min(self._clock.idle / 2 * 1000, wish) / 1000)

    async def _answer(self, wanted: Any) -> None:
        """Answer what a task of the extension asks for, each question once, through the callbacks of any call."""
        asked = wanted if isinstance(wanted, dict) else {}
        new = {key: wish for key, wish in asked.items() if key not in self._answered}
        if not new:
            return
        self._rounds += 1
        if self._rounds > ROUNDS:
            raise _fault(f"its task kept asking for more input, {ROUNDS} times")
        answers = {}
        for key, wish in new.items():
            context = ClientRequestContext(session=self._session, request_id=key)
            request = _input_request.validate_python(wish, by_name=False)
            answer = await self._session.dispatch_input_request(context, request)
            if isinstance(answer, t.ErrorData):
                raise MCPError.from_error_data(answer)
            answers[key] = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
        self._answered |= new.keys()
        await self._ask("tasks/update", inputResponses=answers)

    async def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        request = _TaskCall(method=method, params={"taskId": self._id, **params})
        return wire(await self._session.send_request(request, t.Result))

    async def _cancel(self) -> None:
        with anyio.move_on_after(CANCEL_SECONDS, shield=True):
            try:
                await self._ask("tasks/cancel")
            except MCPError:  # it ended meanwhile, or the connection did
                pass


def _fault(message: str) -> MCPError:
    return MCPError.from_error_data(local_error("invalid", message))
