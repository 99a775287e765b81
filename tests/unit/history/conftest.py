"""A clock of the test for the rooms of the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest


class TickingClock:
    """A clock that goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def pass_seconds(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()
