"""The demo server in mcphost's own pool: both eras, over pipes and over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Literal

import pytest

from mcphost.config.schema import ServerConfig
from tests.real.listening import listening
from tests.real.pooled import Person, Steps, connected, stdio, text

Era = Literal["legacy", "modern"]


@pytest.fixture(scope="module", params=["legacy", "modern"])
def era(request: pytest.FixtureRequest) -> Era:
    chosen: Era = request.param
    return chosen


@pytest.fixture(scope="module", params=["stdio", "http"])
def config(request: pytest.FixtureRequest, era: Era) -> Iterator[ServerConfig]:
    if request.param == "stdio":
        yield stdio("demo", (sys.executable, "-m", "mcphost", "demo-server"), protocol=era)
        return
    with listening([sys.executable, "-m", "tests.demo.over_http"], r"^listening on (\S+)$") as match:
        yield ServerConfig("demo", url=match[1], transport="http", protocol=era)


async def test_it_asks_and_is_answered_in_either_era(config: ServerConfig, era: Era) -> None:
    person = Person({"title": "Tea", "day": "2026-12-01", "place": "office", "minutes": 15})
    steps = Steps()
    async with connected(config) as servers:
        demo = servers["demo"]
        assert demo.era == era
        assert text(await demo.call("add", {"a": 2, "b": 3})) == "5"
        imported = await demo.call("import_notes", {"lines": ["milk: oat", "bread"]}, progress=steps)
        assert imported.structured == {"imported": 2, "ids": [1, 2]}
        assert steps.reports[:1] == [(1, 2, "milk")]
        assert text(await demo.call("summarize_notes", {}, caller=person)) == "roses are red"
        assert "oat" in str(person.sampled)
        plan = await demo.call("plan_meeting", {"topic": "tea"}, caller=person)
        assert plan.structured["meeting"]["minutes"] == 15
        declined = await demo.call("plan_meeting", {"topic": "tea"}, caller=Person())
        assert declined.structured == {"planned": False, "meeting": None}

        (contents,) = await demo.read("notes://1")
        assert contents["text"] == "## 1. milk\n\noat"
        (_, embedded) = await demo.get_prompt("explain_note", {"id": "2"})
        assert embedded["content"]["resource"]["uri"] == "notes://2"
        assert await demo.complete({"type": "ref/resource", "uri": "notes://{id}"}, "id", "") == ("1", "2")
