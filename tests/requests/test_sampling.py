from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcphost.config.schema import Price, SamplingBudget, ServerConfig
from mcphost.errors import ModelBusy
from mcphost.messages import (
    AssistantMessage,
    Native,
    Reasoning,
    Stop,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
)
from mcphost.questions import SampleResult, SamplingDecision, SamplingReview
from mcphost.servers.wire import RequestRefused
from tests.requests.parts import HELLO, Clock, Person, model_of, requests

PARAMS: dict[str, Any] = {
    "messages": [{"role": "user", "content": {"type": "text", "text": "Say hello"}}],
    "maxTokens": 100,
}
TOOL = {"name": "look up", "description": "finds", "inputSchema": {"type": "object"}}


def yes(question: object) -> SamplingDecision:
    return SamplingDecision(allowed=True)


def no(question: object) -> SamplingDecision:
    return SamplingDecision(allowed=False)


async def test_a_person_who_agrees_lets_the_chats_model_answer() -> None:
    person, model = Person(yes), model_of()
    result = await requests(person, model).sample("demo", PARAMS)
    assert result == {
        "role": "assistant",
        "content": {"type": "text", "text": "hello"},
        "model": "test/model",
        "stopReason": "endTurn",
    }
    assert person.questions == [
        SamplingReview("demo", "test/model", tuple(PARAMS["messages"]), 100),
        SampleResult("demo", "test/model", {"type": "text", "text": "hello"}),
    ]
    assert [(event.outcome, event.usage) for event in person.answered] == [("accepted", HELLO.usage)]


async def test_everything_a_server_may_set_reaches_the_model_and_nothing_else() -> None:
    model = model_of()
    hiding = TOOL | {"inputSchema": {"type": "object", "title": "Do\U000e0041"}}
    params = PARAMS | {
        "systemPrompt": "Be \x1bbrief",
        "stopSequences": ["END", " "],
        "temperature": 0.5,
        "includeContext": "allServers",
        "metadata": {"user": "x"},
        "tools": [hiding],
        "toolChoice": {"mode": "required"},
    }
    person = Person(yes)
    await requests(person, model).sample("demo", params)
    request = model.requests[0]
    assert request.messages == (UserMessage(({"type": "text", "text": "Say hello"},)),)
    assert request.system == "Be \ufffdbrief"
    assert request.max_tokens == 100
    assert [(tool.name, tool.description) for tool in request.tools] == [("look_up", "finds")]
    assert [tool.schema for tool in request.tools] == [{"type": "object", "title": "Do\ufffd"}]
    assert isinstance(review := person.questions[0], SamplingReview)
    assert review.tools == (hiding,)
    options = request.options
    assert (options.temperature, options.stop, options.tool_choice, options.extra) == (0.5, ("END",), "required", {})


@pytest.mark.parametrize(
    ("person", "outcome", "words"),
    [(Person(no), "declined", "User rejected"), (Person(), "refused", "nobody could be asked")],
)
async def test_without_a_yes_the_model_is_not_asked(person: Person, outcome: str, words: str) -> None:
    model = model_of()
    with pytest.raises(RequestRefused, match=words) as refused:
        await requests(person, model).sample("demo", PARAMS)
    assert refused.value.code == -1
    assert model.requests == []
    assert [event.outcome for event in person.answered] == [outcome]


async def test_a_configuration_that_allows_asks_nobody_and_one_that_denies_asks_nothing() -> None:
    person, model = Person(), model_of()
    await requests(person, model, sampling="allow").sample("demo", PARAMS)
    assert person.questions == []
    with pytest.raises(RequestRefused, match="configuration denies"):
        await requests(person, model, sampling="deny").sample("demo", PARAMS)
    assert len(model.requests) == 1


async def test_a_server_without_a_configuration_is_asked_about() -> None:
    person = Person(yes)
    await requests(person).sample("in-process", PARAMS)
    assert isinstance(person.questions[0], SamplingReview)


