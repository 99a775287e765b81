"""Rosters as pure functions: the shifts that a post has, and the times at which nobody is there.

Times are moments (aware, UTC); days and hours are the district's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from cityhub.cases.deadlines.workdays import is_workday
from cityhub.cases.duty.post import Cover, Days, Post, Rotation

ONE_DAY = timedelta(days=1)
Span = tuple[datetime, datetime]
"""From the first moment to the one at which it is over."""


class Shift(msgspec.Struct, frozen=True):
    """People who are on duty from one moment to another; the one in charge first."""

    start: datetime
    end: datetime
    people: list[str]


class Book(msgspec.Struct, frozen=True):
    """What was planned for a post apart from its rotation.

    Attributes:
        id: Of the post.
        shifts: Planned shifts, by their start. Where there is one, the rotation does not count.
        periods: Spans that were planned as a whole: the rotation does not count in them at all.
    """

    id: str
    shifts: list[Shift] = []
    periods: list[Span] = []


def shifts_between(post: Post, book: Book, start: datetime, end: datetime, zone: ZoneInfo) -> list[Shift]:
    """All shifts that touch a span, by their start: those that were planned, and the rotation where nothing was."""
    planned = [shift for shift in book.shifts if shift.start < end and shift.end > start]
    found = list(planned)
    if post.rotation is not None:
        taken = [*book.periods, *((shift.start, shift.end) for shift in planned)]
        for shift in rotation_shifts(post.rotation, start, end, zone):
            found += [Shift(first, last, shift.people) for first, last in minus([(shift.start, shift.end)], taken)]
    found = [shift for shift in found if shift.start < end and shift.end > start]
    return sorted(found, key=lambda shift: (shift.start, shift.end))


def rotation_shifts(rotation: Rotation, start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Shift]:
    """The shifts of a rotation that touch a span."""
    since = date.fromisoformat(rotation.since)
    day = max(since, start.astimezone(zone).date() - ONE_DAY)
    number = _days_before(rotation.days, since, day)
    while day <= end.astimezone(zone).date():
        if fits(day, rotation.days):
            for place, hours in enumerate(rotation.shifts):
                first, last = _span(day, hours, zone)
                if first < end and last > start:
                    yield Shift(first, last, rotation.teams[(number * len(rotation.shifts) + place) % len(rotation.teams)])
            number += 1
        day += ONE_DAY


@lru_cache(maxsize=256)
def _days_before(days: Days, since: date, day: date) -> int:
    """How many days of the kind lie from `since` up to before `day`."""
    if days == "all":
        return (day - since).days
    return sum(fits(since + timedelta(days=number), days) for number in range((day - since).days))


def fits(day: date, days: Days) -> bool:
    """Whether a day is of a kind, by the real holiday calendar."""
    return days == "all" or is_workday(day) == (days == "working")


def required(post: Post, start: datetime, end: datetime, zone: ZoneInfo) -> list[Span]:
    """When somebody must be at a post within a span."""
    if not post.cover:
        return [(start, end)]
    spans = []
    day = start.astimezone(zone).date() - ONE_DAY
    while day <= end.astimezone(zone).date():
        spans += [_span(day, cover.hours, zone) for cover in post.cover if _is_covered(cover, day)]
        day += ONE_DAY
    return [(max(first, start), min(last, end)) for first, last in joined(spans) if first < end and last > start]


def _is_covered(cover: Cover, day: date) -> bool:
    of_year = day.strftime("%m-%d")
    in_season = (
        cover.first <= of_year <= cover.last if cover.first <= cover.last else of_year >= cover.first or of_year <= cover.last
    )
    return in_season and fits(day, cover.days)


def gaps(post: Post, shifts: Iterable[Shift], start: datetime, end: datetime, zone: ZoneInfo) -> list[Span]:
    """When somebody must be at a post within a span and nobody is."""
    return minus(required(post, start, end, zone), [(shift.start, shift.end) for shift in shifts if shift.people])


def minus(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of spans without others."""
    left = list(spans)
    for first, last in taken:
        left = [part for span in left for part in _without(span, first, last)]
    return left


def _without(span: Span, first: datetime, last: datetime) -> list[Span]:
    start, end = span
    if first >= end or last <= start:
        return [span]
    return [part for part in ((start, first), (last, end)) if part[0] < part[1]]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans without overlaps, those that touch as one."""
    made: list[Span] = []
    for start, end in sorted(spans):
        if made and start <= made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((start, end))
    return made


def _span(day: date, hours: str, zone: ZoneInfo) -> Span:
    begin, end = hours.split("-")
    first = datetime.combine(day, time.fromisoformat(begin), zone)
    if end == "24:00":
        return first.astimezone(UTC), datetime.combine(day + ONE_DAY, time(0), zone).astimezone(UTC)
    last_day = day if end > begin else day + ONE_DAY
    return first.astimezone(UTC), datetime.combine(last_day, time.fromisoformat(end), zone).astimezone(UTC)


def span_text(span: Span, zone: ZoneInfo) -> str:
    """A span as people read it, in the district's time.

    >>> span_text((datetime(2026, 7, 1, 0, tzinfo=UTC), datetime(2026, 7, 1, 12, 30, tzinfo=UTC)), ZoneInfo("Asia/Shanghai"))
    '2026-07-01 08:00 to 2026-07-01 20:30'
    """
    start, end = (moment.astimezone(zone).strftime("%Y-%m-%d %H:%M") for moment in span)
    return f"{start} to {end}"
