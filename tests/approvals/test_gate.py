from collections.abc import Mapping
from typing import Any, TypeVar, cast

import anyio
import anyio.lowlevel
import pytest

from mcphost.approvals import Gate, Go, Policy, Refuse, Wait
from mcphost.config.schema import Rule
from mcphost.events import Event
from mcphost.messages import Origin, ToolCall
from mcphost.questions import Approval, Lasting, Question, Silent, ToolApproval
from mcphost.servers.wire import WireTool
from mcphost.tools import Tool

A = TypeVar("A")

DEFINITION: WireTool = {
    "name": "log",
    "title": "Log",
    "description": "Shows the log.",
    "inputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": True},
}


def tool(name: str = "log", pin: str = "p") -> Tool:
    return Tool(f"git__{name}", "git", name, DEFINITION, pin)


def call(arguments: Mapping[str, Any] | None = None, id: str = "1") -> ToolCall:
    return ToolCall(id, "git__log", {"n": 1} if arguments is None else arguments, "")


class Answering:
    """A person who gives the answers in turn, and remembers the questions."""

    def __init__(self, *answers: Approval | BaseException) -> None:
        self.answers = list(answers)
        self.asked: list[ToolApproval] = []

    async def show(self, event: Event) -> None:
        return None

    async def ask(self, question: Question[A]) -> A:
        self.asked.append(cast(ToolApproval, question))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return cast(A, answer)


YES = Approval(allowed=True)


def said(verdict: Go | Refuse | Wait) -> str:
    assert isinstance(verdict, Refuse)
    assert verdict.result.is_error
    return verdict.result.content[0]["text"]


async def test_what_a_rule_allows_goes_without_a_question() -> None:
    person = Answering()
    asked = call()
    verdict = await Gate(Policy([Rule("git", "log", "allow")]), person).check(asked, tool())
    assert verdict == Go(asked, "p", "a rule allows git__log (command line)", asked=False)
    assert not person.asked


async def test_a_pattern_allows_what_the_gate_was_told_of_first() -> None:
    gate = Gate(Policy([Rule("git", "l*", "allow")]), Silent())
    await gate.cover([tool()])
    await gate.cover([tool(), tool("late")])
    assert isinstance(await gate.check(call(), tool()), Go)
    assert isinstance(await gate.check(call(), tool("late")), Refuse)


async def test_what_a_rule_denies_is_refused_with_its_message() -> None:
    person = Answering()
    rules = [Rule("git", "log", "deny", message="Use git__show instead."), Rule("git", "push", "deny")]
    verdict = await Gate(Policy(rules), person).check(call(), tool())
    assert "Use git__show instead." in said(verdict)
    assert "Do not repeat this call" in said(verdict)
    assert isinstance(verdict, Refuse)
    assert (verdict.why, verdict.asked, verdict.unasked) == ("a rule denies git__log (command line)", False, False)
    assert verdict.suggestion is None
    assert verdict.result.origin == Origin("git", "log")
    assert verdict.result.call_id == "1"
    assert "a rule denies git__push" in said(await Gate(Policy(rules), person).check(call(), tool("push")))


async def test_the_object_shown_is_the_object_sent() -> None:
    person = Answering(YES)
    arguments = {"text": "a\x1b[2J" + " " * 10_000 + "\u202eb"}
    verdict = await Gate(Policy(), person).check(call(arguments), tool())
    assert isinstance(verdict, Go)
    assert verdict.call.arguments is person.asked[0].arguments is arguments
    assert verdict.asked
    assert person.asked == [
        ToolApproval(
            call="1",
            server="git",
            tool="log",
            arguments=arguments,
            why="no rule allows it",
            title="Log",
            description="Shows the log.",
            annotations={"readOnlyHint": True},
            listed=1,
        )
    ]


async def test_a_persons_no_is_told_to_the_model_with_its_reason() -> None:
    person = Answering(Approval(allowed=False, reason="not on a Friday"), Approval(allowed=False))
    gate = Gate(Policy(), person)
    verdict = await gate.check(call(), tool())
    assert "the person said no: not on a Friday" in said(verdict)
    assert isinstance(verdict, Refuse)
    assert (verdict.asked, verdict.unasked, verdict.suggestion) == (True, False, None)
    assert "the person said no." in said(await gate.check(call(), tool()))


@pytest.mark.parametrize("frontend", [Silent(), Answering(RuntimeError("the screen\x1b is gone"))])
async def test_it_fails_closed_where_nobody_can_be_asked(frontend: Silent | Answering) -> None:
    verdict = await Gate(Policy(), frontend).check(call(), tool())
    assert isinstance(verdict, Refuse)
    assert (verdict.asked, verdict.unasked, verdict.suggestion) == (False, True, "git__log")
    assert "needs a person's consent" in said(verdict)
    assert "\x1b" not in said(verdict)


async def test_a_cancelled_question_runs_nothing_and_blocks_nobody() -> None:
    gate = Gate(Policy(), Answering(anyio.get_cancelled_exc_class()(), YES))
    with pytest.raises(anyio.get_cancelled_exc_class()):
        await gate.check(call(), tool())
    assert isinstance(await gate.check(call(), tool()), Go)


