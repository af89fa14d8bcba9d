from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.cli.program import config, fast_server, mcphost, one_call, script, start


@pytest.fixture
def fast(tmp_path: Path) -> Path:
    return config(tmp_path, {"fast": fast_server()})


async def test_the_answer_alone_is_on_stdout_and_progress_on_stderr(tmp_path: Path, fast: Path) -> None:
    model = script(tmp_path, one_call("fast__echo", text="hi"), "It said hi.")
    ran = await mcphost("run", "-C", fast, "-m", model, "--allow", "fast__*", "say hi")
    assert (ran.code, ran.out) == (0, "It said hi.\n")
    assert 'fast__echo {"text": "hi"}' in ran.err


async def test_a_call_that_nobody_may_allow_is_refused_and_stderr_names_the_allow_for_it(
    tmp_path: Path, fast: Path
) -> None:
    model = script(tmp_path, one_call("fast__echo", text="hi"), "I may not.")
    ran = await mcphost("run", "-C", fast, "-m", model, "say hi")
    assert (ran.code, ran.out) == (6, "I may not.\n")
    assert "--allow fast__echo" in ran.err


async def test_a_rule_of_the_command_line_that_misspells_its_server_is_said(tmp_path: Path, fast: Path) -> None:
    ran = await mcphost("run", "-C", fast, "-m", script(tmp_path, "hi"), "--deny", "Fast__echo", "--deny", "x__y", "go")
    assert (ran.code, ran.out) == (0, "hi\n")
    assert ran.err == '! --deny Fast__echo: there is no server "Fast" (did you mean "fast"?)\n'


async def test_a_deny_rule_is_no_failure_and_stands_above_yolo(tmp_path: Path, fast: Path) -> None:
    model = script(tmp_path, one_call("fast__echo", text="hi"), "I may not.")
    ran = await mcphost("run", "-C", fast, "-m", model, "--yolo", "--deny", "fast__echo", "say hi")
    assert ran.code == 0
    assert "--yolo" in ran.err


async def test_the_task_may_come_from_stdin_or_be_joined_by_it(tmp_path: Path) -> None:
    empty = config(tmp_path)
    for arguments, stdin in ((("-",), "from a pipe"), ((), "from a pipe"), (("and TASK",), "from a pipe")):
        ran = await mcphost(
            "run", "-C", empty, "-m", script(tmp_path, "ok"), "--output-format", "stream-json", *arguments, stdin=stdin
        )
        [asked] = [line["text"] for line in ran.lines if line["type"] == "message" and line["role"] == "user"]
        assert asked == ("and TASK\n\nfrom a pipe" if arguments == ("and TASK",) else "from a pipe")


