"""Servers' prompts as commands: names, arguments, what is asked and what is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from mcphost import commands
from mcphost.commands import interpret
from mcphost.commands.prompts import LEFT, prompt_arguments, typing
from mcphost.config.schema import Config
from mcphost.errors import UsageError
from mcphost.host import Chat, Host
from mcphost.host.suggestions import Beginning, Suggestions
from mcphost.messages import AssistantMessage, Text, UserMessage
from mcphost.plugins import Leave, Registry
from mcphost.questions import ArgumentValue, PromptArgument, PromptDecision, PromptPreview
from mcphost.servers.wire import WirePrompt
from mcphost.testing import ScriptedFrontend, ScriptedModel
from tests.servers.scripted import ALL, Scripted

TRIP: WirePrompt = {
    "name": "trip",
    "arguments": [
        {"name": "from", "required": True, "description": "Where it begins"},
        {"name": "to", "required": True},
        {"name": "by"},
    ],
}
PICTURE = {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"}
FILE = {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "words"}}


def says(*parts: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in parts]}


def text(words: str) -> Mapping[str, Any]:
    return {"type": "text", "text": words}


def server(*prompts: Mapping[str, Any], completes: bool = True, **answers: Any) -> Scripted:
    """It completes every argument with two values, and answers every prompt with its arguments."""

    def complete(params: Mapping[str, Any]) -> dict[str, Any]:
        return {"completion": {"values": [params["argument"]["value"] + one for one in ("1", "2")]}}

    return Scripted(
        {
            "prompts/list": {"prompts": list(prompts)},
            "prompts/get": lambda params: says(("user", text(f"{params['name']} {params.get('arguments', {})}"))),
            "completion/complete": complete,
            **{name.replace("_", "/"): answer for name, answer in answers.items()},
        },
        capabilities={**ALL, "completions": {}} if completes else ALL,
    )


@asynccontextmanager
async def chatting(person: ScriptedFrontend | None = None, **servers: Scripted) -> AsyncIterator[tuple[Chat, Registry]]:
    registry = Registry()
    commands.register(registry)
    model = ScriptedModel(["ok"])
    async with Host(Config(), model=model, servers=servers, frontend=person, environ={}) as host:
        await host.settled(10)
        yield host.chat(), registry


async def sent(line: str, person: ScriptedFrontend | None = None, **servers: Scripted) -> Any:
    async with chatting(person, **servers) as (chat, registry):
        meant = await interpret(chat, registry, line)
        return meant[0].content[0]["text"] if isinstance(meant, list) and len(meant) == 1 else meant


async def test_a_prompt_has_a_short_name_where_it_is_the_only_one_of_it() -> None:
    async with chatting(one=server({"name": "tidy"}), two=server({"name": "sum up"}, {"name": "git:log"})) as open_chat:
        for line in ("/tidy", "/one:tidy", "/sum up", "/two:sum up", "/git:log"):
            assert isinstance(await interpret(*open_chat, line), list)


async def test_a_short_name_that_several_servers_have_is_asked_for_in_full() -> None:
    with pytest.raises(UsageError, match=r"(?s)several servers have a prompt 'tidy'.*/one:tidy, /two:tidy"):
        await sent("/tidy", one=server({"name": "tidy"}), two=server({"name": "tidy"}))


async def test_a_prompt_never_shadows_a_command_nor_an_alias_of_one() -> None:
    async with chatting(evil=server(*({"name": name} for name in ("help", "quit", "exit", "?")))) as (chat, registry):
        assert await interpret(chat, registry, "/quit") == await interpret(chat, registry, "/exit") == Leave()
        for line in ("/help", "/?"):
            assert "/servers" in str(await interpret(chat, registry, line))
        assert isinstance(await interpret(chat, registry, "/evil:help"), list)


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("from=A to=B", {"from": "A", "to": "B"}),
        ("A B", {"from": "A", "to": "B"}),
        ("A to='B b' 'slow train'", {"from": "A", "to": "B b", "by": "slow train"}),
        ("to=B A", {"to": "B", "from": "A"}),
        ("A B slow night train", {"from": "A", "to": "B", "by": "slow night train"}),
        ("A B by=slow train", {"from": "A", "to": "B", "by": "slow train"}),
        ("https://a.example/?x=1", {"from": "https://a.example/?x=1"}),
        ("from=", {"from": ""}),
        ("", {}),
    ],
)
def test_arguments_have_a_name_or_a_place(line: str, arguments: dict[str, str]) -> None:
    assert prompt_arguments(TRIP, line) == arguments


@pytest.mark.parametrize(
    ("line", "says"), [("form=A", "did you mean 'from'"), ("by=x A B C", "'C' is no argument"), ("from='A", "quotes")]
)
def test_arguments_that_fit_nowhere_are_refused(line: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        prompt_arguments(TRIP, line)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("it's the whole rest", "it's the whole rest"),
        ('"in quotes"', "in quotes"),
        ('say "a" now', 'say "a" now'),
        (r"C:\dir", r"C:\dir"),
    ],
)
def test_a_prompt_with_one_argument_takes_the_rest_of_the_line(line: str, value: str) -> None:
    assert prompt_arguments({"name": "explain", "arguments": [{"name": "topic"}]}, line) == {"topic": value}


@pytest.mark.parametrize(
    ("line", "argument", "value", "given"),
    [
        ("", "from", "", {}),
        ("Ulm B", "to", "B", {"from": "Ulm"}),
        ("to=B fr", "from", "fr", {"to": "B"}),
        ('from="New Y', "from", "New Y", {}),
        ("from='New York' to=it's", "to", "its", {"from": "New York"}),
        ("A B C ", "", "", {"from": "A", "to": "B", "by": "C"}),
        ("nobody=", "", "nobody=", {}),
    ],
)
def test_what_is_typed_of_the_arguments_is_known(line: str, argument: str, value: str, given: dict[str, str]) -> None:
    typed = typing(TRIP, line)
    assert typed is not None
    assert (typed.argument, typed.value, typed.given) == (argument, value, given)
    if argument:
        key = f"{argument}=" if typed.word.startswith(f"{argument}=") else ""
        assert typed.spelled("New Ulm") == f"{key}'New Ulm'"
        assert typed.spelled("Ulm") == f"{key}Ulm"
        assert typed.spelled("a=b") == f"{argument}=a=b"


def test_what_is_typed_of_a_single_argument_is_the_whole_line() -> None:
    typed = typing({"name": "explain", "arguments": [{"name": "topic"}]}, "deep w")
    assert typed is not None
    assert (typed.word, typed.argument, typed.value, typed.spelled("deep work")) == (
        "deep w",
        "topic",
        "deep w",
        "deep work",
    )


async def test_what_a_prompt_needs_is_asked_for_one_by_one_with_the_servers_suggestions() -> None:
    values = iter(["Ulm", "Bern"])
    person = ScriptedFrontend(
        {PromptArgument: lambda question: ArgumentValue(next(values)), PromptPreview: PromptDecision(send=True)}
    )
    travel = server(TRIP)
    assert await sent("/trip by=rail", person, travel=travel) == "trip {'by': 'rail', 'from': 'Ulm', 'to': 'Bern'}"
    assert person.questions[:2] == [
        PromptArgument("travel", "trip", "from", "Where it begins", {"by": "rail"}, ("1", "2")),
        PromptArgument("travel", "trip", "to", "", {"by": "rail", "from": "Ulm"}, ("1", "2")),
    ]
    asked = [one["params"] for one in travel.received if one.get("method") == "completion/complete"]
    assert [one["context"]["arguments"] for one in asked] == [{"by": "rail"}, {"by": "rail", "from": "Ulm"}]


async def test_a_server_that_cannot_complete_is_not_asked_to() -> None:
    person = ScriptedFrontend({PromptArgument: ArgumentValue("x"), PromptPreview: PromptDecision(send=True)})
    travel = server(TRIP, completes=False)
    await sent("/trip", person, travel=travel)
    assert person.questions[0] == PromptArgument("travel", "trip", "from", "Where it begins")
    assert travel.count("completion/complete") == 0


@pytest.mark.parametrize("answers", [{PromptArgument: ArgumentValue(None)}, {PromptPreview: PromptDecision(False)}])
async def test_a_prompt_that_is_left_or_not_wanted_sends_nothing(answers: dict[type, Any]) -> None:
    person = ScriptedFrontend({PromptArgument: ArgumentValue("x"), **answers})
    assert await sent("/trip", person, travel=server(TRIP)) == LEFT


async def test_where_nobody_can_be_asked_a_missing_argument_is_an_error_and_the_rest_is_sent() -> None:
    with pytest.raises(UsageError, match=r"(?s)trip needs from=…, to=….*from: Where it begins"):
        await sent("/trip by=rail", travel=server(TRIP))
    assert await sent("/trip A B", travel=server(TRIP)) == "trip {'from': 'A', 'to': 'B'}"


async def test_all_that_a_server_made_is_previewed_and_kept() -> None:
    made = says(("user", FILE), ("assistant", text("I see.")), ("assistant", PICTURE))
    person = ScriptedFrontend({PromptPreview: PromptDecision(send=True)})
    messages: Sequence[Any] = await sent("/look", person, eye=server({"name": "look"}, prompts_get=made))
    assert messages == [
        UserMessage((FILE,), origin="prompt"),  # type: ignore[arg-type]
        AssistantMessage((Text("I see."),)),
        UserMessage((PICTURE,), origin="prompt"),  # type: ignore[arg-type]
    ]
    assert person.questions == [PromptPreview("eye", "look", tuple(made["messages"]))]


async def test_a_prompt_without_a_message_is_an_error() -> None:
    with pytest.raises(UsageError, match="eye made no message of look"):
        await sent("/look", eye=server({"name": "look"}, prompts_get=says()))


async def test_an_answer_is_remembered_for_a_minute() -> None:
    now = 0.0
    suggestions = Suggestions(lambda: now)
    travel = server(TRIP)
    async with chatting(travel=travel) as (chat, _):
        beginning = Beginning(chat.host.servers["travel"], "prompt", "trip", "to", "B", {"from": "Ulm"})
        assert suggestions.known(beginning) is None
        assert await suggestions.ask(beginning) == await suggestions.ask(beginning) == ("B1", "B2")
        assert suggestions.known(beginning) == ("B1", "B2")
        assert suggestions.known(replace(beginning, given={})) is None
        assert travel.count("completion/complete") == 1
        now = 61.0
        await suggestions.ask(beginning)
        assert travel.count("completion/complete") == 2
