"""The official reference servers from npm, through mcphost's own pool."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcphost.config.schema import ServerConfig
from tests.real.installs import npm_server
from tests.real.listening import everything
from tests.real.pooled import Person, Steps, cancelled_midway, connected, stdio, text

pytestmark = pytest.mark.node


@pytest.fixture(scope="module", params=["stdio", "streamableHttp", "sse"])
def everything_config(request: pytest.FixtureRequest) -> Iterator[ServerConfig]:
    command = npm_server("server-everything")
    if request.param == "stdio":
        yield stdio("everything", command)
        return
    with everything(command, request.param) as url:
        yield ServerConfig("everything", url=url, transport="sse" if request.param == "sse" else "http")


async def test_the_everything_server_does_all_it_can(everything_config: ServerConfig, tmp_path: Path) -> None:
    async with connected(everything_config, roots=(tmp_path,)) as servers:
        server = servers["everything"]
        assert server.era == "legacy"

        assert text(await server.call("echo", {"message": "grüß dich"})) == "Echo: grüß dich"
        assert "5" in text(await server.call("get-sum", {"a": 2, "b": 3}))
        weather = await server.call("get-structured-content", {"location": "Chicago"})
        assert set(weather.structured) == {"temperature", "conditions", "humidity"}
        image = (await server.call("get-tiny-image", {})).content[1]
        assert base64.b64decode(image["data"]).startswith(b"\x89PNG")
        links = (await server.call("get-resource-links", {"count": 2})).content
        assert [block["type"] for block in links] == ["text", "resource_link", "resource_link"]
        assert (await server.call("get-sum", {"a": "two", "b": 3})).is_error

        steps = Steps()
        await server.call("trigger-long-running-operation", {"duration": 0.6, "steps": 3}, progress=steps)
        assert [(progress, total) for progress, total, _ in steps.reports[:2]] == [(1, 3), (2, 3)]

        document = next(resource for resource in server.resources if resource["uri"].endswith("architecture.md"))
        (contents,) = await server.read(document["uri"])
        assert contents["text"].startswith("# ")
        assert "demo://resource/dynamic/blob/{resourceId}" in [each["uriTemplate"] for each in server.templates]
        (blob,) = await server.read("demo://resource/dynamic/blob/1")
        assert base64.b64decode(blob["blob"])

        (message,) = await server.get_prompt("args-prompt", {"city": "Oslo"})
        assert "Oslo" in message["content"]["text"]
        prompt = {"type": "ref/prompt", "name": "completable-prompt"}
        assert await server.complete(prompt, "department", "Eng") == ("Engineering",)
        assert "Alice" in await server.complete(prompt, "name", "", {"department": "Engineering"})

        assert str(tmp_path) in text(await server.call("get-roots-list", {}))


async def test_the_everything_server_asks_and_is_answered(everything_config: ServerConfig) -> None:
    person = Person({"name": "Ada", "check": True})
    async with connected(everything_config) as servers:
        server = servers["everything"]
        sampled = await server.call("trigger-sampling-request", {"prompt": "a poem", "maxTokens": 50}, caller=person)
        assert "roses are red" in str(sampled.content)
        assert [name for name, _ in person.sampled] == ["everything"]
        elicited = await server.call("trigger-elicitation-request", {}, caller=person)
        assert "Ada" in str(elicited.content)
        (_, form) = person.asked[0]
        assert form["mode"] == "form"
        assert form["requestedSchema"]["type"] == "object"
        await cancelled_midway(server, "trigger-long-running-operation", {"duration": 60, "steps": 600})
        assert text(await server.call("echo", {"message": "still here"})) == "Echo: still here"


async def test_the_everything_servers_tool_that_requires_a_task_runs_as_one(everything_config: ServerConfig) -> None:
    person, steps = Person({"interpretation": "snake"}), Steps()
    async with connected(everything_config) as servers:
        research = servers["everything"].call(
            "simulate-research-query", {"topic": "python", "ambiguous": True}, caller=person, progress=steps
        )
        report = text(await research)
    assert "python (snake)" in report
    assert len(person.asked) == 1
    assert "Gathering sources..." in [message for _, _, message in steps.reports]


async def test_the_filesystem_and_memory_servers_work_side_by_side(tmp_path: Path) -> None:
    allowed, graph = tmp_path / "allowed", tmp_path / "graph.jsonl"
    allowed.mkdir()
    async with connected(
        stdio("files", (*npm_server("server-filesystem"), str(allowed))),
        stdio("memory", npm_server("server-memory"), env={"MEMORY_FILE_PATH": str(graph)}),
    ) as servers:
        files, memory = servers["files"], servers["memory"]
        note = str(allowed / "note.txt")
        await files.call("write_file", {"path": note, "content": "first\nsecond\n"})
        assert (allowed / "note.txt").read_text() == "first\nsecond\n"
        assert text(await files.call("read_text_file", {"path": note, "head": 1})) == "first"
        assert "note.txt" in text(await files.call("list_directory", {"path": str(allowed)}))
        outside = await files.call("read_text_file", {"path": str(tmp_path / "secret.txt")})
        assert outside.is_error
        assert "Access denied" in outside.content[0]["text"]

        ada = {"name": "Ada", "entityType": "person", "observations": ["wrote the first program"]}
        await memory.call("create_entities", {"entities": [ada]})
        found = await memory.call("search_nodes", {"query": "program"})
        assert found.structured["entities"] == [ada]
        assert "Ada" in graph.read_text()
