"""Functions of numbers.

Source: OMG DMN 1.5, 10.3.4.5, table 75.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
    DecimalException,
)

from cityhub.model.feel.library import Library, declare
from cityhub.model.feel.numbers import CONTEXT, Number, divide, exact, multiply, subtract, truncated, whole
from cityhub.model.feel.temporal import Duration, Months
from cityhub.model.feel.values import Rejected

Result = int | Decimal
_MIN_SCALE, _MAX_SCALE = -6111, 6176


def rounded(value: Number, scale: Number, rounding: str) -> Result:
    """A number to so many digits behind the point (before it, when negative)."""
    digits = truncated(scale)
    if not _MIN_SCALE <= digits <= _MAX_SCALE:
        raise Rejected(f"the digits behind the point are a whole number from {_MIN_SCALE} to {_MAX_SCALE}")
    number = exact(value)
    if type(number) is int and digits >= 0:
        return number
    number = Decimal(number)
    if number.adjusted() + digits > 33 or -number.as_tuple().exponent <= digits:  # type: ignore[operator]
        return number if digits > 0 else whole(number) or number
    if number.adjusted() + digits < -1 and rounding not in (ROUND_UP, ROUND_CEILING, ROUND_FLOOR):
        return 0
    result = number.quantize(Decimal(1).scaleb(-digits), rounding, CONTEXT)
    if digits > 0:
        return result
    return int(result) if result.adjusted() < 34 else result


def rounding(mode: str) -> Callable[..., Result]:
    """The function that rounds in a mode."""
    return lambda value, scale=0: _safe(rounded, value, 0 if scale is None else scale, mode)


def _safe(function: Callable[..., Result], *arguments: object) -> Result:
    try:
        return function(*arguments)
    except (DecimalException, OverflowError) as error:
        raise Rejected("the result is no number of 34 digits") from error


def modulo(dividend: Number, divisor: Number) -> Result:
    """The rest of a division, with the sign of the divisor."""
    if not divisor:
        raise Rejected("nothing can be divided by 0")
    if type(dividend) is int and type(divisor) is int:
        return dividend % divisor

    def rest() -> Result:
        quotient = Decimal(divide(dividend, divisor)).to_integral_value(ROUND_FLOOR, CONTEXT)
        return subtract(dividend, multiply(divisor, quotient))

    return _safe(rest)


def absolute(value: Number | Duration | Months) -> Number | Duration | Months:
    """The value without its sign."""
    if isinstance(value, Duration):
        return Duration(abs(value.nanos))
    if isinstance(value, Months):
        return Months(abs(value.months))
    return -value if value < 0 else value


def _parity(value: Number) -> int:
    number = whole(value)
    if number is None:
        raise Rejected("only whole numbers are odd or even")
    return number % 2


def _root(value: Number) -> Result:
    root = CONTEXT.sqrt(exact(value))
    number = whole(root)
    return root if number is None else number


def add_to(library: Library) -> None:
    """Declares the functions of this family."""
    declare(library, "decimal(n: number, scale: number)", rounding(ROUND_HALF_EVEN))
    for name, mode in (("floor", ROUND_FLOOR), ("ceiling", ROUND_CEILING)):
        declare(library, f"{name}(n: number, scale: number=)", rounding(mode))
    for name, mode in (("up", ROUND_UP), ("down", ROUND_DOWN), ("half up", ROUND_HALF_UP), ("half down", ROUND_HALF_DOWN)):
        declare(library, f"round {name}(n: number, scale: number)", rounding(mode))
    declare(library, "abs(n: number)", absolute)
    declare(library, "abs(n: span)", absolute)
    declare(library, "modulo(dividend: number, divisor: number)", modulo)
    declare(library, "sqrt(number: number)", lambda value: _safe(_root, value))
    declare(library, "log(number: number)", lambda value: _safe(lambda: CONTEXT.ln(exact(value)) if value > 0 else _no_log()))
    declare(library, "exp(number: number)", lambda value: _safe(lambda: CONTEXT.exp(exact(value))))
    declare(library, "odd(number: number)", lambda value: _parity(value) == 1)
    declare(library, "even(number: number)", lambda value: _parity(value) == 0)


def _no_log() -> Result:
    raise Rejected("only numbers above 0 have a logarithm")
