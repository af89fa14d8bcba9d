"""Servers' prompts in the chat: suggestions while their arguments are typed, what is missing, the preview."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mcphost.messages import UserMessage
from mcphost.models.scripted import ScriptedModel
from tests.cli.program import config, mcphost, script
from tests.servers.scripted import ALL, Refuse, Scripted
from tests.terminal.pty import started
from tests.terminal.tty import CTRL_C, CTRL_S, ENTER, ESC, Streaming, Tty, chatting

TRIP = {
    "name": "trip",
    "arguments": [
        {"name": "from", "required": True, "description": "Where\x1b[31m it begins"},
        {"name": "to", "required": True},
        {"name": "by"},
    ],
}
TOWNS = {"from": ("Ulm", "Unna", "New York", "evil\x1b[2J"), "to": ("Bern", "Basel"), "by": ()}
LINES = {"uriTemplate": "lines://{town}/{line}", "name": "lines"}


def travel(**answers: Any) -> Scripted:
    """It knows towns, and for each town the lines there."""

    def complete(params: Mapping[str, Any]) -> dict[str, Any]:
        argument, given = params["argument"], params.get("context", {}).get("arguments", {})
        known = {**TOWNS, "town": TOWNS["from"], "line": [f"{given.get('town')} {number}" for number in "12"]}
        values = [one for one in known[argument["name"]] if one.startswith(argument["value"])]
        return {"completion": {"values": values}}

    def get(params: Mapping[str, Any]) -> dict[str, Any]:
        told = f"A trip of {sorted(params['arguments'].items())}"
        return {"messages": [{"role": "user", "content": {"type": "text", "text": told}}]}

    return Scripted(
        {
            "prompts/list": {"prompts": answers.get("prompts", [TRIP])},
            "prompts/get": get,
            "resources/templates/list": {"resourceTemplates": [LINES]},
            "completion/complete": answers.get("complete", complete),
        },
        capabilities={**ALL, "completions": {}},
    )


def asked(server: Scripted) -> list[tuple[str, str, dict[str, str]]]:
    """The argument, its value, and the arguments before it of each completion that was asked for."""
    every = [one["params"] for one in server.received if one.get("method") == "completion/complete"]
    return [
        (one["argument"]["name"], one["argument"]["value"], one.get("context", {}).get("arguments", {}))
        for one in every
    ]


async def ready(tty: Tty) -> None:
    await tty.see("servers 1/1 ready")


async def test_what_is_missing_is_asked_for_one_by_one_and_seen_before_it_is_sent() -> None:
    server, model = travel(), ScriptedModel(["Have a good trip."])
    async with chatting(model, servers={"travel": server}) as tty:
        await ready(tty)
        tty.type("/trip by=rail" + ENTER)
        await tty.see(
            "The prompt trip of server travel needs from", "by=rail", "│ Where\ufffd[31m it begins", "New York"
        )
        tty.type("U")
        await tty.miss("New York")
        await tty.see("Ulm", "Unna")
        await tty.press("\t", "\t")
        await tty.see("from: Unna")
        await tty.press(ENTER)
        await tty.see("needs to", "from=Unna", "Bern")
        await tty.press(ENTER)
        await tty.see("must be filled in")
        await tty.press(*"Be")
        await tty.miss("Basel")
        await tty.press("\t")
        await tty.see("to: Bern")
        await tty.press(ENTER)
        await tty.see("Send this? Server travel made it of its prompt trip", "user says:", "[n] send nothing")
        tty.type("y")
        await tty.see("Have a good trip.")
    sent = str(model.requests[0].messages)
    assert "A trip of [('by', 'rail'), ('from', 'Unna'), ('to', 'Bern')]" in sent
    assert asked(server)[0] == ("from", "", {"by": "rail"})
    assert ("to", "Be", {"by": "rail", "from": "Unna"}) in asked(server)
    assert len(set(map(str, asked(server)))) == len(asked(server)), "an answer is remembered"


async def test_a_preview_that_is_left_sends_nothing() -> None:
    model = ScriptedModel([])
    async with chatting(model, servers={"travel": travel()}) as tty:
        await ready(tty)
        for town, key in (("Bern", "n"), ("Basel", ESC)):
            tty.type(f"/trip Ulm {town}" + ENTER)
            await tty.see(f"('to', '{town}')", "[y] send (Enter)")
            tty.type(key)
            await tty.see("ready ·")
    assert tty.screen.text.count("Nothing was sent.") == 2
    assert model.requests == []


async def test_a_low_screen_has_room_for_the_line_and_some_suggestions() -> None:
    long = {**TRIP, "arguments": [{"name": "from", "required": True, "description": "Where it begins. " * 60}]}
    async with chatting(ScriptedModel([]), servers={"travel": travel(prompts=[long])}, size=(60, 11)) as tty:
        await ready(tty)
        tty.type("/trip" + ENTER)
        await tty.see("needs from", "from:", "Ulm", "Unna", "[Enter] take it", "lines 1-")


async def test_a_prompt_is_no_steering_message_but_one_of_its_own() -> None:
    model = Streaming()
    async with chatting(model, servers={"travel": travel()}) as tty:
        await ready(tty)
        tty.type("hello" + ENTER)
        model.say("Well, ")
        await tty.see("Well,")
        tty.type("/trip Ulm Bern" + CTRL_S)
        await tty.see("/trip Ulm Bern")
        model.say("hello.")
        model.end()
        await tty.see("Send this?", "[y] send")
        tty.type("y")
        model.say("Nice.")
        model.end()
        await tty.see("Nice.")
    assert [message.origin for message in tty.conversation if isinstance(message, UserMessage)] == ["typed", "prompt"]


async def test_what_is_being_typed_for_the_model_does_not_become_an_argument() -> None:
    server, model = travel(), Streaming()
    async with chatting(model, servers={"travel": server}) as tty:
        await ready(tty)
        tty.type("hello" + ENTER)
        model.say("Well, ")
        await tty.see("Well,")
        tty.type("/trip" + ENTER)
        await tty.press(*"my sec")
        model.end()
        await tty.see("needs from", "> my sec")
        await tty.press(*"ret")
        await tty.see("[y] fill it in", "> my secret")
        tty.type("y")
        await tty.see("from:", "Ulm")
        await tty.press("U", ESC)
        await tty.see("Nothing was sent.", "> my secret")
        assert "secret" not in str(server.received)


async def test_esc_leaves_a_prompt_whose_argument_is_asked_for() -> None:
    model = ScriptedModel([])
    async with chatting(model, servers={"travel": travel()}) as tty:
        await ready(tty)
        tty.type("/trip" + ENTER)
        await tty.see("needs from")
        tty.type(ESC)
        await tty.see("Nothing was sent.", "ready ·")
    assert model.requests == []


async def test_values_are_completed_in_the_line_with_those_before_it_and_quoted_where_needed() -> None:
    server = travel()
    async with chatting(ScriptedModel([]), servers={"travel": server}) as tty:
        await ready(tty)
        tty.type("/travel:trip from=N")
        await tty.see("from='New York'")
        await tty.press("\t", *" to=B")
        await tty.see("> /travel:trip from='New York' to=B", "to=Bern", "to=Basel")
        assert asked(server)[-1] == ("to", "B", {"from": "New York"})
        assert ("from", "N", {}) in asked(server)
        tty.type(CTRL_C + "/trip U\t")
        await tty.see("> /trip Ulm")
        tty.type(CTRL_C + "/trip e")
        await tty.see("> /trip e")
        assert "evil" not in "".join(tty.screen.display)


async def test_each_variable_of_a_template_is_completed_with_those_before_it() -> None:
    server = travel()
    async with chatting(ScriptedModel([]), servers={"travel": server}) as tty:
        await ready(tty)
        tty.type("look at @travel:li")
        await tty.see("@travel:lines://", "lines: lines://{town}/{line}")
        tty.type("nes://N")
        await tty.see("@travel:lines://New%20York/")
        await tty.press("\t", "\t")
        await tty.see(
            "> look at @travel:lines://New%20York/New%20York%201", "@travel:lines://New%20York/New%20York%202"
        )
        assert asked(server)[-1] == ("line", "", {"town": "New York"})


async def test_a_server_that_does_not_answer_keeps_nobody_from_typing() -> None:
    was_asked, never = asyncio.Event(), asyncio.Event()

    async def complete(params: Mapping[str, Any]) -> dict[str, Any]:
        was_asked.set()
        await never.wait()
        return {}

    server = travel(complete=complete)
    async with chatting(ScriptedModel(["Sent."]), servers={"travel": server}) as tty:
        await ready(tty)
        tty.type("/trip ")
        await tty.see("from=")
        await was_asked.wait()
        tty.type(CTRL_C + "/he")
        await tty.see("/help")
        tty.type(CTRL_C + "/trip" + ENTER)
        await tty.see("needs from")
        await tty.press(*"Ulm", ENTER)
        await tty.see("needs to")
        await tty.press(*"Bern", ENTER)
        await tty.see("Send this?", "[y] send")
        tty.type("y")
        await tty.see("Sent.")


async def test_a_late_suggestion_is_offered_and_not_taken() -> None:
    late = asyncio.Event()

    async def complete(params: Mapping[str, Any]) -> dict[str, Any]:
        await late.wait()
        return {"completion": {"values": ["Ulm"]}}

    async with chatting(ScriptedModel([]), servers={"travel": travel(complete=complete)}) as tty:
        await ready(tty)
        tty.type("/trip" + ENTER)
        await tty.see("needs from", "\nfrom:\n")
        late.set()
        await tty.see("\nfrom:\n Ulm")


async def test_tab_takes_what_begins_as_it_was_typed() -> None:
    """Neither a command that has the letters elsewhere, nor the name of an argument that does."""
    async with chatting(ScriptedModel([]), servers={"travel": travel()}) as tty:
        await ready(tty)
        tty.type("/tr")
        await tty.see("/travel:trip")
        tty.type("\t ")
        await tty.see("> /travel:trip\n", "from=", "Ulm")
        tty.type("m")
        await tty.miss("from=")


async def test_a_server_that_fails_to_complete_suggests_nothing() -> None:
    was_asked = asyncio.Event()

    def complete(params: Mapping[str, Any]) -> dict[str, Any]:
        was_asked.set()
        raise Refuse(-32603, "out of towns")

    server = travel(complete=complete)
    async with chatting(ScriptedModel([]), servers={"travel": server}) as tty:
        await ready(tty)
        tty.type("/trip f")
        await tty.see("from=")
        await was_asked.wait()
        tty.type("r")
        await tty.see("> /trip fr", "from=")
        assert "out of towns" not in tty.screen.text


DEMO = {"demo": (sys.executable, "-m", "mcphost", "demo-server")}


@pytest.mark.deadline(60)
def test_a_prompt_of_a_real_server_from_its_short_name_to_the_answer(tmp_path: Path) -> None:
    arguments = ["-C", str(config(tmp_path, DEMO)), "-m", script(tmp_path, "A fine day.", "Once more.")]
    with started(*arguments) as pty:
        pty.type("/plan_day\r")
        pty.see("The prompt plan_day of server demo needs zone")
        pty.see("Africa/Abidjan")
        pty.type("Europe/Berl\t")
        pty.see("zone: Europe/Berlin")
        pty.type("\r")
        pty.see("what time it is in Europe/Berlin")
        pty.see("[y] send (Enter)")
        pty.type("\r")
        pty.see("A fine day.")
        pty.type("/demo:plan_day zone=Europe/Berl\t")
        pty.see("> /demo:plan_day zone=Europe/Berlin")
        pty.type(" focus=deep\t")
        pty.see("zone=Europe/Berlin focus='deep work'")
        pty.type("\r")
        pty.see("around deep work")
        pty.see("[y] send (Enter)")
        pty.type("n")
        pty.see("Nothing was sent.")
        pty.type("/plan_day\r")
        pty.see("needs zone")
        pty.type("\x03")
        pty.see("! Stopped.")
        pty.type("/quit\r")
        assert pty.ended() == 0


@pytest.mark.deadline(60)
def test_lines_ask_for_what_is_missing_and_preview_too(tmp_path: Path) -> None:
    arguments = ["--plain", "-C", str(config(tmp_path, DEMO)), "-m", script(tmp_path, "A fine day.")]
    with started(*arguments) as pty:
        pty.see("Ctrl+D leaves")
        pty.type("/plan_day\n")
        pty.see("It suggests: Africa/Abidjan")
        pty.see("zone (Enter alone: leave the prompt):")
        pty.type("\x03")
        pty.see("! Stopped.")
        pty.type("/plan_day UTC\n")
        pty.see("what time it is in UTC")
        pty.see("Send it?")
        pty.type("y\n")
        pty.see("A fine day.")
        pty.type("/quit\n")
        assert pty.ended() == 0


async def test_a_pipe_gets_an_error_for_what_is_missing_and_sends_what_is_whole(tmp_path: Path) -> None:
    arguments = ["--plain", "-C", str(config(tmp_path, DEMO)), "-m", script(tmp_path, "A fine day.")]
    ran = await mcphost(*arguments, stdin="/plan_day\n/plan_day UTC\n")
    assert (ran.code, ran.err) == (0, "")
    assert "! plan_day needs zone=…" in ran.out
    assert ran.out.count("A fine day.") == 1
