"""Interrupted runs go on: what was answered is not asked again, what ran is not repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from mcphost.config.schema import Config, Rule
from mcphost.errors import ModelBusy, UsageError
from mcphost.events import Noticed
from mcphost.host import Host
from mcphost.journal import Effect, Journal, MemoryJournal, Record, Run
from mcphost.journal.sqlite import SqliteJournal
from mcphost.messages import AssistantMessage, Text, ToolCall, ToolResult, Usage, UserMessage, text_block
from mcphost.questions import UnknownOutcome
from mcphost.testing import ScriptedFrontend, ScriptedModel
from mcphost.tools import LocalTool

ALLOW_ALL = Config(rules=(Rule("local", "*", "allow"),))


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    made: AbstractContextManager[Journal] = (
        nullcontext(MemoryJournal()) if request.param == "memory" else SqliteJournal(tmp_path / "j.db")
    )
    with made as journal:
        yield journal


def host(
    model: ScriptedModel,
    journal: Journal,
    *tools: Callable[..., Any] | LocalTool,
    frontend: ScriptedFrontend | None = None,
) -> Host:
    return Host(ALLOW_ALL, model=model, tools=tools, journal=journal, frontend=frontend, environ={})


def call(id: str, name: str = "touch") -> ToolCall:
    return ToolCall(id, f"local__{name}", {}, "{}")


def wishes(*ids: str) -> AssistantMessage:
    return AssistantMessage((Text("on it"), *map(call, ids)), "tools", Usage(10, 5))


def done(id: str) -> ToolResult:
    return ToolResult(id, (text_block(f"{id} is done"),))


async def killed(journal: Journal, *results: str, under_way: str | None = None, safe: bool = False) -> Record:
    """The record of a run that was killed when of the calls k1, k2 and k3 `results` had their results."""
    await journal.begin(Run("r1", "c1", "scripted/model", "", (), (UserMessage((text_block("go"),)),)))
    await journal.intent(Effect("e0", "r1", "model"))
    await journal.outcome("e0", wishes("k1", "k2", "k3"))
    for id in results:
        await journal.intent(Effect(f"e-{id}", "r1", "tool", call=call(id)))
        await journal.outcome(f"e-{id}", done(id))
    if under_way:
        await journal.intent(Effect(f"e-{under_way}", "r1", "tool", call=call(under_way), safe=safe))
    return await journal.fold("r1")


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def touch(self) -> str:
        """Touch it."""
        self.calls += 1
        return "touched"


def texts(model: ScriptedModel) -> list[str]:
    """What the model was told of its calls, in order."""
    [request] = model.requests
    return [
        block.get("text", "")
        for message in request.messages
        if isinstance(message, ToolResult)
        for block in message.content
    ]


async def test_calls_that_ended_are_not_repeated_and_those_never_started_run(journal: Journal) -> None:
    record = await killed(journal, "k2")
    counter, model = Counter(), ScriptedModel(["all done"])
    async with host(model, journal, counter.touch) as running:
        chat = running.chat(resume=record, model=model)
        reply = await chat.resume()
    assert counter.calls == 2
    assert texts(model) == ["touched", "k2 is done", "touched"]
    assert (reply.text, reply.stop, reply.steps, reply.usage) == ("all done", "answered", 2, Usage(10, 5))
    after = await journal.fold("r1")
    assert (after.stop, after.pending) == ("answered", ())
    assert chat.conversation is not None
    assert after.messages == tuple(chat.conversation.messages)


async def test_a_call_under_way_is_not_repeated_and_the_model_and_the_person_are_told(journal: Journal) -> None:
    record = await killed(journal, "k1", "k2", under_way="k3")
    counter, model, frontend = Counter(), ScriptedModel(["I shall look"]), ScriptedFrontend()
    async with host(model, journal, counter.touch, frontend=frontend) as running:
        reply = await running.chat(resume=record, model=model).resume(on_unknown="fail")
    assert counter.calls == 0
    assert "may or may not have taken effect" in texts(model)[2]
    assert reply.calls[0].result.is_error
    assert any("may or may not" in event.text for event in frontend.of(Noticed) if event.level == "warning")
    assert (await journal.fold("r1")).pending == ()


async def test_a_call_under_way_runs_again_where_that_was_asked_for(journal: Journal) -> None:
    record = await killed(journal, "k1", "k2", under_way="k3")
    counter, model = Counter(), ScriptedModel(["done"])
    async with host(model, journal, counter.touch) as running:
        await running.chat(resume=record, model=model).resume(on_unknown="retry")
    assert counter.calls == 1
    assert (await journal.fold("r1")).pending == ()


async def test_a_call_that_may_be_repeated_runs_again_unasked(journal: Journal) -> None:
    record = await killed(journal, "k1", "k2", under_way="k3", safe=True)
    counter, model = Counter(), ScriptedModel(["done"])
    async with host(model, journal, counter.touch) as running:
        await running.chat(resume=record, model=model).resume(on_unknown="fail")
    assert counter.calls == 1


@pytest.mark.parametrize(("answer", "calls"), [("retry", 1), ("fail", 0)])
async def test_a_person_may_be_asked_about_a_call_under_way(journal: Journal, answer: str, calls: int) -> None:
    record = await killed(journal, "k1", "k2", under_way="k3")
    counter, model, frontend = Counter(), ScriptedModel(["done"]), ScriptedFrontend({UnknownOutcome: answer})
    async with host(model, journal, counter.touch, frontend=frontend) as running:
        await running.chat(resume=record, model=model).resume(on_unknown="ask")
    assert counter.calls == calls
    assert frontend.questions == [UnknownOutcome("k3", "local__touch", {})]


async def test_an_answer_that_was_recorded_is_given_again_without_a_request(journal: Journal) -> None:
    await killed(journal, "k1", "k2", "k3")
    await journal.intent(Effect("e9", "r1", "model"))
    await journal.outcome("e9", AssistantMessage((Text("the answer"),), "end"))
    model = ScriptedModel([])
    async with host(model, journal) as running:
        reply = await running.chat(resume=await journal.fold("r1"), model=model).resume()
    assert (reply.text, reply.stop, model.requests) == ("the answer", "answered", [])


async def test_a_turn_that_failed_is_asked_again_when_it_goes_on(journal: Journal) -> None:
    model = ScriptedModel([ModelBusy("overloaded"), "here again"])
    async with host(model, journal) as running:
        chat = running.chat()
        with pytest.raises(ModelBusy):
            await chat.send("hello?")
        assert chat.conversation is not None
        assert chat.conversation.run is not None
        record = await journal.fold(chat.conversation.run)
        assert record.stop == "failed"
        assert (await running.chat(resume=record, model=model).resume()).text == "here again"


async def test_a_new_message_in_an_interrupted_chat_settles_what_was_open(journal: Journal) -> None:
    record = await killed(journal, "k2", under_way="k1")
    counter, model = Counter(), ScriptedModel(["what else?"])
    async with host(model, journal, counter.touch) as running:
        chat = running.chat(resume=record, model=model)
        await chat.send("never mind")
        assert counter.calls == 0
        [first, second, third] = texts(model)
        assert second == "k2 is done"
        assert "may or may not" in first
        assert "interrupted before" in third
        assert (await journal.fold("r1")).pending == ()
        assert chat.conversation is not None
        assert chat.conversation.run is not None
        assert (await journal.fold(chat.conversation.run)).messages == tuple(chat.conversation.messages)
        with pytest.raises(UsageError):
            await chat.resume()


async def test_a_chat_goes_on_over_several_turns_and_processes(journal: Journal) -> None:
    first = ScriptedModel(["one", "two"])
    async with host(first, journal) as running:
        chat = running.chat()
        await chat.send("1")
        await chat.send("2")
    assert chat.conversation is not None
    assert chat.conversation.run is not None
    second = ScriptedModel(["three"])
    async with host(second, journal) as running:
        again = running.chat(resume=await journal.fold(chat.conversation.run), model=second)
        assert again.id == chat.id
        await again.send("3")
    [request] = second.requests
    assert [message.text for message in request.messages if isinstance(message, AssistantMessage)] == ["one", "two"]


async def test_a_resumed_turn_that_is_cancelled_leaves_a_result_for_every_call(journal: Journal) -> None:
    began = asyncio.Event()

    async def touch() -> str:
        began.set()
        await asyncio.Event().wait()
        return "never"

    record = await killed(journal, "k3")
    model = ScriptedModel([])
    async with host(model, journal, touch) as running:
        chat = running.chat(resume=record, model=model)
        task = asyncio.ensure_future(chat.resume())
        await began.wait()
        chat.cancel()
        assert (await task).stop == "cancelled"
    after = await journal.fold("r1")
    assert [message.call_id for message in after.messages if isinstance(message, ToolResult)] == ["k1", "k2", "k3"]
    assert (after.stop, after.pending) == ("cancelled", ())
