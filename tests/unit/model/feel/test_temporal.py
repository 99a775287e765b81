"""Days, times and durations, held against Python's own calendar, and where FEEL goes beyond it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.model.feel import compile_expression, to_json
from cityhub.model.feel.calendar import day_number, instant, lifted, numbered_day
from cityhub.model.feel.temporal import Date, DateTime, Duration, Months, Time
from cityhub.model.feel.temporal_text import literal, read_duration, write


@given(st.dates())
def test_days_are_numbered_as_in_python(day: date) -> None:
    number = day_number(lifted(day))
    assert number == (day - date(1970, 1, 1)).days
    assert numbered_day(number) == lifted(day)


@given(st.integers(-365_000_000_000, 365_000_000_000))
def test_days_far_away_go_there_and_back(number: int) -> None:
    day = numbered_day(number)
    assert day is not None
    assert day_number(day) == number


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-10_000_000, 10_000_000))
def test_moments_move_as_in_python(moment: datetime, seconds: int) -> None:
    try:
        later = moment + timedelta(seconds=seconds)
    except OverflowError:
        return
    duration = Duration(seconds * 10**9)
    given_moment = compile_expression("m + d")({"m": moment, "d": duration})
    assert instant(given_moment) == instant(lifted(later))


MOMENTS = st.builds(
    DateTime,
    st.integers(-365_000_000_000, 365_000_000_000).map(lambda number: numbered_day(number) or Date(1, 1, 1)),
    st.builds(Time, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 10**9 - 1), st.none() | st.integers(-64_800, 64_800)),
)


@given(MOMENTS | st.builds(Duration, st.integers(-(10**20), 10**20)) | st.builds(Months, st.integers(-(10**9), 10**9)))
def test_texts_are_read_again(value: Any) -> None:
    assert literal(write(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('date("2024-01-31") + duration("P1M")', "2024-02-29"),
        ('date("2024-02-29") - duration("P1Y")', "2023-02-28"),
        ('time("23:30:00") + duration("PT1H")', "00:30:00"),
        ('date and time("2026-03-29T24:00:00")', "2026-03-30T00:00:00"),
        ('date and time("2026-07-01T00:00:00@Europe/Paris")', "2026-07-01T00:00:00+02:00"),
        ('date and time("2026-11-23T10:00:00+08:00") = date and time("2026-11-23T02:00:00Z")', True),
        ('date and time("2026-11-23T10:00:00") < date and time("2026-11-23T02:00:00Z")', None),
        ('years and months duration(date("2024-02-29"), date("2026-02-28"))', "P1Y11M"),
        ('duration("P1Y") = duration("P365D")', None),
        ('duration("PT90M") / duration("PT1H")', 1.5),
        ('duration("P1D") * 1.5', "P1DT12H"),
        ('date("2026-02-29")', None),
        ('date("2026-13-01")', None),
        ('time("12:00:00+19:00")', None),
        ('date and time("2026-01-01T00:00:00@No/Where")', None),
        ('duration("P")', None),
        ('duration("P1Y1D")', None),
        ("moment.hour", 6),
        ("moment + duration(\"PT1H\") > moment", True),
        ('time("12:00:00").minute', 0),
        ('date("2026-11-23").weekday', 1),
        ('week of year(date("2027-01-01"))', 53),
        ('day of year(date("2024-12-31"))', 366),
        ('@"P1DT2H".hours', 2),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert to_json(compile_expression(text)({"moment": datetime(2026, 11, 23, 6, tzinfo=UTC)})) == value


def test_now_is_the_clock_that_is_handed_over() -> None:
    class Noon:
        def now(self) -> datetime:
            return datetime(2026, 11, 23, 12, tzinfo=UTC)

    value, _ = compile_expression("[now(), today()]").evaluate({}, clock=Noon())
    assert to_json(value) == ["2026-11-23T12:00:00Z", "2026-11-23"]


def test_durations_know_no_mixture() -> None:
    assert read_duration("P1M") == Months(1)
    assert read_duration("PT1M") == Duration(60 * 10**9)
    assert read_duration("P1MT1M") is None
