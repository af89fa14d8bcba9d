"""Slash commands, prompts and mentions, against the demo server in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcphost import commands
from mcphost.commands import interpret
from mcphost.commands.prompts import prompt_arguments
from mcphost.commands.resources import attachments, offers
from mcphost.commands.tables import table
from mcphost.config.schema import Config
from mcphost.demo.notes import NoteStore
from mcphost.demo.server import create_server
from mcphost.errors import McpHostError, ServerError, UsageError
from mcphost.events import Event, ResourceUpdated, Show
from mcphost.host import Chat, Host
from mcphost.messages import Message, UserMessage
from mcphost.plugins import Fill, Help, Leave, Registry
from mcphost.servers.wire import WirePrompt
from mcphost.testing import ScriptedModel


@asynccontextmanager
async def chat(*listeners: Show) -> AsyncIterator[tuple[Chat, Registry]]:
    registry = Registry()
    commands.register(registry)
    server = create_server(NoteStore())
    model = ScriptedModel(["ok"])
    async with Host(Config(), model=model, servers={"demo": server}, environ={}, listeners=listeners) as host:
        await host.settled(10)
        yield host.chat(), registry


async def say(line: str) -> str:
    async with chat() as (talk, registry):
        answer = await interpret(talk, registry, line)
        if isinstance(answer, Fill):
            return answer.said
        if isinstance(answer, Help):
            return answer.text
        assert isinstance(answer, str)
        return answer


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/help", "/servers"),
        ("/tools", "demo__add"),
        ("/tools demo", "demo__add"),
        ("/tools nobody", "nobody offers no tools"),
        ("/servers", "demo  ready"),
        ("/servers disable demo", "demo  disabled"),
        ("/servers restart demo", "demo  ready"),
        ("/servers enable demo", "demo  ready"),
        ("/servers log demo", "demo is ready\nIt wrote nothing to stderr."),
        ("/model", "scripted/model"),
        ("/prompts", "/demo:plan_day zone=… [focus=…]"),
        ("/resources", "@demo:notes://all"),
        ("/permissions", "Anything else: ask. Mode: ask."),
        ("/clear", "forgotten"),
    ],
)
async def test_a_command_answers_with_text(line: str, says: str) -> None:
    assert says in await say(line)


async def test_help_lists_every_command() -> None:
    async with chat() as (talk, registry):
        page = await interpret(talk, registry, "/help")
        assert isinstance(page, Help)
        assert all(f"/{name}" in page.text for name in registry.commands)


async def test_quit_leaves() -> None:
    async with chat() as (talk, registry):
        assert await interpret(talk, registry, "/quit") == await interpret(talk, registry, "/exit") == Leave()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/tols", "did you mean '/tools'"),
        ("/demo:plan_dya", "did you mean 'plan_day'"),
        ("/dmeo:plan_day", "did you mean 'demo'"),
        ("/demo:plan_day", "needs zone=…"),
        ("/demo:plan_day zoen=UTC", "did you mean 'zone'"),
        ("/demo:plan_day zone='UTC", "quotes"),
        ("/model nowhere/x", "nowhere"),
    ],
)
async def test_a_slip_is_answered_with_what_was_meant(line: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        await say(line)
    assert says in str(raised.value)


async def test_a_prompt_becomes_messages_of_its_own_origin() -> None:
    async with chat() as (talk, registry):
        messages = await interpret(talk, registry, "/demo:plan_day zone=UTC 'focus=deep work'")
        assert isinstance(messages, list)
        assert isinstance(messages[0], UserMessage)
        assert messages[0].origin == "prompt"
        assert "deep work" in messages[0].content[0]["text"]


async def test_a_mention_attaches_the_resource_and_other_words_stay_text() -> None:
    async with chat() as (talk, registry):
        messages = await interpret(talk, registry, "read @demo:demo://about, mail me@example.com and @nobody:x")
        assert isinstance(messages, list)
        [message] = messages
        assert isinstance(message, UserMessage)
        text, resource = message.content
        assert text["text"].startswith("read @demo:")
        assert resource["resource"]["uri"] == "demo://about"


async def test_files_are_attached_as_text_or_as_they_are(tmp_path: Path) -> None:
    note, picture = tmp_path / "my note.txt", tmp_path / "dot.png"
    note.write_text("words")
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    blob = tmp_path / "all.zip"
    blob.write_bytes(b"\xff\xfe\xfd")
    async with chat() as (talk, registry):
        filled = await interpret(talk, registry, f"/attach {note}")
        assert filled == Fill(f'@"{note}" ', f"{note}: text/plain, 5 characters")
        said = "demo:notes://all: All notes · text/markdown"
        assert await interpret(talk, registry, "/attach @demo:notes://all") == Fill("@demo:notes://all ", said)
        messages = await interpret(talk, registry, f'@"{note}" and @{picture}, not @{tmp_path}/gone')
        assert isinstance(messages, list)
        _, text, image = messages[0].content
        shown = [line.partition(": ")[2] for line in attachments([*messages, *await attach(talk, registry, blob)])]
        assert shown == [
            "text/plain, 5 characters",
            "image/png, 9 bytes, an image",
            "application/zip, 3 bytes, no text, image or PDF: the model is told only that it is there",
        ]
        with pytest.raises(UsageError, match="no file"):
            await interpret(talk, registry, "/attach gone.txt")
    assert text["resource"] == {"uri": note.as_uri(), "mimeType": "text/plain", "text": "words"}
    assert (image["resource"]["mimeType"], image["resource"]["blob"][:6]) == ("image/png", "iVBORw")


async def attach(talk: Chat, registry: Registry, file: Path) -> Sequence[Message]:
    messages = await interpret(talk, registry, f"@{file}")
    assert isinstance(messages, list)
    return messages


async def test_a_resource_is_previewed_with_its_type_and_size() -> None:
    shown = await say("/resources @demo:demo://about")
    head, first, *_, last = shown.split("\n")
    assert head.startswith("demo://about: text/markdown, ")
    assert first == "# mcphost demo server"
    assert "touches nothing else" in last
    assert "notes://all" in await say("/resources demo")
    found = await say("/resources ALL NOTES")
    assert (found.count("\n"), found.startswith("@demo:notes://all")) == (0, True)
    assert await say("/resources weather") == "None of 3 resources has 'weather' in its name."
    for line, says in (("/resources demo:nothing://", "nothing"), ("/resources @it:x", "Write @SERVER:URI")):
        with pytest.raises(McpHostError, match=says):
            await say(line)


async def test_a_resource_that_is_subscribed_to_is_marked_when_it_changes_until_it_is_read() -> None:
    updates: asyncio.Queue[ResourceUpdated] = asyncio.Queue()

    async def show(event: Event) -> None:
        if isinstance(event, ResourceUpdated):
            updates.put_nowait(event)

    async with chat(show) as (talk, registry):
        demo = talk.host.servers["demo"]

        async def row() -> str:
            listed = await interpret(talk, registry, "/resources")
            assert isinstance(listed, str)
            return next(line for line in listed.split("\n") if line.startswith("@demo:notes://all"))

        assert "subscribed" not in await row()
        await interpret(talk, registry, "/resources subscribe @demo:notes://all")
        assert "subscribed · All notes · text/markdown" in await row()
        for _ in range(2):
            await demo.call("add_note", {"title": "Milk", "text": "two"})
        assert [(await updates.get()).repeated for _ in range(2)] == [False, True]
        assert "changed since it was read · All notes" in await row()
        assert ("@demo:notes://all", "changed since it was read · All notes · text/markdown") in offers(talk)
        assert "Milk" in str(await interpret(talk, registry, "/resources demo:notes://all"))
        assert "subscribed · All notes" in await row()
        await interpret(talk, registry, "/resources unsubscribe demo:notes://all")
        assert "subscribed" not in await row()


async def test_a_resource_that_is_not_there_is_said_by_its_server() -> None:
    with pytest.raises(ServerError):
        await say("read @demo:demo://nothing")


def test_a_prompt_with_one_argument_takes_the_rest_of_the_line() -> None:
    one: WirePrompt = {"name": "explain", "arguments": [{"name": "topic", "required": True}]}
    assert prompt_arguments(one, "the whole rest") == {"topic": "the whole rest"}
    assert prompt_arguments(one, 'topic="in quotes"') == {"topic": "in quotes"}


@pytest.mark.parametrize(("line", "says"), [("/servers stop demo", "'stop'"), ("/servers restart it", "'it'")])
async def test_servers_are_told_only_what_they_know(line: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        await say(line)


async def test_a_server_that_failed_says_what_can_be_done() -> None:
    config = {"mcpServers": {"gone": {"command": "python3", "args": ["-c", "import sys; sys.exit('no database')"]}}}
    registry = Registry()
    commands.register(registry)
    async with Host(config, model=ScriptedModel(["ok"])) as host:
        await host.settled(20)
        talk = host.chat()
        listed, log = [await interpret(talk, registry, line) for line in ("/servers", "/servers log gone")]
    assert isinstance(listed, str)
    assert "gone  failed" in listed
    assert "`/servers restart NAME` starts one anew" in listed
    assert isinstance(log, str)
    assert "exit code 1\n" in log
    assert "stderr: no database" in log


def test_columns_are_aligned_beside_wide_and_combined_characters() -> None:
    rows = [("a", "x"), ("漢字", "x"), ("e\u0301", "x")]
    assert table(rows).split("\n") == ["a     x", "漢字  x", "e\u0301     x"]
