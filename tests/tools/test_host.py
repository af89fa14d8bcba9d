"""The host's own tools: `mcphost__read_resource`, through the gate like all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcphost.approvals import Policy
from mcphost.config.schema import Config, Decision, Rule
from mcphost.host import Host
from mcphost.messages import Origin, ToolCall, ToolResult
from mcphost.questions import Approval, ToolApproval
from mcphost.testing import ScriptedFrontend, ScriptedModel
from tests.servers.scripted import Scripted

LOG = "Monday: iron, tin, copper; Tuesday: nothing but rain"
NOTE = {"uri": "notes://log", "mimeType": "text/plain", "text": LOG}


def notes() -> Scripted:
    return Scripted(
        {
            "tools/list": {"tools": []},
            "resources/list": {"resources": [{"uri": "notes://log", "name": "log"}]},
            "resources/read": {"contents": [NOTE]},
        },
        modern=False,
    )


def post() -> Scripted:
    tool = {"name": "send", "inputSchema": {"type": "object"}}
    return Scripted({"tools/list": {"tools": [tool]}, "tools/call": {"content": []}}, modern=False)


def reads(server: str) -> ToolCall:
    return ToolCall(f"read {server}", "mcphost__read_resource", {"server": server, "uri": "notes://log"}, "")


def rule(pattern: str, decision: Decision) -> Rule:
    server, _, tool = pattern.partition("__")
    return Rule(server, tool, decision)


async def results(
    *calls: ToolCall, rules: Sequence[Rule] = (), person: ScriptedFrontend | None = None, **options: Any
) -> tuple[list[ToolResult], Scripted]:
    """What the calls gave, of a host with the servers "notes" and "post"; and the first of these."""
    server = notes()
    model = ScriptedModel([*calls, "done"])
    servers = {"notes": server, "post": post()}
    policy = Policy(rules)
    async with Host(
        Config(), model=model, frontend=person, servers=servers, policy=policy, environ={}, **options
    ) as host:
        chat = host.chat()
        await chat.send("read")
    assert chat.conversation is not None
    return [one for one in chat.conversation.messages if isinstance(one, ToolResult)], server


async def test_the_model_reads_a_resource_that_the_person_allowed() -> None:
    person = ScriptedFrontend({ToolApproval: Approval(allowed=True)})
    (result,), _ = await results(reads("notes"), person=person)
    assert result.content == ({"type": "resource", "resource": NOTE},)
    assert result.origin == Origin("notes", "read_resource")
    (question,) = person.questions
    assert isinstance(question, ToolApproval)
    assert (question.server, question.arguments) == ("mcphost", {"server": "notes", "uri": "notes://log"})


async def test_nothing_is_read_where_nobody_can_be_asked() -> None:
    (result,), server = await results(reads("notes"))
    assert result.is_error
    assert server.count("resources/read") == 0


async def test_what_denies_a_server_denies_its_resources_and_what_allows_its_tools_does_not_allow_them() -> None:
    allowed = rule("mcphost__read_resource", "allow")
    (result,), _ = await results(reads("notes"), rules=[allowed])
    assert not result.is_error
    (result,), _ = await results(reads("notes"), rules=[allowed, rule("notes__*", "deny")])
    assert "denies notes__*" in str(result.content)
    (result,), _ = await results(reads("notes"), rules=[rule("notes__*", "allow")])
    assert result.is_error


async def test_a_server_that_is_not_there_is_an_answer_for_the_model() -> None:
    (result,), _ = await results(reads("nodes"), rules=[rule("mcphost__*", "allow")])
    assert result.content[0]["text"] == "There is no server 'nodes'. Those with resources: notes."


async def test_what_a_resource_says_is_its_servers_word_for_the_guard() -> None:
    rules = [rule("mcphost__*", "allow"), rule("post__*", "allow")]
    leak = ToolCall("leak", "post__send", {"text": LOG}, "")
    (read, sent), _ = await results(reads("notes"), leak, rules=rules, guard=True)
    assert not read.is_error
    assert sent.is_error
    assert "notes" in str(sent.content)


async def test_it_is_offered_only_where_a_server_has_resources() -> None:
    async with Host(Config(), model="offline/", servers={"post": post()}, environ={}) as host:
        await host.settled(5)
        assert list(host.chat().toolbox.snapshot()) == ["post__send"]