async def test_a_silent_pipe_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    process = await start(
        "run", "-C", config(tmp_path), "-m", script(tmp_path, "ok"), "task", stdin=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.read() == b"ok\n"
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--model", "nowhere/x", "hi"), 2, "nowhere"),
        (("-C", "missing.json", "hi"), 2, "missing.json"),
        (("--allow", "no_server_*", "hi"), 2, "SERVER__TOOL"),
        (("--server", "fsat", "hi"), 2, "did you mean 'fast'"),
        (("--bogus", "hi"), 2, "--bogus"),
        (("--output-format", "xml", "hi"), 2, "xml"),
        (("",), 2, "no task"),
        (("-m", "anthropic/claude", "hi"), 3, "ANTHROPIC_API_KEY"),
    ],
)
async def test_what_makes_no_sense_is_said_in_a_line_with_its_exit_code(
    tmp_path: Path, fast: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ran = await mcphost("run", "-C", fast, *arguments, cwd=tmp_path)
    assert ran.code == code, ran.err
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


async def test_a_server_that_cannot_start_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    both = config(tmp_path, {"fast": fast_server(), "broken": ("no-such-command",)})
    model = script(tmp_path, one_call("fast__echo", text="hi"), "fine")
    ran = await mcphost("run", "-C", both, "-m", model, "--allow", "fast__*", "say hi")
    assert (ran.code, ran.out) == (0, "fine\n")
    assert "no-such-command" in ran.err


async def test_a_required_server_that_is_not_there_ends_the_run(tmp_path: Path) -> None:
    both = config(tmp_path, {"fast": fast_server(), "broken": ("no-such-command",)})
    ran = await mcphost("run", "-C", both, "-m", script(tmp_path, "fine"), "--server", "broken", "hi")
    assert ran.code == 4
    assert "broken" in ran.err


async def test_no_server_ready_at_all_ends_the_run(tmp_path: Path) -> None:
    broken = config(tmp_path, {"broken": ("no-such-command",)})
    ran = await mcphost("run", "-C", broken, "-m", script(tmp_path, "fine"), "hi")
    assert ran.code == 4


async def test_the_step_limit_and_the_timeout_end_with_their_code(tmp_path: Path, fast: Path) -> None:
    wait = one_call("fast__wait", seconds=60)
    ran = await mcphost("run", "-C", fast, "-m", script(tmp_path, wait), "--yolo", "--timeout", "1.5", "--json", "hi")
    assert (ran.code, ran.json["stop_reason"]) == (7, "timeout")
    echo = one_call("fast__echo", text="again")
    ran = await mcphost("run", "-C", fast, "-m", script(tmp_path, echo, echo), "--yolo", "--max-steps", "2", "hi")
    assert ran.code == 7
    assert "--max-steps" in ran.err


async def test_json_is_one_document_also_when_the_run_fails(tmp_path: Path, fast: Path) -> None:
    model = script(tmp_path, one_call("fast__echo", text="hi"), "It said hi.")
    ran = await mcphost("run", "-C", fast, "-m", model, "--allow", "fast__*", "--json", "say hi")
    document = ran.json
    assert (document["result"], document["stop_reason"], document["num_steps"]) == ("It said hi.", "answered", 2)
    assert [(server["name"], server["state"]) for server in document["servers"]] == [("fast", "ready")]
    assert document["tool_calls"][0]["arguments"] == {"text": "hi"}
    failed = await mcphost("run", "-C", fast, "-m", script(tmp_path), "--json", "say hi")
    assert failed.code == 1
    assert failed.json["is_error"]
    assert json.loads(failed.err.splitlines()[-1])["error"]["code"] == "model_error"


async def test_stream_json_begins_with_init_and_ends_with_result(tmp_path: Path, fast: Path) -> None:
    model = script(tmp_path, one_call("fast__echo", text="hi"), "It said hi.")
    ran = await mcphost("run", "-C", fast, "-m", model, "--allow", "fast__*", "--output-format", "stream-json", "hi")
    kinds = [line["type"] for line in ran.lines]
    assert (kinds[0], kinds[-1]) == ("init", "result")
    assert [line["seq"] for line in ran.lines] == list(range(len(kinds)))
    assert {"tool_use", "approval_decision", "tool_result"} <= set(kinds)


async def test_the_answer_is_written_to_a_file_as_well(tmp_path: Path) -> None:
    target = tmp_path / "answer.txt"
    ran = await mcphost("run", "-C", config(tmp_path), "-m", script(tmp_path, "here"), "-o", target, "hi")
    assert (ran.code, ran.out, target.read_text()) == (0, "here\n", "here\n")


async def test_an_empty_answer_is_an_error(tmp_path: Path) -> None:
    ran = await mcphost("run", "-C", config(tmp_path), "-m", script(tmp_path, ""), "hi")
    assert ran.code == 1
    assert "answered with nothing" in ran.err


async def test_a_closed_stdout_ends_quietly(tmp_path: Path) -> None:
    process = await start("run", "-C", config(tmp_path), "-m", script(tmp_path, "x" * 200_000), "hi")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout._transport.close()  # type: ignore[attr-defined]
    assert b"Traceback" not in await process.stderr.read()
    assert await process.wait() == 141


async def test_options_come_from_the_environment_but_consent_does_not(tmp_path: Path, fast: Path) -> None:
    model = script(tmp_path, one_call("fast__echo", text="hi"), "I may not.")
    env = {"MCPHOST_CONFIG": str(fast), "MCPHOST_MODEL": model, "MCPHOST_ALLOW": "fast__*", "MCPHOST_YOLO": "1"}
    ran = await mcphost("run", "say hi", env=env)
    assert (ran.code, ran.out) == (6, "I may not.\n")


async def test_the_system_text_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "system.txt").write_text("be brief")
    ran = await mcphost(
        "run", "-C", config(tmp_path), "-m", script(tmp_path, "ok"), "--system", f"@{tmp_path}/nowhere.txt", "hi"
    )
    assert ran.code == 2
    ran = await mcphost(
        "run", "-C", config(tmp_path), "-m", script(tmp_path, "ok"), "--system", f"@{tmp_path}/system.txt", "hi"
    )
    assert ran.code == 0


async def test_nothing_is_read_from_the_working_directory(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    trap = {"mcpServers": {"trap": {"command": "/bin/sh", "args": ["-c", f"touch {marker}"]}}}
    for name in (".mcp.json", ".mcphost.json", "config.json", "mcphost.json"):
        (tmp_path / name).write_text(json.dumps(trap))
    (tmp_path / "anyio.py").write_text(f"open({str(marker)!r}, 'w')")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ran = await mcphost("run", "-m", script(elsewhere, "ok"), "hi", cwd=tmp_path)
    assert (ran.code, ran.out) == (6, "")
    assert "not trusted" in ran.err
    ran = await mcphost("run", "-m", script(elsewhere, "ok"), "hi", "--no-project", cwd=tmp_path)
    assert (ran.code, ran.out) == (0, "ok\n")
    assert not marker.exists()
