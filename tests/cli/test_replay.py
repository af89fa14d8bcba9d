from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.cli.program import PROGRAM, Ran, config, fast_server, mcphost, one_call, script


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


async def record(tmp_path: Path, recorded: Path, *arguments: str | Path) -> Ran:
    model = script(tmp_path, one_call("fast__echo", text="hi"), "It said hi.")
    servers = config(tmp_path, {"fast": fast_server()})
    return await mcphost("run", "-C", servers, "-m", model, "--record", recorded, "--no-journal", "say hi", *arguments)


def forget(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


def changed(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text().replace(old, new, 2))


def text_of(file: Path) -> str:
    return file.read_text()


async def test_a_recorded_run_is_run_again_without_its_server_and_its_model(tmp_path: Path, recorded: Path) -> None:
    ran = await record(tmp_path, recorded, "--allow", "fast__*")
    forget(tmp_path, "config.json", "script.json")
    again = await mcphost("replay", recorded)
    assert (again.code, again.out) == (ran.code, ran.out) == (0, "It said hi.\n")
    assert 'fast__echo {"text": "hi"}' in again.err


async def test_a_replay_says_the_same_in_the_machine_formats(tmp_path: Path, recorded: Path) -> None:
    ran = await record(tmp_path, recorded, "--allow", "fast__*", "--output-format", "stream-json")
    again = await mcphost("replay", recorded, "--output-format", "stream-json")
    passing = ("ts", "session_id", "seconds", "pid", "latency_seconds", "run")
    first, second = (
        json.loads(json.dumps(one.lines), object_hook=lambda body: {k: v for k, v in body.items() if k not in passing})
        for one in (ran, again)
    )
    assert second == first


async def test_a_call_that_nobody_allowed_is_refused_again_with_the_same_exit_code(
    tmp_path: Path, recorded: Path
) -> None:
    ran = await record(tmp_path, recorded)
    again = await mcphost("replay", recorded)
    assert (again.code, again.out) == (ran.code, ran.out)
    assert again.code == 6


async def test_a_replay_imports_no_sdk_and_no_client(tmp_path: Path, recorded: Path) -> None:
    await record(tmp_path, recorded, "--allow", "fast__*")
    program = (
        "import sys\nfrom mcphost.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n"
        "    print(end.code, sorted({'mcp', 'mcp_types', 'httpx2', 'anthropic', 'openai'} & sys.modules.keys()))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", program, "replay", str(recorded), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode() == "It said hi.\n0 []\n"


async def test_another_model_may_answer_while_the_servers_stay_as_recorded(tmp_path: Path, recorded: Path) -> None:
    await record(tmp_path, recorded, "--allow", "fast__*")
    model = script(tmp_path, one_call("fast__echo", text="hi"), "Another answer.")
    again = await mcphost("replay", recorded, "--live-model", "-m", model)
    assert (again.code, again.out) == (0, "Another answer.\n")


async def test_a_call_that_was_not_recorded_ends_the_replay_and_shows_the_difference(
    tmp_path: Path, recorded: Path
) -> None:
    await record(tmp_path, recorded, "--allow", "fast__*")
    model = script(tmp_path, one_call("fast__echo", text="ho"), "Another answer.")
    again = await mcphost("replay", recorded, "--live-model", "-m", model, "--json")
    assert again.code == 1
    assert again.json["error"]["code"] == "divergence"
    assert json.loads(again.err.splitlines()[-1])["error"]["diff"] == [
        '- about.arguments.text: "hi"',
        '+ about.arguments.text: "ho"',
    ]


async def test_a_changed_recording_is_a_divergence(tmp_path: Path, recorded: Path) -> None:
    await record(tmp_path, recorded, "--allow", "fast__*")
    changed(recorded, '{"text":"hi","type":"text"}', '{"text":"ho","type":"text"}')
    again = await mcphost("replay", recorded)
    assert again.code == 1
    assert "differs from the recording" in again.err
    assert '- messages[1].content[0].text: "hi"' in again.err


async def test_the_recording_holds_no_secret_of_the_configuration(tmp_path: Path, recorded: Path) -> None:
    servers = config(tmp_path, {"fast": fast_server()})
    whole = json.loads(servers.read_text())
    whole["mcpServers"]["fast"]["env"] = {"API_TOKEN": "canary-of-a-server"}
    whole["mcphost"]["models"] = {
        "mine": {"api": "openai-chat", "baseUrl": "http://localhost:1", "apiKey": "canary-key"}
    }
    servers.write_text(json.dumps(whole))
    model = script(tmp_path, one_call("fast__echo", text="canary-of-a-server canary-key"), "Said canary-key.")
    ran = await mcphost("run", "-C", servers, "-m", model, "--yolo", "--record", recorded, "say canary-of-a-server")
    assert ran.code in (0, 6)
    assert "canary" not in text_of(recorded)
    assert (await mcphost("replay", recorded)).code == ran.code


async def test_a_recording_that_outgrows_the_disk_is_given_up_and_the_run_is_not(
    tmp_path: Path, recorded: Path
) -> None:
    model = script(tmp_path, one_call("fast__echo", text="x" * 3000), "Done.")
    servers = config(tmp_path, {"fast": fast_server()})
    command = [
        *PROGRAM,
        "run",
        "-C",
        str(servers),
        "-m",
        model,
        "--yolo",
        "--no-journal",
        "--record",
        str(recorded),
        "go",
    ]
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *command, stdout=-1, stderr=-1, stdin=asyncio.subprocess.DEVNULL
    )
    out, err = await process.communicate()
    assert (process.returncode, out.decode()) == (0, "Done.\n")
    assert "the recording is incomplete" in err.decode()


async def test_what_makes_no_sense_is_a_usage_error(tmp_path: Path, recorded: Path) -> None:
    assert (await mcphost("replay", recorded)).code == 2
    await record(tmp_path, recorded)
    assert (await mcphost("replay", recorded, "-m", "offline")).code == 2
    assert (await mcphost("run", "--resume", "latest", "--record", recorded)).code == 2
