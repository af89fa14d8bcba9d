"""The demo server as a host meets it: a process on pipes, in both eras."""

from __future__ import annotations

import asyncio
import base64
import struct
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp_types import (
    CallToolResult,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from mcphost.demo.notes import NoteStore
from mcphost.demo.server import create_server

COMMAND = [sys.executable, "-m", "mcphost", "demo-server"]

in_both_eras = pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])


class User:
    """Answers what the server asks, and remembers the questions."""

    def __init__(self, answer: ElicitResult | None = None) -> None:
        self.answer = answer or ElicitResult(action="decline")
        self.sampled: list[CreateMessageRequestParams] = []
        self.forms: list[ElicitRequestFormParams] = []

    async def sample(self, context: ClientRequestContext, params: CreateMessageRequestParams) -> CreateMessageResult:
        self.sampled.append(params)
        return CreateMessageResult(role="assistant", content=TextContent(text="All about milk."), model="scripted")

    async def elicit(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        self.forms.append(params)
        return self.answer


@asynccontextmanager
async def connected(mode: str, user: User | None = None, *arguments: str) -> AsyncIterator[Client]:
    user = user or User()
    server = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], *arguments])
    async with Client(server, mode=mode, sampling_callback=user.sample, elicitation_callback=user.elicit) as client:
        yield client


