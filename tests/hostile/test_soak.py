"""Many calls to many servers that are killed at random: every call has one outcome, and nothing is left behind."""

from __future__ import annotations

import pytest

from tests.hostile.soak import Soak, soak


def check(found: Soak, calls: int, *, answered: float) -> None:
    assert found.outcomes.total() == calls
    assert {*found.outcomes} <= {"answered", "lost", "unavailable"}
    assert found.outcomes["answered"] > calls * answered
    assert found.wrong == []
    assert found.twice == []
    assert found.kills
    assert found.after <= found.before
    assert found.left == 0
    assert found.slowest < 5


async def test_every_call_has_one_outcome() -> None:
    check(await soak(servers=6, calls=600, tasks=16, kills=1, seconds=3, seed=1), 600, answered=0.3)


@pytest.mark.long
@pytest.mark.deadline(500)
async def test_every_call_has_one_outcome_for_three_minutes() -> None:
    found = await soak(servers=50, calls=10_000, tasks=64, kills=4, seconds=180, seed=1)
    print(found.line(50, 64))
    check(found, 10_000, answered=0.8)
    assert found.late - found.early < 30e6
