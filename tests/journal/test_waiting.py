"""Runs that pause for an answer, given days later, in another process, as JSON: nothing is lost, nothing runs twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from mcphost.config.schema import Config, Rule
from mcphost.errors import UsageError
from mcphost.events import CallEnded, CallPaused
from mcphost.host import Chat, Host
from mcphost.journal import Journal, MemoryJournal
from mcphost.journal.sqlite import SqliteJournal
from mcphost.messages import AssistantMessage, Text, ToolCall, ToolResult, to_json
from mcphost.questions import Approval, ToolApproval, WaitingCall
from mcphost.testing import ScriptedFrontend, ScriptedModel
from tests.cli.program import Ran, config, mcphost, start
from tests.journal import counting_server

RULES = Config(rules=(Rule("local", "free", "allow"), Rule("local", "never", "deny")))
ran: list[str] = []


def free(n: int) -> str:
    """Runs unasked."""
    ran.append(f"free {n}")
    return f"free {n}"


def asked(n: int) -> str:
    """Needs consent."""
    ran.append(f"asked {n}")
    return f"asked {n}"


def other(n: int) -> str:
    """Needs consent, and is another tool by now."""
    return asked(n)


def wish(*names: str) -> AssistantMessage:
    calls = [ToolCall(f"k{n}", f"local__{name}", {"n": n}, "") for n, name in enumerate(names)]
    return AssistantMessage((Text("on it"), *calls), "tools")


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    ran.clear()
    made: AbstractContextManager[Journal] = (
        nullcontext(MemoryJournal()) if request.param == "memory" else SqliteJournal(tmp_path / "j.db")
    )
    with made as journal:
        yield journal


def host(
    model: ScriptedModel, journal: Journal, *, frontend: ScriptedFrontend | None = None, tool: Any = asked
) -> Host:
    tool.__name__ = "asked"
    return Host(RULES, model=model, tools=[free, tool], journal=journal, frontend=frontend, pauses=True, environ={})


def results(chat: Chat) -> list[str]:
    assert chat.conversation is not None
    return [str(one.content[0].get("text")) for one in chat.conversation.messages if isinstance(one, ToolResult)]


async def test_a_turn_pauses_once_its_other_calls_have_ended_and_goes_on_from_json(journal: Journal) -> None:
    seen = ScriptedFrontend()
    async with host(ScriptedModel([wish("free", "asked", "free", "asked")]), journal, frontend=seen) as first:
        chat = first.chat()
        reply = await chat.send("go")
    assert (reply.stop, sorted(ran)) == ("paused", ["free 0", "free 2"])
    assert [called.call.id for called in reply.calls] == ["k0", "k2"]
    assert [one.call for one in reply.waiting] == ["k1", "k3"] == [one.call for one in seen.of(CallPaused)]
    assert {event.call for event in seen.of(CallEnded)} == {"k0", "k2"}
    written = json.loads(json.dumps(to_json(reply.waiting[0])))
    assert WaitingCall.from_json(written) == reply.waiting[0]
    assert (written["tool"], written["arguments"]) == ("asked", {"n": 1})

    assert reply.run is not None
    record = await journal.fold(reply.run)
    assert (record.stop, record.waiting) == ("paused", reply.waiting)
    answers: dict[str, Any] = {"k1": {"allowed": True}, "k3": {"allowed": False, "reason": "too much"}}
    async with host(ScriptedModel(["All done."]), journal) as second:
        later = second.chat(resume=record)
        final = await later.resume(answers=answers)
        assert (final.stop, final.text) == ("answered", "All done.")
        texts = results(later)
    assert (sorted(ran[:2]), ran[2:]) == (["free 0", "free 2"], ["asked 1"])
    assert texts[:3] == ["free 0", "asked 1", "free 2"]
    assert "the person said no: too much" in texts[3]
    assert (await journal.fold(reply.run)).waiting == ()


async def test_without_an_answer_it_pauses_again_and_with_a_person_it_asks(journal: Journal) -> None:
    async with host(ScriptedModel([wish("asked")]), journal) as first:
        chat = first.chat()
        paused = await chat.send("go")
        assert (await chat.resume()).stop == "paused"
        assert paused.run is not None
    person = ScriptedFrontend({ToolApproval: Approval(allowed=True)})
    async with host(ScriptedModel(["Done."]), journal, frontend=person) as second:
        later = second.chat(resume=await journal.fold(paused.run))
        assert (await later.resume()).text == "Done."
    assert ran == ["asked 0"]
    assert len(person.questions) == 1


async def test_an_answer_holds_for_the_definition_it_was_given_about(journal: Journal) -> None:
    async with host(ScriptedModel([wish("asked")]), journal) as first:
        paused = await first.chat().send("go")
    assert paused.run is not None
    async with host(ScriptedModel(["Done."]), journal, tool=other) as second:
        later = second.chat(resume=await journal.fold(paused.run))
        again = await later.resume(answers={"k0": Approval(allowed=True)})
    assert (again.stop, ran) == ("paused", [])
    assert '- description: "Needs consent."' in again.waiting[0].why
    assert '+ description: "Needs consent, and is another tool by now."' in again.waiting[0].why


async def test_a_chat_that_goes_elsewhere_leaves_no_call_without_a_result(journal: Journal) -> None:
    async with host(ScriptedModel([wish("asked"), "Something else."]), journal) as first:
        chat = first.chat()
        paused = await chat.send("go")
        assert (await chat.send("never mind")).text == "Something else."
        assert len(results(chat)) == 1
    assert ran == []
    assert paused.run is not None
    assert (await journal.fold(paused.run)).waiting == ()


@pytest.mark.parametrize("answers", [{"k9": {"allowed": True}}, {"k0": {"allowed": "yes"}}, {"k0": {"alowed": True}}])
async def test_answers_that_make_no_sense_are_refused(answers: dict[str, Any]) -> None:
    async with host(ScriptedModel([wish("asked")]), MemoryJournal()) as it:
        chat = it.chat()
        await chat.send("go")
        with pytest.raises(UsageError):
            await chat.resume(answers=answers)


# -- the program -------------------------------------------------------------------------------------------------------


class Desk:
    """A home with a server that counts what it did, and a model that says `replies`."""

    def __init__(self, folder: Path, *replies: Any) -> None:
        self.folder, self.marks = folder, folder / "marks"
        self.file = config(folder, {"count": [sys.executable, counting_server.__file__, str(self.marks), "0"]})
        self.script = folder / "script.json"
        self.env = {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "none")}
        self.say(*replies)

    def say(self, *replies: Any) -> None:
        self.script.write_text(json.dumps(replies))

    async def __call__(self, *arguments: str) -> Ran:
        common = ["-C", str(self.file), "-m", f"scripted/{self.script}"] if arguments[0] == "run" else []
        return await mcphost(*arguments, *common, env=self.env, cwd=self.folder)

    @property
    def marked(self) -> list[str]:
        return self.marks.read_text().split() if self.marks.exists() else []


MARK = {"calls": [{"name": "count__mark", "arguments": {"token": "one"}}]}


@pytest.mark.deadline(60)
async def test_a_run_pauses_is_approved_and_goes_on_in_other_processes(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MARK, "done")
    paused = await desk("run", "go", "--on-ask", "pause", "--output-format", "json")
    said = paused.json
    assert (paused.code, said["stop_reason"], said["is_error"], desk.marked) == (6, "paused", False, [])
    assert [(call["server"], call["tool"], call["arguments"]) for call in said["waiting"]] == [
        ("count", "mark", {"token": "one"})
    ]
    run = said["run"][:12]
    assert f"{run}  " in (await desk("runs")).out
    shown = await desk("runs", "show", run)
    assert "1. count is to run mark" in shown.out
    assert '"token": "one"' in shown.out

    still = await desk("run", "--resume", run)
    assert (still.code, desk.marked) == (6, [])
    assert f"mcphost runs approve|deny {run}" in still.err

    approved = await desk("runs", "approve", run)
    assert (approved.code, approved.out) == (0, f"allowed: count__mark\nGo on with: mcphost run --resume {run}\n")
    denied = await desk("runs", "deny", run, "--reason", "no")
    assert denied.out.startswith("refused: count__mark (before: allowed)\n")
    await desk("runs", "approve", run)

    desk.say("done")
    final = await desk("run", "--resume", run)
    assert (final.code, final.out, desk.marked) == (0, "done\n", ["one"]), final.err
    assert (await desk("runs")).out == ""
    again = await desk("runs", "approve", run)
    assert (again.code, "no open runs are named" in again.err) == (2, True)
    audit = (await desk("audit")).out
    assert "paused for count__mark" in audit
    assert "mcphost runs approve, by " in audit
    assert "allowed count__mark" in audit


@pytest.mark.deadline(60)
async def test_a_kill_between_pause_answer_and_end_runs_nothing_twice(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MARK, "done")
    run = (await desk("run", "go", "--on-ask", "pause", "--json")).json["run"]
    await desk("runs", "approve", run, "--always")
    desk.say("done")
    arguments = ["run", "--resume", run, "-C", desk.file, "-m", f"scripted/{desk.script}"]
    for seconds in (0.1, 0.35):
        process = await start(*arguments, env=desk.env, cwd=tmp_path)
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
    final = await desk("run", "--resume", run, "--on-unknown", "fail")
    assert final.code == 0, final.err
    known = "may or may not have taken effect" not in (await desk("chats", "show", run)).out
    assert desk.marked == ["one"] if known else len(desk.marked) < 2


async def test_a_run_that_is_not_recorded_cannot_pause(tmp_path: Path) -> None:
    refused = await Desk(tmp_path, "hi")("run", "go", "--on-ask", "pause", "--no-journal")
    assert refused.code == 2
    assert "a run can pause only if it is recorded" in refused.err
