"""`mcphost.testing.replay`, and its fixture as a user's project has it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from mcphost.errors import Divergence
from mcphost.models.scripted import call
from mcphost.testing import ScriptedFrontend, ScriptedModel, replay
from tests.recording.runs import record

USERS_TEST = """
import asyncio
from mcphost.testing.fixtures import replay

def test_the_sum_is_told(replay):
    async def main():
        async with replay("run.jsonl") as host:
            return await host.chat().send("add")
    assert asyncio.run(main()).text == "It is 3."
"""


async def test_a_recording_stands_in_for_model_servers_and_person(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl", [call("demo__add", a=1, b=2), "It is 3."], "add")
    frontend = ScriptedFrontend()
    async with replay(tmp_path / "run.jsonl", frontend=frontend) as host:
        reply = await host.chat().send("add")
    assert reply.text == "It is 3."
    assert reply.calls[0].result.structured == {"result": 3.0}
    assert frontend.questions == []


async def test_another_model_may_be_tried_on_the_recorded_servers(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl", [call("demo__add", a=1, b=2), "It is 3."], "add")
    async with replay(tmp_path / "run.jsonl", model=ScriptedModel([call("demo__add", a=1, b=2), "Three!"])) as host:
        assert (await host.chat().send("what is 1 + 2?")).text == "Three!"


async def test_the_divergence_is_what_a_failing_block_ends_with(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl", [call("demo__add", a=1, b=2), "It is 3."], "add")

    async def block() -> None:
        async with replay(tmp_path / "run.jsonl") as host:
            try:
                await host.chat().send("subtract")
            except Divergence:
                raise AssertionError("no answer") from None

    with pytest.raises(Divergence, match="messages"):
        await block()


async def test_an_own_failure_of_the_block_stays_what_it_is(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl", ["Hi."], "hello")
    with pytest.raises(ZeroDivisionError):
        async with replay(tmp_path / "run.jsonl"):
            raise ZeroDivisionError


def test_the_fixture_finds_recordings_beside_the_test(tmp_path: Path) -> None:
    asyncio.run(record(tmp_path / "run.jsonl", [call("demo__add", a=1, b=2), "It is 3."], "add"))
    (tmp_path / "test_mine.py").write_text(USERS_TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
