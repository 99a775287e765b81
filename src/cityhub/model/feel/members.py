"""What stands behind a dot: members of contexts, and the parts of days, times, durations and ranges.

Source: OMG DMN 1.5, 10.3.2.5 (contexts), table 65 (properties).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from cityhub.model.feel.arithmetic import kind_of
from cityhub.model.feel.calendar import day_number, instant, lifted, nanos_of_day, offset_of, offset_of_time
from cityhub.model.feel.numbers import CONTEXT
from cityhub.model.feel.temporal import DAY, NANOS, Date, DateTime, Duration, Months, Time
from cityhub.model.feel.values import Range, Rejected

Property = Callable[[Any], Any]


def member(value: Any, name: str) -> Any:
    """The member of a value; of a list, the members of its items. Rejected where there is none."""
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        raise Rejected(f"the context has no member '{name}'")
    if type(value) is list:
        return [_member_or_null(item, name) for item in value]
    value = lifted(value)
    part = _PROPERTIES.get(type(value), {}).get(name)
    if part is None:
        raise Rejected(f"{kind_of(value)} has no member '{name}'")
    return part(value)


def _member_or_null(value: Any, name: str) -> Any:
    try:
        return member(value, name)
    except Rejected:
        return None


def weekday(day: Date) -> int:
    """1 (Monday) to 7 (Sunday).

    >>> weekday(Date(2026, 11, 23))
    1
    """
    return (day_number(day) + 3) % 7 + 1


def _offset(seconds: int | None) -> Duration | None:
    return None if seconds is None else Duration(seconds * NANOS)


def _seconds(nanos: int) -> int | Decimal:
    return nanos // NANOS if not nanos % NANOS else CONTEXT.divide(nanos, NANOS)


def _signed(part: Callable[[int], int]) -> Property:
    return lambda duration: part(abs(duration.nanos)) * (-1 if duration.nanos < 0 else 1)


def _within(half: str, part: Property) -> Property:
    return lambda moment: part(getattr(moment, half))


_DATE: Final[dict[str, Property]] = {
    "year": lambda day: day.year,
    "month": lambda day: day.month,
    "day": lambda day: day.day,
    "weekday": weekday,
}
_TIME: Final[dict[str, Property]] = {
    "hour": lambda of_day: of_day.hour,
    "minute": lambda of_day: of_day.minute,
    "second": lambda of_day: of_day.second,
    "timezone": lambda of_day: of_day.zone or None,
}
_PROPERTIES: Final[dict[type, dict[str, Property]]] = {
    Date: {**_DATE, "value": lambda day: day_number(day) * 86_400},
    Time: {
        **_TIME,
        "time offset": lambda of_day: _offset(offset_of_time(of_day)),
        "value": lambda of_day: _seconds(nanos_of_day(of_day)),
    },
    DateTime: {
        **{name: _within("date", part) for name, part in _DATE.items()},
        **{name: _within("time", part) for name, part in _TIME.items()},
        "time offset": lambda moment: _offset(offset_of(moment)),
        "value": lambda moment: _seconds(instant(moment)),
    },
    Duration: {
        "days": _signed(lambda nanos: nanos // DAY),
        "hours": _signed(lambda nanos: nanos // (3600 * NANOS) % 24),
        "minutes": _signed(lambda nanos: nanos // (60 * NANOS) % 60),
        "seconds": lambda duration: _seconds(duration.nanos - _signed(lambda nanos: nanos // (60 * NANOS))(duration) * 60 * NANOS),
        "value": lambda duration: _seconds(duration.nanos),
    },
    Months: {
        "years": lambda duration: abs(duration.months) // 12 * (-1 if duration.months < 0 else 1),
        "months": lambda duration: abs(duration.months) % 12 * (-1 if duration.months < 0 else 1),
        "value": lambda duration: duration.months,
    },
    Range: {
        "start": lambda span: span.low,
        "end": lambda span: span.high,
        "start included": lambda span: span.low_included,
        "end included": lambda span: span.high_included,
    },
}
