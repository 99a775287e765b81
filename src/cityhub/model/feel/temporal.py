"""Dates, times and durations as FEEL has them: years to nine digits, seconds to nine places, with an offset, a zone or neither."""

from __future__ import annotations

from typing import Final

import msgspec

NANOS: Final = 1_000_000_000
DAY: Final = 86_400 * NANOS
MAX_YEAR: Final = 999_999_999


class Date(msgspec.Struct, frozen=True, gc=False):
    """A day of the Gregorian calendar, reckoned backwards before its time."""

    year: int
    month: int
    day: int


class Time(msgspec.Struct, frozen=True, gc=False):
    """A time of the day.

    Attributes:
        hour: 0 to 23.
        minute: 0 to 59.
        second: 0 to 59.
        nanos: Billionths of a second.
        offset: Seconds ahead of UTC; None: of the place (or of the zone, if there is one).
        zone: Name in the time zone database, or "".
    """

    hour: int
    minute: int
    second: int
    nanos: int = 0
    offset: int | None = None
    zone: str = ""


class DateTime(msgspec.Struct, frozen=True, gc=False):
    """A time of a day of the calendar."""

    date: Date
    time: Time


class Months(msgspec.Struct, frozen=True, gc=False):
    """A duration of years and months, in months."""

    months: int


class Duration(msgspec.Struct, frozen=True, gc=False):
    """A duration of days and time, in billionths of a second."""

    nanos: int


MIDNIGHT: Final = Time(0, 0, 0)
UTC_MIDNIGHT: Final = Time(0, 0, 0, 0, 0)
