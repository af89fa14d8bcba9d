from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphost.approvals import Judgement, Mode, Policy
from mcphost.config.schema import Decision, Rule, Source
from mcphost.tools import Tool


def tool(
    server: str = "git", name: str = "log", *, pin: str = "p", read_only: bool = False, trusted: bool = True
) -> Tool:
    annotations = {"readOnlyHint": read_only}
    definition = {"name": name, "inputSchema": {"type": "object"}, "annotations": annotations}
    return Tool(f"{server}__{name}", server, name, definition, pin, trusted)  # type: ignore[arg-type]


def judge(policy: Policy, judged: Tool, **arguments: Any) -> Judgement:
    policy.cover([judged])
    return policy.judge(judged, arguments)


ALLOW_LOG = Rule("git", "log", "allow")


@pytest.mark.parametrize(
    ("rule_server", "rule_tool", "server", "name", "matches"),
    [
        ("git", "log", "git", "log", True),
        ("git", "log", "git", "logs", False),
        ("git", "log", "git", "lo", False),
        ("git", "log", "git", "xlog", False),
        ("git", "log", "git", "Log", False),
        ("git", "Log", "git", "log", False),
        ("git", "log", "Git", "log", False),
        ("git", "log", "gi", "tlog", False),
        ("git", "log", "git2", "log", False),
        ("git", "log", "git", "log\n", False),
        ("git", "log", "git", " log", False),
        ("git", "log", "git", "lоg", False),  # Cyrillic о
        ("git", "log", "gіt", "log", False),  # Cyrillic і
        ("git", "log", "git", "ｌｏｇ", False),  # full width
        ("git", "log", "git", "log\u200b", False),
        ("git", "café", "git", "cafe\u0301", False),  # not normalised
        ("git", "*", "git", "log", True),
        ("git", "*", "git", "", True),
        ("git", "*", "git", "a\nb", True),
        ("git", "*", "github", "log", False),
        ("git", "lo*", "git", "log", True),
        ("git", "lo*", "git", "lo", True),
        ("git", "lo*", "git", "xlog", False),
        ("git", "*log", "git", "git_log", True),
        ("git", "*log", "git", "log_all", False),
        ("git", "l?g", "git", "log", True),
        ("git", "l?g", "git", "lg", False),
        ("git", "l[ao]g", "git", "log", True),
        ("git", "l[!o]g", "git", "log", False),
        ("git", "a.b", "git", "axb", False),
        ("git", "a__b", "git", "a__b", True),
        ("git", "git__log", "git", "log", False),
        ("*", "*", "anything", "at_all", True),
        ("*", "log", "anything", "log", True),
        ("g*", "*", "git", "log", False),  # a server is a name, never a pattern
        ("gi?", "log", "git", "log", False),
    ],
)
def test_which_calls_a_rule_is_about(rule_server: str, rule_tool: str, server: str, name: str, matches: bool) -> None:
    denies = Policy([Rule(rule_server, rule_tool, "deny")], default="allow")
    assert (judge(denies, tool(server, name)).decision == "deny") is matches
    assert denies.hides(server, name) is matches
    allows = Policy([Rule(rule_server, rule_tool, "allow")])
    assert (judge(allows, tool(server, name)).decision == "allow") is matches


@pytest.mark.parametrize(
    ("wanted", "given_", "matches"),
    [
        ({"force": True}, {"force": True}, True),
        ({"force": True}, {"force": True, "other": 1}, True),
        ({"force": True}, {}, False),
        ({"force": True}, {"force": 1}, False),
        ({"force": True}, {"force": "true"}, False),
        ({"n": 1}, {"n": 1.0}, True),
        ({"n": 0}, {"n": False}, False),
        ({"n": None}, {}, False),
        ({"n": None}, {"n": None}, True),
        ({"path": "/etc"}, {"path": "/etc/"}, False),
        ({"path": "*"}, {"path": "/etc"}, False),
        ({"a": [1, {"b": True}]}, {"a": [1, {"b": True}]}, True),
        ({"a": [1, {"b": True}]}, {"a": [1, {"b": 1}]}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, False),
        ({}, {"anything": 1}, True),
    ],
)
def test_arguments_of_a_rule_must_equal_those_of_the_call(
    wanted: dict[str, Any], given_: dict[str, Any], matches: bool
) -> None:
    policy = Policy([Rule("git", "log", "deny", wanted)], default="allow")
    assert (policy.judge(tool(), given_).decision == "deny") is matches
    assert not policy.hides("git", "log")


decisions = st.sampled_from(["allow", "ask", "deny"])
rules = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["git", "time", "*"]),
        st.sampled_from(["log", "l*", "*", "push"]),
        decisions,
        st.sampled_from([None, {"a": 1}, {"a": 2}]),
    ),
    max_size=8,
)
tools = st.builds(tool, st.sampled_from(["git", "time"]), st.sampled_from(["log", "push"]), read_only=st.booleans())
arguments = st.sampled_from([{}, {"a": 1}, {"a": 2}])
modes = st.sampled_from(["ask", "read-only", "auto"])


def about(rule: Rule, judged: Tool, given_: dict[str, Any]) -> bool:
    return Policy([Rule(rule.server, rule.tool, "deny", rule.arguments)]).judge(judged, given_).decision == "deny"


