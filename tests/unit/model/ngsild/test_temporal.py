"""Temporal queries and aggregation periods. Source: GS CIM 009 V1.9.1 clauses 4.5.19, 4.11, 5.2.21."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.ngsild.temporal import Aggregation, Period, TemporalQuery, parse_duration, parse_temporal_query

T1, T2 = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
I1, I2 = "2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"


def test_spans_have_a_beginning_included_and_an_end_excluded() -> None:
    before = parse_temporal_query({"timerel": "before", "timeAt": T1})
    after = parse_temporal_query({"timerel": "after", "timeAt": T1})
    between = parse_temporal_query({"timerel": "between", "timeAt": T1, "endTimeAt": T2})
    assert [(span.start, span.end) for span in (before, after, between)] == [(None, I1), (I1, None), (I1, I2)]
    times = [None, "2025-12-31T23:59:59.999999Z", I1, "2026-01-31T23:59:59.999999Z", I2]
    assert [before.contains(time) for time in times] == [False, True, False, False, False]
    assert [after.contains(time) for time in times] == [False, False, True, True, True]
    assert [between.contains(time) for time in times] == [False, False, True, True, False]


def test_reads_everything() -> None:
    members = {"timerel": "after", "timeAt": T1, "timeproperty": "modifiedAt", "lastN": "20", "aggrMethods": "avg,max,avg", "aggrPeriodDuration": "PT4H"}
    assert parse_temporal_query(members) == TemporalQuery("after", I1, None, "modifiedAt", 20)
    assert parse_temporal_query(members, aggregated=True).aggregation == Aggregation(("avg", "max"), Period(0, 14_400))
    assert parse_temporal_query({"aggrMethods": ["sum"]}, required=False, aggregated=True) == TemporalQuery(aggregation=Aggregation(("sum",)))
    assert parse_temporal_query({"lastN": 3, "timerel": None}, required=False).contains(I1)


@pytest.mark.parametrize(
    "members",
    [
        {}, {"timeAt": T1}, {"endTimeAt": T2}, {"timerel": "before"}, {"timerel": "during", "timeAt": T1}, {"timerel": 5, "timeAt": T1},
        {"timerel": "between", "timeAt": T1}, {"timerel": "between", "endTimeAt": T2}, {"timerel": "between", "timeAt": T2, "endTimeAt": T1},
        {"timerel": "after", "timeAt": T1, "endTimeAt": T2}, {"timerel": "after", "timeAt": "2026"}, {"timerel": "after", "timeAt": 5},
        {"timerel": "after", "timeAt": "2026-01-01T00:00:00+08:00"}, {"timerel": "after", "timeAt": T1, "timeproperty": "speed"},
        {"timerel": "after", "timeAt": T1, "lastN": "0"}, {"timerel": "after", "timeAt": T1, "lastN": "-1"},
        {"timerel": "after", "timeAt": T1, "lastN": "x"}, {"timerel": "after", "timeAt": T1, "lastN": 1.5},
        {"timerel": "after", "timeAt": T1, "lastN": True}, {"timerel": "after", "timeAt": T1, "timeproperty": 5},
        {"timerel": ["after"], "timeAt": T1},
    ],
)  # fmt: skip
def test_refuses_what_is_no_temporal_query(members: dict[str, Any]) -> None:
    with pytest.raises(BadRequestData):
        parse_temporal_query(members)


@pytest.mark.parametrize("methods", [None, "", "avg,", "median", "AVG", [], [5], 5, {"avg": 1}])
def test_refuses_unknown_methods(methods: Any) -> None:
    with pytest.raises(BadRequestData, match="'aggrMethods'"):
        parse_temporal_query({"timerel": "after", "timeAt": T1, "aggrMethods": methods}, aggregated=True)


@pytest.mark.parametrize(
    ("text", "months", "seconds"),
    [
        ("P3Y6M4DT12H30M5S", 42, 390_605), ("P1Y", 12, 0), ("P1M", 1, 0), ("PT1M", 0, 60), ("P2W", 0, 1_209_600), ("PT0.5S", 0, 0.5),
        ("PT1,25S", 0, 1.25), ("P0D", 0, 0), ("PT0S", 0, 0), ("PT36H", 0, 129_600),
    ],
)  # fmt: skip
def test_durations(text: str, months: int, seconds: float) -> None:
    assert parse_duration(text, "period") == Period(months, seconds)


@pytest.mark.parametrize("text", ["", "P", "PT", "P1", "1D", "P1D2H", "P1W2D", "p1d", "-P1D", "P1DT", "P-1D", "PT1.5H", "P1.5D", "P0003-06-04T12:30:05",
                                  "P99999999999D", "P999999999Y", "P1D ", None, 5])  # fmt: skip
def test_refuses_what_is_no_duration(text: Any) -> None:
    with pytest.raises(BadRequestData, match="'period'"):
        parse_duration(text, "period")


def days(period: Period, start: str, end: str) -> list[str]:
    return [f"{begin[:10]}..{after[:10]}" for begin, after in period.split(f"{start}T00:00:00Z", f"{end}T00:00:00Z")]


def test_periods_follow_the_calendar() -> None:
    month = Period(1)
    assert days(month, "2026-01-31", "2026-04-15") == ["2026-01-31..2026-02-28", "2026-02-28..2026-03-31", "2026-03-31..2026-04-15"]
    assert days(Period(12), "2024-02-29", "2026-03-01") == ["2024-02-29..2025-02-28", "2025-02-28..2026-02-28", "2026-02-28..2026-03-01"]
    assert days(Period(1, 86_400), "2026-01-01", "2026-03-01") == ["2026-01-01..2026-02-02", "2026-02-02..2026-03-01"]
    assert days(Period(), "2026-01-01", "2026-03-01") == ["2026-01-01..2026-03-01"]
    assert days(month, "2026-01-01", "2026-01-01") == []
    assert days(Period(12 * 9000), "2026-01-01", "2026-03-01") == ["2026-01-01..2026-03-01"]
    assert days(month, "9999-11-15", "9999-12-31") == ["9999-11-15..9999-12-15", "9999-12-15..9999-12-31"]


def test_refuses_very_many_periods() -> None:
    with pytest.raises(TooComplexQuery, match="longer"):
        list(Period(0, 1).split("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"))


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 10**7), st.dates(), st.integers(0, 400))
def test_periods_are_without_gaps(months: int, seconds: int, first: Any, length: int) -> None:
    start = f"{first}T00:00:00.000000Z"
    end = Period(0, length * 86_400.0)
    try:
        last = next(iter(end.split(start, "9999-12-31T23:59:59.000000Z")), None)
        periods = list(Period(months, float(seconds)).split(start, last[1] if last and length else start))
    except TooComplexQuery:
        return
    if periods:
        assert periods[0][0] == start
        assert last is not None
        assert periods[-1][1] == last[1]
        assert all(one[1] == two[0] and one[0] < one[1] for one, two in pairwise(periods))
