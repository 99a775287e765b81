"""Numbers out of what sources write, and their calibration."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from math import isfinite
from typing import Any, Final
from unicodedata import normalize

from cityhub.ingest.mapping.problems import Unfit, shown

Number = int | float
_LONGEST: Final = 64
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")


def number(value: Any) -> Number:
    """A number, or the number that a text writes, full-width digits and thousands' commas included.

    Raises Unfit for anything else; a truth value is no number.

    >>> number("１２．５"), number("1,024")
    (12.5, 1024)
    """
    kind = type(value)
    if kind is float or kind is int:
        found = value
    elif kind is Decimal:
        found = int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
    elif kind is str and len(value) <= _LONGEST:
        found = _written(value)
    else:
        raise Unfit(f"{shown(value)} is not a number")
    if not -1e308 <= found <= 1e308:
        raise Unfit(f"{shown(value)} is not a finite number")
    return found  # type: ignore[no-any-return]


def _written(text: str) -> Number:
    plain = normalize("NFKC", text).strip().replace("\u2212", "-")
    if "_" not in plain:
        if _GROUPED.fullmatch(plain):
            plain = plain.replace(",", "")
        try:
            return int(plain)
        except ValueError:
            pass
        try:
            return float(plain)
        except ValueError:
            pass
    raise Unfit(f"{shown(text)} is not a number")


def straight(scale: float, offset: float) -> Callable[[Number], Number] | None:
    """The line value * scale + offset; None for the line that changes nothing."""
    if scale == 1.0 and offset == 0.0:
        return None
    return lambda value: value * scale + offset


def curve(table: list[tuple[float, float]]) -> Callable[[Number], Number]:
    """The line through pairs of (read, true); beyond its ends the first and the last stretch go on.

    Raises Unfit unless there are two pairs or more, the read values ascending.

    >>> curve([(0, 0), (10, 100), (20, 120)])(15)
    110.0
    """
    reads, trues = [float(pair[0]) for pair in table], [float(pair[1]) for pair in table]
    if len(table) < 2 or any(a >= b for a, b in pairwise(reads)) or not all(map(isfinite, reads + trues)):
        raise Unfit("'table' must have two pairs of (read, true) or more, the read values ascending")
    slopes = [(trues[i + 1] - trues[i]) / (reads[i + 1] - reads[i]) for i in range(len(reads) - 1)]
    last = len(slopes) - 1

    def true(value: Number) -> Number:
        i = min(max(bisect_right(reads, value) - 1, 0), last)
        return trues[i] + (value - reads[i]) * slopes[i]

    return true
