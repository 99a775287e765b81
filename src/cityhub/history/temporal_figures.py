"""Figures over periods, worked out of whole series: DuckDB gathers the numbers of each, sums are rounded once.

The answers are those of `cityhub.model.ngsild.temporal_aggregate`, which says what they are to be; here only series of plain numbers
are looked at, all others are left to it.

Source: GS CIM 009 V1.9.1, clause 4.5.19.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import fsum, isfinite
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from cityhub.history.instances import FIRST_OF_SAME
from cityhub.history.lake.columns import number_of
from cityhub.history.questions import Aggregate
from cityhub.history.readings import Reading
from cityhub.history.selection import spanned, time_of
from cityhub.model.ngsild.moment import show
from cityhub.model.ngsild.render_member import one_or_all
from cityhub.model.ngsild.temporal import Period
from cityhub.model.ngsild.temporal_aggregate import aggregate
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ports import Figures
from cityhub.model.time import to_text

AT_ONCE: Final = 8_000_000
"""About so many numbers are in memory at a time."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LATEST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_EXACT: Final = 2.0**53
Numbers = np.ndarray[Any, np.dtype[Any]]


def figures_of(reading: Reading, question: Aggregate) -> Iterator[list[Figures]]:
    """The figures of the entities, in blocks, in the order of the ids."""
    span, values = spanned(question.window)
    where = f"entity IN (SELECT unnest(?::VARCHAR[])) AND attribute <> '{SCOPE}'{span}"
    found = reading.connection.execute(f"SELECT count(*) FROM observations WHERE {where}", [question.ids, *values]).fetchone()
    parts = 1 + (found[0] if found else 0) // AT_ONCE
    size = -(-len(question.ids) // parts)
    source = "observations"
    if question.window.property != "observedAt":
        source = f"(SELECT * FROM observations WHERE {where} QUALIFY {FIRST_OF_SAME})"
    periods = _Periods(question)
    for at in range(0, len(question.ids), size):
        ids = question.ids[at : at + size]
        given = [ids, *values] * (1 if source == "observations" else 2)
        yield _figures(reading.connection.execute(_SERIES.format(time_of(question.window), source, where), given), ids, question, periods)


_SERIES: Final = (
    "SELECT entity, attribute, kind, dataset, epoch_us(min({0})) AS first, "
    "count(number) = count(*) AND count(deleted_at) = 0 AS is_plain, count(observed_at) = count(*) AS is_timed, "
    "count(observed_at) = 0 AND count(expires_at) = 0 AS is_untimed, "
    "count(expires_at) = 0 AND (count(unit) = 0 OR (count(unit) = count(*) AND min(unit) = max(unit))) "
    "AND (count(rest) = 0 OR (count(rest) = count(*) AND min(rest) = max(rest))) AS is_uniform, "
    "list(epoch_us({0})) AS times, list(number) AS numbers FROM {1} WHERE {2} GROUP BY entity, attribute, kind, dataset"
)


def _figures(answer: Any, ids: list[str], question: Aggregate, periods: _Periods) -> list[Figures]:
    table = answer.to_arrow_table().combine_chunks()
    columns = {name: table.column(name).to_pylist() for name in table.column_names if name not in ("times", "numbers")}
    times, numbers = _lists(table.column("times")), _lists(table.column("numbers"))
    series: dict[str, dict[str, list[int]]] = {id: {} for id in ids}
    for row, (entity, attribute) in enumerate(zip(columns["entity"], columns["attribute"], strict=True)):
        series[entity].setdefault(attribute, []).append(row)
    found = []
    for attributes in series.values():
        origin = min((columns["first"][row] for rows in attributes.values() for row in rows), default=None)
        ready: dict[str, bytes | None] = {}
        for attribute in sorted(attributes):
            rows = sorted(attributes[attribute], key=lambda row: columns["first"][row])
            described = [
                _described(columns, row, times[row], numbers[row], periods.of(origin or 0), question.methods)
                if columns["is_plain"][row] else None for row in rows
            ]  # fmt: skip
            ready[attribute] = None if None in described else orjson.dumps(one_or_all(described))
        found.append(Figures(None if origin is None else _text(origin), ready))
    return found


def _lists(column: pa.ChunkedArray) -> list[Numbers]:
    """The lists of a column as arrays that share its memory."""
    lists: list[Numbers] = []
    for chunk in column.chunks:
        offsets, values = chunk.offsets.to_numpy(), chunk.values
        flat = values.to_numpy(zero_copy_only=False)
        lists.extend(flat[start:end] for start, end in pairwise(offsets.tolist()))
    return lists


def _described(
    columns: dict[str, list[Any]], row: int, times: Numbers, numbers: Numbers, spans: _Spans, methods: tuple[str, ...]
) -> dict[str, Any] | None:
    """The figures of one series as they stand in an answer; None when they cannot be worked out here."""
    if np.any(times[1:] < times[:-1]):
        order = np.lexsort((numbers, times))
        times, numbers = times[order], numbers[order]
    if not columns["is_untimed"][row]:
        once = _once(times, numbers)
        if once is not None:
            if not (columns["is_timed"][row] and columns["is_uniform"][row]):
                return None
            times, numbers = times[once], numbers[once]
    dataset = columns["dataset"][row]
    described: dict[str, Any] = {"type": columns["kind"][row], **({"datasetId": dataset} if dataset is not None else {})}
    starts, shown = spans.cut(times)
    for method in methods:
        described[method] = [
            [figure, *span] for figure, span in zip(_values(method, numbers, starts), shown, strict=True) if figure is not None
        ]
    return described


def _once(times: Numbers, numbers: Numbers) -> Numbers | None:
    """Which of the measurements are the first of their kind, where one came more than once; None where none did."""
    at_once = times[1:] == times[:-1]
    if not at_once.any():
        return None
    order = np.lexsort((numbers, times))
    times, numbers = times[order], numbers[order]
    again = np.concatenate(([False], (times[1:] == times[:-1]) & (numbers[1:] == numbers[:-1])))
    return np.sort(order[~again]) if again.any() else None


def _values(method: str, numbers: Numbers, starts: Numbers) -> list[Any]:
    """The figure of each period; None where there is none. The periods begin at these places of the series."""
    ends = [*starts[1:].tolist(), len(numbers)]
    if method == "totalCount":
        return [end - start for start, end in zip(starts.tolist(), ends, strict=True)]
    if method in ("min", "max"):
        least = np.minimum if method == "min" else np.maximum
        return [number_of(value) for value in least.reduceat(numbers, starts).tolist()]
    values: list[Any] = numbers.tolist()
    if method == "avg":
        if len(starts) == len(values):
            return values
        return [_average(values[start:end]) for start, end in zip(starts.tolist(), ends, strict=True)]
    return [aggregate(method, [number_of(one) for one in values[start:end]]) for start, end in zip(starts.tolist(), ends, strict=True)]


def _average(values: list[float]) -> float | None:
    try:
        mean = fsum(values) / len(values)
    except OverflowError:
        return None
    return mean if isfinite(mean) else None


class _Periods:
    """The periods of a question; they are counted from its start or, where it has none, from the first instance of each entity."""

    def __init__(self, question: Aggregate) -> None:
        self._period = Period(question.months, question.seconds)
        self._start = None if question.window.start is None else _micros(question.window.start)
        self._end = None if question.window.end is None else _micros(question.window.end)
        self._fixed = None if self._start is None else _Spans(self._start, self._end, self._period)

    def of(self, origin: int) -> _Spans:
        """Those of an entity."""
        return self._fixed or _Spans(origin, self._end, self._period)


class _Spans:
    """Periods from a first moment on; times are microseconds since 1970."""

    def __init__(self, first: int, end: int | None, period: Period) -> None:
        self._first = first
        self._end = end
        self._period = period
        self._length = round(period.seconds * 1_000_000)
        self._shown: dict[int, tuple[str, str]] = {}
        self._bounds = [first]

    def cut(self, times: Numbers) -> tuple[Numbers, list[tuple[str, str]]]:
        """Where in ascending times a period begins that has any, and how its first moment and its end are written."""
        if not self._period:
            end = int(times[-1]) if self._end is None else self._end
            return np.zeros(1, np.int64), [(_shown(self._first), _shown(end))]
        if self._period.months:
            numbers = np.searchsorted(self._until(int(times[-1])), times, side="right") - 1
        else:
            numbers = (times - self._first) // self._length
        starts = np.concatenate(([0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1))
        return starts, [self._span(number) for number in numbers[starts].tolist()]

    def _until(self, last: int) -> list[int]:
        """The first moments of all periods until one ends behind a moment."""
        while self._bounds[-1] <= last:
            self._bounds.append(self._begin(len(self._bounds)))
        return self._bounds

    def _begin(self, number: int) -> int:
        if not self._period.months:
            return min(self._first + number * self._length, _LATEST)
        try:
            return (self._period.after(_EPOCH + self._first * _MICROSECOND, number) - _EPOCH) // _MICROSECOND
        except OverflowError:
            return _LATEST

    def _span(self, number: int) -> tuple[str, str]:
        span = self._shown.get(number)
        if span is None:
            end = self._begin(number + 1)
            span = _shown(self._begin(number)), _shown(end if self._end is None else min(end, self._end))
            self._shown[number] = span
        return span


def _micros(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def _text(micros: int) -> str:
    return to_text(_EPOCH + micros * _MICROSECOND)


def _shown(micros: int) -> str:
    return show(_text(micros))
