"""When a disk is full."""

from __future__ import annotations

import numpy as np
import pytest

from cityhub.history.foresight.capacity import DAY_S, capacity
from cityhub.model.errors import BadRequestData


def past(days: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """1,000 bytes a day and half of that at weekends, more or less."""
    random = np.random.default_rng(seed)
    n = np.arange(days)
    growth = np.where(n % 7 >= 5, 500, 1000) * random.uniform(0.5, 1.5, days)
    return np.arange(days + 1) * DAY_S, np.concatenate([[0.0], np.cumsum(growth)])


def test_the_day_is_found_within_bounds() -> None:
    times, sizes = past(60)
    answer = capacity(times, sizes, sizes[-1] + 100 * 857)
    assert answer.full_earliest is not None
    assert answer.full_at is not None
    assert answer.full_latest is not None
    days = [(moment - times[-1]) / DAY_S for moment in (answer.full_earliest, answer.full_at, answer.full_latest)]
    assert days == sorted(days)
    assert days[1] == pytest.approx(100, rel=0.12)
    assert days[0] < 100 < days[2]
    assert answer.growth_low < 857 < answer.growth_high


def test_the_bounds_hold_about_as_often_as_promised() -> None:
    hits = 0
    for seed in range(20):
        times, sizes = past(160, seed)
        answer = capacity(times[:61], sizes[:61], sizes[100], level=0.8)
        hits += answer.full_earliest <= times[100] <= answer.full_latest
    assert 12 <= hits <= 20


def test_less_past_wider_bounds() -> None:
    times, sizes = past(90)
    many, few = (capacity(times[-n:], sizes[-n:], sizes[-1] * 3) for n in (90, 12))
    assert few.full_latest - few.full_earliest > many.full_latest - many.full_earliest


def test_what_shrinks_is_never_full_and_what_is_full_is_full_now() -> None:
    times = np.arange(20) * DAY_S
    assert capacity(times, 1e6 - 1000 * np.arange(20), 2e6).full_at is None
    assert capacity(times, 1e6 + 1000 * np.arange(20), 1e6).full_at == times[-1]


def test_the_same_past_gives_the_same_answer() -> None:
    assert capacity(*past(30), 1e6) == capacity(*past(30), 1e6)


@pytest.mark.parametrize(("days", "room", "level"), [(3, 1e6, 0.9), (30, 0.0, 0.9), (30, 1e6, 1.0)])
def test_senseless_questions_are_refused(days: int, room: float, level: float) -> None:
    with pytest.raises(BadRequestData):
        capacity(*past(days), room, level)
