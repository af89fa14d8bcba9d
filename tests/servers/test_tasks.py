"""Calls that run as tasks, of both kinds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from mcphost.config.schema import Limits
from mcphost.errors import ServerError, ServerRefused, ServerTimeout
from tests.real.pooled import Person, Steps
from tests.servers.scripted import Refuse, Scripted, text, tool
from tests.servers.test_edge import connected

FORM = {
    "method": "elicitation/create",
    "params": {
        "mode": "form",
        "message": "Which?",
        "requestedSchema": {"type": "object", "properties": {"which": {"type": "string"}}},
    },
}
LEGACY: dict[str, Any] = {"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}, "cancel": {}}}


def handle(status: str = "working", **members: Any) -> dict[str, Any]:
    return {"taskId": "t1", "status": status, "createdAt": "2026-01-01T00:00:00Z", "ttlMs": None, **members}


def extension(*states: dict[str, Any], **answers: Any) -> Scripted:
    """A modern server whose tool becomes a task that goes through `states`, the last of which stays."""
    left = list(states)

    def get(params: dict[str, Any]) -> dict[str, Any]:
        assert params["taskId"] == "t1"
        return {"resultType": "complete", **(left.pop(0) if len(left) > 1 else left[0])}

    started = {"resultType": "task", **handle(pollIntervalMs=1)}
    return Scripted(
        {
            "tools/list": {"tools": [tool("work")]},
            "tools/call": started,
            "tasks/get": get,
            "tasks/update": {},
            "tasks/cancel": {},
            **answers,
        }
    )


def core(*states: dict[str, Any], result: Any, required: str = "required", capabilities: Any = LEGACY) -> Scripted:
    """A legacy server whose tool runs as a task only."""
    left = list(states)
    return Scripted(
        {
            "tools/list": {"tools": [tool("work", execution={"taskSupport": required})]},
            "tools/call": lambda params: {"task": handle(pollInterval=1)} if "task" in params else text("directly"),
            "tasks/get": lambda params: left.pop(0) if len(left) > 1 else left[0],
            "tasks/result": result,
            "tasks/cancel": handle("cancelled"),
        },
        modern=False,
        capabilities=capabilities,
    )


async def test_a_modern_server_may_make_a_task_of_a_call_and_is_asked_until_it_is_done() -> None:
    block = {"type": "text", "text": "report", "x-own": [1]}
    done = handle("completed", result={"content": [block], "structuredContent": {"n": 1}})
    peer = extension(handle(statusMessage="reading"), handle(statusMessage="writing"), done)
    steps = Steps()
    async with connected(peer) as server:
        outcome = await server.call("work", {"topic": "x"}, progress=steps)
    assert (outcome.content, outcome.structured, outcome.is_error) == ((block,), {"n": 1}, False)
    assert [message for _, _, message in steps.reports] == ["reading", "writing"]
    meta = next(message for message in peer.received if message.get("method") == "tools/call")["params"]["_meta"]
    declared = meta["io.modelcontextprotocol/clientCapabilities"]
    assert declared["extensions"] == {"io.modelcontextprotocol/tasks": {}}
    assert peer.count("tasks/cancel") == 0


async def test_a_task_is_asked_no_more_often_than_its_server_wants() -> None:
    peer = extension(handle(pollIntervalMs=150), handle(pollIntervalMs=150), handle("completed", result=text("ok")))
    async with connected(peer) as server:
        started = time.monotonic()
        await server.call("work", {})
    assert time.monotonic() - started >= 0.3
    assert peer.count("tasks/get") == 3


@pytest.mark.parametrize("interval", [10**12, 10**400, 0, -5000, True, "soon", None])
async def test_a_task_is_asked_while_its_call_lasts_whatever_interval_it_names(interval: object) -> None:
    peer = extension(handle(pollIntervalMs=interval), handle("completed", result=text("ok")))
    async with connected(peer, limits=Limits(call_idle=0.4)) as server:
        assert (await server.call("work", {})).content[0]["text"] == "ok"
    assert peer.count("tasks/cancel") == 0


async def test_what_a_task_asks_for_is_answered_once_by_the_callers_own_person() -> None:
    wanted = handle("input_required", inputRequests={"k": FORM})
    peer = extension(wanted, wanted, handle("completed", result=text("snake")))
    person = Person({"which": "snake"})
    async with connected(peer) as server:
        outcome = await server.call("work", {}, caller=person)
    assert outcome.content[0]["text"] == "snake"
    assert len(person.asked) == 1
    (update,) = [message["params"] for message in peer.received if message.get("method") == "tasks/update"]
    assert update["inputResponses"] == {"k": {"action": "accept", "content": {"which": "snake"}}}


async def test_a_task_whose_question_is_refused_ends_and_is_cancelled() -> None:
    sampling = {
        "method": "sampling/createMessage",
        "params": {"messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}], "maxTokens": 5},
    }
    peer = extension(handle("input_required", inputRequests={"k": sampling}))
    async with connected(peer) as server:
        with pytest.raises(ServerRefused, match="the user said no"):
            await server.call("work", {}, caller=Person(refuses=True))
    assert peer.count("tasks/cancel") == 1


async def test_a_task_that_never_stops_asking_is_given_up() -> None:
    rounds = iter(range(1000))
    peer = extension(handle())
    peer.answers["tasks/get"] = lambda params: handle("input_required", inputRequests={str(next(rounds)): FORM})
    async with connected(peer) as server:
        with pytest.raises(ServerError, match="kept asking for more input"):
            await server.call("work", {}, caller=Person({"which": "x"}))


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (handle("failed", error={"code": -32603, "message": "out of paper"}), "task failed: out of paper"),
        (handle("cancelled", statusMessage="night shift"), "cancelled there: night shift"),
        (handle("dreaming"), "unknown state 'dreaming'"),
        (handle("completed"), "without a result"),
    ],
)
async def test_a_task_that_ends_badly_says_why(state: dict[str, Any], says: str) -> None:
    peer = extension(state)
    async with connected(peer) as server:
        with pytest.raises(ServerError, match=says):
            await server.call("work", {})
    assert peer.count("tasks/cancel") == 0


async def test_a_task_without_an_id_is_an_invalid_answer() -> None:
    peer = extension(handle(), **{"tools/call": {"resultType": "task", "status": "working"}})
    async with connected(peer) as server:
        with pytest.raises(ServerError, match="gave it no id"):
            await server.call("work", {})


@pytest.mark.parametrize("make", [lambda: extension(handle()), lambda: core(handle(), result={})])
async def test_cancelling_a_call_cancels_its_task(make: Callable[[], Scripted]) -> None:
    peer = make()
    asked = asyncio.Event()

    def state(params: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        return handle()

    peer.answers["tasks/get"] = state
    async with connected(peer) as server:
        call = asyncio.create_task(server.call("work", {}))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert peer.count("tasks/cancel") == 1


async def test_the_limit_of_a_call_holds_for_its_task_which_is_cancelled() -> None:
    peer = extension(handle(pollIntervalMs=20))
    async with connected(peer, limits=Limits(call_total=0.2)) as server:
        with pytest.raises(ServerTimeout, match=r"0\.2 s"):
            await server.call("work", {})
    assert peer.count("tasks/cancel") == 1


async def test_a_legacy_tool_that_requires_a_task_runs_as_one() -> None:
    peer = core(handle(statusMessage="reading"), handle("completed"), result=text("report"))
    steps = Steps()
    async with connected(peer) as server:
        outcome = await server.call("work", {}, progress=steps)
    assert outcome.content[0]["text"] == "report"
    assert [message for _, _, message in steps.reports] == ["reading"]
    (call,) = [message["params"] for message in peer.received if message.get("method") == "tools/call"]
    assert call["task"] == {"ttl": 600_000}
    (hello,) = [message["params"] for message in peer.received if message.get("method") == "initialize"]
    assert "extensions" not in hello["capabilities"]


async def test_a_legacy_task_puts_its_questions_while_its_result_is_waited_for() -> None:
    async def result(params: dict[str, Any]) -> dict[str, Any]:
        answer = await peer.ask("elicitation/create", **FORM["params"])  # type: ignore[arg-type]
        return text(answer["result"]["content"]["which"])

    peer = core(handle("input_required"), handle(), result=result)
    async with connected(peer) as server:
        outcome = await server.call("work", {}, caller=Person({"which": "comedy"}))
    assert outcome.content[0]["text"] == "comedy"


async def test_the_result_of_a_legacy_task_that_failed_is_the_tools_own() -> None:
    peer = core(handle("failed"), result={**text("out of paper"), "isError": True})
    async with connected(peer) as server:
        assert (await server.call("work", {})).is_error


async def test_a_legacy_task_that_is_gone_is_a_refusal() -> None:
    def gone(params: dict[str, Any]) -> dict[str, Any]:
        raise Refuse(-32602, "no such task")

    peer = core(handle("completed"), result=gone)
    async with connected(peer) as server:
        with pytest.raises(ServerRefused, match="no such task"):
            await server.call("work", {})


@pytest.mark.parametrize(
    ("required", "capabilities"), [("optional", LEGACY), ("forbidden", LEGACY), ("required", {"tools": {}})]
)
async def test_other_legacy_tools_are_called_as_ever(required: str, capabilities: Any) -> None:
    peer = core(handle(), result={}, required=required, capabilities=capabilities)
    async with connected(peer) as server:
        assert (await server.call("work", {})).content[0]["text"] == "directly"