async def test_the_first_hint_that_fits_a_name_chooses_the_model() -> None:
    own, small, large = model_of(name="a/own-large"), model_of(name="b/small"), model_of(name="b/Large")
    asked = requests(Person(yes), own, models={"b/small": lambda: small, "b/Large": lambda: large})

    def hinting(*names: str) -> dict[str, Any]:
        return PARAMS | {"modelPreferences": {"hints": [{"name": name} for name in names]}}

    assert (await asked.sample("demo", hinting("unknown", "SMALL", "large")))["model"] == "b/small"
    assert (await asked.sample("demo", hinting("large")))["model"] == "a/own-large"
    assert (await asked.sample("demo", hinting("B/large")))["model"] == "b/Large"
    assert (await asked.sample("demo", hinting("unknown", "")))["model"] == "a/own-large"


async def test_the_name_of_a_model_is_the_one_its_api_gave() -> None:
    reply = AssistantMessage((Text("x"),), native=Native("test", "model-20260101", ()))
    assert (await requests(Person(yes), model_of(reply)).sample("demo", PARAMS))["model"] == "model-20260101"


async def test_a_model_that_fails_is_an_error_for_the_server_and_a_fact_for_the_person() -> None:
    person = Person(yes)
    with pytest.raises(RequestRefused, match="overloaded") as refused:
        await requests(person, model_of(ModelBusy("overloaded"))).sample("demo", PARAMS)
    assert refused.value.code == -2
    assert [(event.outcome, event.why) for event in person.answered] == [("failed", "overloaded")]


async def test_a_conversation_with_tools_goes_to_the_model_and_its_calls_to_the_server() -> None:
    call = ToolCall("c9", "look_up", {"q": 1}, '{"q": 1}')
    reply = AssistantMessage((Reasoning("hm"), Text("let me see"), call), stop="tools")
    model = model_of(reply)
    use = {"type": "tool_use", "id": "srv/1", "name": "look up", "input": {"q": ["a", "a"]}}
    answer = {"type": "tool_result", "toolUseId": "srv/1", "content": [{"type": "text", "text": "zero"}]}
    params = PARAMS | {
        "tools": [TOOL],
        "messages": [
            *PARAMS["messages"],
            {"role": "assistant", "content": [{"type": "text", "text": "ok"}, use]},
            {"role": "user", "content": answer},
        ],
    }
    result = await requests(Person(yes), model).sample("demo", params)
    assert result["stopReason"] == "toolUse"
    assert result["content"] == [
        {"type": "text", "text": "let me see"},
        {"type": "tool_use", "id": "c9", "name": "look up", "input": {"q": 1}},
    ]
    earlier = ToolCall("call_1", "look_up", {"q": ["a", "a"]}, '{"q": ["a", "a"]}')
    assert model.requests[0].messages[1:] == (
        AssistantMessage((Text("ok"), earlier), stop="tools"),
        ToolResult("call_1", ({"type": "text", "text": "zero"},)),
    )


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def use(id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "t", "input": {}}


def outcome(id: str) -> dict[str, Any]:
    return {"type": "tool_result", "toolUseId": id, "content": []}


def user(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "empty"),
        ([user()], "neither"),
        ([{"role": "user", "content": "text"}], "neither"),
        ([user(use("1"))], "tool_use block has no place"),
        ([user(outcome("1"))], "tool_result block has no place"),
        ([user(text("x"), {"type": "resource"})], "resource block has no place"),
        ([assistant(use("1"))], "last tool_use"),
        ([assistant(use("1")), user(text("no"))], "tool_results and nothing else"),
        ([assistant(use("1")), user(outcome("1"), text("and more"))], "nothing else"),
        ([assistant(use("1")), assistant(text("x"))], "nothing else"),
        ([assistant(use("1")), user(outcome("2"))], "exactly one tool_result"),
        ([assistant(use("1"), use("2")), user(outcome("1"))], "exactly one tool_result"),
        ([assistant(use("1")), user(outcome("1"), outcome("1"))], "exactly one tool_result"),
        ([assistant(use("1"), use("1")), user(outcome("1"))], "same id"),
        ([assistant({"type": "tool_use", "id": "1", "name": "t"}), user(outcome("1"))], "needs id, name and input"),
    ],
)
async def test_a_conversation_that_breaks_the_rules_is_invalid(messages: list[Any], words: str) -> None:
    person, model = Person(yes), model_of()
    with pytest.raises(RequestRefused, match=words) as refused:
        await requests(person, model).sample("demo", PARAMS | {"messages": messages})
    assert refused.value.code == -32602
    assert (person.questions, model.requests) == ([], [])
    assert [event.outcome for event in person.answered] == ["refused"]


