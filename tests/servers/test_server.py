"""A server's life: its calls and their clocks, what it asks meanwhile and announces, its loss and its return."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mcphost.config.schema import Limits, ServerConfig
from mcphost.errors import ServerLost, ServerRefused, ServerTimeout, ServerUnavailable
from mcphost.events import Noticed, ResourceUpdated, ServerChanged, ServerListChanged, ServerLogged
from mcphost.servers import RequestRefused, Server, ServerPool
from tests.servers.scripted import ALL, Refuse, Scripted, text, tool
from tests.servers.test_edge import connected
from tests.servers.test_pool import Seen, demo, pool, python

PEER = str(Path(__file__).parent / "peers" / "peer.py")
WORK = {"tools/list": {"tools": [tool("work")]}}
FORM = {"message": "Name?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}
SAMPLE = {"messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}], "maxTokens": 9}


@dataclass(eq=False)
class Person:
    """A Caller that answers everything, after `wait` where there is one."""

    wait: Callable[[], Awaitable[None]] | None = None
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    async def sample(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        await self._note(params)
        return {"role": "assistant", "content": {"type": "text", "text": "ok"}, "model": "m"}

    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        await self._note(params)
        return {"action": "accept", "content": {"name": "Ada"}}

    async def _note(self, params: Mapping[str, Any]) -> None:
        self.asked.append(params)
        if self.wait:
            await self.wait()


class Declining(Person):
    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"action": "decline"}


class Refusing(Person):
    async def elicit(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        raise RequestRefused(-32000, "not today")

    async def sample(self, server: str, params: Mapping[str, Any]) -> dict[str, Any]:
        raise RequestRefused(-1, "not today")


def inputs(**requests: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A modern tool that asks for `requests` once and then repeats the answers."""

    def call(params: dict[str, Any]) -> dict[str, Any]:
        if "inputResponses" in params:
            return text(str(params["inputResponses"]))
        return {"resultType": "input_required", "inputRequests": requests, "requestState": "s"}

    return call


def asking(scripted: list[Scripted], method: str, params: dict[str, Any]) -> Callable[..., Awaitable[dict[str, Any]]]:
    """A legacy tool that asks while it runs and repeats the answer."""

    async def call(_: dict[str, Any]) -> dict[str, Any]:
        answer = await scripted[0].ask(method, **params)
        return text(str(answer.get("result", answer.get("error"))))

    return call


def legacy(method: str, params: dict[str, Any]) -> Scripted:
    """A legacy server whose tool `work` asks `method`. Its stream tells nobody whose call it asks for, as on stdio."""
    me: list[Scripted] = []
    me.append(Scripted({**WORK, "tools/call": asking(me, method, params)}, modern=False))
    return me[0]


async def test_a_modern_tool_asks_for_input_and_gets_it_from_its_caller() -> None:
    form = {"method": "elicitation/create", "params": FORM}
    sample = {"method": "sampling/createMessage", "params": SAMPLE}
    person = Person()
    async with connected(Scripted({**WORK, "tools/call": inputs(a=form, b=sample)})) as server:
        found = (await server.call("work", {}, caller=person)).content[0]["text"]
        assert "'name': 'Ada'" in found
        assert "'text': 'ok'" in found
    assert sorted(params.get("mode", "sampling") for params in person.asked) == ["form", "sampling"]


@pytest.mark.parametrize(
    ("method", "params", "answer"),
    [("elicitation/create", FORM, "'name': 'Ada'"), ("sampling/createMessage", SAMPLE, "'text': 'ok'")],
)
async def test_a_legacy_server_asks_its_only_caller(method: str, params: dict[str, Any], answer: str) -> None:
    async with connected(legacy(method, params)) as server:
        assert answer in (await server.call("work", {}, caller=Person())).content[0]["text"]


