"""The clock of a simulation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cityhub.ingest.pace import Pace

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Watch:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def test_at_speed_one_it_is_the_real_time() -> None:
    watch = Watch()
    pace = Pace(1.0, None, watch)
    watch.now += timedelta(seconds=90, microseconds=5)
    assert pace.moment() == NOON + timedelta(seconds=90)


def test_fast_it_begins_a_day_ago_and_catches_up_with_the_present() -> None:
    watch = Watch()
    pace = Pace(721.0, None, watch)
    assert pace.start == NOON - timedelta(days=1)
    watch.now += timedelta(seconds=60)
    assert pace.moment() == NOON - timedelta(days=1) + timedelta(seconds=60 * 721)
    watch.now += timedelta(seconds=600)
    assert pace.moment() == watch.now


def test_nothing_happens_in_the_future() -> None:
    watch = Watch()
    pace = Pace(50.0, NOON + timedelta(days=3), watch)
    watch.now += timedelta(hours=1)
    assert pace.moment() == watch.now


def test_start_may_be_chosen() -> None:
    watch = Watch()
    pace = Pace(2.0, NOON - timedelta(hours=2), watch)
    watch.now += timedelta(minutes=10)
    assert pace.moment() == NOON - timedelta(hours=2) + timedelta(minutes=20)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_time_does_not_stand_still_or_go_back(speed: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Pace(speed, None, Watch())
