from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcphost.config.schema import ServerConfig
from mcphost.questions import A, ElicitationAnswer, ElicitationForm, ElicitationUrl, Question
from mcphost.servers.wire import RequestRefused
from tests.requests.parts import Clock, Person, requests

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 2}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}
FORM: dict[str, Any] = {"mode": "form", "message": "Who are you?", "requestedSchema": SCHEMA}


def accepting(*contents: dict[str, Any]) -> Person:
    answers = list(contents)
    return Person(lambda question: ElicitationAnswer("accept", answers.pop(0) if len(answers) > 1 else answers[0]))


async def test_a_form_that_was_filled_in_goes_back_with_its_own_fields_only() -> None:
    person = accepting({"name": "Ada", "age": None, "extra": "secret"})
    assert await requests(person).elicit("demo", FORM) == {"action": "accept", "content": {"name": "Ada"}}
    assert person.questions == [ElicitationForm("demo", "Who are you?", SCHEMA)]
    assert [(event.kind, event.outcome) for event in person.answered] == [("elicitation", "accepted")]


@pytest.mark.parametrize(("action", "outcome"), [("decline", "declined"), ("cancel", "cancelled")])
async def test_decline_and_cancel_carry_nothing(action: Any, outcome: str) -> None:
    person = Person(lambda question: ElicitationAnswer(action, {"name": "left over"}))
    assert await requests(person).elicit("demo", FORM) == {"action": action}
    assert [event.outcome for event in person.answered] == [outcome]


async def test_a_server_of_which_all_is_declined_is_not_heard_again() -> None:
    person = Person(lambda question: ElicitationAnswer("decline", lasting="chat"))
    asked = requests(person)
    url = {"mode": "url", "url": "https://example.org/"}
    assert [await asked.elicit("demo", params) for params in (FORM, FORM, url)] == [{"action": "decline"}] * 3
    await asked.elicit("other", url)
    assert [question.server for question in person.questions] == ["demo", "other"]
    assert person.answered[1].why == "you declined all that it asks in this chat"


async def test_what_several_servers_ask_waits_where_it_can_be_counted() -> None:
    both = asyncio.Barrier(2)

    class Meeting(Person):
        async def ask(self, question: Question[A]) -> A:
            await both.wait()
            return question.refusal

    asked = requests(Meeting())
    await asyncio.gather(asked.elicit("demo", FORM), asked.elicit("other", FORM))


async def test_where_nobody_is_to_be_asked_questions_are_refused() -> None:
    person = Person(lambda question: ElicitationAnswer("accept", {}))
    asked = requests(person, asks=False)
    assert await asked.elicit("demo", FORM) == {"action": "decline"}
    with pytest.raises(RequestRefused):
        await asked.sample("demo", {"messages": [], "maxTokens": 1})
    assert not person.questions
    assert person.answered[0].why == "auto mode asks nobody"


async def test_where_nobody_can_answer_the_server_is_declined() -> None:
    person = Person()
    asked = requests(person)
    assert await asked.elicit("demo", FORM) == {"action": "decline"}
    assert await asked.elicit("demo", {"mode": "url", "url": "https://example.org/"}) == {"action": "decline"}
    assert [(event.outcome, event.why) for event in person.answered] == [("declined", "nobody could be asked")] * 2


async def test_an_answer_that_does_not_fit_is_asked_for_again_with_its_problems() -> None:
    person = accepting({"name": "A", "age": -1}, {"age": 3}, {"name": "Ada", "age": 3})
    result = await requests(person).elicit("demo", FORM)
    assert result == {"action": "accept", "content": {"name": "Ada", "age": 3}}
    assert [question.problems for question in person.questions] == [
        {},
        {"name": "expected at least 2 characters", "age": "expected at least 0"},
        {"name": "must be filled in"},
    ]


async def test_after_five_answers_that_do_not_fit_the_form_is_cancelled() -> None:
    person = accepting({"name": 1})
    assert await requests(person).elicit("demo", FORM) == {"action": "cancel"}
    assert len(person.questions) == 5


async def test_a_field_that_looks_like_a_secret_comes_with_a_warning() -> None:
    person = accepting({})
    schema = {"properties": {"api_key": {"type": "string"}, "city": {"type": "string"}}}
    await requests(person).elicit("demo", FORM | {"requestedSchema": schema})
    (warning,) = person.questions[0].warnings
    assert warning.startswith("api_key: this looks like a secret")


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {"properties": []},
        {"properties": {"x": {"type": "object"}}},
        {"properties": {"x": {"type": "array", "items": {"type": "string"}}}},
        {"properties": {"x": "string"}},
        {"properties": {"x": {"type": "string", "default": "x" * 200_000}}},
        {"properties": {"x": {"type": "string", "minLength": "2"}}},
        {"properties": {"x": {"type": "string", "enum": [1, 2]}}},
        {"properties": {}, "required": ["x"]},
        {"properties": {f"p{index}": {"type": "string"} for index in range(51)}},
        {"properties": {"x": {"type": "string", "enum": [str(index) for index in range(201)]}}},
    ],
)
async def test_a_form_that_the_protocol_does_not_know_is_invalid(schema: Any) -> None:
    person = accepting({})
    with pytest.raises(RequestRefused) as refused:
        await requests(person).elicit("demo", FORM | {"requestedSchema": schema})
    assert refused.value.code == -32602
    assert person.questions == []
    assert [event.outcome for event in person.answered] == ["refused"]


