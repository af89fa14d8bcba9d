"""A hostile working directory, and how a person comes to trust a good one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.program import PROGRAM, Ran, mcphost, script

SERVER = """
import sys
from mcp.server.mcpserver import MCPServer
open(sys.argv[1], "a").write("started\\n")
server = MCPServer("s")

@server.tool()
def add(a: int, b: int) -> int:
    return a + b

server.run()
"""


class Repository:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.mark = path / "MARK"
        self.places = {"XDG_STATE_HOME": str(path.parent / "state"), "XDG_CONFIG_HOME": str(path.parent / "config")}
        path.mkdir()
        (path / "server.py").write_text(SERVER)
        self.write()

    def write(self, **more: Any) -> None:
        entry = {"command": sys.executable, "args": ["server.py", str(self.mark)], **more}
        (self.path / ".mcp.json").write_text(json.dumps({"mcpServers": {"calc": entry}}))

    async def run(self, *arguments: str, **env: str) -> Ran:
        return await mcphost(*arguments, cwd=self.path, env={**self.places, **env})

    def talk(self, *arguments: str) -> pexpect.spawn[str]:
        words = [*PROGRAM[1:], *arguments]
        environ: Any = {**os.environ, **self.places}
        return pexpect.spawn(PROGRAM[0], words, cwd=self.path, env=environ, encoding="utf-8", timeout=20)

    def trust(self) -> str:
        """Say yes to everything; what was shown."""
        child = self.talk("trust")
        shown = ""
        while child.expect([r"Trust it\? \[y\] yes  \[n\] no: ", pexpect.EOF]) == 0:
            shown += child.before or ""
            child.sendline("y")
        return shown + (child.before or "")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.mark.parametrize(
    "words", [("tools",), ("servers",), ("resources",), ("prompts",), ("call", "calc__add", "a=1", "b=2"), ("--help",)]
)
async def test_no_command_starts_what_is_not_trusted(repository: Repository, words: tuple[str, ...]) -> None:
    said = await repository.run(*words)
    assert not repository.mark.exists()
    if words != ("--help",):
        assert "not trusted" in said.err


async def test_a_run_refuses_and_names_what_would_be_trusted(repository: Repository) -> None:
    file = (repository.path / ".mcp.json").read_bytes()
    said = await repository.run("run", "hi", "-m", "offline")
    assert said.code == 6
    accepted = hashlib.sha256(file).hexdigest()
    assert f"--trust-project {accepted}" in said.err
    said = await repository.run("run", "hi", "-m", "offline", "--trust-project", accepted, "--json")
    assert said.code == 6
    [untrusted] = json.loads(said.err.splitlines()[-1])["error"]["untrusted"]
    assert untrusted["what"].startswith("server calc of")  # it runs a file of the project
    assert not repository.mark.exists()
    model = script(repository.path.parent, "hello")
    hashes = ("--trust-project", accepted, "--trust-project", untrusted["sha256"])
    said = await repository.run("run", "hi", "-m", model, *hashes)
    assert (said.code, said.out) == (0, "hello\n"), said.err
    assert repository.mark.exists()
    (repository.path / "server.py").write_text(SERVER + "# changed")
    repository.mark.unlink()
    said = await repository.run("run", "hi", "-m", model, *hashes)
    assert said.code == 6
    assert not repository.mark.exists()
    said = await repository.run("run", "hi", "-m", model, "--no-project")
    assert (said.code, said.out) == (0, "hello\n")
    assert not repository.mark.exists()


async def test_a_file_that_is_named_is_no_project_file(repository: Repository) -> None:
    said = await repository.run("tools", "-C", ".mcp.json")
    assert "calc__add" in said.out


def test_no_is_no(repository: Repository) -> None:
    child = repository.talk("trust")
    child.expect(re.escape("May mcphost read the configuration"))
    child.expect(r"Trust it\?.*: ")
    child.sendline("n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 6
    assert not repository.mark.exists()


async def test_trust_shows_all_and_holds_until_something_changes(repository: Repository) -> None:
    spoof = "a\n  runs        safe"
    (repository.path / spoof).touch()
    arguments = ["server.py", str(repository.mark), spoof]
    repository.write(args=arguments, env={"PAD": " " * 5000 + "\u202e\x1b]0;x\x07${HOME}"})
    shown = repository.trust()
    assert r"/a\n  runs        safe (sha256" in shown
    file = repository.path / ".mcp.json"
    assert str(file) in shown
    assert hashlib.sha256(file.read_bytes()).hexdigest() in shown
    assert "runs file" in shown
    assert "your variables HOME" in shown
    assert r"\u202e\u001b]0;x\u0007${HOME}" in shown
    assert "\x1b]" not in shown
    assert not repository.mark.exists()
    assert "calc__add" in (await repository.run("tools")).out
    repository.write(env={"PAD": "x"})
    repository.mark.unlink()
    assert "calc is not trusted" not in (said := await repository.run("tools")).out
    assert "not trusted" in said.err or "not trusted" in (await repository.run("servers")).out
    assert not repository.mark.exists()
    shown = repository.trust()
    assert "It has changed since you trusted it" in shown
    assert '+    "env": {"PAD": "x"}' in shown or '+      "PAD": "x"' in shown
    assert "May mcphost read" not in shown  # the directory is trusted


def test_variables_that_load_code_need_another_yes(repository: Repository) -> None:
    repository.write(env={"LD_PRELOAD": "/tmp/x.so"})
    assert "sets variables that make programs run other code: LD_PRELOAD" in repository.trust()


async def test_a_project_cannot_take_the_name_of_a_users_server_nor_use_the_rules_for_it(
    repository: Repository,
) -> None:
    repository.trust()
    config = repository.path.parent / "config" / "mcphost" / "config.json"
    config.parent.mkdir(parents=True)
    rule = {"server": "calc", "tool": "*", "decision": "allow"}
    config.write_text(json.dumps({"mcphost": {"approvals": {"rules": [rule]}}}))
    call = {"calls": [{"name": "calc__add", "arguments": {"a": 1, "b": 2}}]}
    said = await repository.run("run", "hi", "-m", script(repository.path.parent, call, "done"))
    assert said.code == 6
    assert "does not count for the project's server calc" in said.err
    config.write_text(json.dumps({"mcpServers": {"calc": {"command": "/bin/false"}}}))
    repository.mark.unlink()
    said = await repository.run("tools")
    assert "the project's server calc is left out" in said.err
    assert not repository.mark.exists()
