"""Our own section, and how several files become one Config."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcphost.config import from_mapping, load
from mcphost.config.schema import (
    Config,
    EndpointConfig,
    JournalConfig,
    Limits,
    Price,
    Rule,
    SamplingBudget,
    ServerConfig,
    Source,
)
from mcphost.config.servers import ALIASES
from mcphost.config.settings import LIMITS, SERVER
from mcphost.errors import ConfigError

Read = Callable[..., Config]

EXAMPLE = Path(__file__).parents[2] / "config.example.json"


def write(name: str, text: str) -> Path:
    Path(name).write_text(text)
    return Path(name)


def ours(section: dict[str, Any], **environ: str) -> Config:
    return from_mapping(
        {"mcpServers": {"git": {"command": "x"}}, "mcphost": section}, environ=environ, directory=Path("/conf")
    )


def test_the_whole_section_is_read() -> None:
    section = {
        "model": "here/qwen",
        "models": {
            "here": {
                "api": "openai-chat",
                "baseUrl": "http://${H:-127.0.0.1}:8080/v1",
                "apiKey": " ${K}\n",
                "headers": {"X-Team": "${K}"},
            },
            "claude": {"api": "anthropic", "apiKey": "${EMPTY:-}"},
        },
        "approvals": {
            "default": "deny",
            "rules": [
                {"server": "git", "tool": "status", "decision": "allow"},
                {"server": "git", "tool": "push", "arguments": {"force": True}, "decision": "deny", "message": "No."},
            ],
        },
        "limits": {
            "maxSteps": 5,
            "connectTimeoutSeconds": 1,
            "probeTimeoutSeconds": 0.5,
            "listTimeoutSeconds": 3,
            "callTimeoutSeconds": 4,
            "callMaxSeconds": 5,
            "resultTokens": 6,
            "messageBytes": 7,
        },
        "roots": ["~/a", "b"],
        "plugins": ["./audit.py", "~/p", "installed"],
        "servers": {
            "git": {
                "protocol": "legacy",
                "sampling": "deny",
                "trustAnnotations": True,
                "allow": ["log", "show*"],
                "deny": ["push"],
                "instructions": False,
                "callMaxSeconds": 9,
                "listItems": 3,
            }
        },
    }
    assert ours(section, K="k3y", HOME="/home/me") == Config(
        servers={
            "git": ServerConfig(
                "git",
                command="x",
                protocol="legacy",
                sampling="deny",
                trust_annotations=True,
                instructions=False,
                limits={"call_total": 9.0, "list_items": 3},
                allow=("log", "show*"),
                deny=("push",),
            )
        },
        model="here/qwen",
        endpoints={
            "here": EndpointConfig("here", "openai-chat", "http://127.0.0.1:8080/v1", "k3y", {"X-Team": "k3y"}),
            "claude": EndpointConfig("claude", "anthropic"),
        },
        default="deny",
        rules=(
            Rule("git", "status", "allow"),
            Rule("git", "push", "deny", {"force": True}, "No."),
            Rule("git", "log", "allow"),
            Rule("git", "show*", "allow"),
            Rule("git", "push", "deny"),
        ),
        limits=Limits(5, 1.0, 0.5, 3.0, 4.0, 5.0, 6, 7),
        roots=(Path("/home/me/a"), Path("/conf/b")),
        plugins=("/conf/audit.py", "/home/me/p", "installed"),
    )


def test_a_sampling_budget_has_the_prices_that_it_is_counted_by() -> None:
    price = {"inputDollarsPerMillionTokens": 3, "outputDollarsPerMillionTokens": 0}
    budget = {"decision": "allow", "requests": 5, "dollars": 0.5}
    found = ours({"prices": {"a/b": price}, "servers": {"git": {"sampling": budget}}}).servers["git"]
    assert found.sampling == "allow"
    assert found.budget == SamplingBudget(requests=5, tokens=20_000, dollars=0.5, prices={"a/b": Price(3.0, 0.0)})
    with pytest.raises(ConfigError, match=r"sampling.dollars: found -1; expected a number of dollars"):
        ours({"servers": {"git": {"sampling": {"dollars": -1}}}})


APIS = "anthropic, openai-responses, openai-chat"
SECTION = "model, models, prices, approvals, limits, roots, plugins, include, editing, journal, servers"
ERRORS = [
    (1, "mcphost: found 1; expected an object"),
    ({"modle": "x"}, f'mcphost.modle: unknown key; expected one of {SECTION} (did you mean "model"?)'),
    ({"model": ""}, "mcphost.model: found an empty string; expected a text"),
    ({"model": None}, "mcphost.model: found null; expected a string"),
    (
        {"models": {"m": {}}},
        'mcphost.models.m: "api" is missing; expected one of anthropic, openai-responses, openai-chat',
    ),
    (
        {"models": {"local": {"api": "openia-chat"}}},
        f'mcphost.models.local.api: found "openia-chat"; expected one of {APIS} (did you mean "openai-chat"?)',
    ),
    (
        {"models": {"m": {"api": "anthropic", "baseURL": "http://h"}}},
        "mcphost.models.m.baseURL: unknown key; expected one of api, baseUrl, apiKey, headers, proxy, caFile "
        '(did you mean "baseUrl"?)',
    ),
    (
        {"models": {"a/b": {"api": "anthropic"}}},
        "mcphost.models.a/b: an endpoint's name is not empty and has no slash: models are named ENDPOINT/MODEL",
    ),
    ({"approvals": []}, "mcphost.approvals: found a list; expected an object"),
    (
        {"approvals": {"default": "Allow"}},
        'mcphost.approvals.default: found "Allow"; expected one of allow, ask, deny (did you mean "allow"?)',
    ),
    ({"approvals": {"rules": {}}}, "mcphost.approvals.rules: found an object; expected a list"),
    ({"approvals": {"rules": ["git__*"]}}, 'mcphost.approvals.rules[0]: found "git__*"; expected an object'),
    (
        {"approvals": {"rules": [{"tool": "x", "decision": "ask"}]}},
        'mcphost.approvals.rules[0]: "server" is missing; expected a server\'s name',
    ),
    (
        {"approvals": {"rules": [{"server": "git", "decision": "ask"}]}},
        'mcphost.approvals.rules[0]: "tool" is missing; expected a tool\'s name or a pattern such as "read_*"',
    ),
    (
        {"approvals": {"rules": [{"server": "git", "tool": "x"}]}},
        'mcphost.approvals.rules[0]: "decision" is missing; expected one of allow, ask, deny',
    ),
    (
        {"approvals": {"rules": [{"server": "*", "tool": "x", "decision": "deny"}]}},
        'mcphost.approvals.rules[0].server: found "*"; expected the name of one server, not a pattern',
    ),
    (
        {"approvals": {"rules": [{"server": "git", "tool": "x", "decision": "deny", "arguments": "force"}]}},
        'mcphost.approvals.rules[0].arguments: found "force"; expected an object',
    ),
    ({"limits": {"maxSteps": 0}}, "mcphost.limits.maxSteps: found 0; expected a whole number of steps, at least 1"),
    (
        {"limits": {"maxSteps": True}},
        "mcphost.limits.maxSteps: found true; expected a whole number of steps, at least 1",
    ),
    (
        {"limits": {"messageBytes": 1.5}},
        "mcphost.limits.messageBytes: found 1.5; expected a whole number of bytes, at least 1",
    ),
    (
        {"limits": {"listItems": 10_001}},
        "mcphost.limits.listItems: found 10001; expected a whole number of items, at least 1, at most 10000",
    ),
    (
        {"servers": {"s": {"headerBytes": 102_401}}},
        "mcphost.servers.s.headerBytes: found 102401; expected a whole number of bytes, at least 1, at most 102400",
    ),
    (
        {"servers": {"s": {"stopTimeoutSeconds": 0}}},
        "mcphost.servers.s.stopTimeoutSeconds: found 0; expected a number of seconds above 0",
    ),
    ({"limits": {"callMaxSeconds": "9"}}, 'mcphost.limits.callMaxSeconds: found "9"; expected a number of seconds'),
    (
        {"limits": {"callMaxSeconds": -1}},
        "mcphost.limits.callMaxSeconds: found -1; expected a number of seconds above 0",
    ),
    (
        {"limits": {"callMaxSeconds": 10**9000}},
        "mcphost.limits.callMaxSeconds: found a very large number; expected a number of seconds above 0",
    ),
    ({"roots": "x"}, 'mcphost.roots: found "x"; expected a list'),
    ({"roots": [""]}, "mcphost.roots[0]: found an empty string; expected a text"),
    ({"roots": ["${NO}"]}, "mcphost.roots[0]: the variable NO is not set"),
    ({"servers": {"gti": {}}}, 'mcphost.servers.gti: no server of this name in mcpServers (did you mean "git"?)'),
    (
        {"servers": {"git": {"protocol": "old"}}},
        'mcphost.servers.git.protocol: found "old"; expected one of auto, modern, legacy',
    ),
    (
        {"servers": {"git": {"trustAnnotations": 1}}},
        "mcphost.servers.git.trustAnnotations: found 1; expected true or false",
    ),
    ({"servers": {"git": {"allow": "log"}}}, 'mcphost.servers.git.allow: found "log"; expected a list'),
    (
        {"servers": {"git": {"allow": ["git__log"]}}},
        'mcphost.servers.git.allow[0]: found "git__log"; expected the server\'s own name of the tool, without "git__"',
    ),
]


@pytest.mark.parametrize(("section", "message"), ERRORS)
def test_an_error_says_key_path_what_was_found_and_what_is_expected(section: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ours(section)
    assert caught.value.message == message


def test_an_error_of_a_file_begins_with_file_and_line(read: Read) -> None:
    with pytest.raises(ConfigError) as caught:
        read('{"mcphost": {\n  "limits": {\n    // none\n    "maxStep": 3 } } }')
    assert caught.value.message.startswith("c.json:4: mcphost.limits.maxStep: unknown key; expected one of maxSteps, ")
    assert caught.value.message.endswith('(did you mean "maxSteps"?)')
    assert caught.value.detail == {"file": "c.json", "line": 4, "path": "mcphost.limits.maxStep"}


def test_a_key_or_url_that_cannot_be_used_fails_its_endpoint_only() -> None:
    config = ours({"models": {"a": {"api": "anthropic", "baseUrl": "h:1"}, "b": {"api": "anthropic", "apiKey": 5}}})
    assert {name: error.message for name, error in config.endpoint_failures.items()} == {
        "a": 'mcphost.models.a.baseUrl: found "h:1"; expected an address that begins with http:// or https://',
        "b": "mcphost.models.b.apiKey: found a number; expected a string",
    }


def test_later_files_win_over_earlier_ones_and_all_over_the_users() -> None:
    user = write(
        "user.json",
        """{"mcpServers": {"a": {"command": "user", "env": {"X": "1"}}, "u": {"command": "user"}},
            "mcphost": {"model": "m/user", "roots": ["r"], "plugins": ["p"],
                        "models": {"m": {"api": "anthropic", "apiKey": "users"}},
                        "limits": {"maxSteps": 1, "resultTokens": 1},
                        "servers": {"a": {"sampling": "deny", "protocol": "legacy"}}}}""",
    )
    first = write(
        "1.json",
        """{"mcpServers": {"a": {"command": "first"}, "b": {"command": 1}},
            "mcphost": {"model": "m/first", "models": {"m": {"api": "anthropic", "baseUrl": "http://h"}},
                        "limits": {"maxSteps": 2}, "servers": {"a": {"protocol": "modern"}}}}""",
    )
    second = write(
        "2.json", '{"mcpServers": {"b": {"command": "second"}, "u": {"command": 2}}, "mcphost": {"roots": []}}'
    )
    config = load([first, second], user=user, environ={})
    assert config.files == (user, first, second)
    assert {name: server.command for name, server in config.servers.items()} == {"a": "first", "b": "second"}
    assert list(config.failures) == ["u"]
    # A whole entry replaces the entry of its name: the user's key does not travel to the file's URL.
    assert config.servers["a"].env == {}
    assert (config.endpoints["m"].base_url, config.endpoints["m"].api_key) == ("http://h", None)
    # Settings of a server replace each other key by key.
    assert (config.servers["a"].sampling, config.servers["a"].protocol) == ("deny", "modern")
    assert (config.model, config.roots, config.plugins) == ("m/first", (), ("p",))
    assert (config.limits.max_steps, config.limits.result_tokens) == (2, 1)


def test_rules_of_all_files_add_up() -> None:
    rule = '{"mcphost": {"approvals": {"default": "%s", "rules": [{"server": "s", "tool": "%s", "decision": "deny"}]}}}'
    user, file = write("u.json", rule % ("deny", "a")), write("c.json", rule % ("ask", "b"))
    config = load([file], user=user, environ={})
    assert config.rules == (
        Rule("s", "a", "deny", source=Source(user, 1)),
        Rule("s", "b", "deny", source=Source(file, 1)),
    )
    assert config.default == "ask"
    assert config.widening == ('c.json:1 changes approvals.default from "deny" to "ask"',)


WIDENING = """{"mcpServers": {"s": {"command": "x"}},
"mcphost": {"models": {
"m": {"api": "openai-chat", "baseUrl": "http://me:pw@127.0.0.1:8080/v1/token?k=v", "apiKey": "k3y"}},
"approvals": {"default": "allow", "rules": [
{"server": "s", "tool": "a", "decision": "allow", "arguments": {"x": 1}},
{"server": "s", "tool": "b", "decision": "deny"}]},
"servers": {
"s": {"sampling": "allow", "trustAnnotations": true, "deny": ["d"],
"allow": ["c*"]}}}}"""


def test_what_a_file_allows_or_redirects_counts_and_is_named(read: Read) -> None:
    assert read(WIDENING).widening == (
        'c.json:4 changes approvals.default from "ask" to "allow"',
        "c.json:5 allows s__a with certain arguments",
        "c.json:9 allows s__c*",
        'c.json:3 model endpoint "m" is at http://127.0.0.1:8080',
        'c.json:3 model endpoint "m" brings its own key or headers',
        "c.json:8 lets s ask the model without a question to you",
        "c.json:8 trusts what s says about its own tools",
    )


def test_the_users_own_file_widens_nothing() -> None:
    assert load([], user=write("u.json", WIDENING), environ={}).widening == ()
    assert load([Path("u.json")], user=Path("u.json"), environ={}).widening == ()


def test_plugins_come_from_the_user_configuration_alone(read: Read) -> None:
    with pytest.raises(ConfigError) as caught:
        read('{"mcphost": {\n"plugins": []}}')
    assert str(caught.value) == (
        "c.json:2: mcphost.plugins: plugins are code: only the user configuration may name them\n"
        "  Move this setting to your user configuration."
    )


def test_the_journal_is_for_the_user_configuration_alone(read: Read) -> None:
    section = """{"mcphost": {"journal": {
        "enabled": false, "path": "j.db", "sync": "intents", "keepDays": 30, "keepMegabytes": 500}}}"""
    user = write("u.json", section)
    assert load([], user=user, environ={}).journal == JournalConfig(
        False, user.absolute().parent / "j.db", "intents", 30, 500
    )
    with pytest.raises(ConfigError, match=r"^c\.json:1: mcphost\.journal: what is recorded, and where"):
        read(section)
    with pytest.raises(ConfigError, match="expected one of normal, intents, full"):
        load([], user=write("w.json", '{"mcphost": {"journal": {"sync": "ful"}}}'), environ={})


def test_settings_may_be_for_a_server_of_another_file_or_one_that_failed() -> None:
    user = write("u.json", '{"mcphost": {"servers": {"a": {"sampling": "deny"}, "b": {}}}}')
    file = write("c.json", '{"mcpServers": {"a": {"command": "x"}, "b": {}}}')
    assert load([file], user=user, environ={}).servers["a"].sampling == "deny"
    with pytest.raises(ConfigError, match=r"^u\.json:1: mcphost\.servers\.a: no server of this name in mcpServers$"):
        load([], user=user, environ={})


def test_a_rule_whose_server_looks_misspelt_gets_a_warning(read: Read) -> None:
    config = read(
        """{"mcpServers": {"git": {"command": "x"}}, "mcphost": {"approvals": {"rules": [
        {"server": "gti", "tool": "x", "decision": "deny"},
        {"server": "elsewhere", "tool": "x", "decision": "deny"},
        {"server": "git", "tool": "x", "decision": "deny"}]}}}"""
    )
    assert config.warnings == (
        'c.json:2: a rule names the server "gti", which is not configured (did you mean "git"?)',
    )


def test_the_example_loads_with_an_empty_environment() -> None:
    config = load([EXAMPLE], user=None, environ={})
    assert (config.servers["demo"].command, config.servers["demo"].args) == ("mcphost", ("demo-server",))
    assert config.failures == {}
    assert config.warnings == config.widening == ()


def test_what_the_example_only_shows_is_right_too() -> None:
    shown = re.sub(r'^( *)// ( *["{}])', r"\1\2", EXAMPLE.read_text(), flags=re.MULTILINE)
    environ = {"HOME": "/home/me", "TRACKER_TOKEN": "t", "ANTHROPIC_API_KEY": "k"}
    config = load([write("all.json", shown)], user=None, environ=environ)
    assert list(config.servers) == ["demo", "files", "tracker"]
    assert config.servers["tracker"].headers == {"Authorization": "Bearer t"}
    assert list(config.endpoints) == ["local", "claude"]
    assert (config.model, config.failures, config.warnings) == ("local/qwen3", {}, ())
    assert [rule.tool for rule in config.rules] == ["read_*", "write_file", "add", "convert_time"]


def test_the_example_of_the_documentation_is_read_as_it_says() -> None:
    page = (EXAMPLE.parent / "docs" / "configuration.md").read_text()
    example = write("docs.json", page.split("```jsonc\n")[1].split("```")[0])
    config = load([example], user=None, environ={"HOME": "/home/me"})
    assert config.servers["files"].args[-1] == "/home/me/notes"
    assert config.failures["tracker"].message.endswith("the variable TRACKER_TOKEN is not set")
    assert config.endpoints["here"].base_url == "http://127.0.0.1:8080/v1"
    assert [(rule.server, rule.tool, rule.decision) for rule in config.rules] == [
        ("files", "read_*", "allow"),
        ("files", "write_file", "deny"),
        ("tracker", "search_issues", "allow"),
        ("tracker", "delete_*", "deny"),
    ]
    assert config.warnings == ()


def test_other_programs_files_are_read_as_they_are_and_cost_a_warning_at_most() -> None:
    write("theirs.json", '{"mcpServers": {"git": {"command": "x"}, "both": {"command": "theirs"}}, "theme": "dark"}')
    write("codex.toml", '[mcp_servers.docs]\ncommand = "y"\n')
    write("broken.json", "{")
    include = ["theirs.json", "codex.toml", "broken.json", "gone.json"]
    own = write("own.json", json.dumps({"mcpServers": {"both": {"command": "mine"}}, "mcphost": {"include": include}}))
    config = load([], user=own, environ={})
    assert {name: server.command for name, server in config.servers.items()} == {
        "git": "x",
        "both": "mine",
        "docs": "y",
    }
    broken, gone = config.warnings
    assert broken.startswith("mcphost.include: ")
    assert "broken.json" in broken
    assert "gone.json" in gone
    with pytest.raises(ConfigError, match="user configuration alone"):
        load([own], user=None, environ={})


def test_every_key_is_documented() -> None:
    page = (EXAMPLE.parent / "docs" / "configuration.md").read_text()
    for key in (*SECTION.split(", "), *SERVER, *LIMITS, *(key for keys in ALIASES.values() for key in keys)):
        assert f"`{key}`" in page or f"`{key}." in page, key
