"""What a pattern of the configuration covers, from one session to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcphost.approvals import Coverage, Gate, Go, Judgement, Policy, Refuse
from mcphost.config.schema import Config, Rule, Source
from mcphost.errors import UsageError
from mcphost.events import Noticed
from mcphost.host import Host
from mcphost.messages import ToolCall, ToolResult
from mcphost.testing import ScriptedFrontend, ScriptedModel
from mcphost.tools import Tool
from tests.servers.scripted import Scripted, text

WRITTEN = Rule("git", "git_*", "allow", source=Source(Path("/home/me/c.json"), 3))


def tool(name: str = "git_log", about: str = "Shows.", *, entry: dict[str, Any] | None = None) -> Tool:
    definition: Any = {"name": name, "description": about, "inputSchema": {"type": "object"}}
    return Tool(f"git__{name}", "git", name, definition, f"pin of {about}", entry=entry or {"command": "git"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "coverage.json"


async def session(file: Path, listed: Sequence[Tool], *rules: Rule) -> list[Judgement]:
    """What a host that starts anew thinks of each of these."""
    policy = Policy(rules or [WRITTEN], coverage=Coverage(file))
    await Gate(policy, ScriptedFrontend()).cover(listed)
    return [policy.judge(one, {}) for one in listed]


async def test_a_pattern_covers_in_every_session_what_was_listed_when_it_was_first_seen(file: Path) -> None:
    (first,) = await session(file, [tool()])
    assert first.decision == "allow"
    known, later = await session(file, [tool(), tool("git_push")])
    assert known.decision == "allow"
    assert (later.decision, later.why) == (
        "ask",
        "a rule allows git__git_* (/home/me/c.json:3), but the tool came later",
    )


async def test_a_tool_that_changed_between_sessions_is_asked_about_with_the_difference(file: Path) -> None:
    await session(file, [tool()])
    (changed,) = await session(file, [tool(about="Shows, and sends.")])
    assert (changed.decision, changed.rule) == ("ask", WRITTEN)
    assert changed.why.endswith("but the tool has changed since")
    assert changed.changes == ('- description: "Shows."', '+ description: "Shows, and sends."')


@pytest.mark.parametrize(
    ("rule", "entry"),
    [
        (replace(WRITTEN, tool="git_p*"), {"command": "git"}),
        (replace(WRITTEN, arguments={"n": 1}), {"command": "git"}),
        (replace(WRITTEN, source=Source(Path("/home/me/other.json"), 3)), {"command": "git"}),
        (replace(WRITTEN, source=Source()), {"command": "git"}),
        (WRITTEN, {"command": "git2"}),
    ],
)
async def test_a_rule_that_is_given_anew_covers_what_is_listed_then(
    file: Path, rule: Rule, entry: dict[str, str]
) -> None:
    await session(file, [tool()])
    policy = Policy([rule], coverage=Coverage(file))
    listed = [tool(entry=entry), tool("git_push", entry=entry)]
    policy.cover(listed)
    assert policy.judge(listed[1], {"n": 1}).decision == "allow"


async def test_where_the_rule_moved_in_its_file_does_not_matter(file: Path) -> None:
    await session(file, [tool()])
    moved = replace(WRITTEN, source=Source(Path("/home/me/c.json"), 9))
    assert (await session(file, [tool("git_push")], moved))[0].decision == "ask"


async def test_a_rule_that_spells_the_tool_out_covers_it_as_it_is_in_each_session(file: Path) -> None:
    spelled = replace(WRITTEN, tool="git_log")
    for about in ("Shows.", "Shows what was done until today, the 21st."):
        (found,) = await session(file, [tool(about=about)], WRITTEN, spelled)
        assert (found.decision, found.rule) == ("allow", WRITTEN if about == "Shows." else spelled)


async def test_what_another_host_saw_first_stays(file: Path) -> None:
    late = Policy([WRITTEN], coverage=Coverage(file))
    await session(file, [tool()])
    gate = Gate(late, ScriptedFrontend())
    listed = [tool(), tool("git_push")]
    await gate.cover(listed)
    assert [late.judge(one, {}).decision for one in listed] == ["allow", "ask"]


async def test_forgotten_coverage_is_taken_anew(file: Path) -> None:
    await session(file, [tool()])
    coverage = Coverage(file)
    (covered,) = coverage.kept()
    coverage.forget([covered.id])
    assert [one.decision for one in await session(file, [tool(), tool("git_push")])] == ["allow", "allow"]


async def test_so_many_entries_of_one_server_are_kept(file: Path) -> None:
    for number in range(10):
        await session(file, [tool(entry={"env": str(number)})])
    assert len(Coverage(file).kept()) == 8
    assert (await session(file, [tool("git_push", entry={"env": "9"})]))[0].decision == "ask"


async def test_a_file_that_cannot_be_written_is_said_and_nothing_else_breaks(file: Path) -> None:
    coverage = Coverage(file)
    file.parent.symlink_to("elsewhere")
    frontend = ScriptedFrontend()
    gate = Gate(Policy([WRITTEN], coverage=coverage), frontend)
    await gate.cover([tool()])
    assert isinstance(await gate.check(ToolCall("1", "git__git_log", {}, ""), tool()), Go)
    (notice,) = (event for event in frontend.events if isinstance(event, Noticed))
    assert notice.text.startswith("what the rules cover is not remembered: ")


@pytest.mark.parametrize("written", ["", "[]", '{"version": 2}', '{"version": 1, "rules": [{}], "definitions": {}}'])
def test_a_file_that_is_none_of_ours_is_an_error(file: Path, written: str) -> None:
    file.parent.mkdir()
    file.write_text(written)
    with pytest.raises(UsageError, match="what the rules cover cannot be read"):
        Coverage(file)


async def test_nobody_is_asked_and_nothing_runs_when_a_server_lists_more_than_last_time(file: Path) -> None:
    """The whole way: two hosts, one after the other, and a server that grew a tool in between."""
    rule = Rule("git", "*", "allow", source=Source(Path("/home/me/c.json"), 3))
    listed = [{"name": "log", "inputSchema": {"type": "object"}}]
    found = []
    for name in ("log", "push", "log"):
        server = Scripted({"tools/list": {"tools": listed}, "tools/call": text("ran")}, modern=False)
        model = ScriptedModel([ToolCall("1", f"git__{name}", {}, ""), "done"])
        policy = Policy([rule], coverage=Coverage(file))
        async with Host(Config(), model=model, servers={"git": server}, policy=policy, environ={}) as host:
            chat = host.chat()
            await chat.send("go")
        assert chat.conversation is not None
        found += [one.is_error for one in chat.conversation.messages if isinstance(one, ToolResult)]
        listed.append({"name": "push", "inputSchema": {"type": "object"}})
        del listed[2:]
    assert found == [False, True, False]
    (covered,) = Coverage(file).kept()
    assert covered.tools.keys() == {"log"}


async def test_a_pattern_covers_what_another_rule_hid_when_it_was_first_seen(file: Path) -> None:
    rule = Rule("git", "*", "allow", source=Source(Path("/home/me/c.json"), 3))
    listed = [{"name": name, "inputSchema": {"type": "object"}} for name in ("log", "push")]
    found = []
    for rules in ([rule, Rule("git", "push", "deny")], [rule]):
        server = Scripted({"tools/list": {"tools": listed}, "tools/call": text("ran")}, modern=False)
        model = ScriptedModel([ToolCall("1", "git__push", {}, ""), "done"])
        policy = Policy(rules, coverage=Coverage(file))
        async with Host(Config(), model=model, servers={"git": server}, policy=policy, environ={}) as host:
            chat = host.chat()
            await chat.send("go")
        assert "git__log" in [tool.name for tool in model.requests[0].tools]
        found.append((server.count("tools/call"), "git__push" in [tool.name for tool in model.requests[0].tools]))
    assert found == [(0, False), (1, True)]


async def test_a_refused_call_says_why(file: Path) -> None:
    await session(file, [tool()])
    gate = Gate(Policy([WRITTEN], coverage=Coverage(file)), ScriptedFrontend())
    verdict = await gate.check(ToolCall("1", "git__git_push", {}, ""), tool("git_push"))
    assert isinstance(verdict, Refuse)
    assert verdict.suggestion == "git__git_push"
