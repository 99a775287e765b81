"""Functions of days and times.

Source: OMG DMN 1.5, 10.3.4.1 (conversions), 10.3.4.7 and 10.3.4.8, tables 77 and 78.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from cityhub.model.feel.calendar import (
    MAX_OFFSET,
    at_midnight,
    day_number,
    lifted,
    made_date,
    made_time,
    months_between,
)
from cityhub.model.feel.environment import Run
from cityhub.model.feel.library import Library, declare
from cityhub.model.feel.members import weekday
from cityhub.model.feel.numbers import CONTEXT, Number, exact, truncated, whole
from cityhub.model.feel.temporal import NANOS, UTC_MIDNIGHT, Date, DateTime, Duration, Months, Time
from cityhub.model.feel.temporal_text import read_date, read_date_time, read_duration, read_time
from cityhub.model.feel.values import Rejected

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _day(moment: Date | DateTime) -> Date:
    return moment.date if isinstance(moment, DateTime) else moment


def date_of(year: Number, month: Number, day: Number) -> Date | None:
    """The day of three numbers; null where the calendar has none."""
    numbers = whole(year), whole(month), whole(day)
    return made_date(*numbers) if None not in numbers else None  # type: ignore[arg-type]


def time_of(hour: Number, minute: Number, second: Number, offset: Duration | None = None) -> Time | None:
    """The time of three numbers and an offset from UTC; null where the clock has none."""
    hours, minutes, seconds = whole(hour), whole(minute), truncated(second)
    if hours is None or minutes is None or second < 0:
        return None
    nanos = int(CONTEXT.multiply(CONTEXT.subtract(exact(second), seconds), NANOS))
    ahead = None if offset is None else truncated(Decimal(offset.nanos) / NANOS)
    return None if ahead is not None and abs(ahead) > MAX_OFFSET else made_time(hours, minutes, seconds, nanos, ahead)


def time_from(moment: Date | DateTime | Time) -> Time:
    """The time of a moment; of a day, its midnight in UTC."""
    if isinstance(moment, Date):
        return UTC_MIDNIGHT
    return moment.time if isinstance(moment, DateTime) else moment


def years_and_months(begin: Date | DateTime, end: Date | DateTime) -> Months:
    """Full months from one day to another."""
    return Months(months_between(_day(begin), _day(end)))


def day_of_year(moment: Date | DateTime) -> int:
    """1 to 366."""
    day = _day(moment)
    return day_number(day) - day_number(Date(day.year, 1, 1)) + 1


def week_of_year(moment: Date | DateTime) -> int:
    """The week of ISO 8601, 1 to 53."""
    day = _day(moment)
    return date(2000 + day.year % 400, day.month, day.day).isocalendar().week


def now(run: Run) -> DateTime:
    """The present moment, UTC."""
    moment: DateTime = lifted(run.clock.now())
    return moment


def today(run: Run) -> Date:
    """The present day, UTC."""
    return now(run).date


def _read_duration(text: str) -> Months | Duration:
    duration = read_duration(text)
    if duration is None:
        raise Rejected(f"'{text:.60}' is no duration; right would be 'P1Y2M' or 'P1DT2H3M4S'")
    return duration


def add_to(library: Library) -> None:
    """Declares the functions of this family."""
    declare(library, "date(from: string)", read_date)
    declare(library, "date(from: day)", _day)
    declare(library, "date(year: number, month: number, day: number)", date_of)
    declare(library, "time(from: string)", read_time)
    declare(library, "time(from: moment)", time_from)
    declare(library, "time(hour: number, minute: number, second: number, offset: duration?=)", time_of)
    declare(library, "date and time(from: string)", read_date_time)
    declare(library, "date and time(from: day)", lambda moment: at_midnight(moment, utc=True))
    declare(library, "date and time(date: day, time: time)", lambda day, of_day: DateTime(_day(day), of_day))
    declare(library, "duration(from: string)", _read_duration)
    declare(library, "duration(from: span)", lambda span: span)
    declare(library, "years and months duration(from: day, to: day)", years_and_months)
    declare(library, "day of year(date: day)", day_of_year)
    declare(library, "day of week(date: day)", lambda moment: _DAYS[weekday(_day(moment)) - 1])
    declare(library, "month of year(date: day)", lambda moment: _MONTHS[_day(moment).month - 1])
    declare(library, "week of year(date: day)", week_of_year)
    declare(library, "now()", now, runs=True)
    declare(library, "today()", today, runs=True)
