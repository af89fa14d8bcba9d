"""Servers as most people have them, FastMCP and low-level on `mcp<2`, over all three transports of their time."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mcphost.config.schema import ServerConfig
from mcphost.errors import McpHostError
from mcphost.events import ServerListChanged, ServerLogged
from tests.real.installs import legacy_python
from tests.real.listening import legacy
from tests.real.pooled import Person, Seen, Steps, cancelled_midway, connected, stdio, text

SCRIPTS = Path(__file__).parent / "legacy"

Configure = Callable[[str], ServerConfig]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "library.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE book (title TEXT, year INTEGER)")
        connection.executemany("INSERT INTO book VALUES (?, ?)", [("Emma", 1815), ("Persuasion", 1817)])
    connection.close()
    return path


@pytest.fixture(scope="module", params=["stdio", "http", "sse"])
def configure(request: pytest.FixtureRequest, database: Path) -> Iterator[Configure]:
    """Gives the configuration of a script of `legacy/`, started first where it listens."""
    python, transport = legacy_python(), request.param
    with ExitStack() as running:
        known: dict[str, ServerConfig] = {}

        def start(name: str) -> ServerConfig:
            script = SCRIPTS / f"{name}.py"
            if transport == "stdio":
                return stdio(name, (python, str(script)), env={"DATABASE": str(database)})
            url = running.enter_context(legacy(python, script, transport, {"DATABASE": str(database)}))
            return ServerConfig(name, url=url, transport=transport)

        def configured(name: str) -> ServerConfig:
            if name not in known:
                known[name] = start(name)
            return known[name]

        yield configured


async def test_tools_resources_templates_and_prompts(configure: Configure) -> None:
    names = ("echo", "sqlite_explorer", "images")
    async with connected(*map(configure, names)) as servers:
        echo, explorer, images = (servers[name] for name in names)
        assert echo.era == "legacy"
        assert text(await echo.call("echo_tool", {"message": "hello"})) == "Tool echo: hello"
        assert [template["uriTemplate"] for template in echo.templates] == ["echo://{message}"]
        (contents,) = await echo.read("echo://hello")
        assert contents["text"] == "Resource echo: hello"
        (message,) = await echo.get_prompt("echo_prompt", {"message": "hello"})
        assert message["content"]["text"] == "Please process this message: hello"
        with pytest.raises(McpHostError):
            await echo.get_prompt("no_such_prompt", {})

        (schema,) = await explorer.read("schema://main")
        assert "CREATE TABLE book" in schema["text"]
        assert text(await explorer.call("query_data", {"sql": "SELECT max(year) FROM book"})) == "(1817,)"
        assert (await explorer.call("tables", {})).structured == {"result": ["book"]}
        assert (await explorer.call("row_count", {"table": "book"})).structured == {"result": 2}
        assert (await explorer.call("row_count", {"table": "a b"})).is_error

        (square,) = (await images.call("thumbnail", {"side": 5})).content
        assert square["mimeType"] == "image/png"
        assert base64.b64decode(square["data"]).startswith(b"\x89PNG")
        assert [block["type"] for block in (await images.call("captioned", {})).content] == ["text", "image"]
        (beep,) = (await images.call("beep", {})).content
        assert (beep["type"], beep["mimeType"]) == ("audio", "audio/wav")


async def test_what_a_tool_does_with_its_context(configure: Configure, tmp_path: Path) -> None:
    seen, steps, person = Seen(), Steps(), Person({"guests": 4, "vegetarian": True})
    async with connected(configure("context"), roots=(tmp_path,), seen=seen) as servers:
        server = servers["context"]
        assert server.instructions == "Every tool here uses its Context."
        assert text(await server.call("long_task", {"steps": 2}, progress=steps)) == "2 steps done"
        assert steps.reports == [(1, 2, "step 1"), (2, 2, "step 2")]
        await seen.until(lambda event: isinstance(event, ServerLogged) and event.text == "done")

        booked = await server.call("book_table", {"date": "Friday"}, caller=person)
        assert text(booked) == "booked for 4, vegetarian: True"
        assert text(await server.call("book_table", {"date": "Friday"}, caller=Person())) == "not booked: decline"
        assert text(await server.call("poem", {"topic": "love"}, caller=person)) == "scripted: roses are red"
        assert (await server.call("poem", {"topic": "love"}, caller=Person(refuses=True))).is_error
        assert (await server.call("poem", {"topic": "love"})).is_error
        assert text(await server.call("roots", {})) == tmp_path.as_uri()

        await cancelled_midway(server, "wait_for_ever", {})
        failed = await server.call("fail", {})
        assert failed.is_error
        assert "it is broken" in failed.content[0]["text"]

        await server.call("learn_trick", {})
        await seen.until(lambda event: isinstance(event, ServerListChanged) and event.kind == "tools")
        assert "trick" in [tool["name"] for tool in server.tools]
        assert text(await server.call("trick", {})) == "rolled over"


async def test_a_low_level_server_that_lists_in_pages_and_completes(configure: Configure) -> None:
    async with connected(configure("lowlevel")) as servers:
        server = servers["lowlevel"]
        assert [tool["name"] for tool in server.tools] == ["get_weather", "get_forecast", "get_history"]
        assert (await server.call("get_weather", {"city": "Oslo"})).structured == {"celsius": 9.25}
        (forecast,) = (await server.call("get_forecast", {"city": "Bern"})).content
        assert forecast["resource"]["text"] == "rain in Bern"
        (link,) = (await server.call("get_history", {"city": "Bern"})).content
        assert (link["type"], link["uri"]) == ("resource_link", "weather://Bern/yesterday")
        question, answer = await server.get_prompt("report", {"city": "Oslo"})
        assert (question["role"], answer["role"]) == ("user", "assistant")
        report = {"type": "ref/prompt", "name": "report"}
        assert await server.complete(report, "city", "Be") == ("Berlin", "Bern")
