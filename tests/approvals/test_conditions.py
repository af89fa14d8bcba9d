"""What a rule says of arguments and annotations."""

import time
from typing import Any

import pytest

from mcphost.approvals import Policy
from mcphost.config import from_mapping
from mcphost.config.schema import Glob, Regex, Rule
from mcphost.errors import ConfigError
from mcphost.tools import Tool


def tool(trusted: bool = True, **annotations: bool) -> Tool:
    definition: Any = {"name": "read", "inputSchema": {"type": "object"}, "annotations": annotations}
    return Tool("files__read", "files", "read", definition, "p", trusted)


def fits(decision: Any, wanted: dict[str, Any], given: dict[str, Any]) -> bool:
    policy = Policy([Rule("files", "read", decision, wanted)], default="ask" if decision != "ask" else "allow")
    policy.cover([tool()])
    return bool(policy.judge(tool(), given).decision == decision)


@pytest.mark.parametrize(
    ("wanted", "given", "matches"),
    [
        ({"/a/b": 1}, {"a": {"b": 1}}, True),
        ({"/a/b": 1}, {"a": {"b": True}}, False),
        ({"/a/0": "x"}, {"a": ["x"]}, True),
        ({"/a/00": "x"}, {"a": ["x"]}, False),
        ({"/a/1": "x"}, {"a": ["x"]}, False),
        ({"/a~1b": 1}, {"a/b": 1}, True),
        ({"/~0": 1}, {"~": 1}, True),
        ({"/a/b": None}, {"a": {}}, False),
        ({"/a/b": 1}, {"a": "text"}, False),
        ({"/": 1}, {"": 1}, True),
        ({"p": Glob("/etc/*")}, {"p": "/etc/passwd"}, True),
        ({"p": Glob("/etc/*")}, {"p": "/ETC/passwd"}, False),
        ({"p": Glob("/etc/*")}, {"p": "x/etc/passwd"}, False),
        ({"p": Glob("/etc/*")}, {}, False),
        ({"p": Glob("rm *")}, {"p": "rm -rf\n/"}, True),
        ({"p": Regex("rm .*")}, {"p": "rm -rf\n/"}, True),
        ({"p": Regex("rm")}, {"p": "rm x"}, False),
        ({"p": Regex("a|b")}, {"p": "bc"}, False),
        ({"p": Regex("[0-9]+")}, {"p": 12}, True),
        ({"p": Regex("[0-9]{4,}")}, {"p": 5e3}, True),
        ({"p": Glob("1.5")}, {"p": 1.5}, True),
        ({"p": Glob("*")}, {"p": 1e400}, True),
        ({"p": Glob("true")}, {"p": True}, True),
        ({"p": Glob("\ufffd")}, {"p": "\ud800"}, False),
        ({"p": Regex("\ufffd")}, {"p": "\ud800"}, True),
    ],
)
def test_what_arguments_fit(wanted: dict[str, Any], given: dict[str, Any], matches: bool) -> None:
    assert fits("deny", wanted, given) is matches
    assert fits("allow", wanted, given) is matches


@pytest.mark.parametrize("path", ["/home/me/../../etc/passwd", "/home/me/..", "..", "/home/me/a\\..\\b"])
def test_a_path_that_climbs_fits_no_allow(path: str) -> None:
    assert not fits("allow", {"p": Glob("*")}, {"p": path})
    assert fits("allow", {"p": Glob("*")}, {"p": "/home/me/..x/a..b"})


@pytest.mark.parametrize("path", ["/tmp/../etc/passwd", "//etc/passwd", "/etc/./passwd", "/etc//passwd"])
def test_a_detour_hides_nothing_from_a_deny(path: str) -> None:
    assert fits("deny", {"p": Glob("/etc/passwd")}, {"p": path})
    assert fits("ask", {"p": Regex("/etc/[a-z]+")}, {"p": path})


def test_another_unicode_form_hides_nothing_from_a_deny_and_gets_no_allow() -> None:
    composed, decomposed = "/caf\u00e9/x", "/cafe\u0301/x"
    for wanted in (composed, Glob("/caf\u00e9/*"), Regex("/cafe\u0301/.")):
        for given in (composed, decomposed):
            assert fits("deny", {"p": wanted}, {"p": given})
    assert fits("ask", {"p": {"a": [composed]}}, {"p": {"a": [decomposed]}})
    assert not fits("allow", {"p": composed}, {"p": decomposed})
    assert not fits("allow", {"p": Glob("/caf\u00e9/*")}, {"p": decomposed})


