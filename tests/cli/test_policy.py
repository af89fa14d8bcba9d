import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from mcphost.approvals import Answer, Coverage, Policy, Remembered
from mcphost.cli.policy import policy
from mcphost.config import load
from mcphost.config.schema import Glob, Rule
from mcphost.servers.definition import defined
from mcphost.tools import Tool


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "c.json"
    file.write_text(
        """{"mcpServers": {"git": {"command": "/no/such/program"}}, "mcphost": {"approvals": {"rules": [
{"server": "git", "tool": "git_*", "decision": "allow"},
{"server": "git", "tool": "*", "arguments": {"path": {"glob": "/etc/*"}}, "decision": "deny"}]}}}"""
    )
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(policy, list(map(str, arguments)), standalone_mode=False)


def test_explain_names_verdict_rule_file_and_line(config: Path) -> None:
    said = run("explain", "-C", config, "git__git_log", '{"max_count": 5}').output
    assert said == f"allow: a rule allows git__git_* ({config}:2)\n"
    said = run("explain", "-C", config, "git__git_log", '{"path": "/tmp/../etc/passwd"}').output
    assert said.startswith(f"deny: a rule denies git__* ({config}:3)\n")
    assert f"also about this call: allow git__git_* ({config}:2)" in said
    assert run("explain", "-C", config, "git__push").output == "ask: no rule allows it\n"
    found = json.loads(run("explain", "-C", config, "--json", "git__git_log").output)
    assert found == {
        "decision": "allow",
        "why": f"a rule allows git__git_* ({config}:2)",
        "rule": "git__git_*",
        "file": str(config),
        "line": 2,
    }


def test_what_is_trusted_of_a_project_counts(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the run that it explains."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".mcphost.json"
    file.write_text('{"mcphost": {"servers": {"git": {"deny": ["git_log"]}}}}')
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    asked = ("explain", "-C", config, "git__git_log")
    assert run(*asked).output.startswith("allow: ")
    assert run(*asked, "--trust-project", digest).output.startswith(f"deny: a rule denies git__git_log ({file}:1)")
    assert run(*asked, "--trust-project", digest, "--no-project").output.startswith("allow: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gti__log",), 'did you mean "git"'),
        (("git",), "no SERVER__TOOL"),
        (("git__x", "["), "no JSON"),
        (("git__x", "[]"), "no JSON object"),
        (("git__x", '{"n": NaN}'), "no NaN in JSON"),
        (("git__x", "[" * 100_000), "nested too deeply"),
    ],
)
def test_explain_says_what_it_did_not_understand(config: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in str(run("explain", "-C", config, *arguments).exception)


def test_a_table_of_cases_is_tested(config: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases.json"
    cases.write_text(
        """[{"call": "git__git_log", "expect": "allow"},
{"call": "git__git_log", "arguments": {"path": "/etc/x"}, "expect": "deny"},
{"call": "git__push", "mode": "auto", "origin": "run", "expect": "deny"}]"""
    )
    passed = run("test", "-C", config, cases)
    assert (passed.return_value, passed.output) == (0, "3 of 3 cases are as expected.\n")
    cases.write_text('[\n{"call": "git__push", "expect": "allow"}]')
    failed = run("test", "-C", config, cases)
    assert failed.return_value == 1
    assert f"{cases}:2: git__push {{}}: expected allow, got ask: no rule allows it" in failed.output
    cases.write_text('[{"call": "git__push"}]')
    assert '"expect" is missing' in str(run("test", "-C", config, cases).exception)
    assert "no such file" in str(run("test", "-C", config, tmp_path / "none.json").exception)


def test_what_was_answered_for_good_is_listed_explained_and_revoked(config: Path, tmp_path: Path) -> None:
    entry = defined(load([config], user=None, environ={}).servers["git"], os.environ)
    push = Tool("git__push", "git", "push", {"name": "push", "inputSchema": {"type": "object"}}, "p", entry=entry)
    remembered = Remembered(tmp_path / "state" / "mcphost" / "answers.json")
    remembered.add([Answer.about(push, "allow", arguments={"force": False}), Answer.about(push, "deny")])
    allowed, denied = remembered.answers
    listed = run("list", "-C", config).output
    assert f'{allowed.id}  always  git__push with {{"force": false}}' in listed
    assert f"{denied.id}  never   git__push" in listed
    assert "git__* if path matches /etc/*" in listed
    assert f"{config}:3" in listed
    assert "Anything else: ask. Mode: ask." in listed
    assert f"policy revoke {denied.id}" in run("explain", "-C", config, "git__push").output
    assert run("revoke", denied.id).output == "Forgotten: deny git__push\n"
    said = run("explain", "-C", config, "git__push", '{"force": false}').output
    assert said.startswith("allow: you allowed it for good")
    config.write_text(config.read_text().replace("/no/such/program", "/no/such/other"))
    said = run("explain", "-C", config, "git__push", '{"force": false}').output
    assert said.startswith("ask: you allowed it for good, but the configuration of its server has changed since")
    run("revoke", "git__push")
    assert not Remembered(remembered.file).answers
    assert "nothing is remembered" in str(run("revoke", "git__push").exception)


def test_what_a_pattern_covers_is_listed_explained_and_revoked(config: Path, tmp_path: Path) -> None:
    servers = load([config], user=None, environ={})
    entry = defined(servers.servers["git"], os.environ)
    log = Tool(
        "git__git_log", "git", "git_log", {"name": "git_log", "inputSchema": {"type": "object"}}, "p", entry=entry
    )
    coverage = Coverage(tmp_path / "state" / "mcphost" / "coverage.json")
    Policy(servers.rules, coverage=coverage).cover([log])
    coverage.save()
    (covered,) = coverage.kept()
    assert f"{covered.id}  covers  git__git_* of {config}: 1 tool" in run("list", "-C", config).output
    assert run("explain", "-C", config, "git__git_log").output.startswith("allow: ")
    later = f"ask: a rule allows git__git_* ({config}:2), but the tool came later\n"
    assert run("explain", "-C", config, "git__git_push").output == later
    assert "it covers what is listed next" in run("revoke", covered.id).output
    assert run("explain", "-C", config, "git__git_push").output.startswith("allow: ")


patterns: Any = st.sampled_from(["git_log", "git_*", "*", "push"])
conditions: Any = st.sampled_from([None, {"path": Glob("/etc/*")}, {"path": "/tmp"}, {"/path": "/tmp"}])
decisions: Any = st.sampled_from(["allow", "ask", "deny"])
rules = st.lists(st.builds(Rule, st.just("git"), patterns, decisions, conditions), max_size=6)
arguments = st.sampled_from([{}, {"path": "/etc/x"}, {"path": "/tmp"}, {"path": "/tmp/../etc/x"}])


@given(rules, st.sampled_from(["git_log", "push"]), arguments)
def test_explain_agrees_with_judge(given_rules: list[Rule], name: str, called: dict[str, Any]) -> None:
    judged = Tool(f"git__{name}", "git", name, {"name": name, "inputSchema": {"type": "object"}}, "")
    table = Policy(given_rules)
    table.cover([judged])
    found = table.judge(judged, called)
    matching = table.matching(judged, called)
    assert found.rule is None or found.rule in matching
    strictest = next((one for one in ("deny", "ask", "allow") if one in {rule.decision for rule in matching}), "ask")
    assert found.decision == strictest
