"""A run is recorded into one file, and runs again from it with no model, no server and no SDK."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from mcphost.errors import Divergence
from mcphost.messages import UserMessage, text_block
from mcphost.testing import ScriptedFrontend, replay
from tests.cli.program import config, fast_server, mcphost, one_call, script


async def recorded(tmp_path: Path) -> Path:
    file = tmp_path / "run.jsonl"
    servers = config(tmp_path, {"fast": fast_server()})
    model = script(tmp_path, one_call("fast__echo", text="hi"), "It said hi.")
    ran = await mcphost("run", "-C", servers, "-m", model, "--allow", "fast__*", "--record", file, "say hi")
    assert (ran.code, ran.out) == (0, "It said hi.\n"), ran.err
    return file


async def test_a_replay_prints_what_the_run_printed_and_needs_no_server(tmp_path: Path) -> None:
    file = await recorded(tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "script.json").unlink()
    ran = await mcphost("replay", file)
    assert (ran.code, ran.out) == (0, "It said hi.\n"), ran.err
    assert 'fast__echo {"text": "hi"}' in ran.err


async def test_a_replay_never_loads_the_sdk(tmp_path: Path) -> None:
    file = await recorded(tmp_path)
    code = f"""
import sys
from mcphost.cli import main
try:
    main(["replay", {str(file)!r}])
except SystemExit as end:
    print(end.code, sorted({{"mcp", "mcp_types", "anthropic", "openai"}} & set(sys.modules)))
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == "0 []"


async def test_a_request_that_differs_is_a_divergence_with_its_difference(tmp_path: Path) -> None:
    file = await recorded(tmp_path)
    with pytest.raises(Divergence) as raised:
        async with replay(file, frontend=ScriptedFrontend()) as host:
            await host.chat().send([UserMessage((text_block("say something else"),))])
    assert "say hi" in str(raised.value)
    assert "say something else" in str(raised.value)


async def test_what_is_no_recording_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "not.jsonl").write_text("{}\n")
    ran = await mcphost("replay", tmp_path / "not.jsonl")
    assert ran.code == 2
    assert "not.jsonl" in ran.err
