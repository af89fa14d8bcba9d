from __future__ import annotations

import asyncio
import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcphost.config.schema import Config, Limits, Rule, ServerConfig
from mcphost.config.secrets import Secrets
from mcphost.errors import Divergence, ModelBusy, UsageError
from mcphost.events import CallEnded, ServerChanged
from mcphost.host import Host
from mcphost.messages import AssistantMessage, Text, ToolCall
from mcphost.models.base import TextDelta
from mcphost.models.scripted import call
from mcphost.questions import Approval, ToolApproval
from mcphost.recording import Recorder, Replay, read
from mcphost.testing import ScriptedFrontend, ScriptedModel
from tests.recording.runs import facts, person, record, replay, replaying

EVERYTHING: list[Any] = [
    [call("demo__add_note", title="a", text="b"), call("demo__import_notes", lines=["x: y", "z: w"])],
    call("demo__summarize_notes"),
    "Two notes.",
    call("demo__plan_meeting", topic="x"),
    [call("demo__add", a="two", b=1), call("demo__divide", a=1, b=0), call("demo__nothing")],
    "Done.",
]


def lines(file: Path, kind: str) -> list[dict[str, Any]]:
    return [line for text in file.read_text().splitlines()[1:] if (line := json.loads(text))["kind"] == kind]


@pytest.mark.parametrize("protocol", ["modern", "legacy"])
async def test_a_run_with_sampling_forms_and_progress_is_replayed_event_by_event(tmp_path: Path, protocol: Any) -> None:
    demo = ServerConfig("demo", sys.executable, ("-m", "mcphost", "demo-server"), protocol=protocol)
    options: Any = {"config": Config(servers={"demo": demo}, limits=Limits(probe=20)), "servers": {}}
    events = await record(tmp_path / "run.jsonl", EVERYTHING, "go", **options)
    assert {type(event).__name__ for event in events} > {"CallProgressed", "RequestAnswered", "ServerChanged"}
    assert facts(await replay(tmp_path / "run.jsonl", tmp_path / "again.jsonl")) == facts(events)
    assert (tmp_path / "again.jsonl").read_text() == (tmp_path / "run.jsonl").read_text()
    messages = lines(tmp_path / "run.jsonl", "message")
    assert {line["era"] for line in messages} == {protocol}
    assert {line["sender"] for line in messages} == {"host", "server"}


calls = st.sampled_from(
    [
        call("demo__add", a=2, b=3),
        call("demo__add", a=2, b=4),
        call("demo__divide", a=1, b=0),
        call("demo__add_note", title="t", text="some words of a note"),
        call("demo__import_notes", lines=["a: b", "c: d", "e: f"]),
        call("demo__list_notes"),
        call("demo__plan_meeting", topic="x"),
        call("demo__unknown"),
    ]
)
steps = st.lists(st.lists(calls, min_size=1, max_size=4), max_size=4)


@settings(max_examples=15, deadline=None)
@given(steps, st.lists(st.sampled_from(["once", "chat", None]), min_size=1, max_size=6))
def test_recording_a_replay_gives_the_same_file_and_the_same_events(replies: list[Any], answers: list[Any]) -> None:
    said = itertools.cycle(answers)

    def approve(question: ToolApproval) -> Approval:
        lasting = next(said)
        return Approval(lasting is not None, lasting or "once", reason=None if lasting else "not now")

    async def main(folder: Path) -> None:
        events = await record(folder / "run.jsonl", [*replies, "Done."], "go", frontend=person(approve=approve))
        assert facts(await replay(folder / "run.jsonl", folder / "again.jsonl")) == facts(events)
        assert (folder / "again.jsonl").read_text() == (folder / "run.jsonl").read_text()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))


async def test_several_turns_of_a_chat_are_replayed(tmp_path: Path) -> None:
    events = await record(tmp_path / "run.jsonl", ["One.", call("demo__add", a=1, b=1), "Two."], "first", "second")
    assert facts(await replay(tmp_path / "run.jsonl")) == facts(events)


async def test_a_model_that_failed_fails_again_in_the_same_way(tmp_path: Path) -> None:
    busy = ModelBusy("overloaded", hint="Wait.", retry_after=3)
    with pytest.raises(ModelBusy):
        await record(tmp_path / "run.jsonl", [call("demo__add", a=1, b=1), busy], "go")
    with pytest.raises(ModelBusy) as failure:
        await replay(tmp_path / "run.jsonl")
    assert failure.value.envelope() == busy.envelope()


async def test_a_server_that_died_in_a_call_dies_again_at_its_place(tmp_path: Path) -> None:
    source = (
        "import os\nfrom mcp.server import MCPServer\nserver = MCPServer('frail')\n"
        "@server.tool()\nasync def die() -> str:\n    os._exit(3)\nserver.run('stdio')\n"
    )
    frail = ServerConfig("frail", sys.executable, ("-c", source))
    options: Any = {"config": Config(servers={"frail": frail}), "servers": {}}
    events = await record(tmp_path / "run.jsonl", [call("frail__die"), "It died."], "go", **options)
    (ended,) = [event for event in events if isinstance(event, CallEnded)]
    assert ended.result.is_error
    assert facts(await replay(tmp_path / "run.jsonl", tmp_path / "again.jsonl")) == facts(events)
    assert (tmp_path / "again.jsonl").read_text() == (tmp_path / "run.jsonl").read_text()