async def test_addresses_that_a_server_wants_visited_first_are_asked_about_and_the_model_is_told() -> None:
    visit = {"mode": "url", "message": "Sign in", "url": "https://example.org/", "elicitationId": "1"}
    wanted: object = {"elicitations": [{"mode": "form"}, 7, *[visit] * 9]}

    def call(params: dict[str, Any]) -> dict[str, Any]:
        raise Refuse(-32042, "first sign in", wanted)

    async with connected(Scripted({**WORK, "tools/call": call}, modern=False)) as server:
        person = Person()
        with pytest.raises(ServerRefused, match="the user opened it; ask again once they say that they are done there"):
            await server.call("work", {}, caller=person)
        assert person.asked == [visit] * 5
        with pytest.raises(ServerRefused, match="before the call of work: the user did not agree to visit it"):
            await server.call("work", {}, caller=Declining())
        with pytest.raises(ServerRefused, match="that was refused: not today"):
            await server.call("work", {}, caller=Refusing())
        for nothing in ({}, None, {"elicitations": 7}):
            wanted = nothing
            with pytest.raises(ServerRefused, match="first sign in"):
                await server.call("work", {}, caller=person)


async def test_with_several_chats_a_legacy_server_is_told_that_nobody_knows_whose_call_it_means() -> None:
    scripted = legacy("elicitation/create", FORM)
    async with connected(scripted) as server:
        both = await asyncio.gather(*(server.call("work", {}, caller=Person()) for _ in range(2)))
        assert any("several chats" in outcome.content[0]["text"] for outcome in both)


async def test_calls_of_one_caller_at_once_are_no_ambiguity_and_it_is_asked_one_thing_at_a_time() -> None:
    asked, most = 0, 0

    async def wait() -> None:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await asyncio.sleep(0)
        asked -= 1

    person = Person(wait)
    async with connected(legacy("elicitation/create", FORM)) as server:
        await asyncio.gather(*(server.call("work", {}, caller=person) for _ in range(5)))
    assert (len(person.asked), most) == (5, 1)


@pytest.mark.parametrize("modern", [True, False])
async def test_without_a_caller_a_server_gets_no_answer(modern: bool) -> None:
    form = {"method": "elicitation/create", "params": FORM}
    scripted = Scripted({**WORK, "tools/call": inputs(a=form)}) if modern else legacy("elicitation/create", FORM)
    async with connected(scripted) as server:
        if modern:
            with pytest.raises(ServerRefused, match="only during a request that can be asked about"):
                await server.call("work", {})
        else:
            assert "only during a request" in (await server.call("work", {})).content[0]["text"]
            refused = await scripted.ask("elicitation/create", **FORM)
            assert refused["error"]["code"] == -32600


@pytest.mark.parametrize("modern", [True, False])
async def test_a_refusal_reaches_the_server_or_ends_the_call(modern: bool) -> None:
    form = {"method": "elicitation/create", "params": FORM}
    scripted = Scripted({**WORK, "tools/call": inputs(a=form)}) if modern else legacy("elicitation/create", FORM)
    async with connected(scripted) as server:
        if modern:
            with pytest.raises(
                ServerRefused, match="needed an answer for the call of work that was refused: not today"
            ):
                await server.call("work", {}, caller=Refusing())
        else:
            assert "not today" in (await server.call("work", {}, caller=Refusing())).content[0]["text"]


async def test_a_question_ends_with_the_call_that_it_belongs_to() -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with connected(legacy("elicitation/create", FORM)) as server:
        call = asyncio.create_task(server.call("work", {}, caller=Person(wait)))
        await asked.wait()
        call.cancel()
        await ended.wait()
        assert call.cancelled() or not call.done()