@pytest.mark.parametrize(
    "change",
    [
        {"maxTokens": 0},
        {"maxTokens": None},
        {"messages": None},
        {"tools": [TOOL, TOOL]},
        {"tools": [{"name": "x"}]},
    ],
)
async def test_a_request_without_what_it_needs_is_invalid(change: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused) as refused:
        await requests(Person(yes)).sample("demo", PARAMS | change)
    assert refused.value.code == -32602


async def test_pictures_reach_the_model_from_the_user_and_become_words_from_the_assistant() -> None:
    model = model_of()
    picture = {"type": "image", "data": "AAAA" * 20_000, "mimeType": "image/png"}
    await requests(Person(yes), model).sample(
        "demo", PARAMS | {"messages": [user(picture), assistant(picture), user(text("?"))]}
    )
    first, second, _ = model.requests[0].messages
    assert first == UserMessage((picture,))  # type: ignore[arg-type]
    assert second == AssistantMessage((Text("[image image/png]"),))


async def test_tools_whose_names_no_api_takes_are_told_apart_and_mapped_back() -> None:
    names = ["a b", "a.b", "a_b", "x" * 80, "x" * 81]
    calls = ("a_b", "a_b_2", "a_b_3", "x" * 64, "x" * 62 + "_2")
    reply = AssistantMessage(
        tuple(ToolCall(str(index), name, {}, "{}") for index, name in enumerate(calls)), stop="tools"
    )
    model = model_of(reply)
    params = PARAMS | {"tools": [{"name": name, "inputSchema": {}} for name in names]}
    result = await requests(Person(yes), model).sample("demo", params)
    assert tuple(tool.name for tool in model.requests[0].tools) == calls
    assert [block["name"] for block in result["content"]] == names


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end", "endTurn"),
        ("length", "maxTokens"),
        ("stop", "stopSequence"),
        ("refusal", "refusal"),
        ("tools", "endTurn"),
    ],
)
async def test_each_way_to_stop_has_its_name(stop: Stop, reason: str) -> None:
    reply = AssistantMessage((Text("x"),), stop=stop)
    assert (await requests(Person(yes), model_of(reply)).sample("demo", PARAMS))["stopReason"] == reason


async def test_calls_of_a_reply_that_was_cut_are_not_passed_on() -> None:
    reply = AssistantMessage((Text("x"), ToolCall("1", "look_up", {}, "{}")), stop="length")
    result = await requests(Person(yes), model_of(reply)).sample("demo", PARAMS | {"tools": [TOOL]})
    assert (result["content"], result["stopReason"]) == ([text("x")], "maxTokens")


async def test_a_call_that_is_no_json_object_is_the_models_failure_and_its_tokens_count() -> None:
    reply = AssistantMessage((ToolCall("1", "look_up", None, "{"),), stop="tools", usage=Usage(1, 2))
    person = Person(yes)
    with pytest.raises(RequestRefused, match="no JSON object"):
        await requests(person, model_of(reply)).sample("demo", PARAMS | {"tools": [TOOL]})
    assert [(event.outcome, event.usage) for event in person.answered] == [("failed", Usage(1, 2))]


async def test_an_answer_ends_before_a_stop_sequence_that_the_api_did_not_know() -> None:
    reply = AssistantMessage((Text("one END two STOP"),))
    result = await requests(Person(yes), model_of(reply)).sample("demo", PARAMS | {"stopSequences": ["STOP", "END"]})
    assert (result["content"], result["stopReason"]) == (text("one "), "stopSequence")


async def test_a_server_has_so_many_tokens_in_one_chat() -> None:
    person, model = Person(yes), model_of(AssistantMessage((Text("x"),), usage=Usage(10_000, 9_000)))
    asked = requests(person, model)
    await asked.sample("demo", PARAMS | {"maxTokens": 1_000_000})
    assert 19_000 < (model.requests[0].max_tokens or 0) < 20_000
    await asked.sample("demo", PARAMS | {"maxTokens": 1_000_000})
    assert (model.requests[1].max_tokens or 0) < 1_000
    with pytest.raises(RequestRefused, match="20,000 tokens"):
        await asked.sample("demo", PARAMS | {"systemPrompt": "long " * 4_000})
    await asked.sample("other", PARAMS | {"systemPrompt": "long " * 4_000})


