"""Processes that will not end, cannot start, or lose their host."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mcphost.config.schema import ServerConfig, Source
from mcphost.errors import ServerUnavailable
from mcphost.servers.process import MARK, Process, Reaper, inherited, resolve, spawn

PEERS = Path(__file__).with_name("peers")
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def reaper() -> Iterator[Reaper]:
    reaper = Reaper()
    yield reaper
    reaper.close()
    assert marked(MARK, reaper.run_id) == []


def python(*args: str, reaper: Reaper, **env: str) -> Process:
    return spawn(ServerConfig("s", sys.executable, args, env), os.environ, reaper=reaper)


def marked(name: str, value: str) -> list[int]:
    """The living processes that carry this variable."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            pass
    return found


def nothing_left(name: str, value: str) -> bool:
    """Whether everything that carries this variable ends within four seconds."""
    end = time.monotonic() + 4
    while marked(name, value):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# The environment and the executable.


def test_a_server_inherits_names_from_the_short_list_and_no_key() -> None:
    host = {"PATH": "/bin", "LC_ALL": "C", "https_proxy": "p", "HTTPS_PROXY": "P", "XDG_DATA_HOME": "/d"}
    keys = {"OPENAI_API_KEY": "k", "AWS_SECRET_ACCESS_KEY": "k", "LD_PRELOAD": "x", "SHELL": "() { evil; }"}
    assert inherited({**host, **keys}) == host


def test_a_spawned_server_sees_the_list_its_own_entry_and_the_marks(reaper: Reaper) -> None:
    script = "import os; print(sorted(os.environ))"
    config = ServerConfig("s", sys.executable, ("-c", script), {"TOKEN": "t"})
    process = spawn(config, {"PATH": "/bin", "ANTHROPIC_API_KEY": "k", "LANG": "C.UTF-8"}, reaper=reaper)
    assert process.stdout.read(4096) == f"{['LANG', 'MCPHOST_ORIGIN', 'MCPHOST_RUN', 'PATH', 'TOKEN']}\n".encode()
    asyncio.run(process.stop())


def test_the_executable_is_found_by_the_hosts_path_not_by_the_entrys(tmp_path: Path, reaper: Reaper) -> None:
    for folder, word in (("host", "real"), ("fake", "planted")):
        program = tmp_path / folder / "tool"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho {word}\n")
        program.chmod(0o755)
    config = ServerConfig("s", "tool", env={"PATH": str(tmp_path / "fake")})
    process = spawn(config, {"PATH": f"fake:{tmp_path / 'host'}"}, reaper=reaper)
    assert process.stdout.read(100) == b"real\n"
    asyncio.run(process.stop())


def test_relative_parts_of_path_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tool").write_text("")
    (tmp_path / "tool").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ServerUnavailable, match="command not found: tool") as caught:
        resolve("tool", {"PATH": ".::/nowhere"})
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("Looked in PATH: /nowhere")


def test_a_command_with_a_slash_is_relative_to_the_configuration_file(tmp_path: Path, reaper: Reaper) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/sh\npwd\n")
    (tmp_path / "run.sh").chmod(0o755)
    assert resolve("./run.sh", {}, tmp_path) == (str(tmp_path / "run.sh"),)
    config = ServerConfig("s", "./run.sh", cwd=Path("/"), source=Source(tmp_path / "config.json"))
    process = spawn(config, {}, reaper=reaper)
    assert process.stdout.read(100) == b"/\n"
    asyncio.run(process.stop())


def test_mcphost_means_this_installation() -> None:
    assert resolve("mcphost", {}) == (sys.executable, "-P", "-m", "mcphost")