async def test_a_changed_task_is_a_divergence_that_shows_what_was_recorded_and_what_came(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl", ["Hello."], "say hello")
    recorded = Replay(read(tmp_path / "run.jsonl"))
    async with replaying(recorded, ScriptedFrontend()) as host:
        with pytest.raises(Divergence) as divergence:
            await host.chat().send("say goodbye")
    assert divergence.value.detail["diff"] == [
        '- messages[0].content[0].text: "say hello"',
        '+ messages[0].content[0].text: "say goodbye"',
    ]
    with pytest.raises(Divergence):
        recorded.finish()


async def test_a_replay_that_asks_for_less_than_was_recorded_is_a_divergence_too(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl", ["One.", "Two."], "first", "second")
    recorded = Replay(read(tmp_path / "run.jsonl"))
    async with replaying(recorded, ScriptedFrontend()) as host:
        await host.chat().send("first")
    with pytest.raises(Divergence, match="1 more model request"):
        recorded.finish()


async def test_another_model_meets_the_servers_as_they_were_recorded(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl", [call("demo__now", zone="UTC"), "Late."], "what time is it?")
    model = ScriptedModel([call("demo__now", zone="UTC"), "It is later now."])
    recorded = Replay(read(tmp_path / "run.jsonl"), model=model)
    frontend = ScriptedFrontend()
    async with replaying(recorded, frontend) as host:
        reply = await host.chat().send("tell me the time")
    assert reply.text == "It is later now."
    (then,) = lines(tmp_path / "run.jsonl", "outcome")
    (now,) = frontend.of(CallEnded)
    assert list(now.result.content) == then["value"]["content"]
    recorded.finish()


async def test_a_call_of_another_model_that_was_never_made_ends_its_turn_with_the_nearest_one(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl", [call("demo__add", a=1, b=2), "3"], "add")
    model = ScriptedModel([call("demo__add", a=1, b=5), "6"])
    recorded = Replay(read(tmp_path / "run.jsonl"), model=model)
    async with replaying(recorded, ScriptedFrontend()) as host:
        with pytest.raises(Divergence) as divergence:
            await host.chat().send("add")
    assert divergence.value.detail["diff"] == ["- about.arguments.b: 2", "+ about.arguments.b: 5"]


async def test_no_canary_reaches_the_file_however_it_travels(tmp_path: Path) -> None:
    canary = 'can"ary\u00e9-1234567'
    redact = Secrets([(canary, "TOKEN")]).redact
    split = AssistantMessage((Text("it is "), Text(canary)), "end")

    class Splitting(ScriptedModel):
        async def stream(self, request: Any) -> Any:
            async for piece in super().stream(request):
                if piece == TextDelta(canary):
                    for letter in canary:
                        yield TextDelta(letter)
                else:
                    yield piece

    note = ToolCall("c1", "demo__add_note", {"title": canary, "text": canary}, json.dumps({"title": canary}))
    recorder = Recorder(tmp_path / "run.jsonl", redact=redact)
    demo = ServerConfig("demo", sys.executable, ("-m", "mcphost", "demo-server"), env={"TOKEN": canary})
    config = Config(servers={"demo": demo}, rules=(Rule("demo", "*", "allow"),))
    model = Splitting([note, split])
    host = Host(config, model=model, frontend=person(), system=f"system {canary}", environ={}, edges=recorder)
    async with host:
        await host.chat().send(f"remember {canary}")
    recorder.close()
    text = (tmp_path / "run.jsonl").read_text()
    assert "1234567" not in text
    assert text.count("[secret TOKEN]") > 10
    frontend = ScriptedFrontend()
    recorded = Replay(read(tmp_path / "run.jsonl"))
    async with replaying(recorded, frontend) as host:
        reply = await host.chat().send(recorded.recording.turns[0])
    assert reply.text == "it is [secret TOKEN]"
    recorded.finish()


async def test_a_recording_that_was_cut_off_is_replayed_up_to_there(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    await record(file, [call("demo__add", a=1, b=1), "2"], "go")
    whole = file.read_text().splitlines(keepends=True)
    cut = next(index for index, line in enumerate(whole) if '"kind":"outcome"' in line)
    file.write_text("".join(whole[:cut]) + whole[cut][:20])
    with pytest.raises(Divergence, match="no answer to this request to a server"):
        await replay(file)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not enough values"),
        ("nothing\nat all\n", "Expecting value"),
        ("[" * 100_000 + "\n", "recursion"),
        ('{"format":"other"}\n', "no header"),
        ('{"format":"mcphost-recording","version":99}\n', "version 99"),
        ('{"format":"mcphost-recording","version":1}\n[]\n', "no kind"),
    ],
)
async def test_a_file_that_is_no_recording_says_what_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "run.jsonl").write_text(text)
    with pytest.raises(UsageError, match=why):
        read(tmp_path / "run.jsonl")


async def test_a_run_that_sent_nothing_cannot_be_replayed(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl", [])
    with pytest.raises(UsageError, match="ended before anything was sent"):
        Replay(read(tmp_path / "run.jsonl"))


async def test_only_this_user_may_read_a_recording_and_its_place_must_be_writable(tmp_path: Path) -> None:
    Recorder(tmp_path / "run.jsonl").close()
    assert (tmp_path / "run.jsonl").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="cannot be written"):
        Recorder(tmp_path / "missing" / "run.jsonl")


async def test_servers_come_and_go_in_a_replay_as_they_did(tmp_path: Path) -> None:
    events = await record(tmp_path / "run.jsonl", ["Hi."], "go")
    states = [event.state for event in await replay(tmp_path / "run.jsonl") if isinstance(event, ServerChanged)]
    assert states == [event.state for event in events if isinstance(event, ServerChanged)]
    assert states[-1] == "stopped"