async def test_a_flood_of_questions_is_refused_beyond_a_few() -> None:
    me: list[Scripted] = []
    answered = asyncio.Event()

    async def flood(params: dict[str, Any]) -> dict[str, Any]:
        asking = [asyncio.create_task(me[0].ask("elicitation/create", **FORM)) for _ in range(40)]
        while sum(task.done() for task in asking) < 24:
            await asyncio.wait([task for task in asking if not task.done()], return_when=asyncio.FIRST_COMPLETED)
        answered.set()
        answers = await asyncio.gather(*asking)
        return text(str(sum("result" in answer for answer in answers)))

    me.append(Scripted({**WORK, "tools/call": flood}, modern=False))

    async def wait() -> None:
        await answered.wait()

    person = Person(wait)
    async with connected(me[0]) as server:
        assert (await server.call("work", {}, caller=person)).content[0]["text"] == "16"


async def test_sampling_that_is_denied_is_not_declared() -> None:
    async with pool({"demo": demo(sampling="deny")}) as running:
        await running.settled(20)
        server = running.servers["demo"]
        await server.call("add_note", {"title": "a", "text": "b"})
        with pytest.raises(ServerRefused, match="sampling") as caught:
            await server.call("summarize_notes", {}, caller=Person())
        assert caught.value.hint == "it needs sampling, which its entry in the configuration does not allow"


async def test_roots_are_named_where_there_are_any() -> None:
    scripted = Scripted({}, modern=False)
    async with connected(scripted, roots=[Path("/tmp/a b")]):
        answer = await scripted.ask("roots/list")
        assert answer["result"] == {"roots": [{"uri": "file:///tmp/a%20b", "name": "a b"}]}
    capabilities = next(m for m in scripted.received if m["method"] == "initialize")["params"]["capabilities"]
    assert capabilities["roots"] == {}


@pytest.mark.parametrize("modern", [True, False])
async def test_the_clock_stands_still_while_a_person_is_asked(modern: bool) -> None:
    form = {"method": "elicitation/create", "params": FORM}
    scripted = Scripted({**WORK, "tools/call": inputs(a=form)}) if modern else legacy("elicitation/create", FORM)
    limits = Limits(call_idle=0.2, call_total=0.3)
    async with connected(scripted, limits=limits) as server:
        slow = Person(lambda: asyncio.sleep(0.4))
        assert "Ada" in (await server.call("work", {}, caller=slow)).content[0]["text"]


def progressing(steps: int, pause: float) -> Scripted:
    me: list[Scripted] = []

    async def call(params: dict[str, Any]) -> dict[str, Any]:
        for step in range(steps):
            token = params["_meta"]["progressToken"]
            await me[0].send(
                "notifications/progress", progressToken=token, progress=step, total=steps, message=f"{step}"
            )
            await asyncio.sleep(pause)
        return text("done")

    me.append(Scripted({**WORK, "tools/call": call}))
    return me[0]


async def test_progress_pushes_the_idle_limit_back() -> None:
    async with connected(progressing(8, 0.05), limits=Limits(call_idle=0.2)) as server:
        assert (await server.call("work", {})).content[0]["text"] == "done"


async def test_progress_does_not_push_the_total_limit_back() -> None:
    async with connected(progressing(100, 0.05), limits=Limits(call_total=0.4)) as server:
        with pytest.raises(ServerTimeout, match=r"no answer within 0\.4 s \(callMaxSeconds\) to the call of work"):
            await server.call("work", {})
        assert server.state == "ready"


async def test_progress_is_told_ten_times_a_second_at_most_and_the_last_value_wins() -> None:
    seen: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append(done)

    async with connected(progressing(300, 0.001)) as server:
        started = time.monotonic()
        await server.call("work", {}, progress=progress)
        assert 1 <= len(seen) <= (time.monotonic() - started) * 10 + 2
        assert seen == sorted(seen)
        assert seen[-1] == 299, "the last report is told, however soon the answer follows"


async def test_numbers_that_are_none_end_nothing() -> None:
    me: list[Scripted] = []
    seen: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append(done)

    async def call(params: dict[str, Any]) -> dict[str, Any]:
        for odd in (math.nan, math.inf, 10**400, "x", True, None, 1):
            await me[0].send("notifications/progress", progressToken=params["_meta"]["progressToken"], progress=odd)
        await asyncio.sleep(0.05)
        return text("done")

    me.append(Scripted({**WORK, "tools/call": call}))
    async with connected(me[0]) as server:
        assert (await server.call("work", {}, progress=progress)).content[0]["text"] == "done"
    assert seen == [1]


