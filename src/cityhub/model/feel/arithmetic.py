"""`+ - * / **` and the sign, over numbers, texts, days, times and durations.

Source: OMG DMN 1.5, 10.3.2.12, tables 44 to 52.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import Any, Final

from cityhub.model.feel import numbers
from cityhub.model.feel.bounds import MAX_STRING, Exceeded
from cityhub.model.feel.calendar import (
    at_midnight,
    day_number,
    instant,
    is_local,
    lifted,
    nanos_of_day,
    offset_of_time,
    shifted,
    shifted_months,
    shifted_time,
)
from cityhub.model.feel.numbers import CONTEXT, NUMBERS
from cityhub.model.feel.temporal import DAY, NANOS, Date, DateTime, Duration, Months, Time
from cityhub.model.feel.values import Rejected

Operation = Callable[[Any, Any], Any]
_NUMERIC: Final[dict[str, Operation]] = {
    "+": numbers.add,
    "-": numbers.subtract,
    "*": numbers.multiply,
    "/": numbers.divide,
    "**": numbers.power,
}
_LARGEST: Final = 10**30
"""Billionths of a second, or months, that a duration may have."""


def operation(operator: str) -> Operation:
    """The function of an operator; it raises Rejected for values that it does not go with."""
    numeric = _NUMERIC[operator]

    def operate(left: Any, right: Any) -> Any:
        if type(left) in NUMBERS and type(right) in NUMBERS:
            try:
                return numeric(left, right)
            except DecimalException as error:
                raise Rejected(f"{numbers.write(left)} {operator} {numbers.write(right)} is no number") from error
        return _other(operator, lifted(left), lifted(right))

    return operate


def negated(value: Any) -> Any:
    """`-value` of a number or duration; Rejected for others."""
    if type(value) is int:
        return -value
    if type(value) in NUMBERS:
        return CONTEXT.minus(numbers.exact(value))
    value = lifted(value)
    if type(value) is Duration:
        return Duration(-value.nanos)
    if type(value) is Months:
        return Months(-value.months)
    raise Rejected(f"'-' goes with a number or duration, not with {kind_of(value)}")


def _other(operator: str, left: Any, right: Any) -> Any:
    rule = _RULES.get((operator, type(left), type(right)))
    result = rule(left, right) if rule is not None else _with_number(operator, left, right)
    if result is None:
        raise Rejected(f"'{operator}' does not go with {kind_of(left)} and {kind_of(right)}")
    return result


def _with_number(operator: str, left: Any, right: Any) -> Any:
    try:
        if operator == "*" and type(left) in NUMBERS:
            return _scaled(right, left)
        if operator == "*" and type(right) in NUMBERS:
            return _scaled(left, right)
        if operator == "/" and type(right) in NUMBERS:
            return _scaled(left, CONTEXT.divide(1, numbers.exact(right)), right)
    except (DecimalException, OverflowError):
        pass
    return None


def _scaled(duration: Any, factor: numbers.Number, divisor: numbers.Number | None = None) -> Duration | Months | None:
    if type(duration) not in (Duration, Months):
        return None
    amount = duration.nanos if type(duration) is Duration else duration.months
    exact = CONTEXT.multiply(amount, numbers.exact(factor)) if divisor is None else CONTEXT.divide(amount, numbers.exact(divisor))
    if abs(exact) > _LARGEST:
        return None
    return Duration(numbers.truncated(exact)) if type(duration) is Duration else Months(numbers.truncated(exact))


def _concatenated(left: str, right: str) -> str:
    if len(left) + len(right) > MAX_STRING:
        raise Exceeded(f"a text has more than {MAX_STRING} characters")
    return left + right


def _between(left: Date | DateTime, right: Date | DateTime) -> Duration | None:
    if type(left) is Date and type(right) is Date:
        return Duration((day_number(left) - day_number(right)) * DAY)
    begin, end = at_midnight(right, utc=True), at_midnight(left, utc=True)
    return Duration(instant(end) - instant(begin)) if is_local(begin) == is_local(end) else None


def _between_times(left: Time, right: Time) -> Duration | None:
    offset, other = offset_of_time(left), offset_of_time(right)
    if (offset is None) != (other is None):
        return None
    return Duration(nanos_of_day(left) - nanos_of_day(right) - ((offset or 0) - (other or 0)) * NANOS)


def _later(moment: Date | DateTime, duration: Duration) -> Any:
    later = shifted(at_midnight(moment), duration.nanos)
    return later.date if later is not None and isinstance(moment, Date) else later


def _later_months(moment: Date | DateTime, duration: Months) -> Date | DateTime | None:
    if isinstance(moment, Date):
        return shifted_months(moment, duration.months)
    day = shifted_months(moment.date, duration.months)
    return None if day is None else DateTime(day, moment.time)


def _quotient(left: int, right: int) -> int | Decimal | None:
    return numbers.divide(left, right) if right else None


_RULES: Final[dict[tuple[str, type, type], Operation]] = {
    ("+", str, str): _concatenated,
    ("-", Date, Date): _between,
    ("-", DateTime, DateTime): _between,
    ("-", Date, DateTime): _between,
    ("-", DateTime, Date): _between,
    ("-", Time, Time): _between_times,
    ("+", Duration, Duration): lambda a, b: Duration(a.nanos + b.nanos),
    ("-", Duration, Duration): lambda a, b: Duration(a.nanos - b.nanos),
    ("/", Duration, Duration): lambda a, b: _quotient(a.nanos, b.nanos),
    ("+", Months, Months): lambda a, b: Months(a.months + b.months),
    ("-", Months, Months): lambda a, b: Months(a.months - b.months),
    ("/", Months, Months): lambda a, b: _quotient(a.months, b.months),
    ("+", Time, Duration): lambda a, b: shifted_time(a, b.nanos),
    ("-", Time, Duration): lambda a, b: shifted_time(a, -b.nanos),
    ("+", Duration, Time): lambda a, b: shifted_time(b, a.nanos),
    **{("+", kind, Duration): _later for kind in (Date, DateTime)},
    **{("-", kind, Duration): lambda a, b: _later(a, Duration(-b.nanos)) for kind in (Date, DateTime)},
    **{("+", Duration, kind): lambda a, b: _later(b, a) for kind in (Date, DateTime)},
    **{("+", kind, Months): _later_months for kind in (Date, DateTime)},
    **{("-", kind, Months): lambda a, b: _later_months(a, Months(-b.months)) for kind in (Date, DateTime)},
    **{("+", Months, kind): lambda a, b: _later_months(b, a) for kind in (Date, DateTime)},
}

_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    Decimal: "a number",
    str: "a text",
    list: "a list",
    dict: "a context",
    Date: "a date",
    Time: "a time",
    DateTime: "a date and time",
    Duration: "a duration",
    Months: "a duration of years and months",
}


def kind_of(value: Any) -> str:
    """What a value is, in words for a message."""
    return _KINDS.get(type(value), f"a {type(value).__name__.lower()}")
