"""Numbers: decimals of 34 digits, with whole numbers and numbers of JSON kept as they are until they are reckoned with.

A whole number is an int, any other result a Decimal. A float comes from JSON only; it is taken as the decimal that JSON wrote
(0.1 is one tenth), so that sums come out as on paper.

Source: OMG DMN 1.5, 10.3.2.3.1 (IEEE 754-2008 decimal128).
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from math import isfinite
from typing import Any, Final

Number = int | float | Decimal
NUMBERS: Final = frozenset({int, float, Decimal})
NATIVE: Final = frozenset({int, float})
CONTEXT: Final = Context(
    prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144, capitals=1, clamp=0, traps=[InvalidOperation, Overflow, DivisionByZero]
)
LARGE: Final = 10**34


def exact(value: Number) -> int | Decimal:
    """A number as an int or a Decimal; InvalidOperation for an infinite one."""
    if not isinstance(value, float):
        return value
    number = CONTEXT.create_decimal(repr(value))
    if not number.is_finite():
        raise InvalidOperation("the number is not finite")
    return number


def plain(value: int | Decimal) -> int | Decimal:
    """A result: an int too long for 34 digits is rounded to them."""
    if type(value) is int and not -LARGE < value < LARGE:
        return CONTEXT.create_decimal(value)
    return value


def whole(value: Any) -> int | None:
    """A whole number as an int, else None.

    >>> whole(Decimal("3.0")), whole(3.5)
    (3, None)
    """
    if type(value) is int:
        return value
    if type(value) is float:
        return int(value) if value.is_integer() else None
    if type(value) is Decimal and value.is_finite() and value.adjusted() < 40 and value == value.to_integral_value():
        return int(value)
    return None


def truncated(value: Number) -> int:
    """A number without its fraction."""
    number = exact(value)
    return number if isinstance(number, int) else int(Decimal(number).to_integral_value(ROUND_DOWN))


def add(left: Number, right: Number) -> int | Decimal:
    """The sum."""
    if type(left) is int and type(right) is int:
        return plain(left + right)
    return CONTEXT.add(exact(left), exact(right))


def subtract(left: Number, right: Number) -> int | Decimal:
    """The difference."""
    if type(left) is int and type(right) is int:
        return plain(left - right)
    return CONTEXT.subtract(exact(left), exact(right))


def multiply(left: Number, right: Number) -> int | Decimal:
    """The product."""
    if type(left) is int and type(right) is int:
        return plain(left * right)
    return CONTEXT.multiply(exact(left), exact(right))


def divide(left: Number, right: Number) -> int | Decimal:
    """The quotient; DivisionByZero."""
    if type(left) is int and type(right) is int and right and not left % right:
        return left // right
    return CONTEXT.divide(exact(left), exact(right))


def power(left: Number, right: Number) -> int | Decimal:
    """Left to the power of right."""
    result = Decimal(CONTEXT.power(exact(left), exact(right)))
    number = whole(result) if result.adjusted() < 34 else None
    return result if number is None else number


def compare(left: Number, right: Number) -> int:
    """-1, 0 or 1."""
    if not (type(left) in NATIVE and type(right) in NATIVE):
        left, right = exact(left), exact(right)
    return (left > right) - (left < right)


def write(value: Number) -> str:
    """The number in decimal digits, without an exponent as long as it has at most 40 digits.

    >>> write(Decimal("1.50")), write(Decimal("1E+3"))
    ('1.50', '1000')
    """
    number = exact(value)
    if isinstance(number, int):
        return str(number)
    return format(number, "f") if -40 <= number.adjusted() <= 40 else str(number)


def to_json(value: int | Decimal) -> int | float | None:
    """A number as JSON has it: whole ones as int, others as the nearest float; None where that would be infinite."""
    number = whole(value)
    if number is not None:
        return number
    nearest = float(value)
    return nearest if isfinite(nearest) else None