def hanging() -> tuple[Scripted, asyncio.Event]:
    called = asyncio.Event()

    async def call(params: dict[str, Any]) -> dict[str, Any]:
        if params["arguments"].get("quick"):
            return text("done")
        called.set()
        await asyncio.Event().wait()
        return {}

    return Scripted({**WORK, "tools/call": call}), called


async def test_cancelling_the_caller_tells_the_server_and_leaves_it_usable() -> None:
    scripted, called = hanging()
    async with connected(scripted) as server:
        call = asyncio.create_task(server.call("work", {}))
        await called.wait()
        started = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert time.monotonic() - started < 0.2
        assert (await server.call("work", {"quick": True})).content[0]["text"] == "done"
        assert scripted.count("notifications/cancelled") == 1


async def test_cancelling_the_caller_of_a_server_that_stopped_reading_is_quick_too() -> None:
    async with peer() as (server, _):
        stuck = asyncio.create_task(server.call("fault", {"kind": "stop reading"}))
        calls = [asyncio.create_task(server.call("echo", {"text": "x" * 100_000})) for _ in range(5)]
        await asyncio.sleep(0.1)
        started = time.monotonic()
        for call in (stuck, *calls):
            call.cancel()
        await asyncio.gather(stuck, *calls, return_exceptions=True)
        assert time.monotonic() - started < 1.0


@asynccontextmanager
async def peer(*arguments: str, **changes: Any) -> AsyncIterator[tuple[Server, Seen]]:
    seen = Seen()
    config = ServerConfig("peer", command=sys.executable, args=(PEER, *arguments), **changes)
    async with pool({"peer": config}, show=seen) as running:
        assert await running.settled(10)
        yield running.servers["peer"], seen


@pytest.mark.parametrize("era", ["--legacy", "--modern"])
async def test_a_server_that_dies_in_a_call_is_named_and_comes_back(era: str) -> None:
    async with peer(era) as (server, seen):
        with pytest.raises(
            ServerLost, match=r"peer was lost during the call of fault, .*: exited with code 3"
        ) as caught:
            await server.call("fault", {"kind": "die"})
        assert "last words" in str(caught.value)
        assert caught.value.detail == {"server": "peer", "exit_code": 3}
        assert server.tools
        with pytest.raises(ServerUnavailable, match="peer is restarting"):
            await server.call("echo", {"text": "x"})
        await server.ready()
        assert (await server.call("echo", {"text": "back"})).content[0]["text"] == "back"
    assert seen.states("peer") == ["ready", "restarting", "ready", "stopped"]


async def test_a_server_that_dies_while_idle_is_noticed_without_a_call() -> None:
    async with peer() as (server, seen):
        assert server.pid
        os.kill(server.pid, 9)
        await seen.until(lambda: "restarting" in seen.states("peer"))
        assert "SIGKILL" in server.detail


async def test_a_lost_server_says_when_it_starts_again_and_for_which_time() -> None:
    async with peer() as (server, seen):
        assert server.pid
        os.kill(server.pid, 9)
        await seen.until(lambda: "restarting" in seen.states("peer"))
        assert (server.status.attempt, server.status.exit_code) == (1, -9)
        assert server.status.next_start is not None
        assert 0 < server.status.next_start <= 1
        assert server.detail.endswith("attempt 1 in 1 s")
        event = [event for event in seen.events if isinstance(event, ServerChanged)][-1]
        assert (event.attempt, event.exit_code) == (1, -9)
        await server.ready()
        assert [server.status.attempt, server.status.next_start] == [0, None]


