"""From a moment to the moment by which a span has passed, by the clock or while people work.

Spans of hours and minutes run from the moment itself. Spans of days do not count the day on which they begin and end with their last
day: one of 15 working days that begins on a Monday is kept at 23:59 on the fifteenth working day after it.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from cityhub.cases.deadlines.workdays import ONE_DAY, is_known, is_workday, workday_after, workdays_between
from cityhub.model.errors import BadRequestData

Unit = Literal["minute", "hour", "day"]
Counting = Literal["clock", "working"]
SECONDS: Final[dict[Unit, float]] = {"minute": 60.0, "hour": 3600.0, "day": 86_400.0}
MOST_DAYS: Final = 3660
"""A span of working hours that does not end within ten years is refused."""
LAST: Final = timedelta(microseconds=1)


class Span(msgspec.Struct, frozen=True):
    """So much time. `counting` "working": only while people work."""

    amount: float
    unit: Unit
    counting: Counting = "clock"


class WorkingHours:
    """When people work on a working day.

    Args:
        spans: From when to when, "HH:MM", in order and apart.
        zone: Time zone of the district.

    Raises:
        BadRequestData: The spans are not in order.
    """

    def __init__(self, spans: list[tuple[str, str]], zone: str) -> None:
        self.zone: Final = ZoneInfo(zone)
        self._spans = [(time.fromisoformat(start), time.fromisoformat(end)) for start, end in spans]
        edges = [edge for span in self._spans for edge in span]
        if not edges or any(later <= earlier for earlier, later in pairwise(edges)):
            raise BadRequestData("The working hours must be spans like ['09:00', '12:00'], in order and apart")

    def due(self, start: datetime, span: Span) -> datetime:
        """The last moment of a span that begins at `start`."""
        if span.unit == "day":
            return self._end_of(self._last_day(start, span))
        length = timedelta(seconds=span.amount * SECONDS[span.unit])
        return start + length if span.counting == "clock" else self._worked(start, length)

    def part_of(self, start: datetime, span: Span, due: datetime, share: float) -> datetime:
        """The moment at which a share of the span has passed (0.5: half of it); more than 1 is after its end."""
        if span.unit != "day" and span.counting == "working":
            return self.due(start, msgspec.structs.replace(span, amount=span.amount * share))
        return start + (due - start) * share

    def passed(self, start: datetime, end: datetime, span: Span) -> float:
        """How much of a span passes between two moments, in its own unit."""
        if end <= start:
            return 0.0
        if span.unit == "day":
            first, last = start.astimezone(self.zone).date(), end.astimezone(self.zone).date()
            return float(workdays_between(first, last) if span.counting == "working" else (last - first).days)
        length = end - start if span.counting == "clock" else self._between(start, end)
        return length.total_seconds() / SECONDS[span.unit]

    def assumed(self, start: datetime, due: datetime, span: Span) -> list[int]:
        """The years of which only weekends were known when a due moment was worked out."""
        if span.counting == "clock":
            return []
        return [year for year in range(start.astimezone(self.zone).year, due.astimezone(self.zone).year + 1) if not is_known(year)]

    def _last_day(self, start: datetime, span: Span) -> date:
        first = start.astimezone(self.zone).date()
        count = int(span.amount)
        return workday_after(first, count) if span.counting == "working" else first + ONE_DAY * count

    def _end_of(self, day: date) -> datetime:
        return datetime.combine(day + ONE_DAY, time(), self.zone) - LAST

    def _spans_of(self, day: date) -> list[tuple[datetime, datetime]]:
        if not is_workday(day):
            return []
        return [(datetime.combine(day, start, self.zone), datetime.combine(day, end, self.zone)) for start, end in self._spans]

    def _worked(self, start: datetime, left: timedelta) -> datetime:
        day = start.astimezone(self.zone).date()
        for _ in range(MOST_DAYS):
            for begin, end in self._spans_of(day):
                begin = max(begin, start)
                if begin >= end:
                    continue
                if end - begin >= left:
                    return begin + left
                left -= end - begin
            day += ONE_DAY
        raise BadRequestData(f"A limit must end within {MOST_DAYS} days")

    def _between(self, start: datetime, end: datetime) -> timedelta:
        total, day = timedelta(), start.astimezone(self.zone).date()
        last = end.astimezone(self.zone).date()
        while day <= last:
            for begin, stop in self._spans_of(day):
                total += max(timedelta(), min(stop, end) - max(begin, start))
            day += ONE_DAY
        return total
