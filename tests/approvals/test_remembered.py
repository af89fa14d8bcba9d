"""Answers for good: where they are kept, what they hold for, and how they are taken back."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcphost.approvals import Answer, Gate, Go, Policy, Refuse, Remembered, Wait
from mcphost.config.schema import Rule
from mcphost.errors import UsageError
from mcphost.messages import ToolCall
from mcphost.questions import Approval, Lasting, ToolApproval
from mcphost.testing import ScriptedFrontend
from mcphost.tools import Tool


def tool(name: str = "log", *, description: str = "Shows.", entry: dict[str, Any] | None = None) -> Tool:
    definition: Any = {"name": name, "description": description, "inputSchema": {"type": "object"}}
    return Tool(f"git__{name}", "git", name, definition, f"pin of {description}", entry=entry or {"command": "git"})


def call(**arguments: Any) -> ToolCall:
    return ToolCall("1", "git__log", arguments, "")


def saying(lasting: Lasting = "once", *, disable: bool = False) -> ScriptedFrontend:
    return ScriptedFrontend({ToolApproval: Approval(not disable, lasting, disable=disable)})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "answers.json"


async def answered(
    file: Path, frontend: ScriptedFrontend, asked: Tool, *rules: Rule, **arguments: Any
) -> Go | Refuse | Wait:
    """The verdict of a host that starts anew."""
    gate = Gate(Policy(rules, remembered=Remembered(file)), frontend)
    await gate.cover([asked, tool("other")])
    return await gate.check(call(**arguments), asked)


async def test_always_holds_in_the_next_host_for_the_same_definition(file: Path) -> None:
    assert isinstance(await answered(file, saying("always"), tool()), Go)
    nobody = ScriptedFrontend()
    verdict = await answered(file, nobody, tool(), n=2)
    assert isinstance(verdict, Go)
    assert verdict.why.startswith("you allowed it for good (")
    assert not verdict.asked
    assert not nobody.questions
    assert isinstance(await answered(file, nobody, tool("other")), Refuse)


async def test_a_definition_that_changed_is_asked_about_with_the_difference(file: Path) -> None:
    await answered(file, saying("always"), tool())
    person = saying("always")
    await answered(file, person, tool(description="Sends\x1b it away."))
    [question] = person.questions
    assert isinstance(question, ToolApproval)
    assert question.why == "you allowed it for good, but it has changed since"
    assert question.changes == ('- description: "Shows."', '+ description: "Sends\\u001b it away."')
    assert isinstance(await answered(file, ScriptedFrontend(), tool(description="Sends\x1b it away.")), Go)
    assert isinstance(await answered(file, ScriptedFrontend(), tool()), Refuse)  # the old one is not allowed any more


async def test_a_server_whose_entry_changed_is_asked_about_with_the_difference(file: Path) -> None:
    await answered(file, saying("always"), tool(entry={"command": "git", "args": ["a"]}))
    person = ScriptedFrontend()
    verdict = await answered(file, person, tool(entry={"command": "git", "args": ["b"]}))
    assert isinstance(verdict, Refuse)
    assert verdict.unasked
    [question] = person.questions
    assert isinstance(question, ToolApproval)
    assert question.why == "you allowed it for good, but the configuration of its server has changed since"
    assert question.changes == ('- server.args[0]: "a"', '+ server.args[0]: "b"')


async def test_always_with_these_arguments_holds_for_no_others(file: Path) -> None:
    await answered(file, saying("arguments"), tool(), n=1)
    nobody = ScriptedFrontend()
    assert isinstance(await answered(file, nobody, tool(), n=1), Go)
    for others in ({}, {"n": True}, {"n": 1, "m": 1}):
        assert isinstance(await answered(file, nobody, tool(), **others), Refuse)


async def test_always_all_of_a_server_covers_what_it_lists_now(file: Path) -> None:
    await answered(file, saying("server"), tool())
    nobody = ScriptedFrontend()
    assert isinstance(await answered(file, nobody, tool("other")), Go)
    assert isinstance(await answered(file, nobody, tool("later")), Refuse)


async def test_a_tool_that_was_disabled_stays_so_also_when_it_changes(file: Path) -> None:
    person = saying(disable=True)
    verdict = await answered(file, person, tool())
    assert isinstance(verdict, Refuse)
    assert "never wants it to run" in verdict.result.content[0]["text"]
    for changed in (tool(), tool(description="New."), tool(entry={"command": "x"})):
        verdict = await answered(file, person, changed, Rule("git", "*", "allow"))
        assert isinstance(verdict, Refuse)
        assert "you disabled it" in verdict.why
    assert len(person.questions) == 1
    policy = Policy(remembered=Remembered(file))
    assert policy.hides("git", "log")
    assert not policy.hides("git", "other")


async def test_an_answer_is_weaker_than_rules_that_ask_or_deny(file: Path) -> None:
    await answered(file, saying("always"), tool())
    person = ScriptedFrontend()
    assert isinstance(await answered(file, person, tool(), Rule("git", "*", "ask")), Refuse)
    assert isinstance(await answered(file, person, tool(), Rule("git", "*", "deny")), Refuse)
    [question] = person.questions
    assert isinstance(question, ToolApproval)
    assert question.lasting == ("once", "chat")  # for good would do nothing


async def test_what_is_offered(file: Path) -> None:
    person = ScriptedFrontend()
    await answered(file, person, tool())
    await Gate(Policy(), person).check(call(), tool())
    kept, unkept = person.questions
    assert isinstance(kept, ToolApproval)
    assert isinstance(unkept, ToolApproval)
    assert (kept.lasting, kept.disable, kept.listed) == (("once", "chat", "always", "arguments", "server"), True, 2)
    assert (unkept.lasting, unkept.disable) == (("once", "chat"), False)


async def test_calls_that_are_alike_may_be_allowed_together() -> None:
    asked: list[ToolApproval] = []

    def answer(question: ToolApproval) -> Approval:
        asked.append(question)
        return Approval(True, "alike" if question.alike else "once")

    gate = Gate(Policy(), ScriptedFrontend({ToolApproval: answer}))
    verdicts: list[Go | Refuse | Wait] = []

    async def check(number: int, checked: Tool) -> None:
        verdicts.append(await gate.check(replace(call(n=number), id=str(number)), checked))

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(check, number, tool())
        group.start_soon(check, 3, tool("other"))
    assert all(isinstance(verdict, Go) for verdict in verdicts)
    assert [(question.tool, question.arguments, question.alike) for question in asked] == [
        ("log", {"n": 0}, ({"n": 1}, {"n": 2})),
        ("other", {"n": 3}, ()),
    ]


async def test_an_answer_that_cannot_be_kept_counts_once(tmp_path: Path) -> None:
    gate = Gate(Policy(remembered=Remembered(None)), saying("always"))
    assert isinstance(await gate.check(call(), tool()), Go)
    remembered = Remembered(tmp_path / "fresh" / "answers.json")
    (tmp_path / "fresh").symlink_to(tmp_path / "elsewhere")
    verdict = await Gate(Policy(remembered=remembered), saying("always")).check(call(), tool())
    assert isinstance(verdict, Go)
    assert "but for this time only" in verdict.why
    assert not (tmp_path / "elsewhere").exists()


def test_the_file_is_the_users_alone_whatever_the_umask(file: Path) -> None:
    old = os.umask(0)
    try:
        Remembered(file).add([Answer.about(tool(), "allow")])
    finally:
        os.umask(old)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(file.read_text())["answers"][0]["pin"] == "pin of Shows."


@pytest.mark.parametrize("mode", [0o622, 0o660, 0o666])
def test_a_file_that_others_may_write_is_not_believed(file: Path, mode: int) -> None:
    Remembered(file).add([Answer.about(tool(), "allow")])
    file.chmod(mode)
    with pytest.raises(UsageError, match="other users may write to it"):
        Remembered(file)


def test_a_link_is_neither_read_nor_written_through(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text('{"version": 1, "answers": []}')
    file.parent.mkdir()
    file.symlink_to(target)
    with pytest.raises(UsageError, match="symbolic link"):
        Remembered(file)
    assert target.read_text() == '{"version": 1, "answers": []}'


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1, "answers": [{"odd": 1}]}'])
def test_a_file_that_is_none_of_ours_is_an_error(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(UsageError, match="cannot be read"):
        Remembered(file)


def test_two_hosts_do_not_lose_each_others_answers(file: Path) -> None:
    one, other = Remembered(file), Remembered(file)
    one.add([Answer.about(tool(), "allow")])
    other.add([Answer.about(tool("other"), "allow")])
    assert [answer.tool for answer in Remembered(file).answers] == ["log", "other"]
    one.forget([one.answers[0].id])
    assert [answer.tool for answer in Remembered(file).answers] == ["other"]
