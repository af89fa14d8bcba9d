"""Entries of `mcpServers` in the words of many programs, and what is said of bad ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcphost.config import from_mapping
from mcphost.config.schema import Config, ServerConfig, Source
from mcphost.errors import ConfigError

Read = Callable[..., Config]


def server(entry: dict[str, Any], directory: str | None = "/conf", **environ: str) -> ServerConfig:
    config = from_mapping(
        {"mcpServers": {"s": entry}}, environ=environ, directory=Path(directory) if directory else None
    )
    for error in config.failures.values():
        raise error
    return config.servers["s"]


def test_an_entry_of_claude_desktop_is_read() -> None:
    assert server({"command": "npx", "args": ["-y", "pkg"], "env": {"A": "1"}}) == ServerConfig(
        "s", command="npx", args=("-y", "pkg"), env={"A": "1"}
    )


def test_a_server_knows_where_it_is_written(read: Read) -> None:
    config = read('{\n"mcpServers": {\n"s":\n{"command": "x"}}}')
    assert config.servers["s"].source == Source(Path("c.json"), 3)


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        ({"command": ["uvx", "x"], "args": ["y"]}, {"command": "uvx", "args": ("x", "y")}),
        ({"type": "local", "command": ["x"], "environment": {"A": "b"}}, {"command": "x", "env": {"A": "b"}}),
        ({"type": "stdio", "command": "mcphost"}, {"command": "mcphost"}),
        ({"url": "http://h/mcp"}, {"url": "http://h/mcp", "transport": "http"}),
        ({"httpUrl": "http://h"}, {"url": "http://h", "transport": "http"}),
        ({"serverUrl": "https://h"}, {"url": "https://h", "transport": "http"}),
        ({"type": "remote", "url": "http://h"}, {"url": "http://h", "transport": "http"}),
        ({"type": "streamable-http", "url": "http://h"}, {"url": "http://h", "transport": "http"}),
        ({"transport": "streamableHttp", "url": "http://h"}, {"url": "http://h", "transport": "http"}),
        ({"transport": "streamable", "url": "http://h"}, {"url": "http://h", "transport": "http"}),
        ({"type": "sse", "url": "http://h/sse"}, {"url": "http://h/sse", "transport": "sse"}),
        ({"command": "x", "disabled": True}, {"command": "x", "disabled": True}),
        ({"command": "x", "enabled": False}, {"command": "x", "disabled": True}),
        ({"command": "x", "enabled": True, "required": True}, {"command": "x", "required": True}),
        ({"command": "x", "url": None, "env": None, "args": None}, {"command": "x"}),
        ({"command": "x", "timeout": 60}, {"command": "x", "timeout": 60.0, "timeout_unit": "s"}),
        ({"command": "x", "timeout": 999.5}, {"command": "x", "timeout": 999.5, "timeout_unit": "s"}),
        ({"command": "x", "timeout": 1000}, {"command": "x", "timeout": 1.0, "timeout_unit": "ms"}),
        ({"command": "x", "timeout": 600000}, {"command": "x", "timeout": 600.0, "timeout_unit": "ms"}),
        (
            {"url": "http://h", "headers": {"X-A": " b "}},
            {"url": "http://h", "transport": "http", "headers": {"X-A": "b"}},
        ),
        (
            {"url": "http://h", "headers": ["X-A: b:c", "Y:z"]},
            {"url": "http://h", "transport": "http", "headers": {"X-A": "b:c", "Y": "z"}},
        ),
    ],
)
def test_other_programs_words_are_understood(entry: dict[str, Any], fields: dict[str, Any]) -> None:
    assert server(entry) == ServerConfig("s", **fields)


def test_paths_begin_at_the_files_directory_and_bare_words_stay() -> None:
    assert server({"command": "./bin/x", "cwd": "work"}) == ServerConfig(
        "s", command="/conf/bin/x", cwd=Path("/conf/work")
    )
    assert server({"command": "/bin/x", "cwd": "/w"}) == ServerConfig("s", command="/bin/x", cwd=Path("/w"))
    assert server({"command": "./x", "cwd": "w"}, directory=None) == ServerConfig("s", command="x", cwd=Path("w"))
    assert server({"command": "~/x", "args": ["~", "~/y", "--p=~/z", "~user"]}, HOME="/home/me") == ServerConfig(
        "s", command="/home/me/x", args=("/home/me", "/home/me/y", "--p=~/z", "~user")
    )


def test_the_directory_of_a_file_is_absolute(read: Read, directory: Path) -> None:
    assert read('{"mcpServers": {"s": {"command": "./x"}}}').servers["s"].command == str(directory / "x")


ERRORS = [
    (1, "mcpServers.s: found 1; expected an object"),
    ({}, 'mcpServers.s: found neither "command" nor "url"; expected one of them'),
    ({"cmd": "x"}, 'mcpServers.s: found neither "command" nor "url"; expected one of them (did you mean "command"?)'),
    ({"command": "x", "url": "http://h"}, 'mcpServers.s: found both "command" and "url"; expected one of them'),
    ({"command": 3}, "mcpServers.s.command: found 3; expected a string"),
    ({"command": ""}, "mcpServers.s.command: found an empty string; expected a text"),
    ({"command": "${E}"}, "mcpServers.s.command: the command is empty once its variables are filled in"),
    ({"command": []}, "mcpServers.s.command: found an empty list; expected a command and its arguments"),
    (
        {"command": "a\0"},
        "mcpServers.s.command: found a NUL character or half a surrogate pair; expected a string without them",
    ),
    ({"command": "x", "args": "y"}, "mcpServers.s.args: found a text of 1 characters; expected a list"),
    ({"command": "x", "args": ["y", 8]}, "mcpServers.s.args[1]: found a number; expected a string"),
    ({"command": "x", "env": []}, "mcpServers.s.env: found a list; expected an object"),
    ({"command": "x", "env": {"PORT": 80}}, "mcpServers.s.env.PORT: found a number; expected a string"),
    (
        {"command": "x", "env": {"A=B": "c"}},
        'mcpServers.s.env["A=B"]: found no name of a variable; expected one without = and NUL',
    ),
    (
        {"command": "x", "env": {}, "environment": {}},
        'mcpServers.s.environment: "env" and "environment" mean the same; keep one',
    ),
    ({"command": "x", "cwd": True}, "mcpServers.s.cwd: found true; expected a string"),
    ({"command": "x", "disabled": "yes"}, 'mcpServers.s.disabled: found "yes"; expected true or false'),
    (
        {"command": "x", "timeout": "60"},
        'mcpServers.s.timeout: found "60"; expected a number of seconds (or, from 1000 on, milliseconds)',
    ),
    (
        {"command": "x", "timeout": 0},
        "mcpServers.s.timeout: found 0; expected a number of seconds (or, from 1000 on, milliseconds) above 0",
    ),
    (
        {"command": "x", "timeout": float("nan")},
        "mcpServers.s.timeout: found nan; expected a number of seconds (or, from 1000 on, milliseconds) above 0",
    ),
    (
        {"command": "x", "type": "http"},
        'mcpServers.s.type: found "http"; expected stdio, because the server has a "command"',
    ),
    (
        {"url": "http://h", "type": "stdio"},
        'mcpServers.s.type: found "stdio"; expected http or sse, because the server has a "url"',
    ),
    (
        {"url": "http://h", "type": "htpp"},
        'mcpServers.s.type: found "htpp"; expected one of stdio, http, sse (did you mean "http"?)',
    ),
    ({"command": "x", "type": []}, "mcpServers.s.type: found a list; expected one of stdio, http, sse"),
    (
        {"url": "localhost:80"},
        'mcpServers.s.url: found "localhost:80"; expected an address that begins with http:// or https://',
    ),
    (
        {"url": "http://h:99999"},
        'mcpServers.s.url: found "http://h:99999"; expected an address that begins with http:// or https://',
    ),
    (
        {"url": "http://[h"},
        'mcpServers.s.url: found "http://[h"; expected an address that begins with http:// or https://',
    ),
    (
        {"url": "ftp://me:secret@h"},
        "mcpServers.s.url: found a text of 17 characters; expected an address that begins with http:// or https://",
    ),
    (
        {"url": "http://h", "headers": "X"},
        "mcpServers.s.headers: found a text of 1 characters; expected an object of headers",
    ),
    ({"url": "http://h", "headers": ["X"]}, 'mcpServers.s.headers[0]: found no colon; expected "Name: value"'),
    (
        {"url": "http://h", "headers": {"X Y": "z"}},
        'mcpServers.s.headers["X Y"]: found no header name; expected letters, digits and hyphens',
    ),
    (
        {"url": "http://h", "headers": {"X": "a\nb"}},
        "mcpServers.s.headers.X: found a line break, a control character or one outside ASCII; "
        "expected one line of ASCII",
    ),
]


@pytest.mark.parametrize(("entry", "message"), ERRORS)
def test_a_bad_entry_says_where_what_was_found_and_what_is_expected(entry: Any, message: str) -> None:
    config = from_mapping({"mcpServers": {"good": {"command": "x"}, "s": entry}}, environ={"E": ""}, directory=None)
    assert config.failures["s"].message == message
    assert config.failures["s"].detail["server"] == "s"
    assert list(config.servers) == ["good"]


def test_an_error_of_a_file_begins_with_file_and_line(read: Read) -> None:
    error = read('{"mcpServers": {"s": {"command": "x",\n "args": {}}}}').failures["s"]
    assert error.message == "c.json:2: mcpServers.s.args: found an object; expected a list"
    assert error.detail == {"file": "c.json", "line": 2, "path": "mcpServers.s.args", "server": "s"}


@pytest.mark.parametrize("name", ["a.b", "@scope/name", "my server", "ünïcode", "a_b", "_a", "a-b:c"])
def test_names_may_hold_almost_anything(name: str) -> None:
    assert name in from_mapping({"mcpServers": {name: {"command": "x"}}}, environ={}, directory=None).servers


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mcphost", 'mcpServers.mcphost: the name "mcphost" is reserved; expected another name'),
        ("local", 'mcpServers.local: the name "local" is reserved; expected another name'),
        (
            "a__b",
            'mcpServers.a__b: a server name may not hold "__" nor end in "_": SERVER__TOOL is split at the first "__"',
        ),
        (
            "a_",
            'mcpServers.a_: a server name may not hold "__" nor end in "_": SERVER__TOOL is split at the first "__"',
        ),
        ("", 'mcpServers[""]: a server name is one line of text, without * and ? and without spaces at its ends'),
        (
            "a\x1b",
            'mcpServers["a\\u001b"]: a server name is one line of text, without * and ? and without spaces at its ends',
        ),
        (" a", 'mcpServers[" a"]: a server name is one line of text, without * and ? and without spaces at its ends'),
        ("*", 'mcpServers["*"]: a server name is one line of text, without * and ? and without spaces at its ends'),
    ],
)
def test_names_that_rules_or_terminals_could_not_hold_are_refused(name: str, message: str) -> None:
    config = from_mapping({"mcpServers": {name: {"command": "x"}}}, environ={}, directory=None)
    assert config.failures[name].message == message


def test_an_approval_is_never_taken_from_a_foreign_key(read: Read) -> None:
    config = read(
        '{"mcpServers": {"s": {"command": "x",\n"autoApprove": ["*"],\n"trust": true,\n"allowedTools": ["a"],\n'
        '"disabledTools": ["b"],\n"envFile": ".env",\n"description": "fine"}}}'
    )
    assert config.rules == ()
    never = "ignored: an approval is never taken from a foreign key; use mcphost.servers.s.allow"
    assert config.warnings == (
        f"c.json:2: mcpServers.s.autoApprove: {never}",
        f"c.json:3: mcpServers.s.trust: {never}",
        "c.json:4: mcpServers.s.allowedTools: ignored: all tools of the server are offered; use mcphost.servers.s.deny",
        "c.json:5: mcpServers.s.disabledTools: ignored: the tools it names are offered; use mcphost.servers.s.deny",
        "c.json:6: mcpServers.s.envFile: ignored: a key of another program",
    )


def test_an_unknown_key_is_named_with_the_nearest_known_one(read: Read) -> None:
    config = read('{"mcpServers": {"s": {"command": "x", "arg": [], "Env": {}, "zzz": 1}}}')
    assert config.warnings == (
        'c.json:1: mcpServers.s.arg: ignored: unknown key (did you mean "args"?)',
        'c.json:1: mcpServers.s.Env: ignored: unknown key (did you mean "env"?)',
        "c.json:1: mcpServers.s.zzz: ignored: unknown key",
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"servers": {"s": {"type": "stdio", "command": "x"}}, "inputs": []}',
        '{"mcp": {"s": {"type": "local", "command": ["x"]}}, "$schema": "…"}',
        '{"mcp": {"servers": {"s": {"command": "x"}}}}',
        '{"mcp": {"allowed": ["s"]}, "mcpServers": {"s": {"command": "x"}}}',
    ],
)
def test_servers_are_found_under_the_roots_of_other_programs(text: str, read: Read) -> None:
    assert read(text).servers["s"].command == "x"


def test_only_one_root_is_read_and_the_others_are_named(read: Read) -> None:
    config = read('{"mcp": {"b": {"command": "y"}},\n"servers": {"s": {"command": "x"}}}')
    assert list(config.servers) == ["s"]
    assert config.warnings == ('c.json:1: mcp: ignored: the servers are read from "servers"',)
    config = read('{"mcp": {"allowed": ["b"]}, "servers": 3}')
    assert config.servers == {}
    assert config.warnings == (
        "c.json:1: servers: ignored: no object of servers",
        "c.json:1: mcp: ignored: no object of servers",
    )


def test_keys_at_the_root_are_named_once_or_with_the_key_they_may_mean(read: Read) -> None:
    assert read('{"mcpservers": {},\n"theme": 1, "projects": {}, "x": 2}').warnings == (
        'c.json:1: mcpservers: ignored: unknown key (did you mean "mcpServers"?)',
        "c.json:2: theme: ignored and 2 more: keys of another program",
    )


def test_servers_that_are_no_object_are_an_error_of_the_file(read: Read) -> None:
    with pytest.raises(ConfigError, match=r"^c\.json:1: mcpServers: found a list; expected an object$"):
        read('{"mcpServers": []}')
    with pytest.raises(ConfigError, match=r"^c\.json:1: found a list; expected an object$"):
        read("[]")


def test_a_bad_entry_that_is_disabled_says_so() -> None:
    for off in ({"disabled": True}, {"enabled": False}):
        entries = {"s": {"command": "${NOT_SET}", **off}, "t": {"command": "x", **off}}
        config = from_mapping({"mcpServers": entries}, environ={}, directory=None)
        assert config.servers["t"].disabled
        assert config.failures["s"].detail["disabled"]
