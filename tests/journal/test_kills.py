"""Law 3 as a person meets it: kill -9, resume, and count what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journal.kills import kill_once, many


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_killed_run_goes_on_and_nothing_happens_twice(tmp_path: Path, seed: int) -> None:
    await kill_once(tmp_path, seed)


@pytest.mark.long
@pytest.mark.deadline(300)
@pytest.mark.parametrize("first", range(1000, 1200, 10))
async def test_two_hundred_kills(first: int) -> None:
    await many(range(first, first + 10))