@given(rules, tools, arguments, decisions, modes, st.booleans())
def test_deny_always_wins(
    given_rules: list[Rule], judged: Tool, given_: dict[str, Any], default: Decision, mode: Mode, yolo: bool
) -> None:
    policy = Policy(given_rules, default=default, mode=mode, yolo=yolo)
    found = judge(policy, judged, **given_)
    denying = [rule for rule in given_rules if rule.decision == "deny" and about(rule, judged, given_)]
    if denying:
        assert (found.decision, found.rule) == ("deny", denying[0])
    assert found.decision != "allow" or not denying
    assert found.rule is None or (found.rule in given_rules and about(found.rule, judged, given_))
    if policy.hides(judged.server, judged.tool):
        assert found.decision == "deny"


@given(rules, rules, tools, arguments, modes)
def test_the_order_of_rules_decides_nothing_and_an_allow_never_turns_a_deny(
    given_rules: list[Rule], more: list[Rule], judged: Tool, given_: dict[str, Any], mode: Mode
) -> None:
    before = judge(Policy(given_rules, mode=mode), judged, **given_)
    assert judge(Policy(given_rules[::-1], mode=mode), judged, **given_).decision == before.decision
    allows = [Rule(rule.server, rule.tool, "allow", rule.arguments) for rule in more]
    after = judge(Policy([*given_rules, *allows], mode=mode), judged, **given_)
    if before.decision == "deny" and not before.unasked:
        assert after.decision == "deny"


def test_ask_is_stronger_than_allow_and_allow_than_the_default() -> None:
    ask = Rule("git", "*", "ask")
    assert judge(Policy([ALLOW_LOG, ask]), tool()).decision == "ask"
    assert judge(Policy([ALLOW_LOG], default="deny"), tool()).decision == "allow"
    assert judge(Policy(), tool()).decision == "ask"
    assert judge(Policy(default="deny"), tool()).decision == "deny"
    assert judge(Policy(default="allow"), tool()).decision == "allow"


def test_a_judgement_names_the_rule_and_where_it_stands() -> None:
    written = Rule("git", "l*", "deny", source=Source(Path("/etc/c.json"), 12))
    found = judge(Policy([written]), tool())
    assert found == Judgement("deny", "a rule denies git__l* (/etc/c.json:12)", written)
    assert judge(Policy([Rule("*", "*", "allow")]), tool()).why == "a rule allows * (command line)"
    assert judge(Policy(), tool()).why == "no rule allows it"


def test_a_pattern_allows_only_what_was_listed_when_it_was_given() -> None:
    policy = Policy([Rule("git", "*", "allow"), Rule("git", "named", "allow")])
    policy.cover([tool(name="log"), tool("time", "now")])
    policy.cover([tool(name="log"), tool(name="late"), tool(name="named")])
    assert policy.judge(tool(name="log"), {}).decision == "allow"
    late = policy.judge(tool(name="late"), {})
    assert (late.decision, late.why) == ("ask", "a rule allows git__* (command line), but the tool came later")
    assert policy.judge(tool(name="named"), {}).decision == "allow"
    assert policy.judge(tool(name="never seen"), {}).decision == "ask"


def test_a_server_that_is_late_is_covered_by_its_own_first_listing() -> None:
    policy = Policy([Rule("git", "*", "allow"), Rule("time", "*", "allow")])
    policy.cover([tool("git", "log")])
    policy.cover([tool("git", "log"), tool("time", "now")])
    assert policy.judge(tool("time", "now"), {}).decision == "allow"


@pytest.mark.parametrize("rule", [Rule("git", "*", "allow"), ALLOW_LOG, Rule("*", "*", "allow")])
def test_a_tool_that_changed_is_asked_about(rule: Rule) -> None:
    policy = Policy([rule])
    policy.cover([tool(pin="old")])
    policy.cover([tool(pin="new")])
    assert policy.judge(tool(pin="old"), {}).decision == "allow"
    found = policy.judge(tool(pin="new"), {})
    assert found.decision == "ask"
    assert found.why.endswith("but the tool has changed since")


def test_auto_mode_asks_nobody() -> None:
    policy = Policy([ALLOW_LOG, Rule("git", "push", "ask")], mode="auto")
    assert judge(policy, tool()).decision == "allow"
    for name in ("push", "add"):
        found = judge(policy, tool(name=name))
        assert (found.decision, found.unasked) == ("deny", True)
        assert found.why.endswith("auto mode asks nobody")
    assert judge(Policy(mode="auto", default="allow"), tool()).decision == "allow"


def test_read_only_mode_runs_what_a_trusted_server_calls_read_only() -> None:
    policy = Policy([Rule("git", "push", "allow"), Rule("git", "secret", "ask")], mode="read-only")
    assert judge(policy, tool(read_only=True)).decision == "allow"
    assert judge(policy, tool(read_only=True, trusted=False)).decision == "deny"
    assert judge(policy, tool(name="push")).decision == "deny"
    assert judge(policy, tool(name="secret", read_only=True)).decision == "ask"
    assert judge(Policy(mode="read-only", yolo=True), tool()).decision == "deny"


def test_a_servers_word_relaxes_nothing_in_the_other_modes() -> None:
    assert judge(Policy(), tool(read_only=True)).decision == "ask"


def test_yolo_allows_everything_but_what_is_denied() -> None:
    policy = Policy([Rule("git", "push", "deny"), Rule("git", "log", "ask")], yolo=True)
    assert judge(policy, tool()).decision == "allow"
    assert policy.judge(tool(name="came later"), {}).decision == "allow"
    assert judge(policy, tool(name="push")).decision == "deny"
