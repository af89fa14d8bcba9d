"""A run against the everything server, replayed without Node.js, network or server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mcphost.config.schema import Config, ServerConfig
from mcphost.events import CallEnded, CallProgressed, RequestAnswered
from mcphost.models.scripted import call
from mcphost.questions import ElicitationAnswer, ElicitationForm
from tests.real.installs import npm_server
from tests.recording.runs import facts, person, record, replay

pytestmark = pytest.mark.node


async def test_a_run_that_samples_asks_and_reports_progress_is_replayed_without_its_server(tmp_path: Path) -> None:
    command = npm_server("server-everything")
    everything = ServerConfig("everything", command[0], command[1:])
    replies: list[Any] = [
        call("everything__trigger-sampling-request", prompt="a poem", maxTokens=50),
        "roses are red",
        [
            call("everything__trigger-long-running-operation", duration=0.4, steps=4),
            call("everything__get-tiny-image"),
            call("everything__get-sum", a=2, b=3),
        ],
        call("everything__trigger-elicitation-request"),
        "Done.",
    ]
    frontend = person()
    frontend.answers[ElicitationForm] = ElicitationAnswer("accept", {"name": "Ada", "check": True})
    options: Any = {"config": Config(servers={"everything": everything}), "servers": {}}
    events = await record(tmp_path / "run.jsonl", replies, "try everything", frontend=frontend, **options)

    ended = [event for event in events if isinstance(event, CallEnded)]
    assert not any(event.result.is_error for event in ended)
    assert len(ended) == 5
    assert [event.kind for event in events if isinstance(event, RequestAnswered)] == ["sampling", "elicitation"]
    assert any(isinstance(event, CallProgressed) for event in events)

    # Nothing is there to be started: the recording does not say how.
    assert command[0] not in (tmp_path / "run.jsonl").read_text()
    assert facts(await replay(tmp_path / "run.jsonl", tmp_path / "again.jsonl")) == facts(events)
    assert (tmp_path / "again.jsonl").read_text() == (tmp_path / "run.jsonl").read_text()