def test_what_cannot_start_says_why_and_names_the_server(tmp_path: Path, reaper: Reaper) -> None:
    plain = tmp_path / "plain"
    plain.write_text("#!/no/such/interpreter\n")

    def failure(command: str, **entry: Path) -> ServerUnavailable:
        with pytest.raises(ServerUnavailable) as caught:
            spawn(ServerConfig("broken", command, **entry), {"PATH": "/bin"}, reaper=reaper)  # type: ignore[arg-type]
        assert caught.value.detail["server"] == "broken"
        return caught.value

    assert failure("/no/such").message == "command not found: /no/such"
    assert failure(str(plain)).message == f"not executable: {plain}"
    plain.chmod(0o755)
    assert failure(str(plain)).message == f"cannot start {plain}: the interpreter its first line names does not exist"
    plain.write_bytes(b"\x00\x01")
    assert "Exec format error" in failure(str(plain)).message
    assert failure("/bin/sh", cwd=tmp_path / "gone").message == f"working directory not found: {tmp_path / 'gone'}"


# Ends.


async def test_exit_codes_and_last_words_are_known_at_the_moment_of_the_exit(reaper: Reaper) -> None:
    process = python("-c", "import sys; sys.stderr.write('last words'); sys.exit(3)", reaper=reaper)
    assert await process.exited() == 3
    assert (process.reason, process.stderr_tail) == ("exited with code 3", "last words")
    assert await process.stop() == 3


async def test_a_death_before_anybody_watched_is_noticed(reaper: Reaper) -> None:
    process = python("-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", reaper=reaper)
    assert process.stdout.read() == b""
    assert await process.exited() == -signal.SIGSEGV
    assert process.reason == "was ended by SIGSEGV"
    await process.stop()


async def test_a_server_that_ends_on_eof_is_not_signalled(reaper: Reaper) -> None:
    process = python("-c", "import sys; sys.stdin.read(); sys.exit(7)", reaper=reaper)
    assert process.returncode is None
    started = time.monotonic()
    assert await process.stop() == 7
    assert time.monotonic() - started < 1


async def test_stop_escalates_to_kill_for_the_whole_group(reaper: Reaper) -> None:
    process = python(str(PEERS / "stubborn.py"), reaper=reaper)
    assert process.stdout.readline() == b"ready\n"
    grandchildren = [child.pid for child in psutil.Process(process.pid).children()]
    own_session = [pid for pid in grandchildren if os.getsid(pid) == pid]
    assert await process.stop(eof=0.1, term=0.1) == -signal.SIGKILL
    assert marked(MARK, reaper.run_id) == own_session
    reaper.close()
    assert nothing_left(MARK, reaper.run_id)


async def test_the_group_is_swept_where_the_leader_exited_first(reaper: Reaper) -> None:
    process = python(str(PEERS / "stubborn.py"), "--quit", reaper=reaper)
    assert await process.exited() == 0
    group = [pid for pid in marked(MARK, reaper.run_id) if os.getpgid(pid) == process.pid]
    assert len(group) == 1
    assert await process.stop(term=0.1) == 0
    assert not psutil.pid_exists(group[0]) or psutil.Process(group[0]).status() == psutil.STATUS_ZOMBIE


async def test_a_leader_keeps_its_number_until_its_group_is_swept(reaper: Reaper) -> None:
    process = python("-c", "", reaper=reaper)
    await process.exited()
    assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    await process.stop()
    assert not psutil.pid_exists(process.pid)


async def test_a_cancelled_stop_kills_at_once(reaper: Reaper) -> None:
    process = python(str(PEERS / "stubborn.py"), reaper=reaper)
    process.stdout.readline()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await process.stop()
    assert await process.exited() == -signal.SIGKILL


async def test_stopping_twice_at_once_stops_once(reaper: Reaper) -> None:
    process = python("-c", SLEEP, reaper=reaper)
    assert set(await asyncio.gather(process.stop(eof=0), process.stop(eof=0))) == {-signal.SIGTERM}


async def test_fifty_rounds_leave_no_descriptor_behind(reaper: Reaper) -> None:
    me = psutil.Process()
    before = me.num_fds()
    for _ in range(5):
        processes = [python("-c", "", reaper=reaper) for _ in range(10)]
        await asyncio.gather(*(process.stop() for process in processes))
    assert me.num_fds() == before