def test_of_a_list_an_allow_wants_all_and_a_deny_any() -> None:
    mixed = {"p": ["/ok/a", ["/etc/b"]]}
    assert not fits("allow", {"p": Glob("/ok/*")}, mixed)
    assert fits("allow", {"p": Glob("/ok/*")}, {"p": ["/ok/a", {"x": "/ok/b"}]})
    assert not fits("allow", {"p": Glob("/ok/*")}, {"p": []})
    assert fits("deny", {"p": Glob("/etc/*")}, mixed)
    assert not fits("deny", {"p": Glob("/etc/*")}, {"p": []})


def test_annotations_count_only_from_a_server_that_is_trusted() -> None:
    rule = Rule("files", "*", "allow", annotations={"readOnlyHint": True})
    policy = Policy([rule])
    for judged, decision in (
        (tool(readOnlyHint=True), "allow"),
        (tool(readOnlyHint=False), "ask"),
        (tool(), "ask"),
        (tool(False, readOnlyHint=True), "ask"),
    ):
        policy.cover([judged])
        assert policy.judge(judged, {}).decision == decision


def test_an_annotation_that_is_missing_is_what_the_protocol_takes_it_for() -> None:
    policy = Policy([Rule("files", "*", "deny", annotations={"destructiveHint": True})], default="allow")
    assert policy.judge(tool(), {}).decision == "deny"
    assert policy.judge(tool(destructiveHint=False), {}).decision == "allow"
    assert not policy.hides("files", "read")


def test_a_rule_may_be_about_one_door_alone() -> None:
    rules = [Rule("files", "*", "deny", origin="run"), Rule("files", "*", "allow", origin="sampling")]
    assert Policy(rules, default="allow").judge(tool(), {}).decision == "allow"
    assert Policy(rules, default="allow", origin="run").judge(tool(), {}).decision == "deny"
    assert not Policy(rules).hides("files", "read")
    assert Policy(rules, origin="run").hides("files", "read")


def test_rules_about_sampling_are_joined_with_the_configurations_word() -> None:
    rules = [Rule("a", "*", "allow", origin="sampling"), Rule("b", "*", "deny", origin="sampling")]
    policy = Policy(rules)
    assert policy.sampling("a", "ask") == "allow"
    assert policy.sampling("a", "deny") == "deny"
    assert policy.sampling("b", "allow") == "deny"
    assert policy.sampling("c", "ask") == "ask"


def test_plan_mode_runs_nothing_whatever_the_rules_say() -> None:
    policy = Policy([Rule("files", "read", "allow")], mode="plan", yolo=True)
    assert policy.judge(tool(), {}).decision == "deny"
    assert "plan mode" in policy.judge(tool(), {}).why


def test_the_users_own_word_makes_a_tool_read_only_until_it_changes() -> None:
    schema: Any = {"type": "object"}
    entry = from_mapping(
        {"mcpServers": {"files": {"command": "x"}}, "mcphost": {"servers": {"files": {"readOnly": ["re*"]}}}},
        environ={},
        directory=None,
    ).servers["files"]
    first, changed = (
        Tool.of("files__read", "files", entry, {"name": "read", "inputSchema": schema}, pin) for pin in ("p", "q")
    )
    other = Tool.of("files__write", "files", entry, {"name": "write", "inputSchema": schema}, "p")
    policy = Policy(mode="read-only")
    policy.cover([first, other])
    assert policy.judge(first, {}).decision == "allow"
    assert "your own word" in policy.judge(first, {}).why
    assert policy.judge(other, {}).decision == "deny"
    assert policy.judge(changed, {}).decision == "deny"


def test_a_regular_expression_takes_linear_time() -> None:
    began = time.process_time()
    assert not fits("deny", {"p": Regex("(a+)+b")}, {"p": "a" * 50_000})
    assert time.process_time() - began < 2


def test_conditions_are_read_from_a_configuration() -> None:
    def rules(arguments: dict[str, Any]) -> Any:
        rule = {"server": "s", "tool": "t", "decision": "deny", "arguments": arguments}
        config = from_mapping({"mcphost": {"approvals": {"rules": [rule]}}}, environ={}, directory=None)
        return config.rules[0].arguments

    assert rules({"a": {"glob": "x*"}, "b": {"regex": "y"}}) == {"a": Glob("x*"), "b": Regex("y")}
    assert rules({"a": {"equals": {"glob": "x", "more": 1}}, "/b~1~0": {"more": 1, "other": 2}}) == {
        "a": {"glob": "x", "more": 1},
        "/b~1~0": {"more": 1, "other": 2},
    }
    with pytest.raises(ConfigError, match="beside other keys"):
        rules({"a": {"glob": "/etc/*", "regex": "/root/.*"}})
    for broken in ("/a~2", "/a~", "/~~1"):
        with pytest.raises(ConfigError, match="no JSON pointer"):
            rules({broken: 1})
    for broken in ("(", "(?=a)b", r"(a)\1", "a)|(?:b"):
        with pytest.raises(ConfigError, match="linear kind"):
            rules({"a": {"regex": broken}})
