"""The shapes that programs rely on: `docs/machine-output.md` says the same."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcphost import events
from mcphost.config.secrets import Secrets
from mcphost.errors import ModelBusy
from mcphost.frontends import (
    Denied,
    Ending,
    JsonFrontend,
    Narrator,
    Opening,
    PlainFrontend,
    RunFrontend,
    ServerRow,
    StreamJsonFrontend,
)
from mcphost.frontends.machine import VERSION, dumps
from mcphost.messages import AssistantMessage, Origin, Reasoning, Text, ToolCall, ToolResult, Usage, text_block
from mcphost.questions import Approval, ElicitationForm, ElicitationUrl, SamplingReview, ToolApproval

CALL = ToolCall("c1", "demo__add", {"a": 2}, '{"a": 2}')
RESULT = ToolResult("c1", (text_block("5"),), structured={"sum": 5}, origin=Origin("demo", "add"))
OPENING = Opening("s1", "test/model", servers=(ServerRow("demo", "ready", transport="stdio", era="modern", tools=9),))
APPROVAL = ToolApproval("c1", "demo", "add", {"a": 2}, "ask is the default")
TURN: list[events.Event] = [
    events.TurnStarted(text="add", model="test/model"),
    events.StepStarted(step=1, tools=9),
    events.ReasoningStreamed(text="hm"),
    events.TextStreamed(text="Let me"),
    events.CallDrafted(call="c1", name="demo__add"),
    events.Replied(message=AssistantMessage((Reasoning("hm"), Text("Let me"), CALL), "tools", Usage(10, 2, 3, 4))),
    events.CallDecided(call="c1", server="demo", tool="add", arguments={"a": 2}, decision="allow", why="y", asked=True),
    events.CallStarted(call="c1", server="demo", tool="add", arguments={"a": 2}),
    events.CallProgressed(call="c1", progress=1, total=2, message="half"),
    events.CallEnded(call="c1", name="demo__add", result=RESULT, seconds=0.12345),
    events.ModelWaited(seconds=2, why="429"),
    events.ServerChanged(server="demo", state="restarting", detail="exit code 1"),
    events.ServerLogged(server="demo", level="info", text="hi"),
    events.RequestAnswered(server="demo", kind="sampling", outcome="accepted", usage=Usage(1, 1)),
    events.Noticed(text="careful", level="warning"),
    events.Replied(message=AssistantMessage((Text("5"),), usage=Usage(20, 1))),
]
ENDING = Ending("5", "answered", 2, Usage(30, 3, 3, 4), denied=(Denied("c2", "demo__rm", "rule demo__rm"),))


async def play(frontend: RunFrontend) -> None:
    frontend.begin(OPENING)
    for event in TURN:
        await frontend.show(event)
    frontend.finish(ENDING)


async def test_text_is_the_answer_alone_and_safe() -> None:
    out, err = io.StringIO(), io.StringIO()
    await play(PlainFrontend(out, Narrator(err)))
    assert out.getvalue() == "5\n"
    assert "→ demo__add" in err.getvalue()
    out = io.StringIO()
    PlainFrontend(out, Narrator(err)).finish(Ending("a\x1b[2J\nb\n\n", "answered"))
    assert out.getvalue() == "a\ufffd[2J\nb\n"


async def test_text_without_an_answer_is_nothing() -> None:
    out = io.StringIO()
    PlainFrontend(out, Narrator(io.StringIO())).finish(Ending("", "cancelled"))
    assert out.getvalue() == ""


async def test_json_is_one_document() -> None:
    out = io.StringIO()
    await play(JsonFrontend(out, Narrator(io.StringIO())))
    assert json.loads(out.getvalue()) == {
        "version": 1,
        "session_id": "s1",
        "model": "test/model",
        "result": "5",
        "structured": None,
        "is_error": False,
        "error": None,
        "stop_reason": "answered",
        "num_steps": 2,
        "usage": {"input": 30, "output": 3, "cache_read": 3, "cache_creation": 4},
        "cost_usd": None,
        "tool_calls": [
            {
                "id": "c1",
                "name": "demo__add",
                "server": "demo",
                "tool": "add",
                "arguments": {"a": 2},
                "is_error": False,
                "seconds": 0.123,
            }
        ],
        "denied": [
            {"id": "c2", "name": "demo__rm", "why": "rule demo__rm", "unasked": False, "suggestion": None},
        ],
        "waiting": [],
        "run": None,
        "servers": [
            {
                "name": "demo",
                "state": "ready",
                "detail": "",
                "transport": "stdio",
                "era": "modern",
                "version": None,
                "tools": 9,
                "pid": None,
                "latency_seconds": None,
            }
        ],
    }


async def test_a_call_of_a_tool_that_does_not_exist_is_in_the_document_too() -> None:
    out = io.StringIO()
    frontend = JsonFrontend(out, Narrator(io.StringIO()))
    await frontend.show(events.Replied(message=AssistantMessage((ToolCall("1", "nope", None, "{"),), "tools")))
    result = ToolResult("1", (text_block("There is no tool"),), is_error=True)
    await frontend.show(events.CallEnded(call="1", name="nope", result=result, seconds=0))
    frontend.finish(Ending("", "answered"))
    (call,) = json.loads(out.getvalue())["tool_calls"]
    assert (call["name"], call["server"], call["arguments"], call["is_error"]) == ("nope", None, None, True)


def read(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_stream_json_is_a_line_for_each_thing_that_happens() -> None:
    out = io.StringIO()
    stamp = datetime(2026, 1, 31, 12, 0, 0, 5000, tzinfo=UTC)
    await play(StreamJsonFrontend(out, Narrator(io.StringIO()), now=lambda: stamp))
    lines = read(out)
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert {line["session_id"] for line in lines} == {"s1"}
    assert {line["ts"] for line in lines} == {"2026-01-31T12:00:00.005Z"}
    bodies = [{key: value for key, value in line.items() if key not in ("ts", "session_id", "seq")} for line in lines]
    assert [body["type"] for body in bodies] == [
        "init",
        "message",
        "message",
        "message",
        "message",
        "tool_use",
        "usage",
        "approval_decision",
        "tool_start",
        "progress",
        "tool_result",
        "model_wait",
        "server_status",
        "server_log",
        "sampling",
        "notice",
        "message",
        "usage",
        "result",
    ]
    by_type = {body["type"]: body for body in bodies}
    assert by_type["init"]["servers"][0]["name"] == "demo"
    assert [
        (body["role"], body["kind"], body["partial"], body["text"]) for body in bodies if body["type"] == "message"
    ] == [
        ("user", "text", False, "add"),
        ("assistant", "reasoning", True, "hm"),
        ("assistant", "text", True, "Let me"),
        ("assistant", "text", False, "Let me"),
        ("assistant", "text", False, "5"),
    ]
    assert by_type["approval_decision"] == {
        "type": "approval_decision",
        "id": "c1",
        "server": "demo",
        "tool": "add",
        "arguments": {"a": 2},
        "decision": "allow",
        "why": "y",
        "asked": True,
        "pin": "",
    }
    assert by_type["tool_result"] == {
        "type": "tool_result",
        "id": "c1",
        "name": "demo__add",
        "server": "demo",
        "tool": "add",
        "is_error": False,
        "content": [{"type": "text", "text": "5"}],
        "structured": {"sum": 5},
        "note": None,
        "seconds": 0.123,
    }
    assert by_type["result"]["result"] == "5"


async def test_what_happens_before_the_run_begins_follows_init() -> None:
    out = io.StringIO()
    frontend = StreamJsonFrontend(out, Narrator(io.StringIO()))
    await frontend.show(events.ServerChanged(server="demo", state="ready"))
    assert out.getvalue() == ""
    frontend.begin(OPENING)
    assert [line["type"] for line in read(out)] == ["init", "server_status"]


async def test_questions_are_lines_and_are_asked_as_ever() -> None:
    class Agrees(Narrator):
        async def ask(self, question: Any) -> Any:
            return Approval(allowed=True)

    out = io.StringIO()
    frontend = StreamJsonFrontend(out, Agrees(io.StringIO()))
    frontend.begin(OPENING)
    assert (await frontend.ask(APPROVAL)).allowed
    await frontend.ask(SamplingReview("demo", "test/model", ({"role": "user", "content": []},), 10))
    await frontend.ask(ElicitationForm("demo", "Who?", {"properties": {}}))
    await frontend.ask(ElicitationUrl("demo", "Pay", "https://example.org/", "example.org"))
    lines = read(out)[1:]
    assert [line["type"] for line in lines] == ["approval_request", "sampling", "elicitation", "elicitation"]
    assert lines[0]["arguments"] == {"a": 2}
    assert [line.get("mode") for line in lines[2:]] == ["form", "url"]


async def test_a_question_is_written_without_secrets() -> None:
    out = io.StringIO()
    frontend = StreamJsonFrontend(out, Narrator(io.StringIO()), secrets=Secrets([("canary-1234", "TOKEN")]))
    frontend.begin(Opening(session="s", model="m"))
    await frontend.ask(ToolApproval("1", "s", "t", {"to": "canary-1234"}, "no rule allows it"))
    assert json.loads(out.getvalue().splitlines()[-1])["arguments"] == {"to": "[secret TOKEN]"}


@pytest.mark.parametrize("make", [JsonFrontend, StreamJsonFrontend])
async def test_a_run_that_fails_early_still_ends_with_a_document(make: Any) -> None:
    out = io.StringIO()
    error = ModelBusy("overloaded", type="overloaded_error", status=529).envelope()["error"]
    make(out, Narrator(io.StringIO())).finish(Ending("", "error", is_error=True, error=error))
    if make is JsonFrontend:
        last = json.loads(out.getvalue())
    else:
        first, failure, last = read(out)
        assert (first["type"], failure["type"], last["type"]) == ("init", "error", "result")
        assert failure["error"]["type"] == "overloaded_error"
    assert (last["is_error"], last["error"]["code"]) == (True, "model_busy")


def test_every_line_is_ascii_and_strict_json_whatever_it_holds() -> None:
    value = {"\ud800": "\x1b\x9b\u202e\ud83d é😀", "n": [float("nan"), float("inf"), 1.5], "t": (1, None, True)}
    line = dumps(value)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"\ufffd": "\x1b\x9b\u202e\ufffd é😀", "n": [None, None, 1.5], "t": [1, None, True]}


def test_the_page_on_machine_output_names_every_type_and_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "machine-output.md").read_text()
    out = io.StringIO()
    JsonFrontend(out, Narrator(io.StringIO())).finish(ENDING)
    assert f"version {VERSION}" in page
    names = {*json.loads(out.getvalue()), "init", "message", "tool_use", "tool_start", "tool_result", "error", "result"}
    names |= {"approval_request", "approval_decision", "elicitation", "sampling", "server_status", "server_log"}
    names |= {"progress", "usage", "notice", "model_wait", "ts", "seq"}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
