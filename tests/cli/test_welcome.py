"""The first start, as somebody who comes from another program sees it."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from pathlib import Path

import pytest

from mcphost.cli.setup import Paths
from mcphost.cli.welcome import is_first, model
from tests.cli.program import fast_server, mcphost
from tests.providers.fake import FakeApi
from tests.terminal.pty import started


def home(path: Path) -> dict[str, str]:
    """The environment of somebody with an empty home directory, no key and no Ollama."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    keys = dict.fromkeys(("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "MCPHOST_MODEL"), "")
    places = {"XDG_CONFIG_HOME": str(path / ".config"), "XDG_STATE_HOME": str(path / "state")}
    return {"HOME": str(path), "OLLAMA_HOST": f"127.0.0.1:{free}", **keys, **places}


@pytest.mark.deadline(60)
def test_servers_of_another_program_are_offered_and_used_and_nothing_is_asked_again(tmp_path: Path) -> None:
    theirs = tmp_path / ".cursor" / "mcp.json"
    theirs.parent.mkdir()
    command, *args = fast_server()
    theirs.write_text(json.dumps({"mcpServers": {"fast": {"command": command, "args": args}}}))
    before = theirs.read_bytes()
    (tmp_path / ".claude.json").write_text(
        json.dumps({"mcpServers": {"other": {"command": "x"}}, "history": "x" * 2**20})
    )
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text("[mcp_servers")
    with started(env=home(tmp_path)) as pty:
        pty.see("Codex is left out: ")
        pty.see("1  Claude Code: other  (~/.claude.json)")
        pty.see("2  Cursor: fast  (~/.cursor/mcp.json)")
        pty.type("2\r")
        pty.see("No language model was found")
        pty.see("servers 1/1 ready")
        pty.type("/quit\r")
        assert pty.ended() == 0
    assert theirs.read_bytes() == before
    written = json.loads((tmp_path / ".config" / "mcphost" / "config.json").read_text())
    assert written["mcphost"] == {"include": ["~/.cursor/mcp.json"]}


@pytest.mark.deadline(60)
def test_the_end_of_the_input_skips_every_question_for_good(tmp_path: Path) -> None:
    env = home(tmp_path)
    with started(env=env) as pty:
        pty.see("demo server")
        pty.type("\x04")
        pty.see("Skipped.")
        pty.see("ready · offline")
        pty.type("/quit\r")
        assert pty.ended() == 0
    assert not is_first(Paths(tmp_path / "none", tmp_path / "state" / "mcphost"), env)


async def test_a_model_is_chosen_by_a_part_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("gpt\n"))
    async with FakeApi() as api:
        chosen = await asyncio.to_thread(model, {"OLLAMA_HOST": api.base_url})
    assert chosen == {"model": "ollama/gpt-6-sol"}


async def test_without_a_terminal_nothing_is_asked_and_each_line_is_one(tmp_path: Path) -> None:
    lines = ["/model", "hello", "!echo from the shell", "/fork 1", "/history", "/nwe", "/copy"]
    ran = await mcphost("--plain", stdin="\n".join(lines), env=home(tmp_path))
    assert (ran.code, ran.err) == (0, "")
    assert "Welcome" not in ran.out
    said = ["offline ·", "[offline model", "from the shell", "A copy of 1 message", "1 Person: hello"]
    said += ["did you mean '/new'?", "has not answered in this conversation"]
    places = [ran.out.index(words) for words in said]
    assert places == sorted(places)
    assert not (tmp_path / ".config").exists()


def test_a_key_or_a_configuration_is_enough_to_ask_nothing(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "config.json", tmp_path)
    assert is_first(paths, {})
    assert not is_first(paths, {"OPENAI_API_KEY": "k"})
    paths.config.write_text("{}")
    assert not is_first(paths, {})
