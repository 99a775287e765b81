"""What is remembered of one attribute of one thing, and what its next value says."""

from __future__ import annotations

from typing import Any, Final

from cityhub.ingest.feed import Check
from cityhub.ingest.quality.flags import DRIFT, DUPLICATE, JUMP, RANGE, STUCK

DAY_S: Final = 86_400.0
DAY_BEGINS_S: Final = 8 * 3600.0
"""Days begin at midnight of UTC+8."""
LEAST_OF_DAY: Final = 10
"""Values that a day needs before its mean counts."""
DAYS: Final = 7.0
"""Of the memory of the mean of the days before."""
TIMES: Final = 8
"""Times of observation that are remembered, to find duplicates."""


class Trace:
    """The past of an attribute, in some 500 bytes.

    Attributes:
        at, value: Of the last observation that was plausible, seconds since 1970; `at` is 0 before the first.
        same: The value that has stood since `since`.
        since: When it was seen first.
        times: The latest times of observation.
        day, total, count: The day of `total` and `count`, its sum and number of values.
        mean, days: Mean of the days before, and how many they are.
    """

    __slots__ = ("at", "count", "day", "days", "mean", "same", "since", "times", "total", "value")

    def __init__(self) -> None:
        self.at = self.value = self.since = self.total = self.mean = self.days = 0.0
        self.same: Any = None
        self.times: list[float] = []
        self.day = self.count = 0

    def flags(self, value: Any, at: float, check: Check) -> list[str]:
        """The flags of the next observation, in the order in which they are documented.

        Args:
            value: Any JSON value; only numbers have a range, a rate and a mean.
            at: Its time of observation, seconds since 1970.
            check: What is normal.
        """
        flags: list[str] = []
        times = self.times
        if check.repeats:
            if at in times:
                return [DUPLICATE, RANGE] if _is_number(value) and _beyond(value, check) else [DUPLICATE]
            if len(times) >= TIMES:
                del times[0]
            times.append(at)
        plausible = _is_number(value)
        if plausible:
            if _beyond(value, check):
                flags.append(RANGE)
            if check.jump is not None and self.at and at > self.at and abs(value - self.value) > check.jump * (at - self.at):
                flags.append(JUMP)
            plausible = not flags
        if check.stuck_s is not None and at > self.since:
            self._stand(value, at, check.stuck_s, flags)
        if plausible:
            if check.drift is not None:
                self._drift(value, at, check.drift, flags)
            if at >= self.at:
                self.at, self.value = at, value
        return flags

    def _stand(self, value: Any, at: float, stuck_s: float, flags: list[str]) -> None:
        if value != self.same or type(value) is not type(self.same):
            self.same, self.since = value, at
        elif at - self.since > stuck_s:
            flags.append(STUCK)

    def _drift(self, value: float, at: float, drift: float, flags: list[str]) -> None:
        day = int((at + DAY_BEGINS_S) // DAY_S)
        if day != self.day:
            if day < self.day:
                return  # a late value belongs to a day that is counted already
            if self.count >= LEAST_OF_DAY:
                self.days = min(self.days + 1.0, DAYS)
                self.mean += (self.total / self.count - self.mean) / self.days
            self.day, self.total, self.count = day, 0.0, 0
        self.total += value
        self.count += 1
        if self.days and self.count >= LEAST_OF_DAY and abs(self.total / self.count - self.mean) > drift:
            flags.append(DRIFT)

    def state(self) -> list[Any]:
        """What outlasts a restart, as JSON.

        Not `times`: a message that was not acknowledged before the restart comes again after it, and is no duplicate.
        """
        return [self.at, self.value, self.same, self.since, self.day, self.total, self.count, self.mean, self.days]

    @classmethod
    def restored(cls, state: list[Any]) -> Trace:
        """The trace of a `state`. Raises ValueError when it is none."""
        trace = cls()
        at, value, same, since, day, total, count, mean, days = state
        trace.at, trace.value, trace.since, trace.total = float(at), float(value), float(since), float(total)
        trace.mean, trace.days, trace.day, trace.count, trace.same = float(mean), float(days), int(day), int(count), same
        return trace


def _is_number(value: Any) -> bool:
    kind = type(value)
    return kind is float or kind is int


def _beyond(value: float, check: Check) -> bool:
    return (check.minimum is not None and value < check.minimum) or (check.maximum is not None and value > check.maximum)
