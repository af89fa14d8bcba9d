"""The loop through its public door: a Host with Python functions as tools and a scripted model."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from mcphost import events
from mcphost.agent import Reply
from mcphost.config.schema import Config, Limits, Rule
from mcphost.errors import Busy, ModelBusy
from mcphost.host import Host
from mcphost.journal import MemoryJournal
from mcphost.messages import AssistantMessage, Text, ToolCall, ToolResult, ToolsChanged, UserMessage
from mcphost.questions import Approval, Further, StepLimit, ToolApproval
from mcphost.testing import ScriptedFrontend, ScriptedModel

ALLOW_ALL = (Rule("local", "*", "allow"),)


def call(name: str, arguments: dict[str, Any] | None, id: str = "c1") -> ToolCall:
    return ToolCall(id, f"local__{name}", arguments, str(arguments))


def host(
    model: ScriptedModel,
    *tools: Callable[..., Any],
    rules: Sequence[Rule] = ALLOW_ALL,
    frontend: ScriptedFrontend | None = None,
    limits: Limits | None = None,
    journal: MemoryJournal | None = None,
) -> Host:
    config = Config(rules=tuple(rules), limits=limits or Limits())
    return Host(config, model=model, tools=tools, frontend=frontend, journal=journal, environ={})


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def text_of(result: ToolResult) -> str:
    return "".join(block.get("text", "") for block in result.content)


def results_in(messages: Sequence[object]) -> list[ToolResult]:
    return [message for message in messages if isinstance(message, ToolResult)]


async def test_a_call_runs_and_its_result_reaches_the_model() -> None:
    model = ScriptedModel([call("add", {"a": 2, "b": 3}), "It is 5."])
    async with host(model, add) as running:
        reply = await running.chat().send("2 + 3?")
    assert (reply.text, reply.stop, reply.steps) == ("It is 5.", "answered", 2)
    assert [text_of(result) for result in results_in(model.requests[1].messages)] == ["5"]


async def test_every_step_is_told_as_events_in_order_with_chat_turn_and_sequence() -> None:
    frontend = ScriptedFrontend()
    model = ScriptedModel([call("add", {"a": 2, "b": 3}), "It is 5."])
    async with host(model, add, frontend=frontend) as running:
        chat = running.chat()
        await chat.send("2 + 3?")
    kinds = [type(event).__name__ for event in frontend.events]
    assert kinds == [
        "TurnStarted", "StepStarted", "CallDrafted", "Replied", "CallDecided", "CallStarted", "CallEnded",
        "StepStarted", "TextStreamed", "Replied", "TurnEnded",
    ]  # fmt: skip
    assert [event.seq for event in frontend.events] == list(range(1, len(kinds) + 1))
    assert {(event.chat, event.turn) for event in frontend.events} == {(chat.id, 1)}


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (ToolCall("c", "local__ad", {}, "{}"), "Nearest: local__add"),
        (ToolCall("c", "local__add", None, '{"a": 1,'), "not a JSON object"),
        (ToolCall("c", "local__add", {"a": "two", "b": 3}, ""), "a"),
    ],
    ids=["unknown tool", "no JSON object", "against the schema"],
)
async def test_a_call_that_cannot_run_is_answered_before_anybody_is_asked(wish: ToolCall, says: str) -> None:
    frontend = ScriptedFrontend()
    model = ScriptedModel([wish, "Sorry."])
    async with host(model, add, rules=(), frontend=frontend) as running:
        reply = await running.chat().send("go")
    [result] = results_in(model.requests[1].messages)
    assert result.is_error
    assert says in text_of(result)
    assert frontend.questions == []
    assert [called.denied for called in reply.calls] == [None]


async def test_nothing_runs_when_nobody_can_be_asked_and_the_turn_goes_on() -> None:
    ran: list[str] = []

    def touch(name: str) -> str:
        """Touch a file."""
        ran.append(name)
        return "done"

    model = ScriptedModel([call("touch", {"name": "x"}), "I may not."])
    async with host(model, touch, rules=()) as running:
        reply = await running.chat().send("touch x")
    assert ran == []
    assert reply.text == "I may not."
    [denied] = reply.denied
    assert (denied.unasked, denied.suggestion) == (True, "local__touch")


async def test_edited_arguments_run_and_the_model_is_told_while_its_own_call_stays_in_history() -> None:
    frontend = ScriptedFrontend({ToolApproval: Approval(allowed=True, arguments={"a": 1, "b": 1})})
    model = ScriptedModel([call("add", {"a": 2, "b": 3}), "ok"])
    async with host(model, add, rules=(), frontend=frontend) as running:
        await running.chat().send("go")
    history = model.requests[1].messages
    [result] = results_in(history)
    assert text_of(result) == "2"
    assert '{"a": 1, "b": 1}' in (result.note or "")
    [message] = [message for message in history if isinstance(message, AssistantMessage)]
    assert message.calls[0].arguments == {"a": 2, "b": 3}


async def test_calls_of_one_reply_run_side_by_side_and_their_results_stand_in_call_order() -> None:
    second_began = asyncio.Event()

    async def first() -> str:
        await second_began.wait()
        return "first"

    async def second() -> str:
        second_began.set()
        return "second"

    wishes = AssistantMessage((call("first", {}, "c1"), call("second", {}, "c2")), stop="tools")
    model = ScriptedModel([wishes, "done"])
    async with host(model, first, second) as running:
        await running.chat().send("go")
    assert [text_of(result) for result in results_in(model.requests[1].messages)] == ["first", "second"]


async def test_calls_of_a_reply_that_was_cut_do_not_run_but_have_results() -> None:
    model = ScriptedModel([AssistantMessage((call("add", {"a": 1, "b": 2}),), stop="length")])
    async with host(model, add) as running:
        chat = running.chat()
        reply = await chat.send("go")
    assert reply.stop == "cut"
    assert chat.conversation is not None
    [result] = results_in(chat.conversation.messages)
    assert result.is_error


async def test_cancelling_leaves_a_result_for_every_call_and_a_chat_that_goes_on() -> None:
    began = asyncio.Event()

    async def wait() -> str:
        began.set()
        await asyncio.Event().wait()
        return "never"

    def quick() -> str:
        return "quick"

    wishes = AssistantMessage((call("wait", {}, "c1"), call("quick", {}, "c2")), stop="tools")
    journal = MemoryJournal()
    model = ScriptedModel([wishes, "going on"])
    async with host(model, wait, quick, journal=journal) as running:
        chat = running.chat()
        async with anyio.create_task_group() as group:
            replies: list[Reply] = []

            async def send() -> None:
                replies.append(await chat.send("go"))

            group.start_soon(send)
            await began.wait()
            chat.cancel()
        assert replies[0].stop == "cancelled"
        assert {result.call_id for result in results_in(chat.conversation.messages)} == {"c1", "c2"}  # type: ignore[union-attr]
        assert (await chat.send("and now?")).text == "going on"


async def test_a_cancelled_caller_sees_its_own_cancellation_and_the_results_are_there() -> None:
    began = asyncio.Event()

    async def wait() -> str:
        began.set()
        await asyncio.Event().wait()
        return "never"

    model = ScriptedModel([call("wait", {})])
    async with host(model, wait) as running:
        chat = running.chat()
        task = asyncio.create_task(chat.send("go"))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert chat.conversation is not None
        [result] = results_in(chat.conversation.messages)
        assert "may or may not" in text_of(result)


async def test_the_step_limit_ends_the_turn() -> None:
    model = ScriptedModel(itertools.repeat(call("add", {"a": 1, "b": 1})))
    async with host(model, add, limits=Limits(max_steps=3)) as running:
        reply = await running.chat().send("for ever")
    assert (reply.stop, reply.steps, len(reply.calls)) == ("limit", 3, 3)


async def test_steering_enters_at_the_next_step_and_keeps_a_turn_going() -> None:
    def steering(request: object) -> str:
        chat.steer("one more thing")
        return "done?"

    model = ScriptedModel([steering, "now done"])
    async with host(model) as running:
        chat = running.chat()
        reply = await chat.send("go")
    assert reply.text == "now done"
    steered = model.requests[1].messages[-1]
    assert isinstance(steered, UserMessage)
    assert steered.origin == "steer"


async def test_a_second_message_during_a_turn_is_busy() -> None:
    async def meddle() -> str:
        with pytest.raises(Busy):
            await chat.send("me too")
        return "checked"

    model = ScriptedModel([call("meddle", {}), "done"])
    async with host(model, meddle) as running:
        chat = running.chat()
        assert (await chat.send("go")).text == "done"


async def test_an_error_of_the_model_reaches_the_caller_and_the_chat_stays_usable() -> None:
    model = ScriptedModel([ModelBusy("overloaded"), "here again"])
    async with host(model) as running:
        chat = running.chat()
        with pytest.raises(ModelBusy):
            await chat.send("hello?")
        assert (await chat.send("hello?")).text == "here again"


async def test_intents_precede_effects_and_the_fold_is_the_conversation() -> None:
    log: list[str] = []

    class Watched(MemoryJournal):
        async def begin(self, run: Any) -> None:
            self.run = run.id
            await super().begin(run)

        async def intent(self, effect: Any) -> None:
            log.append(f"intent {effect.kind}")
            await super().intent(effect)

        async def outcome(self, effect: str, message: Any) -> None:
            log.append(f"outcome {type(message).__name__}")
            await super().outcome(effect, message)

    def note() -> str:
        log.append("ran")
        return "ok"

    journal = Watched()
    model = ScriptedModel([call("note", {}), "done"])
    async with host(model, note, journal=journal) as running:
        chat = running.chat()
        await chat.send("go")
    assert log == [
        "intent model", "outcome AssistantMessage", "intent tool", "ran", "outcome ToolResult",
        "intent model", "outcome AssistantMessage",
    ]  # fmt: skip
    assert chat.conversation is not None
    assert (await journal.fold(journal.run)).messages == tuple(chat.conversation.messages)


async def test_tools_are_fixed_at_the_first_request_and_later_ones_enter_as_a_message() -> None:
    server = MCPServer("changing")
    relisted = asyncio.Event()

    @server.tool()
    async def grow(ctx: Context) -> str:
        server.add_tool(lambda: "late", name="late")
        await ctx.notify_tools_changed()
        return "grown"

    async def listen(event: events.Event) -> None:
        if isinstance(event, events.ServerListChanged):
            relisted.set()

    config = Config(rules=(Rule("live", "*", "allow"),))
    model = ScriptedModel([ToolCall("c", "live__grow", {}, "{}"), "one", "two"])
    async with Host(config, model=model, servers={"live": server}, environ={}, listeners=[listen]) as running:
        chat = running.chat()
        await chat.send("first")
        await relisted.wait()
        await chat.send("second")
    assert model.requests[-1].tools == model.requests[0].tools
    assert model.requests[-1].system == model.requests[0].system
    [change] = [message for message in model.requests[-1].messages if isinstance(message, ToolsChanged)]
    assert [tool.name for tool in change.added] == ["live__late"]


async def test_a_stream_yields_the_events_and_then_has_the_reply() -> None:
    model = ScriptedModel([call("add", {"a": 2, "b": 3}), "It is 5."])
    async with host(model, add) as running, running.chat().stream("2 + 3?") as stream:
        seen = [type(event) async for event in stream]
    assert seen[0] is events.TurnStarted
    assert seen[-1] is events.TurnEnded
    assert stream.reply is not None
    assert stream.reply.text == "It is 5."


async def test_leaving_a_stream_early_cancels_the_turn_and_nothing_is_left_running() -> None:
    cancelled = asyncio.Event()

    async def wait() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return "never"

    model = ScriptedModel([call("wait", {}), "going on"])
    async with host(model, wait) as running:
        chat = running.chat()
        async with chat.stream("go") as stream:
            async for event in stream:
                if isinstance(event, events.CallStarted):
                    break
        assert cancelled.is_set()
        assert (await chat.send("next")).text == "going on"


async def test_a_streams_error_is_raised_from_its_iteration() -> None:
    async with host(ScriptedModel([ModelBusy("overloaded")])) as running, running.chat().stream("go") as stream:
        with pytest.raises(ModelBusy):
            [event async for event in stream]


async def test_text_that_arrived_before_the_stream_broke_stays_in_the_conversation() -> None:
    from mcphost.models.base import TextDelta

    class Breaking(ScriptedModel):
        async def stream(self, request: Any) -> Any:
            yield TextDelta("half an ans")
            raise ModelBusy("gone")

    async with host(Breaking([])) as running:
        chat = running.chat()
        with pytest.raises(ModelBusy):
            await chat.send("go")
        assert chat.conversation is not None
        assert chat.conversation.messages[-1] == AssistantMessage((Text("half an ans"),), stop="cut")


async def test_a_host_may_be_left_in_another_task_than_entered_it() -> None:
    running = Host(Config(rules=(Rule("live", "*", "allow"),)), servers={"live": MCPServer("empty")}, environ={})
    await asyncio.create_task(running.__aenter__())
    assert await running.settled(10)
    await asyncio.create_task(running.__aexit__())
    assert running.servers["live"].state == "stopped"


async def test_cancelling_whoever_holds_a_host_stops_its_servers() -> None:
    running = Host(Config(), servers={"live": MCPServer("empty")}, environ={})
    entered = asyncio.Event()

    async def hold() -> None:
        async with running:
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert running.servers["live"].state == "stopped"


def test_run_sync_needs_no_event_loop() -> None:
    reply = host(ScriptedModel([call("add", {"a": 2, "b": 3}), "It is 5."]), add).run_sync("2 + 3?")
    assert reply.text == "It is 5."


async def test_cancelling_the_calls_alone_tells_the_model_and_the_turn_goes_on() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        """Wait."""
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    model = ScriptedModel([(call("add", {"a": 2, "b": 3}), call("wait", {}, "c2")), "I see."])
    async with host(model, add, wait) as running:
        chat = running.chat()
        assert not chat.cancel_calls()
        turn = asyncio.create_task(chat.send("wait"))
        await started.wait()
        assert chat.cancel_calls()
        reply = await turn
    assert cancelled.is_set()
    assert (reply.stop, reply.text) == ("answered", "I see.")
    assert text_of(results_in(model.requests[1].messages)[1]) == (
        "Cancelled by user. It may or may not have taken effect."
    )


async def test_a_fork_keeps_calls_and_results_together_and_leaves_the_origin_alone() -> None:
    model = ScriptedModel([call("add", {"a": 2, "b": 3}), "It is 5.", "Yes.", "No."])
    async with host(model, add) as running:
        chat = running.chat()
        await chat.send("2 + 3?")
        fork = chat.fork(2)
        await chat.send("sure?")
        await fork.send("and again?")
    assert fork.id != chat.id
    assert chat.conversation is not None
    assert len(chat.conversation.messages) == 6
    kinds = [type(message).__name__ for message in model.requests[3].messages]
    assert kinds == ["UserMessage", "AssistantMessage", "ToolResult", "UserMessage"]


async def test_a_chat_that_was_rewound_goes_on_from_there_also_in_the_journal() -> None:
    journal = MemoryJournal()
    model = ScriptedModel(["One.", call("add", {"a": 2, "b": 3}), "It is 5.", "Else."])
    async with host(model, add, journal=journal) as running:
        chat = running.chat()
        await chat.send("count")
        await chat.send("2 + 3?")
        chat.rewind(4)  # the call, and so its result as well
        await chat.send("something else")
        assert chat.conversation is not None
        run, messages = chat.conversation.run, tuple(chat.conversation.messages)
    kinds = [type(message).__name__ for message in model.requests[3].messages]
    assert kinds == ["UserMessage", "AssistantMessage"] * 2 + ["ToolResult", "UserMessage"]
    assert run is not None
    assert (await journal.fold(run)).messages == messages


STEPS_2 = Limits(max_steps=2)


def adding(*numbers: int) -> list[ToolCall]:
    return [call("add", {"a": number, "b": 0}, f"c{number}") for number in numbers]


async def test_at_the_step_limit_a_person_says_how_it_goes_on() -> None:
    answers = iter([Further("go-on", 1), Further("go-on"), Further("stop")])
    person = ScriptedFrontend({StepLimit: lambda question: next(answers)})
    model = ScriptedModel(adding(*range(9)))
    async with host(model, add, limits=STEPS_2, frontend=person) as running:
        reply = await running.chat().send("go")
    assert (reply.stop, reply.steps) == ("limit", 5)
    assert person.questions == [StepLimit(2), StepLimit(3), StepLimit(5)]


async def test_wrapping_up_is_one_more_answer_in_which_nothing_runs() -> None:
    person = ScriptedFrontend({StepLimit: Further("wrap-up")})
    model = ScriptedModel([*adding(1, 2), "What I have is 3."])
    async with host(model, add, limits=STEPS_2, frontend=person) as running:
        reply = await running.chat().send("go")
    assert (reply.stop, reply.text) == ("answered", "What I have is 3.")
    assert model.requests[2].tools == model.requests[0].tools, "law 11"
    assert "Call no more tools" in str(model.requests[2].messages[-1])

    stubborn = ScriptedModel(adding(1, 2, 3))
    async with host(stubborn, add, limits=STEPS_2, frontend=person) as running:
        reply = await running.chat().send("go")
    assert reply.stop == "limit"
    assert "Not run: the limit of this turn is reached." in text_of(reply.calls[-1].result)


async def test_a_call_that_gives_the_same_result_three_times_is_asked_about() -> None:
    same = [call("add", {"a": 1, "b": 1}, f"c{n}") for n in range(9)]
    answers = iter([Further("go-on"), Further("stop")])
    person = ScriptedFrontend({StepLimit: lambda question: next(answers)})
    async with host(ScriptedModel([*adding(5), *same]), add, frontend=person) as running:
        reply = await running.chat().send("go")
    assert (reply.stop, len(reply.calls)) == ("limit", 7)
    assert person.questions == [StepLimit(4, "local__add", 3), StepLimit(7, "local__add", 3)]

    async with host(ScriptedModel([same[:3], "done"]), add) as running:
        assert (await running.chat().send("go")).stop == "answered"

    async with host(ScriptedModel(same), add) as running:
        reply = await running.chat().send("go")
    assert (reply.stop, len(reply.calls)) == ("limit", 3), "nobody there: it stops"


async def test_a_call_whose_results_differ_is_progress() -> None:
    ticks = itertools.count()

    def tick() -> int:
        """Count."""
        return next(ticks)

    model = ScriptedModel([*(call("tick", {}, f"c{n}") for n in range(8)), "done"])
    async with host(model, tick) as running:
        assert (await running.chat().send("go")).stop == "answered"
