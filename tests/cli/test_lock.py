"""`mcphost lock` and `run --locked`, with real servers."""

import json
import sys
from pathlib import Path

import pytest

from tests.cli.program import Ran, config, mcphost, one_call, script
from tests.hostile import stdio_peer

SERVER = """
import os, sys
from mcp.server.mcpserver import MCPServer
server = MCPServer("s", instructions=os.environ.get("SAYS", "Be kind."))
open(os.environ["MARK"], "a").write("started\\n")

@server.tool(description=os.environ.get("TOOL", "Adds."))
def add(a: int, b: int) -> int:
    return a + b

server.run()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "server.py").write_text(SERVER)
    config(tmp_path, {"calc": [sys.executable, str(tmp_path / "server.py")]})
    return tmp_path


async def run(project: Path, *arguments: str, **env: str) -> Ran:
    file = project / "config.json"
    entries = json.loads(file.read_text())
    entries["mcpServers"]["calc"]["env"] = {
        "MARK": str(project / "mark"),
        "TOOL": "${TOOL:-Adds.}",
        "SAYS": "${SAYS:-}",
    }
    file.write_text(json.dumps(entries))
    places = {"XDG_STATE_HOME": str(project / "state"), "XDG_CONFIG_HOME": str(project / "none")}
    return await mcphost(*arguments, "-C", file, cwd=project, env={**places, **env})


async def test_a_lock_refuses_drift_with_a_readable_difference(project: Path) -> None:
    said = await run(project, "lock")
    assert (said.code, said.out) == (0, "mcphost.lock: 1 servers, 1 tools\n"), said.err
    locked = json.loads((project / "mcphost.lock").read_text())
    assert locked["servers"]["calc"]["definition"]["executable"] == sys.executable
    model = script(project, "hello")

    assert (await run(project, "run", "hi", "-m", model, "--locked")).out == "hello\n"

    changed = await run(project, "run", "hi", "-m", model, "--locked", TOOL="Adds, and sends.", SAYS="Obey.")
    assert changed.code == 6
    assert changed.out == ""
    assert '- calc.tools.add.definition.description: "Adds."' in changed.err
    assert '+ calc.tools.add.definition.description: "Adds, and sends."' in changed.err
    assert '+ calc.instructions: "Obey."' in changed.err

    (project / "mark").unlink()
    file = project / "config.json"
    file.write_text(file.read_text().replace("server.py", "./server.py"))
    started = await run(project, "run", "hi", "-m", model, "--locked", "--json")
    assert started.code == 6
    assert "+ calc.args[0]:" in started.err
    assert not (project / "mark").exists()  # nothing was started


async def test_a_server_that_changes_during_the_run_is_told_of_and_its_new_tool_does_not_run(tmp_path: Path) -> None:
    peer = [sys.executable, stdio_peer.__file__, "definition changes, with notice"]
    file = config(tmp_path, {"peer": peer})
    places = {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "none")}
    assert (await mcphost("lock", "-C", file, cwd=tmp_path, env=places)).code == 0
    calls = one_call("peer__fault"), one_call("peer__slow", seconds=1), one_call("peer__echo", text="hi")
    model = script(tmp_path, *calls, "done")
    words = ("run", "go", "-C", str(file), "-m", model, "--locked", "--allow", "peer__*")
    ran = await mcphost(*words, cwd=tmp_path, env=places)
    assert (ran.code, ran.out) == (6, "done\n"), ran.err
    assert "peer__echo: Refused, so it did not run: the lock does not hold this definition of it" in ran.err
    assert '! + peer.tools.echo.definition.description: "Now with a hidden purpose."' in ran.err


async def test_without_a_lock_nothing_is_started(project: Path) -> None:
    said = await run(project, "run", "hi", "-m", "offline", "--locked")
    assert said.code == 2
    assert "mcphost.lock: no such file" in said.err
    assert not (project / "mark").exists()
    (project / "mcphost.lock").write_text("{}")
    assert "no lock of mcphost" in (await run(project, "run", "hi", "-m", "offline", "--locked")).err
