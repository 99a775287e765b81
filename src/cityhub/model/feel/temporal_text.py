"""Dates, times and durations as texts, both ways.

Source: OMG DMN 1.5, 10.3.4.1 (conversion functions); XML Schema 1.1 part 2, 3.3.6 to 3.3.9; ISO 8601.
"""

from __future__ import annotations

import re
from typing import Final

from cityhub.model.feel.calendar import Temporal, made_date, made_time, shifted, zone_named
from cityhub.model.feel.temporal import DAY, MIDNIGHT, NANOS, Date, DateTime, Duration, Months, Time

_DATE: Final = re.compile(r"(-?(?:[1-9]\d{4,8}|\d{4}))-(\d\d)-(\d\d)", re.ASCII)
_TIME: Final = re.compile(
    r"T?(\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))?(?:(Z)|([+-])(\d\d):(\d\d)(?::(\d\d))?|@([A-Za-z0-9_+/-]{1,64}))?", re.ASCII
)
_END_OF_DAY: Final = re.compile(r"^24:00:00(?![.:]?0*[1-9])")
_MONTHS: Final = re.compile(r"(-?)P(?:(\d{1,12})Y)?(?:(\d{1,12})M)?", re.ASCII)
_DURATION: Final = re.compile(r"(-?)P(?:(\d{1,15})D)?(?:(T)(?:(\d{1,15})H)?(?:(\d{1,15})M)?(?:(\d{1,15})(?:\.(\d{0,18}))?S)?)?", re.ASCII)


def read_date(text: str) -> Date | None:
    """'2026-11-23' as a day; None where it is none."""
    found = _DATE.fullmatch(text)
    return made_date(int(found[1]), int(found[2]), int(found[3])) if found else None


def read_time(text: str) -> Time | None:
    """'06:05:00', with '.5', 'Z', '+08:00' or '@Asia/Shanghai' behind it, as a time; None where it is none."""
    text = _END_OF_DAY.sub("00:00:00", text)
    found = _TIME.fullmatch(text)
    if found is None or (found[10] and zone_named(found[10]) is None):
        return None
    offset = 0 if found[5] else None
    if found[6]:
        if int(found[8]) > 59 or int(found[9] or 0) > 59:
            return None
        offset = (int(found[7]) * 3600 + int(found[8]) * 60 + int(found[9] or 0)) * (-1 if found[6] == "-" else 1)
    nanos = int((found[4] or "0")[:9].ljust(9, "0"))
    return made_time(int(found[1]), int(found[2]), int(found[3]), nanos, offset, found[10] or "")


def read_date_time(text: str) -> DateTime | None:
    """'2026-11-23T06:05:00' as a moment, a day alone as its midnight; None where it is none."""
    day_text, sign, time_text = text.partition("T")
    day = read_date(day_text)
    of_day = read_time(time_text) if sign and not time_text.startswith("T") else None if sign else MIDNIGHT
    if day is None or of_day is None:
        return None
    return shifted(DateTime(day, of_day), DAY if _END_OF_DAY.match(time_text) else 0)


def read_duration(text: str) -> Months | Duration | None:
    """'P1Y2M' or 'P1DT2H3M4.5S' as a duration; None where it is none."""
    found = _MONTHS.fullmatch(text)
    if found and (found[2] or found[3]):
        months = int(found[2] or 0) * 12 + int(found[3] or 0)
        return Months(-months if found[1] else months)
    found = _DURATION.fullmatch(text)
    if found is None or not (found[2] or found[4] or found[5] or found[6]) or (found[3] and not (found[4] or found[5] or found[6])):
        return None
    days, hours, minutes, seconds = (int(found[group] or 0) for group in (2, 4, 5, 6))
    nanos = (days * 86_400 + hours * 3600 + minutes * 60 + seconds) * NANOS + int((found[7] or "0")[:9].ljust(9, "0"))
    return Duration(-nanos if found[1] else nanos)


def literal(text: str) -> Temporal | None:
    """What `@"..."` stands for: a day, a moment, a time or a duration, whichever the text is; None for none of them."""
    return read_date(text) or (read_date_time(text) if "T" in text[1:] else None) or read_time(text) or read_duration(text)


def _two(number: int) -> str:
    return f"{number:02d}"


def _fraction(nanos: int) -> str:
    return f".{nanos:09d}".rstrip("0") if nanos else ""


def write_date(day: Date) -> str:
    """'2026-11-23'."""
    sign = "-" if day.year < 0 else ""
    return f"{sign}{abs(day.year):04d}-{_two(day.month)}-{_two(day.day)}"


def write_offset(offset: int) -> str:
    """'Z', '+08:00' or '-02:45:55'."""
    if not offset:
        return "Z"
    minutes, seconds = divmod(abs(offset), 60)
    rest = f":{_two(seconds)}" if seconds else ""
    return f"{'-' if offset < 0 else '+'}{_two(minutes // 60)}:{_two(minutes % 60)}{rest}"


def write_time(of_day: Time) -> str:
    """'06:05:00.5+08:00' or '06:05:00@Asia/Shanghai'."""
    clock = f"{_two(of_day.hour)}:{_two(of_day.minute)}:{_two(of_day.second)}{_fraction(of_day.nanos)}"
    if of_day.zone:
        return f"{clock}@{of_day.zone}"
    return clock if of_day.offset is None else clock + write_offset(of_day.offset)


def write_months(duration: Months) -> str:
    """'P1Y2M', 'P0M' for none."""
    years, months = divmod(abs(duration.months), 12)
    parts = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
    return ("-" if duration.months < 0 else "") + "P" + (parts or "0M")


def write_duration(duration: Duration) -> str:
    """'P1DT2H3M4.5S', 'PT0S' for none."""
    days, rest = divmod(abs(duration.nanos), DAY)
    seconds, nanos = divmod(rest, NANOS)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    clock += f"{seconds}{_fraction(nanos)}S" if seconds or nanos else ""
    text = (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
    return ("-" if duration.nanos < 0 else "") + "P" + (text or "T0S")


def write(value: Temporal) -> str:
    """The text of a temporal value, which its own function reads again."""
    if isinstance(value, DateTime):
        return f"{write_date(value.date)}T{write_time(value.time)}"
    if isinstance(value, Date):
        return write_date(value)
    if isinstance(value, Time):
        return write_time(value)
    return write_months(value) if isinstance(value, Months) else write_duration(value)
