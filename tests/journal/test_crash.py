"""Failures at every statement, write, fsync and rename: the journal opens afterwards as a clean prefix of what was
written, with everything in it that had been acknowledged, and the run itself never notices.

Faults are real ones: SIGKILL, a limit on the size of files, and errors that `strace` injects into system calls.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcphost.journal import file
from mcphost.journal.claims import Claims
from tests.journal.writer import RECORDS, records_in

ROOT = Path(__file__).parents[2]
RUNS = 2


@dataclass(frozen=True)
class Wrote:
    """What a writer said before its end: records acknowledged, whether it lost the journal, whether it was killed."""

    acknowledged: int
    lost: bool
    killed: bool


def write(path: Path, *options: str, tracer: Iterable[str] = ()) -> Wrote:
    command = [*tracer, sys.executable, "-m", "tests.journal.writer", str(path), str(RUNS), *options]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = ran.stdout.split()
    killed = "answered" not in lines
    assert not killed or ran.returncode in (-9, 137), f"the run noticed: {ran.stderr}"
    return Wrote(max((int(line) for line in lines if line.isdigit()), default=0), "lost" in lines, killed)


def check(path: Path, wrote: Wrote) -> int:
    """The journal at `path` is a clean prefix and has what was acknowledged; returns how many records it has."""
    claims = Claims(path.with_name(path.name + ".lock"))
    db, aside = file.connect_or_replace(path, claims)
    assert aside is None
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    found = [there for number in range(RUNS) for there in records_in(db, number)]
    db.close()
    claims.close()
    count = sum(found)
    assert found == [True] * count + [False] * (len(found) - count), "a gap"
    assert wrote.acknowledged <= count
    # At most the record on its way was written without being acknowledged.
    assert count <= wrote.acknowledged + 1
    return count


def some(numbers: range, share: int) -> list[int]:
    """About `share` of `numbers`, evenly, both ends included."""
    return sorted({numbers[round(index * (len(numbers) - 1) / (share - 1))] for index in range(share)})


def test_without_a_fault_everything_is_there(tmp_path: Path) -> None:
    wrote = write(tmp_path / "j.db")
    assert (wrote.lost, wrote.killed) == (False, False)
    assert check(tmp_path / "j.db", wrote) == RUNS * RECORDS


def statements(tmp_path: Path, numbers: Iterable[int]) -> None:
    counts = []
    for number in numbers:
        path = tmp_path / f"{number}.db"
        wrote = write(path, "--kill-at", str(number))
        if not wrote.killed:
            break  # that was the last statement
        counts.append(check(path, wrote))
    assert len(counts) > 3
    assert counts[-1] > counts[0] == 0


def test_killed_at_a_statement(tmp_path: Path) -> None:
    statements(tmp_path, range(1, 200, 37))


@pytest.mark.long
@pytest.mark.deadline(600)
def test_killed_at_every_statement(tmp_path: Path) -> None:
    statements(tmp_path, range(1, 2000))


def sizes(tmp_path: Path, limits: Iterable[int]) -> None:
    for limit in limits:
        path = tmp_path / f"{limit}.db"
        wrote = write(path, "--file-size", str(limit))
        assert not wrote.killed
        check(path, wrote)


def test_a_disk_that_is_full_at_some_size(tmp_path: Path) -> None:
    sizes(tmp_path, range(0, 100_000, 24_337))


@pytest.mark.long
@pytest.mark.deadline(600)
def test_a_disk_that_is_full_at_any_size(tmp_path: Path) -> None:
    sizes(tmp_path, range(0, 180_000, 1_024 + 7))


# -- system calls ------------------------------------------------------------------------------------------------------

STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="needs strace")


def strace(*options: str) -> list[str]:
    assert STRACE is not None
    return [STRACE, "-f", "-qq", "--seccomp-bpf", *options]


def counted(tmp_path: Path, call: str) -> int:
    """How often a writer makes this system call."""
    log = tmp_path / "strace"
    write(tmp_path / "counted.db", tracer=strace("-o", str(log), "-e", f"trace={call}"))
    return len(re.findall(rf"^\d+ +{call}\(", log.read_text(), re.MULTILINE))


def inject(tmp_path: Path, call: str, fault: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        path = tmp_path / f"{call}-{fault}-{number}.db"
        log = tmp_path / "strace"
        fault_at = f"inject={call}:{fault}:when={number}"
        wrote = write(path, tracer=strace("-o", str(log), "-e", f"trace={call}", "-e", fault_at))
        # The last ones may not come: how often the log is written back depends on what queued up.
        assert wrote.killed == fault.startswith("signal") or wrote.acknowledged == RUNS * RECORDS
        check(path, wrote)


FAULTS = [
    ("pwrite64", "error=ENOSPC"),
    ("pwrite64", "error=EIO"),
    ("pwrite64", "signal=KILL"),
    ("fdatasync", "error=EIO"),
    ("fdatasync", "signal=KILL"),
]


@needs_strace
@pytest.mark.parametrize(("call", "fault"), FAULTS)
def test_a_write_or_sync_that_fails(tmp_path: Path, call: str, fault: str) -> None:
    total = counted(tmp_path, call)
    assert total > 3
    inject(tmp_path, call, fault, some(range(1, total + 1), 2))


@needs_strace
@pytest.mark.long
@pytest.mark.deadline(1200)
@pytest.mark.parametrize(("call", "fault"), FAULTS)
def test_every_write_and_sync_that_fails(tmp_path: Path, call: str, fault: str) -> None:
    inject(tmp_path, call, fault, range(1, counted(tmp_path, call) + 1))


@needs_strace
@pytest.mark.parametrize("fault", ["error=EACCES", "signal=KILL"])
def test_a_rename_that_fails_while_a_corrupt_file_is_moved_aside(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "j.db"
    assert not write(path).lost
    damaged = os.urandom(8192)
    path.write_bytes(damaged)
    log = str(tmp_path / "strace")
    wrote = write(path, tracer=strace("-o", log, "-e", "trace=rename", "-e", f"inject=rename:{fault}"))
    assert wrote.acknowledged == 0
    again = write(path)
    assert (again.lost, again.acknowledged) == (False, RUNS * RECORDS)
    assert any(one.read_bytes() == damaged for one in tmp_path.iterdir()), "the damaged file is kept"