async def test_a_lost_server_whose_next_start_fails_is_tried_again(tmp_path: Path) -> None:
    starts = f"import os; log = {str(tmp_path / 'starts')!r}; open(log, 'a').write('.'); n = os.path.getsize(log)\n"
    busy = "if n == 2: sys.exit('database is locked')\nserve(sys.stdin)"
    seen = Seen()
    async with pool({"it": python("it", starts + LEGACY_SERVER + busy)}, show=seen) as running:
        server = running.servers["it"]
        await server.ready()
        assert server.pid
        os.kill(server.pid, 9)
        await seen.until(lambda: "database is locked" in server.detail)
        assert (server.state, server.status.attempt) == ("restarting", 2)
        await server.ready()
        assert server.state == "ready"


async def test_disabling_wins_over_a_pending_restart() -> None:
    async with peer() as (server, seen):
        assert server.pid
        os.kill(server.pid, 9)
        await seen.until(lambda: "restarting" in seen.states("peer"))
        server.disable()
        assert (server.state, server.tools) == ("disabled", ())
        with pytest.raises(ServerUnavailable, match="peer is disabled: by hand"):
            await server.call("echo", {"text": "x"})
        await asyncio.sleep(1.2)  # longer than the restart would have waited
        assert server.state == "disabled"
        server.enable()
        await server.ready()
        assert (await server.call("echo", {"text": "back"})).content[0]["text"] == "back"
    assert seen.states("peer") == ["ready", "restarting", "disabled", "pending", "ready", "stopped"]


async def test_disabling_wins_over_a_start_that_is_under_way() -> None:
    async def slow(params: dict[str, Any]) -> dict[str, Any]:
        listing.set()
        await asyncio.sleep(0.05)
        return {"tools": [tool("work")]}

    listing = asyncio.Event()
    seen = Seen()
    async with pool({}, live={"it": Scripted({"tools/list": slow})}, show=seen) as running:
        await listing.wait()
        running.servers["it"].disable()
        await asyncio.sleep(0.2)
        assert running.servers["it"].state == "disabled"
    assert seen.states("it") == ["disabled"]


async def test_a_server_is_restarted_by_hand_whatever_state_it_is_in() -> None:
    async with peer() as (server, _):
        first = server.pid
        call = asyncio.create_task(server.call("fault", {"kind": "stop reading"}))
        await asyncio.sleep(0.1)
        server.restart()
        assert [server.state] == ["restarting"]
        with pytest.raises(ServerLost, match="may or may not have run"):
            await call
        await server.ready()
        assert server.pid != first
        server.disable()
        server.restart()
        await server.ready()
        assert [server.state, server.detail] == ["ready", ""]


async def test_a_server_that_gave_up_tries_again_when_told() -> None:
    refusing = True

    def listing(params: dict[str, Any]) -> dict[str, Any]:
        if refusing:
            raise Refuse(-32603, "not yet")
        return {"tools": [tool("work")]}

    async with pool({}, live={"it": Scripted({"tools/list": listing})}) as running:
        server = running.servers["it"]
        await server.ready()
        assert [server.state, "not yet" in server.detail] == ["failed", True]
        refusing = False
        server.restart()
        await server.ready()
        assert server.state == "ready"


async def test_the_last_call_tells_the_latency() -> None:
    async with connected(Scripted({**WORK, "tools/call": text("ok")})) as server:
        assert [server.latency] == [None]
        await server.call("work", {})
        assert server.latency is not None
        assert 0 < server.latency < 5


async def test_a_connection_that_closes_is_opened_again() -> None:
    scripted, seen = Scripted(WORK), Seen()
    async with connected(scripted, show=seen) as server:
        assert server.tools
        await scripted.hang_up()
        await seen.until(lambda: server.state == "restarting")
        await server.ready()
        assert (server.state, scripted.connected) == ("ready", 2)


LEGACY_SERVER = """
import json, sys
def serve(messages):
    for line in messages:
        m = json.loads(line)
        if m.get("method") == "initialize":
            info = {"name": "x", "version": "1"}
            r = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        elif m.get("method") == "tools/list":
            r = {"tools": [{"name": "work", "inputSchema": {"type": "object"}}]}
        elif "id" in m and m.get("method") != "server/discover":
            r = {}
        else:
            continue
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
"""


