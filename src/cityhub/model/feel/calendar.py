"""Arithmetic of days, times and durations.

Source: OMG DMN 1.5, 10.3.2.3.4 to 10.3.2.3.7, tables 54 to 57; the count of days is the proleptic Gregorian one of ISO 8601.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cityhub.model.feel.temporal import DAY, MAX_YEAR, MIDNIGHT, NANOS, UTC_MIDNIGHT, Date, DateTime, Duration, Months, Time

_DAYS_OF_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MINUTE, _HOUR = 60 * NANOS, 3600 * NANOS
MAX_OFFSET: Final = 18 * 3600
"""Seconds that an offset may be ahead of or behind UTC."""


def is_leap(year: int) -> bool:
    """Whether a year has a 29th of February.

    >>> is_leap(2000), is_leap(1900)
    (True, False)
    """
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_of_month(year: int, month: int) -> int:
    """28 to 31."""
    return 29 if month == 2 and is_leap(year) else _DAYS_OF_MONTH[month - 1]


def made_date(year: int, month: int, day: int) -> Date | None:
    """The day, or None where the calendar has no such day."""
    if not -MAX_YEAR <= year <= MAX_YEAR or not 1 <= month <= 12 or not 1 <= day <= days_of_month(year, month):
        return None
    return Date(year, month, day)


def made_time(hour: int, minute: int, second: int, nanos: int = 0, offset: int | None = None, zone: str = "") -> Time | None:
    """The time, or None where the clock has no such time."""
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60 and 0 <= nanos < NANOS):
        return None
    if offset is not None and abs(offset) > MAX_OFFSET:
        return None
    return Time(hour, minute, second, nanos, offset, zone)


def day_number(day: Date) -> int:
    """Days since 1970-01-01.

    >>> day_number(Date(2000, 3, 1))
    11017
    """
    year = day.year - (day.month <= 2)
    era, of_era = divmod(year, 400)
    of_year = (153 * (day.month + (-3 if day.month > 2 else 9)) + 2) // 5 + day.day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def numbered_day(number: int) -> Date | None:
    """The day so many days after 1970-01-01; None beyond the years that there are."""
    if abs(number) > 366 * MAX_YEAR:
        return None
    era, of_era = divmod(number + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_part = (5 * of_year + 2) // 153
    month = month_part + (3 if month_part < 10 else -9)
    return made_date(year_of_era + era * 400 + (month <= 2), month, of_year - (153 * month_part + 2) // 5 + 1)


@lru_cache(maxsize=512)
def zone_named(name: str) -> ZoneInfo | None:
    """The rules of a time zone, or None when there is none of this name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def offset_of(moment: DateTime) -> int | None:
    """Seconds ahead of UTC; None for a local time."""
    of_day = moment.time
    if of_day.offset is not None or not of_day.zone:
        return of_day.offset
    zone = zone_named(of_day.zone)
    if zone is None:
        return None
    day = moment.date
    year = day.year if 1 < day.year < 9999 else 2000 + day.year % 400
    ahead = datetime(year, day.month, day.day, of_day.hour, of_day.minute, of_day.second, tzinfo=zone).utcoffset()
    return None if ahead is None else int(ahead.total_seconds())


def offset_of_time(of_day: Time) -> int | None:
    """Seconds ahead of UTC of a time without a day; a zone's at the beginning of the year 2000."""
    return offset_of(DateTime(Date(2000, 1, 1), of_day))


def nanos_of_day(of_day: Time) -> int:
    """Billionths of a second since midnight."""
    return (of_day.hour * 3600 + of_day.minute * 60 + of_day.second) * NANOS + of_day.nanos


def instant(moment: DateTime) -> int:
    """Billionths of a second since 1970 UTC; of a local time, as if it were UTC."""
    return day_number(moment.date) * DAY + nanos_of_day(moment.time) - (offset_of(moment) or 0) * NANOS


def is_local(moment: DateTime) -> bool:
    """Whether it has neither offset nor zone."""
    return moment.time.offset is None and not moment.time.zone


def shifted_time(of_day: Time, nanos: int) -> Time:
    """A time so much later, around midnight if need be."""
    seconds, rest = divmod((nanos_of_day(of_day) + nanos) % DAY, NANOS)
    return Time(seconds // 3600, seconds // 60 % 60, seconds % 60, rest, of_day.offset, of_day.zone)


def shifted(moment: DateTime, nanos: int) -> DateTime | None:
    """A moment so much later on the same clock."""
    days, _ = divmod(nanos_of_day(moment.time) + nanos, DAY)
    day = numbered_day(day_number(moment.date) + days)
    return None if day is None else DateTime(day, shifted_time(moment.time, nanos))


def shifted_months(day: Date, months: int) -> Date | None:
    """The same day of another month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return made_date(year, month + 1, min(day.day, days_of_month(year, month + 1)))


def months_between(begin: Date, end: Date) -> int:
    """Full months from one day to another; negative when the end is before the beginning."""
    months = (end.year - begin.year) * 12 + end.month - begin.month
    if months > 0 and end.day < begin.day:
        return months - 1
    return months + 1 if months < 0 and end.day > begin.day else months


def at_midnight(value: Date | DateTime, *, utc: bool = False) -> DateTime:
    """A day as the moment at which it begins."""
    return DateTime(value, UTC_MIDNIGHT if utc else MIDNIGHT) if type(value) is Date else value  # type: ignore[return-value]


def lifted(value: Any) -> Any:
    """A value of Python's own temporal types as FEEL has it; others as they are."""
    kind = type(value)
    if kind is datetime:
        offset = value.utcoffset()
        of_day = Time(
            value.hour, value.minute, value.second, value.microsecond * 1000, None if offset is None else int(offset.total_seconds())
        )
        return DateTime(Date(value.year, value.month, value.day), of_day)
    if kind is date:
        return Date(value.year, value.month, value.day)
    if kind is time:
        return Time(value.hour, value.minute, value.second, value.microsecond * 1000)
    if kind is timedelta:
        return Duration((value.days * 86_400 + value.seconds) * NANOS + value.microseconds * 1000)
    return list(value) if kind is tuple else value


Temporal = Date | Time | DateTime | Months | Duration