def text(result: CallToolResult) -> str:
    assert len(result.content) == 1
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def error_of(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return text(result)


async def value_of(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    return result.structured_content.get("result", result.structured_content)


@in_both_eras
async def test_it_computes_tells_the_time_and_draws(mode: str, version: str) -> None:
    async with connected(mode) as client:
        assert client.protocol_version == version
        assert await value_of(client, "add", a=2, b=3) == 5
        assert await value_of(client, "subtract", a=0.5, b=2) == -1.5
        assert await value_of(client, "multiply", a=10**20 + 1, b=3) == 3 * 10**20 + 3
        assert await value_of(client, "divide", a=7, b=2) == 3.5
        assert await value_of(client, "divide", a=10**400, b=10**399) == 10
        assert "cannot divide by zero" in await error_of(client, "divide", a=1, b=0)
        assert "too large" in await error_of(client, "multiply", a=1e308, b=10)
        assert "too large" in await error_of(client, "divide", a=10**400, b=3)

        tokyo = await value_of(client, "now", zone="Asia/Tokyo")
        assert datetime.fromisoformat(tokyo["time"]).strftime("%z %A") == f"+0900 {tokyo['weekday']}"
        moved = await value_of(
            client, "convert_time", time="2026-07-01T23:30", from_zone="Europe/Berlin", to_zone="Asia/Tokyo"
        )
        assert moved["target"] == {"zone": "Asia/Tokyo", "time": "2026-07-02T06:30:00+09:00", "weekday": "Thursday"}
        today = await value_of(client, "convert_time", time="9:05", from_zone="UTC", to_zone="UTC")
        assert today["target"]["time"].endswith("T09:05:00+00:00")
        assert "nearest name is 'Europe/Berlin'" in await error_of(client, "now", zone="Europe/Berln")
        assert "nearest name is 'America/New_York'" in await error_of(client, "now", zone="new york")
        assert "no time zone '../etc'" in await error_of(client, "now", zone="../etc")
        assert "write HH:MM" in await error_of(client, "convert_time", time="soon", from_zone="UTC", to_zone="UTC")

        summary, image = (await client.call_tool("draw_chart", {"values": [3, 1.5, -2]})).content
        assert isinstance(summary, TextContent)
        assert "3 bars from -2 to 3" in summary.text
        assert isinstance(image, ImageContent)
        assert image.mime_type == "image/png"
        assert colours_down_the_first_bar(base64.b64decode(image.data)) == ["blue", "white"]


def colours_down_the_first_bar(png: bytes) -> list[str]:
    """Decodes the picture as far as the first column of pixels, runs folded."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    (length,) = struct.unpack(">I", png[33:37])
    assert png[37:41] == b"IDAT"
    pixels = zlib.decompress(png[41 : 41 + length])
    assert len(pixels) == height * (1 + 3 * width)
    names = {b"\xff\xff\xff": "white", b"\x2f\x6f\xb7": "blue", b"\xc0\x3d\x3d": "red"}
    column = [names[pixels[y * (1 + 3 * width) + 1 :][:3]] for y in range(height)]
    return [name for y, name in enumerate(column) if y == 0 or column[y - 1] != name]


@in_both_eras
async def test_it_keeps_notes_and_offers_them_as_resources_and_prompts(mode: str, version: str) -> None:
    reported: list[tuple[float, float | None, str | None]] = []

    async def note_progress(progress: float, total: float | None, message: str | None) -> None:
        reported.append((progress, total, message))

    async with connected(mode) as client:
        first = await value_of(client, "add_note", title="Shopping", text='buy "oat milk"')
        imported = await client.call_tool(
            "import_notes", {"lines": ["Trip: book a train", "call Ada"]}, progress_callback=note_progress
        )
        assert imported.structured_content == {"imported": 2, "ids": [2, 3]}
        assert reported == [(1, 2, "Trip"), (2, 2, "call Ada")]
        assert await value_of(client, "search_notes", query='"oat mil') == {"notes": [first]}
        assert await value_of(client, "search_notes", query="OR NOT -") == {"notes": []}
        assert "the query is empty" in await error_of(client, "search_notes", query=" ")
        assert await value_of(client, "delete_note", id=3) == "Deleted note 3, 'call Ada'."
        assert "there is no note 3" in await error_of(client, "delete_note", id=3)
        assert (await value_of(client, "add_note", title="New", text=""))["id"] == 4
        assert [note["id"] for note in (await value_of(client, "list_notes"))["notes"]] == [1, 2, 4]

        assert {str(resource.uri) for resource in (await client.list_resources()).resources} == {
            "notes://all",
            "demo://about",
        }
        assert [template.uri_template for template in (await client.list_resource_templates()).resource_templates] == [
            "notes://{id}"
        ]
        assert "## 2. Trip" in await read(client, "notes://all")
        assert await read(client, "notes://1") == '## 1. Shopping\n\nbuy "oat milk"'
        assert "mcphost demo server" in await read(client, "demo://about")
        with pytest.raises(MCPError, match="there is no note 77"):
            await client.read_resource("notes://77")

        prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
        assert [(a.name, a.required) for a in prompts["plan_day"].arguments or ()] == [("zone", True), ("focus", False)]
        (message,) = (await client.get_prompt("plan_day", {"zone": "Asia/Tokyo", "focus": "rest"})).messages
        assert isinstance(message.content, TextContent)
        assert "Asia/Tokyo" in message.content.text
        _, embedded = (await client.get_prompt("explain_note", {"id": "1"})).messages
        assert isinstance(embedded.content, EmbeddedResource)
        with pytest.raises(MCPError, match="there is no note 77"):
            await client.get_prompt("explain_note", {"id": "77"})

        note = ResourceTemplateReference(uri="notes://{id}")
        zone = await client.complete(PromptReference(name="plan_day"), {"name": "zone", "value": "europe/ber"})
        assert zone.completion.values == ["Europe/Berlin"]
        assert (await client.complete(note, {"name": "id", "value": ""})).completion.values == ["1", "2", "4"]
        many = (await client.complete(PromptReference(name="plan_day"), {"name": "zone", "value": ""})).completion
        assert len(many.values) == 100
        assert many.has_more


async def read(client: Client, uri: str) -> str:
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    assert contents.mime_type == "text/markdown"
    return contents.text


@in_both_eras
async def test_it_asks_the_clients_model_and_its_user(mode: str, version: str) -> None:
    user = User(ElicitResult(action="accept", content={"title": "Tea", "day": "2026-12-01", "place": "office"}))
    async with connected(mode, user) as client:
        assert "no notes to summarize" in await error_of(client, "summarize_notes")
        await client.call_tool("add_note", {"title": "Shopping", "text": "oat milk"})
        assert await value_of(client, "summarize_notes") == "All about milk."
        (sampled,) = user.sampled
        assert "oat milk" in sampled.model_dump_json()

        plan = await value_of(client, "plan_meeting", topic="tea")
        assert plan["planned"]
        assert plan["meeting"] | {"minutes": 30, "budget": 0, "reminder": True} == plan["meeting"]
        (form,) = user.forms
        assert form.message == "Details of the meeting about tea"
        kinds = [field["type"] for field in form.requested_schema["properties"].values()]
        assert kinds == ["string", "string", "integer", "number", "string", "boolean"]
        user.answer = ElicitResult(action="decline")
        assert await value_of(client, "plan_meeting", topic="tea") == {"planned": False, "meeting": None}


async def test_every_tool_says_what_it_does_when_to_use_it_and_how_dangerous_it_is() -> None:
    with closing(NoteStore()) as store:
        tools = await create_server(store).list_tools()
    assert len(tools) == 14
    for tool in tools:
        assert tool.title
        assert tool.description
        assert tool.annotations
        assert tool.annotations.open_world_hint is False
    assert [tool.name for tool in tools if tool.annotations and tool.annotations.destructive_hint] == ["delete_note"]


async def test_notes_in_a_file_outlive_the_server(tmp_path: Path) -> None:
    notes = str(tmp_path / "notes.db")
    async with connected("auto", None, "--notes", notes) as client:
        await client.call_tool("add_note", {"title": "Shopping", "text": "oat milk"})
    with closing(NoteStore(Path(notes))) as store:
        assert [(note.title, note.text) for note in store.all()] == [("Shopping", "oat milk")]


async def test_a_file_that_cannot_hold_notes_is_one_line_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Ada, " * 200)
    assert await run("--notes", str(tmp_path / "letter.txt")) == (
        2,
        "",
        f"mcphost: cannot keep notes in {tmp_path / 'letter.txt'}: file is not a database\n",
    )


async def test_it_says_nothing_of_its_own_and_ends_with_its_input() -> None:
    assert await run() == (0, "", "")


async def run(*arguments: str) -> tuple[int | None, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    out, err = await process.communicate(b"")
    return process.returncode, out.decode(), err.decode()