async def test_auto_mode_refuses_unasked_and_suggests_the_rule_that_would_help() -> None:
    person = Answering()
    gate = Gate(Policy([Rule("git", "push", "ask")], mode="auto"), person)
    verdict = await gate.check(call(), tool("odd[1]*"))
    assert isinstance(verdict, Refuse)
    assert (verdict.unasked, verdict.suggestion) == (True, "git__odd[[]1][*]")
    helped = Policy([Rule("git", "odd[[]1][*]", "allow")])
    helped.cover([tool("odd[1]*")])
    assert helped.judge(tool("odd[1]*"), {}).decision == "allow"
    hopeless = await gate.check(call(), tool("push"))
    assert isinstance(hopeless, Refuse)
    assert (hopeless.unasked, hopeless.suggestion) == (True, None)  # an ask rule is stronger than --allow


async def test_an_answer_for_this_chat_holds_for_this_definition_of_this_tool() -> None:
    person = Answering(Approval(allowed=True, lasting="chat"), *[Approval(allowed=False)] * 3)
    policy = Policy()
    gate = Gate(policy, person)
    await gate.check(call(), tool())
    again = await gate.check(call({"n": 2}), tool())
    assert again == Go(call({"n": 2}), "p", "the person allowed it for this chat", asked=False)
    assert isinstance(await gate.check(call(), tool(pin="changed")), Refuse)
    assert isinstance(await gate.check(call(), tool("push")), Refuse)
    assert isinstance(await Gate(policy, person).check(call(), tool()), Refuse)
    assert len(person.asked) == 4


@pytest.mark.parametrize("lasting", ["once", "chat"])
async def test_a_tool_that_changed_since_it_was_allowed_is_asked_about_with_the_difference(lasting: Lasting) -> None:
    person = Answering(Approval(allowed=True, lasting=lasting), *[Approval(allowed=False)] * 2)
    gate = Gate(Policy(), person)
    await gate.check(call(), tool())
    definition: Any = {**DEFINITION, "description": "sends your keys"}
    await gate.check(call(), Tool("git__log", "git", "log", definition, "changed"))
    await gate.check(call(), tool("push"))
    changed, other = person.asked[1:]
    assert changed.why == "no rule allows it; you allowed it before, but it has changed since"
    assert changed.changes == ('- description: "Shows the log."', '+ description: "sends your keys"')
    assert (other.why, other.changes) == ("no rule allows it", ())


async def test_an_answer_for_this_chat_is_weaker_than_a_deny_rule() -> None:
    person = Answering(Approval(allowed=True, lasting="chat"))
    gate = Gate(Policy([Rule("git", "log", "deny", {"all": True})]), person)
    assert isinstance(await gate.check(call(), tool()), Go)
    assert isinstance(await gate.check(call({"all": True}), tool()), Refuse)


async def test_questions_come_one_at_a_time_and_one_answer_may_settle_the_others() -> None:
    open_questions = 0

    class Slow(Answering):
        async def ask(self, question: Question[A]) -> A:
            nonlocal open_questions
            open_questions += 1
            assert open_questions == 1
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            open_questions -= 1
            return await super().ask(question)

    person = Slow(YES, Approval(allowed=True, lasting="chat"))
    gate = Gate(Policy(), person)
    verdicts: list[Go | Refuse | Wait] = []

    async def check(number: int) -> None:
        verdicts.append(await gate.check(call({"n": number}), tool()))

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(check, number)
    assert len(person.asked) == 2
    assert all(isinstance(verdict, Go) for verdict in verdicts)
    assert sorted(
        verdict.call.arguments["n"] for verdict in verdicts if isinstance(verdict, Go) and verdict.call.arguments
    ) == list(range(6))


async def test_edited_arguments_are_what_runs() -> None:
    gate = Gate(Policy(), Answering(Approval(allowed=True, arguments={"n": True})))
    verdict = await gate.check(call({"n": 1}), tool())
    assert isinstance(verdict, Go)
    assert verdict.call.arguments == {"n": True}
    assert verdict.call.arguments["n"] is True
    assert verdict.call.id == "1"


async def test_edited_arguments_meet_the_deny_rules_and_the_schema() -> None:
    edited = Approval(allowed=True, lasting="chat", arguments={"all": True})
    denied = Gate(Policy([Rule("git", "log", "deny", {"all": True})]), Answering(edited))
    verdict = await denied.check(call(), tool())
    assert isinstance(verdict, Refuse)
    assert verdict.asked
    assert "a rule denies git__log" in said(verdict)

    def problem(checked: Tool, arguments: Mapping[str, Any]) -> str | None:
        return "all: no such argument" if "all" in arguments else None

    person = Answering(edited, Approval(allowed=False))
    strict = Gate(Policy(), person, check=problem)
    assert "all: no such argument" in said(await strict.check(call(), tool()))
    await strict.check(call(), tool())
    assert len(person.asked) == 2  # an answer that could not be followed is not remembered


async def test_plan_mode_runs_nothing_though_it_began_while_the_question_stood() -> None:
    policy = Policy()

    class Planning(Answering):
        async def ask(self, question: Question[A]) -> A:
            policy.mode = "plan"
            return await super().ask(question)

    verdict = await Gate(policy, Planning(YES)).check(call(), tool())
    assert "plan mode: nothing runs" in said(verdict)


async def test_a_call_without_arguments_that_parse_is_never_asked_about() -> None:
    person = Answering()
    gate = Gate(Policy(yolo=True), person)
    assert "not a JSON object" in said(await gate.check(ToolCall("1", "git__log", None, '{"n": '), tool()))
    assert not person.asked