async def test_stderr_without_end_is_kept_to_its_last_64_kib(reaper: Reaper) -> None:
    script = "import sys; sys.stderr.buffer.write(b'x' * 10_000_000 + b'\\xff end'); sys.stderr.flush()"
    process = python("-c", script, reaper=reaper)
    assert await process.exited() == 0
    assert len(process.stderr_tail) == 64 * 1024
    assert process.stderr_tail.endswith("x\ufffd end")
    await process.stop()


@pytest.mark.parametrize("missing", ["pidfd_open", "waitid"])
async def test_platforms_with_less_are_served_too(
    missing: str, monkeypatch: pytest.MonkeyPatch, reaper: Reaper
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(os, missing, raising=False)
    process = python("-c", "import sys; sys.stdin.read(); sys.exit(5)", reaper=reaper)
    assert await process.stop() == 5
    assert await process.exited() == 5


# The reaper.


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_host_that_is_killed_leaves_nothing_behind(number: signal.Signals) -> None:
    token = uuid.uuid4().hex
    command = [sys.executable, str(PEERS / "host.py"), "2"]
    environ = {**os.environ, "XDG_TOKEN": token}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        assert len(marked("XDG_TOKEN", token)) == 7
        host.send_signal(number)
    assert nothing_left("XDG_TOKEN", token)


def test_ctrl_c_at_any_early_moment_leaves_nothing_behind() -> None:
    token, moments = uuid.uuid4().hex, random.Random(7)
    for _ in range(12):
        host = subprocess.Popen(
            [sys.executable, str(PEERS / "host.py"), "3"],
            env={**os.environ, "XDG_TOKEN": token},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(moments.uniform(0.02, 0.3))  # the moment is what is tested
        while host.poll() is None:  # Python loses an interrupt that arrives inside a finalizer: a person presses again
            os.killpg(host.pid, signal.SIGINT)
            try:
                host.communicate(timeout=2)
            except subprocess.TimeoutExpired:
                continue
    assert nothing_left("XDG_TOKEN", token)


async def test_a_killed_reaper_is_started_again_and_knows_all_groups(reaper: Reaper) -> None:
    first = python("-c", SLEEP, reaper=reaper)
    assert reaper.pid is not None
    os.kill(reaper.pid, signal.SIGKILL)
    psutil.Process(reaper.pid).wait()
    second = python("-c", SLEEP, reaper=reaper)
    reaper.close()
    assert set(await asyncio.gather(first.exited(), second.exited())) == {-signal.SIGTERM}
    await asyncio.gather(first.stop(), second.stop())


def test_the_reaper_ignores_what_a_terminal_or_a_shutdown_sends(reaper: Reaper) -> None:
    assert reaper.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        os.kill(reaper.pid, number)
    process = python("-c", SLEEP, reaper=reaper)
    reaper.close()
    assert asyncio.run(process.exited()) == -signal.SIGTERM
    asyncio.run(process.stop())


def test_a_forked_child_does_not_keep_the_reaper_waiting(reaper: Reaper) -> None:
    if (child := os.fork()) == 0:
        time.sleep(60)
    try:
        started = time.monotonic()
        reaper.close()
        assert time.monotonic() - started < 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_stopped_server_is_forgotten(reaper: Reaper) -> None:
    async def round() -> None:
        await python("-c", "", reaper=reaper).stop()

    asyncio.run(round())
    started = time.monotonic()
    reaper.close()
    assert time.monotonic() - started < 0.25  # no group was left to wait for


def test_two_hosts_in_one_process_end_their_own_servers_only(reaper: Reaper) -> None:
    process = python("-c", SLEEP, reaper=reaper)
    other = Reaper()
    neighbour = python("-c", SLEEP, reaper=other)
    other.close()
    assert (process.returncode, neighbour.returncode) == (None, -signal.SIGTERM)
    for each in (process, neighbour):
        asyncio.run(each.stop(eof=0))


def test_spawning_loads_nothing_heavy() -> None:
    script = (
        "import sys, mcphost.servers.process; print({'asyncio', 'pydantic', 'mcp', 'mcp_types'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", script]) == b"set()\n"