async def test_a_server_has_ten_requests_a_minute_and_its_neighbour_ten_more() -> None:
    clock, person = Clock(), Person(yes)
    asked = requests(person, clock=clock)
    for _ in range(10):
        await asked.sample("demo", PARAMS)
    with pytest.raises(RequestRefused, match="in a minute"):
        await asked.sample("demo", PARAMS)
    await asked.sample("other", PARAMS)
    clock.now += 60
    await asked.sample("demo", PARAMS)
    assert [event.outcome for event in person.answered].count("refused") == 1


async def test_requests_that_come_together_are_asked_one_after_the_other() -> None:
    asked_once, release = asyncio.Event(), asyncio.Event()

    class Slow(Person):
        async def ask(self, question: Any) -> Any:
            self.questions.append(question)
            asked_once.set()
            await release.wait()
            return SamplingDecision(allowed=True)

    person = Slow()
    asked = requests(person)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asked.sample("demo", PARAMS)) for _ in range(3)]
        await asked_once.wait()
        await asyncio.sleep(0)
        assert len(person.questions) == 1
        release.set()
    assert [task.result()["stopReason"] for task in tasks] == ["endTurn"] * 3


async def test_what_the_person_edits_is_what_the_model_and_the_server_get() -> None:
    edits: dict[type, dict[str, Any]] = {
        SamplingReview: {"messages": [user(text("Say bye"))], "maxTokens": 7, "tools": [TOOL], "systemPrompt": ""},
        SampleResult: {"content": text("bye"), "model": "another"},
    }
    person, model = Person(lambda question: SamplingDecision(allowed=True, edited=edits[type(question)])), model_of()
    result = await requests(person, model).sample("demo", PARAMS | {"systemPrompt": "Be brief"})
    sent = model.requests[0]
    bye: Any = text("Say bye")
    assert sent.messages == (UserMessage((bye,)),)
    assert (sent.max_tokens, sent.system, sent.tools) == (7, "", ())
    assert (result["content"], result["model"]) == (text("bye"), "test/model")


async def test_an_answer_that_the_person_keeps_back_does_not_leave_and_its_tokens_are_told() -> None:
    person = Person(lambda question: SamplingDecision(allowed=isinstance(question, SamplingReview)))
    with pytest.raises(RequestRefused, match="User rejected"):
        await requests(person).sample("demo", PARAMS)
    assert [(event.outcome, event.usage) for event in person.answered] == [("declined", HELLO.usage)]


PRICES = {"test/model": Price(input=1_000.0, output=10_000.0)}


@pytest.mark.parametrize(
    ("budget", "answered", "words"),
    [
        (SamplingBudget(requests=2), 2, "the 2 requests"),
        (SamplingBudget(tokens=50), 3, "the 50 tokens"),
        (SamplingBudget(dollars=0.07, prices=PRICES), 1, r"the \$0.07 that"),
        (SamplingBudget(dollars=0.10), 0, "mcphost.prices does not say what test/model costs"),
    ],
)
async def test_a_server_that_may_sample_unasked_does_so_within_its_budget(
    budget: SamplingBudget, answered: int, words: str
) -> None:
    person, model = Person(), model_of()
    servers = [ServerConfig(name, command="demo", sampling="allow", budget=budget) for name in ("demo", "other")]
    asked = requests(person, model, servers=servers)
    for _ in range(answered):
        await asked.sample("demo", PARAMS)
    with pytest.raises(RequestRefused, match=words):
        await asked.sample("demo", PARAMS)
    assert len(model.requests) == answered
    if answered:
        await asked.sample("other", PARAMS)
    assert person.questions == []


async def test_an_answer_has_no_more_tokens_than_the_dollars_pay_for() -> None:
    model = model_of()
    server = ServerConfig("demo", command="demo", sampling="allow", budget=SamplingBudget(dollars=0.5, prices=PRICES))
    await requests(Person(), model, servers=[server]).sample("demo", PARAMS)
    assert 40 < (model.requests[0].max_tokens or 0) < 50
