"""Where a call's arguments came from."""

import time
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphost.approvals import Gate, Go, Guard, Policy, Refuse
from mcphost.config.schema import Rule
from mcphost.config.secrets import Secrets
from mcphost.messages import Origin, ToolCall, ToolResult
from mcphost.questions import Approval, Silent, ToolApproval
from mcphost.testing import ScriptedFrontend
from mcphost.tools import Tool

TEXT = "The launch code of the rocket is 0123-4567-89ab, keep it to yourself."
SECRETS = Secrets([("canary-token-1", "GH_TOKEN")])


def tool(server: str = "mail", name: str = "send") -> Tool:
    definition: Any = {"name": name, "inputSchema": {"type": "object"}}
    return Tool(f"{server}__{name}", server, name, definition, "p")


def result(text: str = TEXT, server: str = "files") -> ToolResult:
    return ToolResult("1", ({"type": "text", "text": text},), origin=Origin(server, "read"))


def call(arguments: Mapping[str, Any]) -> ToolCall:
    return ToolCall("2", "mail__send", arguments, "")


def guard(**options: Any) -> Guard:
    made = Guard(secrets=SECRETS, **options)
    made.saw(result())
    return made


@pytest.mark.parametrize(
    ("arguments", "flows"),
    [
        ({"body": TEXT}, True),
        ({"body": "fwd: " + TEXT[20:52] + "!"}, True),
        ({"body": TEXT[20:51] + "#"}, False),
        ({"body": TEXT.upper().replace(" ", "\n\t ")}, True),
        ({"deep": [{"er": [1, None, TEXT]}]}, True),
        ({"headers": {TEXT: 1}}, True),
        ({"mimeType": "text/plain", "data": TEXT}, True),
        ({"lines": TEXT.split()}, True),
        ({"to": TEXT[:22], "subject": TEXT[22:44]}, True),
        ({"to": TEXT[:22], "cc": "somebody", "subject": TEXT[22:44]}, False),
        ({"body": "Something else that is long enough to be found, but was never said."}, False),
        ({}, False),
    ],
)
def test_text_of_another_server_is_found(arguments: dict[str, Any], flows: bool) -> None:
    flow = guard().flow(tool(), arguments)
    assert (flow is not None) is flows
    if flow:
        assert flow.source == "files"
        assert "came from files__read" in flow.why


def test_text_of_a_structured_result_is_known_wherever_it_stands_and_pictures_are_no_text() -> None:
    watching = Guard()
    picture: Any = {"type": "image", "mimeType": "image/png", "data": "QUJD" * 20}
    watching.saw(ToolResult("1", (picture,), {"mimeType": "text/plain", "data": TEXT}, origin=Origin("files", "read")))
    watching.saw(ToolResult("2", (), {TEXT.upper() + "!": 1}, origin=Origin("web", "read")))
    assert watching.flow(tool(), {"body": TEXT}) is not None
    assert watching.flow(tool("files"), {"body": TEXT[4:]}) is not None
    assert watching.flow(tool(), {"body": "QUJD" * 20}) is None


def test_a_server_may_have_its_own_text_back_and_what_it_accepts() -> None:
    assert guard().flow(tool("files"), {"a": TEXT}) is None
    accepting = guard(accepts=lambda server: ("files",) if server == "mail" else ())
    assert accepting.flow(tool("mail"), {"a": TEXT}) is None
    assert accepting.flow(tool("web"), {"a": TEXT}) is not None


@given(st.text("ab c", max_size=200), st.text("ab c", max_size=200))
def test_every_common_stretch_of_32_characters_is_found(said: str, sent: str) -> None:
    watching = Guard()
    watching.saw(result(said))
    folded, given_ = (" ".join(text.split()) for text in (said, sent))
    common = any(given_[at : at + 32] in folded for at in range(len(given_) - 31))
    assert (watching.flow(tool(), {"a": sent}) is not None) == common


def test_searching_takes_linear_time() -> None:
    watching = Guard()
    watching.saw(result("ab" * 50_000))
    began = time.process_time()
    watching.flow(tool(), {"a": "ba" * 10 + "c" + ("ab" * 8 + "x") * 3_000})
    assert time.process_time() - began < 2