async def test_an_address_is_offered_whole_and_consent_carries_no_content() -> None:
    person = accepting({"smuggled": True})
    url = "https://example.org:8443/pay?id=1#now"
    assert await requests(person).elicit("demo", {"mode": "url", "message": "Pay", "url": url}) == {"action": "accept"}
    assert person.questions == [ElicitationUrl("demo", "Pay", url, "example.org")]


async def test_a_host_name_beyond_ascii_is_shown_as_it_is_looked_up_with_a_warning() -> None:
    person = accepting({})
    await requests(person).elicit("demo", {"mode": "url", "message": "", "url": "https://exämple.org/ü?q=ü"})
    (question,) = person.questions
    assert (question.url, question.host) == ("https://xn--exmple-cua.org/%C3%BC?q=%C3%BC", "xn--exmple-cua.org")
    assert question.shown_as == "exämple.org"
    assert len(question.warnings) == 1


@pytest.mark.parametrize("host", ["xn--pple-43d.com", "аpple.com"])
async def test_a_host_name_of_two_scripts_is_flagged_however_it_was_written(host: str) -> None:
    person = accepting({})
    await requests(person).elicit("demo", {"mode": "url", "message": "", "url": f"https://{host}/"})
    (question,) = person.questions
    assert (question.host, question.shown_as) == ("xn--pple-43d.com", "аpple.com")
    assert "mixes letters of several scripts: cyrillic, latin" in question.warnings[1]


async def test_punycode_that_stands_for_no_name_is_not_decoded() -> None:
    person = accepting({})
    await requests(person).elicit("demo", {"mode": "url", "message": "", "url": "https://xn--99999999999.com/"})
    assert person.questions[0].shown_as == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.org/", "https"),
        ("file:///etc/passwd", "names no host"),
        ("javascript:alert(1)", "names no host"),
        ("ssh://example.org/", "https"),
        ("https://user:word@example.org/", "user name"),
        ("https://example.org@evil.example/", "user name"),
        ("https://exa\u202emple.org/", "invisible"),
        ("https://example.org/\nx", "white space"),
        ("https://example.org/a b", "white space"),
        ("https://example.org\\@evil.example/", "backslashes"),
        ("https:///path", "names no host"),
        ("https://[::1/", "address"),
        ("https://example.org:99999/", "Port"),
        ("https://" + "é" * 70 + ".org/", "host name"),
        ("https://example.org/" + "x" * 5000, "longer"),
        ("", "names no host"),
        ("https://%65vil.example/", "host name"),
        ("https://example.org%2f.evil.example/", "host name"),
        ("https://example.org;evil.example/", "host name"),
        ("https://2130706433/", "number"),
        ("https://0x7f.1/", "number"),
    ],
)
async def test_an_unsafe_address_is_never_offered(url: str, words: str) -> None:
    person = accepting({})
    with pytest.raises(RequestRefused, match=f"(?i){words}|invalid ipv6"):
        await requests(person).elicit("demo", {"mode": "url", "message": "", "url": url})
    assert person.questions == []
    assert person.answered[0].why


async def test_only_a_server_on_this_machine_may_send_a_person_to_a_service_on_it() -> None:
    servers = (
        ServerConfig("here", command="x"),
        ServerConfig("local", url="http://127.0.0.1:3000/mcp", transport="http"),
        ServerConfig("far", url="https://mcp.example.org/", transport="http"),
    )
    person = accepting({})
    asked = requests(person, servers=servers)
    for server in ("here", "local", "embedded"):
        for url in ("http://localhost:8000/", "http://[::1]:8000/", "https://127.0.0.2/"):
            assert await asked.elicit(server, {"mode": "url", "url": url}) == {"action": "accept"}
    for url in ("http://localhost:8000/", "https://127.0.0.1/"):
        with pytest.raises(RequestRefused, match="on this machine"):
            await asked.elicit("far", {"mode": "url", "url": url})


async def test_a_server_has_twenty_questions_a_minute() -> None:
    clock, person = Clock(), Person()
    asked = requests(person, clock=clock)
    for _ in range(20):
        await asked.elicit("demo", FORM)
    with pytest.raises(RequestRefused, match="in a minute"):
        await asked.elicit("demo", FORM)
    clock.now += 60
    await asked.elicit("demo", FORM)