@pytest.mark.parametrize(
    "behaviour",
    [
        'first = sys.stdin.readline()\nif "discover" in first: sys.exit("what?")\nserve([first]); serve(sys.stdin)',
        "serve(sys.stdin)",
        'print(\'{"jsonrpc": "2.0", "method": "notifications/message", "params": {}}\', flush=True)\nserve(sys.stdin)',
        'first = sys.stdin.readline()\nif "discover" in first: sys.stdin.read()\nserve([first]); serve(sys.stdin)',
    ],
    ids=["dies", "is silent", "only logs", "goes deaf"],
)
async def test_a_server_that_cannot_stand_the_probe_is_met_with_initialize(behaviour: str) -> None:
    config = python("old", LEGACY_SERVER + behaviour)
    async with pool({"old": config}, limits=Limits(probe=0.2, connect=2)) as running:
        assert await running.settled(10)
        server = running.servers["old"]
        assert (server.state, server.era, len(server.tools)) == ("ready", "legacy", 1)


async def test_a_server_that_is_deaf_after_the_probe_and_slow_to_end_is_met_with_initialize_all_the_same() -> None:
    deaf = 'import time\nfirst = sys.stdin.readline()\nif "discover" in first: time.sleep(60)\n'
    config = python("old", LEGACY_SERVER + deaf + "serve([first]); serve(sys.stdin)")
    async with pool({"old": config}, limits=Limits(probe=0.1, connect=2)) as running:
        assert await running.settled(10)
        assert (running.servers["old"].state, running.servers["old"].era) == ("ready", "legacy")


async def test_a_server_that_starts_slowly_is_not_started_twice() -> None:
    config = python("slow", "import time; time.sleep(0.4); from mcphost.demo.server import main; main()")
    seen = Seen()
    async with pool({"slow": config}, limits=Limits(probe=0.2), show=seen) as running:
        assert await running.settled(20)
        server = running.servers["slow"]
        assert server.state == "ready", server.detail
        assert (await server.call("add", {"a": 1, "b": 2})).content[0]["text"] == "3"


async def test_a_silent_server_fails_at_its_limit_and_says_so() -> None:
    config = python("mute", "import sys; sys.stdin.read()")
    async with pool({"mute": config}, limits=Limits(connect=0.5, probe=0.1)) as running:
        assert await running.settled(5)
        detail = running.servers["mute"].detail
        assert detail == "mute did not answer the handshake in time, 0.5 s (connectTimeoutSeconds)"


@pytest.mark.parametrize("modern", [True, False])
async def test_an_announced_change_is_listed_once_and_the_revision_grows(modern: bool) -> None:
    seen = Seen()
    acknowledged: list[Any] = []
    me: list[Scripted] = []

    async def listen(params: dict[str, Any]) -> dict[str, Any]:
        acknowledged.append(params["notifications"])
        id = next(m["id"] for m in me[0].received if m["method"] == "subscriptions/listen")
        meta = {"io.modelcontextprotocol/subscriptionId": id}
        await me[0].send("notifications/subscriptions/acknowledged", notifications=params["notifications"], _meta=meta)
        await asyncio.Event().wait()
        return {}

    me.append(Scripted({**WORK, "subscriptions/listen": listen}, modern=modern))
    async with connected(me[0], show=seen) as server:
        before, listed = server.revision, me[0].count("tools/list")
        me[0].answers["tools/list"] = {"tools": [tool("work"), tool("more")]}
        for _ in range(50):
            await me[0].send("notifications/tools/list_changed")
        await seen.until(lambda: server.revision > before)
        assert [found["name"] for found in server.tools] == ["work", "more"]
        assert me[0].count("tools/list") == listed + 1
        assert not modern or acknowledged == [dict.fromkeys(acknowledged[0], True)]
        await me[0].send("notifications/resources/updated", uri="a:b")
    changes = [event for event in seen.events if isinstance(event, ServerListChanged)]
    assert changes == [ServerListChanged(server="it", kind="tools")]
    assert ResourceUpdated(server="it", uri="a:b") in seen.events