ALLOW = Rule("mail", "send", "allow")


def person(*, allowed: bool = True) -> ScriptedFrontend:
    return ScriptedFrontend({ToolApproval: Approval(allowed)})


async def test_a_flow_is_asked_about_once_though_a_rule_allows_the_tool() -> None:
    asked = person()
    gate = Gate(Policy([ALLOW]), asked, guard=guard())
    assert isinstance(await gate.check(call({"a": "harmless"}), tool()), Go)
    assert not asked.questions
    assert isinstance(await gate.check(call({"a": TEXT}), tool()), Go)
    assert isinstance(await gate.check(call({"a": TEXT + "again"}), tool()), Go)
    [question] = asked.questions
    assert isinstance(question, ToolApproval)
    assert question.why.startswith("its arguments hold text that came from files__read: ")
    assert question.lasting == ("once",)
    refused = await Gate(Policy([ALLOW]), person(allowed=False), guard=guard()).check(call({"a": TEXT}), tool())
    assert isinstance(refused, Refuse)


async def test_where_nobody_can_be_asked_only_the_strict_guard_refuses_a_flow() -> None:
    nobody = ScriptedFrontend()
    for policy in (Policy([ALLOW]), Policy([ALLOW], mode="auto")):
        assert isinstance(await Gate(policy, nobody, guard=guard()).check(call({"a": TEXT}), tool()), Go)
        strict = await Gate(policy, nobody, guard=guard(strict=True)).check(call({"a": TEXT}), tool())
        assert isinstance(strict, Refuse)
        assert (strict.unasked, strict.suggestion) == (True, None)


async def test_a_secret_in_arguments_is_always_refused_where_nobody_can_be_asked() -> None:
    for policy in (Policy([ALLOW]), Policy([ALLOW], mode="auto"), Policy(yolo=True)):
        verdict = await Gate(policy, ScriptedFrontend(), guard=guard()).check(call({"a": "my canary-token-1"}), tool())
        assert isinstance(verdict, Refuse)
        assert "hold a secret: GH_TOKEN" in verdict.why
        assert "canary" not in verdict.why
        parts = {"a": "canary-", "b": ["token-1"]}
        assert isinstance(await Gate(policy, Silent(), guard=guard()).check(call(parts), tool()), Refuse)
        named = {"canary-token-1": 1}
        assert isinstance(await Gate(policy, Silent(), guard=guard()).check(call(named), tool()), Refuse)
    assert isinstance(
        await Gate(Policy([ALLOW]), person(), guard=guard()).check(call({"a": "canary-token-1"}), tool()), Go
    )


async def test_one_answer_for_several_calls_covers_no_flow_that_was_not_named() -> None:
    asked = ScriptedFrontend({ToolApproval: Approval(True, lasting="alike")})
    gate = Gate(Policy(), asked, guard=guard())
    given: list[dict[str, Any]] = [{"a": 1}, {"a": "canary-token-1"}, {"a": 2}, {"a": TEXT}]
    async with anyio.create_task_group() as group:
        for number, arguments in enumerate(given):
            group.start_soon(gate.check, ToolCall(str(number), "mail__send", arguments, ""), tool())
    questions = [question for question in asked.questions if isinstance(question, ToolApproval)]
    assert [(question.arguments, question.alike) for question in questions] == [
        ({"a": 1}, ({"a": 2},)),
        ({"a": "canary-token-1"}, ()),
        ({"a": TEXT}, ()),
    ]


async def test_a_question_that_is_asked_anyway_names_the_flow_too() -> None:
    asked = person()
    await Gate(Policy(), asked, guard=guard()).check(call({"a": TEXT}), tool())
    [question] = asked.questions
    assert isinstance(question, ToolApproval)
    assert question.why.startswith("no rule allows it; its arguments hold text that came from")
    assert question.lasting == ("once", "chat")


async def test_yolo_lets_flows_pass_unless_the_guard_was_asked_for_too() -> None:
    for strict, passes in ((False, Go), (True, Refuse)):
        gate = Gate(Policy(yolo=True), Silent(), guard=guard(strict=strict))
        assert isinstance(await gate.check(call({"a": TEXT}), tool()), passes)
