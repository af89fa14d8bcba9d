"""`mcphost config show`: what is configured and where, as it was written, without a secret."""

import json
from pathlib import Path
from typing import Any

from mcphost.config import load, shown
from mcphost.config.jsonc import Node, parse
from mcphost.config.secrets import Secrets

ONE: dict[str, Any] = {
    "mcpServers": {
        "git": {"command": "git-mcp", "env": {"GH_TOKEN": "literal-canary", "LEVEL": "info", "A_KEY": "${GK}"}},
        "old": {"command": "old"},
        "deny": {"command": "a-name-like-a-key"},
        "headers": {"command": "another"},
    },
    "mcphost": {
        "model": "here/one",
        "limits": {"maxSteps": 3, "listPages": 4},
        "approvals": {"rules": [{"server": "git", "tool": "a", "decision": "deny"}]},
        "servers": {"git": {"deny": ["a"], "sampling": "deny"}},
    },
}
TWO: dict[str, Any] = {
    "mcpServers": {
        "old": {"command": "new", "args": ["--api-key=literal-canary", "--token", "literal-canary", "--auth", "${T}"]},
        "web": {
            "url": "https://me:literal-canary@h/mcp?key=literal-canary&x=1",
            "headers": {"Authorization": "Bearer literal-canary", "X-Key": "Bearer ${T}", "Accept": "text/plain"},
        },
        "broken": {"url": "https://me:literal-canary@h/${UNSET}", "headers": ["X-Key: literal-canary"]},
    },
    "mcphost": {
        "model": "here/two",
        "models": {"here": {"api": "openai-chat", "apiKey": "${K:-literal-canary}"}},
        "limits": {"maxSteps": 5},
        "approvals": {"rules": [{"server": "git", "tool": "b", "decision": "ask"}]},
        "servers": {"git": {"deny": ["b"]}},
    },
}
ENVIRON = {"GK": "variable-canary", "T": "variable-canary"}


def documents(directory: Path) -> tuple[list[Path], list[Node]]:
    files = [directory / "one.json", directory / "two.json"]
    for file, content in zip(files, (ONE, TWO), strict=True):
        file.write_text(json.dumps(content, indent=1))
    return files, [parse(file.read_text(), file) for file in files]


def test_it_is_what_counts_as_it_was_written_and_can_be_read_again(tmp_path: Path) -> None:
    files, roots = documents(tmp_path)
    secrets = Secrets.of(load(files, user=None, environ=ENVIRON), ENVIRON)
    parts = shown.merged(roots)
    document = shown.plain(parts, secrets)
    assert parse(shown.text(parts, secrets), tmp_path / "shown").plain() == document
    assert "canary" not in shown.text(parts, secrets)
    servers, ours = document["mcpServers"], document["mcphost"]
    assert servers["git"]["env"] == {"GH_TOKEN": "[secret]", "LEVEL": "info", "A_KEY": "${GK}"}
    assert servers["old"]["args"] == ["--api-key=[secret]", "--token", "[secret]", "--auth", "${T}"]
    assert servers["web"]["url"] == "https://[secret]:[secret]@h/mcp?key=[secret]&x=1"
    assert servers["web"]["headers"] == {
        "Authorization": "[secret]",
        "X-Key": "Bearer ${T}",
        "Accept": "text/plain",
    }
    assert servers["deny"] == ONE["mcpServers"]["deny"]
    assert servers["headers"] == ONE["mcpServers"]["headers"]
    assert ours["model"] == "here/two"
    assert ours["limits"] == {"maxSteps": 5, "listPages": 4}
    assert [rule["tool"] for rule in ours["approvals"]["rules"]] == ["a", "b"]
    assert ours["servers"]["git"] == {"deny": ["a", "b"], "sampling": "deny"}


def test_every_part_says_which_file_and_line_it_is_from(tmp_path: Path) -> None:
    files, roots = documents(tmp_path)
    sources = shown.sources(shown.merged(roots))
    assert sources["mcpServers.git"] == [f"{files[0]}:3"]
    assert sources["mcpServers.old"][0].startswith(str(files[1]))
    assert sources["mcphost.limits.listPages"][0].startswith(str(files[0]))
    assert len(sources["mcphost.servers.git.deny"]) == 2
    lines = shown.text(shown.merged(roots), Secrets()).splitlines()
    assert lines[lines.index('    "git": {') - 1] == f"    // {files[0]}:3"


def test_of_included_files_only_servers_are_there(tmp_path: Path) -> None:
    _, (one, two) = documents(tmp_path)
    document = shown.plain(shown.merged([two], included=[one]), Secrets())
    assert document["mcpServers"]["git"]["command"] == "git-mcp"
    assert "listPages" not in document["mcphost"]["limits"]