async def test_a_change_announced_during_the_first_listing_is_not_lost() -> None:
    seen = Seen()
    me: list[Scripted] = []

    async def changes_meanwhile(params: dict[str, Any]) -> dict[str, Any]:
        me[0].answers["tools/list"] = {"tools": [tool("work"), tool("more")]}
        await me[0].send("notifications/tools/list_changed")
        return {"tools": [tool("work")]}

    me.append(Scripted({**WORK, "tools/list": changes_meanwhile}, modern=False))
    async with connected(me[0], show=seen) as server:
        await seen.until(lambda: len(server.tools) == 2)


async def test_logs_are_events_made_safe() -> None:
    seen = Seen()
    scripted = Scripted({}, modern=False)
    async with connected(scripted, show=seen):
        await scripted.send("notifications/message", level="warning", logger="a\nb", data="x\x1b[2J")
        await scripted.send("notifications/message", level="info", data={"n": [1]})
        await scripted.ask("ping")
    logs = [event for event in seen.events if isinstance(event, ServerLogged)]
    assert logs == [
        ServerLogged(server="it", level="warning", logger="a b", text="x\ufffd[2J"),
        ServerLogged(server="it", level="info", text='{"n": [1]}'),
    ]


async def test_a_flood_of_notifications_keeps_nobody_waiting() -> None:
    async with peer() as (server, seen):
        started = time.monotonic()
        await server.call("fault", {"kind": "change flood"})
        await server.call("fault", {"kind": "log flood"})
        took = time.monotonic() - started
        assert took < 8
    logs = [event for event in seen.events if isinstance(event, ServerLogged)]
    assert len(logs) <= 2000 + 500 * (took + 0.5)  # what may come at once, and then each second


async def test_output_that_is_no_message_is_said_once() -> None:
    async with peer() as (server, seen):
        for _ in range(3):
            await server.call("fault", {"kind": "stray"})
    notices = [event.text for event in seen.events if isinstance(event, Noticed)]
    assert len(notices) == 1
    assert notices[0].startswith("peer writes to its standard output what is no MCP message")


async def test_prompts_resources_and_completions_of_the_demo_server() -> None:
    async with pool({"demo": demo(), "old": demo("old", protocol="legacy")}) as running:
        assert await running.settled(20)
        for server in running.servers.values():
            (resource,) = await server.read(server.resources[0]["uri"])
            assert resource["uri"] == server.resources[0]["uri"]
            prompt = server.prompts[0]
            arguments = {item["name"]: "1" for item in prompt.get("arguments", [])}
            assert (await server.get_prompt(prompt["name"], arguments))[0]["role"] in ("user", "assistant")


async def test_what_a_library_user_built_is_served_too() -> None:
    pool_of_one = ServerPool(
        {}, limits=Limits(), environ={}, show=Seen(), live={"it": Scripted(WORK, capabilities=ALL)}
    )
    async with pool_of_one as running:
        await running.servers["it"].ready()
        assert running.servers["it"].transport == "live"


async def test_a_tool_error_is_an_outcome() -> None:
    async with connected(Scripted({**WORK, "tools/call": {**text("boom"), "isError": True}})) as server:
        assert (await server.call("work", {})).is_error


async def test_a_json_rpc_error_is_a_refusal_with_its_code() -> None:
    def refuse(params: dict[str, Any]) -> dict[str, Any]:
        raise Refuse(-32000, "SSE is a word")

    async with connected(Scripted({**WORK, "tools/call": refuse})) as server:
        with pytest.raises(ServerRefused, match=r"it refused the call of work: SSE is a word \(code -32000\)"):
            await server.call("work", {})
