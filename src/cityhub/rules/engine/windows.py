"""Windows over observations in the order of their own times, whatever the order in which they came."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final, Literal

import msgspec

from cityhub.rules.engine.moments import Days
from cityhub.rules.engine.tallies import ENDS, TALLIES, Extreme, Tally, of_ends

MOST_SAMPLES: Final = 10_000
"""Observations that one window has at most."""
_COMPACT: Final = 256


class WindowPlan(msgspec.Struct, frozen=True):
    """How the windows of a figure are.

    Attributes:
        function: What is worked out.
        kind: See `cityhub.rules.rule.Figure.window`.
        over: Its length in microseconds.
        lateness: How late an observation may come, in microseconds.
        days: The clock of the place.
        of_many: Whether observations of several entities come together in it.
    """

    function: str
    kind: Literal["sliding", "tumbling", "session"]
    over: int
    lateness: int
    days: Days
    of_many: bool


class Window:
    """The observations of one window; a moment counts once for each entity, the last word on it holds.

    Attributes:
        times: Moments, in order.
        values: What was observed then.
        members: Of whom, where there are several.
        start: Place of the first one that counts.
        is_full: Whether it had to drop observations that belong to it.
    """

    __slots__ = ("_plan", "_shift", "_tally", "is_full", "members", "start", "times", "values")

    def __init__(self, plan: WindowPlan) -> None:
        self._plan = plan
        self.times: list[int] = []
        self.values: list[Any] = []
        self.members: list[str] | None = [] if plan.of_many else None
        self.start = 0
        self.is_full = False
        self._shift = 0
        self._tally: Tally | None = None if plan.function in ENDS else TALLIES[plan.function]()

    def __len__(self) -> int:
        return len(self.times)

    def load(self, times: list[int], values: list[Any], members: list[str] | None) -> None:
        """Puts observations in it that were in a window of the same plan."""
        self.times, self.values, self.members = times, values, members
        self._rebuild()

    def put(self, moment: int, value: Any, member: str = "") -> None:
        """Puts an observation at its place."""
        times = self.times
        if not times or moment > times[-1]:
            self._append(moment, value, member)
            return
        place = bisect_right(times, moment)
        if (same := self._same(place, moment, member)) is not None:
            if self.values[same] != value:
                self.values[same] = value
                self._rebuild()
        elif place == len(times):
            self._append(moment, value, member)
        elif self._may_count(moment):
            times.insert(place, moment)
            self.values.insert(place, value)
            if self.members is not None:
                self.members.insert(place, member)
            if self._plan.kind == "session" or isinstance(self._tally, Extreme):
                self._rebuild()
            else:  # the order does not matter to other tallies; groups, whose members are never in step, live by that
                if self._tally is not None:
                    self._tally.add(self._shift + place, value)
                self._prune(times[-1])

    def value(self) -> Any:
        """The figure; None where there is none."""
        count = len(self.times) - self.start
        if self._tally is not None:
            return self._tally.value(count)
        if not count:
            return None
        return of_ends(self._plan.function, (self.times[self.start], self.values[self.start]), (self.times[-1], self.values[-1]))

    def _same(self, place: int, moment: int, member: str) -> int | None:
        """The place of an observation of the same moment and entity before a place."""
        while place > 0 and self.times[place - 1] == moment:
            place -= 1
            if self.members is None or self.members[place] == member:
                return place
        return None

    def _may_count(self, moment: int) -> bool:
        """Whether a moment before the newest may lie in the window, now or once what is between has come."""
        plan, newest = self._plan, self.times[-1]
        if plan.kind == "tumbling":
            return plan.days.bucket(moment, plan.over) == plan.days.bucket(newest, plan.over)
        if plan.kind == "sliding":
            return moment > newest - plan.over
        return moment >= min(self.times[self.start], newest - plan.lateness) - plan.over

    def _append(self, moment: int, value: Any, member: str) -> None:
        begins = self._begins_anew(moment)
        self.times.append(moment)
        self.values.append(value)
        if self.members is not None:
            self.members.append(member)
        if begins:
            self._forget(len(self.times) - 1)
        if self._tally is not None:
            self._tally.add(self._shift + len(self.times) - 1, value)
        self._prune(moment)

    def _begins_anew(self, moment: int) -> bool:
        plan = self._plan
        if plan.kind == "sliding" or not self.times:
            return False
        newest = self.times[-1]
        if plan.kind == "session":
            return moment - newest > plan.over
        return plan.days.bucket(moment, plan.over) != plan.days.bucket(newest, plan.over)

    def _prune(self, newest: int) -> None:
        if self._plan.kind == "sliding":
            oldest, times, start = newest - self._plan.over, self.times, self.start
            while times[start] <= oldest:
                start += 1
            if start != self.start:
                self._forget(start)
        if len(self.times) - self.start > MOST_SAMPLES:
            self.is_full = True
            self._forget(len(self.times) - MOST_SAMPLES)
        if self.start > _COMPACT and self.start * 2 > len(self.times):
            self._compact()

    def _forget(self, start: int) -> None:
        """What lies before a place counts no more."""
        if self._tally is not None:
            for place in range(self.start, min(start, len(self.times))):
                self._tally.remove(self._shift + place, self.values[place])
        self.start = start

    def _compact(self) -> None:
        """Drops what does not count; a session keeps for a while what a late observation may join to it again."""
        drop = self.start
        if self._plan.kind == "session":
            drop = min(drop, bisect_right(self.times, self.times[-1] - self._plan.lateness - self._plan.over))
            drop = max(drop, len(self.times) - MOST_SAMPLES)
        del self.times[:drop], self.values[:drop]
        if self.members is not None:
            del self.members[:drop]
        self._shift += drop
        self.start -= drop

    def _rebuild(self) -> None:
        """Works everything out anew, as when all had come in order."""
        plan, times = self._plan, self.times
        self.start = 0
        if not times:
            return
        newest = times[-1]
        if plan.kind == "sliding":
            self.start = bisect_right(times, newest - plan.over)
        elif plan.kind == "tumbling":
            bucket = plan.days.bucket(newest, plan.over)
            while plan.days.bucket(times[self.start], plan.over) != bucket:
                self.start += 1
        else:
            self.start = len(times) - 1
            while self.start and times[self.start] - times[self.start - 1] <= plan.over:
                self.start -= 1
        if len(times) - self.start > MOST_SAMPLES:
            self.is_full = True
            self.start = len(times) - MOST_SAMPLES
        self._shift = 0
        if self._tally is not None:
            self._tally = TALLIES[plan.function]()
            for place in range(self.start, len(times)):
                self._tally.add(place, self.values[place])
