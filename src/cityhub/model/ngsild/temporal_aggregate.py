"""The aggregated temporal representation: one figure for each method, period and dataset.

Numbers have all methods and booleans are 1 and 0; texts have counts, the least and the greatest; of a list its length is
aggregated; everything else is only counted. A method that the values of a period do not have gives nothing for it.

Source: GS CIM 009 V1.9.1, clause 4.5.19.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from math import fsum, isfinite, sqrt
from typing import Any, Final

import orjson

from cityhub.model.entity import Instance, value_of
from cityhub.model.ngsild.moment import show
from cityhub.model.ngsild.render_member import one_or_all
from cityhub.model.ngsild.temporal import Aggregation, Period, TemporalQuery
from cityhub.model.ngsild.temporal_render import Body, time_of
from cityhub.model.time import to_text

Values = list[Any]
_AVERAGE_MONTH_S: Final = 30.436875 * 86_400


def _sum(values: Values) -> Any:
    return sum(values) if all(type(value) is int for value in values) else fsum(values)


def _deviation(values: Values) -> float:
    mean = fsum(values) / len(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / len(values))


_NUMERIC: Final[dict[str, Callable[[Values], Any]]] = {
    "avg": lambda values: fsum(values) / len(values),
    "sum": _sum,
    "min": min,
    "max": max,
    "stddev": _deviation,
    "sumsq": lambda values: _sum([value * value for value in values]),
}
_LENGTHS: Final = frozenset(("avg", "sum", "min", "max"))


def aggregate(method: str, values: Values) -> Any:
    """The figure of a method over values of one period; None when they do not have it.

    >>> aggregate("avg", [1, 2]), aggregate("max", ["a", "b"]), aggregate("avg", ["a"])
    (1.5, 'b', None)
    """
    if method == "totalCount":
        return len(values)
    if method == "distinctCount":
        return len({orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in values})
    kinds = {bool if type(value) is bool else float if isinstance(value, int | float) else type(value) for value in values}
    if kinds <= {bool, float}:
        return _writable(method, [int(value) if type(value) is bool else value for value in values])
    if kinds == {str} and method in ("min", "max"):
        return _NUMERIC[method](values)
    if kinds == {list} and method in _LENGTHS:
        return _writable(method, [len(value) for value in values])
    return None


def _writable(method: str, values: Values) -> Any:
    """A figure as JSON can hold it; None when it is beyond every number that it can."""
    try:
        figure = _NUMERIC[method](values)
        if type(figure) is int:
            return figure if -(2**63) <= figure < 2**63 else float(figure)
    except OverflowError:
        return None
    return figure if isfinite(figure) else None


def aggregated_body(aggregation: Aggregation, query: TemporalQuery, origin: str | None) -> Body:
    """Figures for each dataset of an attribute.

    Args:
        aggregation: Methods and period.
        query: The span of time.
        origin: Where the first period begins when the span has no beginning; None: nothing was found.
    """

    def body(name: str, instances: list[Instance]) -> Any:
        groups: dict[tuple[str, str], list[Instance]] = {}
        for instance in instances:
            groups.setdefault((instance["type"], instance.get("datasetId", "")), []).append(instance)
        return one_or_all([_figures(kind, dataset, group, aggregation, query, origin) for (kind, dataset), group in groups.items()])

    return body


def _figures(
    kind: str, dataset: str, instances: list[Instance], aggregation: Aggregation, query: TemporalQuery, origin: str | None
) -> dict[str, Any]:
    out: dict[str, Any] = {"type": kind, **({"datasetId": dataset} if dataset else {})}
    for method in aggregation.methods:
        out[method] = []
    begin = query.start or origin
    if begin is None:
        return out
    timed = [(time_of(instance, query.time_property), value_of(instance)) for instance in instances if "deletedAt" not in instance]
    for start, end, values in _periods(timed, begin, query.end, aggregation.period):
        for method in aggregation.methods:
            figure = aggregate(method, values)
            if figure is not None:
                out[method].append([figure, show(start), show(end)])
    return out


def _periods(timed: list[tuple[str, Any]], begin: str, end: str | None, period: Period) -> Iterable[tuple[str, str, Values]]:
    """The periods that have values, each with its first moment and the moment at which it has ended."""
    if not timed:
        return
    if not period:
        yield begin, end or timed[-1][0], [value for _, value in timed]
        return
    first = datetime.fromisoformat(begin)
    values: Values = []
    start, until = "", ""
    for time, value in timed:
        if not values or time >= until:
            if values:
                yield start, until, values
            start, until = _period_of(datetime.fromisoformat(time), first, period)
            if end is not None and until > end:
                until = end
            values = []
        values.append(value)
    yield start, until, values


def _period_of(time: datetime, first: datetime, period: Period) -> tuple[str, str]:
    """The period counted from `first` in which a moment lies."""
    length = period.seconds + period.months * _AVERAGE_MONTH_S
    number = int((time - first).total_seconds() // length)
    while _after(period, first, number) > time:
        number -= 1
    while _after(period, first, number + 1) <= time:
        number += 1
    return to_text(_after(period, first, number)), to_text(_after(period, first, number + 1))


def _after(period: Period, first: datetime, number: int) -> datetime:
    try:
        return period.after(first, number) if number else first
    except OverflowError:
        return datetime.max.replace(tzinfo=first.tzinfo)
