"""The functions and arithmetic of expressions. For what they cannot take they raise one of `DOES_NOT_FIT`.

Source: OGC 18-088, 9.3.3.5.2; OGC 06-103r4 for the spatial relations. Distances and lengths are in degrees, as the coordinates are.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson
import shapely
from shapely.geometry import shape as shape_from_json

DOES_NOT_FIT: Final = (TypeError, ValueError, AttributeError, ArithmeticError, shapely.errors.ShapelyError)
"""What functions raise for values that they cannot take."""


class Span(msgspec.Struct, frozen=True):
    """A moment (both ends the same) or an interval."""

    begin: datetime
    end: datetime

    @property
    def is_instant(self) -> bool:
        """Whether it is a moment."""
        return self.begin == self.end


@lru_cache(maxsize=4096)
def _span_text(text: str) -> Span | None:
    first, slash, last = text.partition("/")
    if not first[:4].isdigit() or len(text) < 8:
        return None
    try:
        begin = _aware(datetime.fromisoformat(first))
        return Span(begin, _aware(datetime.fromisoformat(last)) if slash else begin)
    except (ValueError, OverflowError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def span_of(value: Any) -> Span | None:
    """A value as a moment or an interval; None when it is none."""
    if isinstance(value, Span):
        return value
    return _span_text(value) if isinstance(value, str) else None


_DURATION: Final = re.compile(r"(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def read_duration(text: str) -> timedelta | None:
    """A duration of days, hours, minutes and seconds; None when it is none.

    >>> read_duration("P1DT2H").total_seconds()
    93600.0
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    try:
        length = timedelta(days=int(found[2] or 0), hours=int(found[3] or 0), minutes=int(found[4] or 0), seconds=float(found[5] or 0))
    except OverflowError:
        return None
    return -length if found[1] else length


def number_text(number: float) -> str:
    """A number as JSON writes it."""
    return orjson.dumps(int(number) if isinstance(number, float) and number.is_integer() and abs(number) < 2**53 else number).decode()


@lru_cache(maxsize=512)
def _shape_text(text: str) -> Any:
    try:
        return shapely.from_wkt(text.partition(";")[2] if text.upper().startswith("SRID=") else text)
    except shapely.errors.ShapelyError:
        return None


def shape_of(value: Any) -> Any:
    """A geometry, from GeoJSON or well-known text; None when it is none."""
    if isinstance(value, str):
        return _shape_text(value)
    if isinstance(value, dict):
        try:
            return shape_from_json(value.get("geometry") if value.get("type") == "Feature" else value)
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, shapely.errors.ShapelyError):
            return None
    return value if isinstance(value, shapely.Geometry) else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _begin(value: Any) -> datetime:
    found = span_of(value)
    if found is None:
        raise TypeError(value)
    return found.begin.astimezone(UTC)


def _add(one: Any, other: Any) -> Any:
    if isinstance(other, timedelta) and not isinstance(one, timedelta):
        moved = span_of(one)
        return Span(moved.begin + other, moved.end + other) if moved else None
    return _number(one) + _number(other)


def _sub(one: Any, other: Any) -> Any:
    if isinstance(other, timedelta):
        return _add(one, -other)
    if span_of(one) and span_of(other):
        return _begin(one) - _begin(other)
    return _number(one) - _number(other)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | timedelta):
        raise TypeError(value)
    return value


def _divided(one: Any, other: Any) -> Any:
    if isinstance(one, int) and isinstance(other, int):
        return one / other if one % other else one // other
    return _number(one) / _number(other)


def _round(value: Any) -> Any:
    return math.floor(abs(_number(value)) + 0.5) * (1 if value >= 0 else -1)


def _substring(text: Any, start: Any, length: Any = None) -> str:
    begin = max(0, int(start))
    return _text(text)[begin:] if length is None else _text(text)[begin : begin + max(0, int(length))]


def _relation(name: str) -> Callable[[Any, Any], Any]:
    relate = getattr(shapely, name)

    def related(one: Any, other: Any) -> Any:
        first, second = shape_of(one), shape_of(other)
        return None if first is None or second is None else bool(relate(first, second))

    return related


def _relate(one: Any, other: Any, pattern: Any) -> Any:
    first, second = shape_of(one), shape_of(other)
    return None if first is None or second is None else bool(shapely.relate_pattern(first, second, _text(pattern)))


def _distance(one: Any, other: Any) -> Any:
    first, second = shape_of(one), shape_of(other)
    return None if first is None or second is None else float(shapely.distance(first, second))


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "add": _add, "sub": _sub, "mul": lambda one, other: _number(one) * _number(other), "div": _divided,
    "mod": lambda one, other: math.fmod(_number(one), _number(other)) if other else None, "neg": lambda value: operator.neg(_number(value)),
    "substringof": lambda part, text: _text(part) in _text(text), "contains": lambda text, part: _text(part) in _text(text),
    "endswith": lambda text, part: _text(text).endswith(_text(part)), "startswith": lambda text, part: _text(text).startswith(_text(part)),
    "length": lambda text: len(_text(text)), "indexof": lambda text, part: _text(text).find(_text(part)), "substring": _substring,
    "tolower": lambda text: _text(text).lower(), "toupper": lambda text: _text(text).upper(), "trim": lambda text: _text(text).strip(),
    "concat": lambda one, other: _text(one) + _text(other),
    "year": lambda time: _begin(time).year, "month": lambda time: _begin(time).month, "day": lambda time: _begin(time).day,
    "hour": lambda time: _begin(time).hour, "minute": lambda time: _begin(time).minute, "second": lambda time: _begin(time).second,
    "fractionalseconds": lambda time: _begin(time).microsecond / 1e6, "date": lambda time: _begin(time).date().isoformat(),
    "time": lambda time: _begin(time).time().isoformat(), "totaloffsetminutes": lambda time: 0 if _begin(time) else None,
    "mindatetime": lambda: Span(datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)),
    "maxdatetime": lambda: Span(datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
    "round": _round, "floor": lambda value: math.floor(_number(value)), "ceiling": lambda value: math.ceil(_number(value)),
    "geo.distance": _distance, "geo.length": lambda line: float(shapely.length(shape_of(line))), "geo.intersects": _relation("intersects"),
    "st_equals": _relation("equals"), "st_disjoint": _relation("disjoint"), "st_touches": _relation("touches"),
    "st_within": _relation("within"), "st_overlaps": _relation("overlaps"), "st_crosses": _relation("crosses"),
    "st_intersects": _relation("intersects"), "st_contains": _relation("contains"), "st_relate": _relate,
}  # fmt: skip
