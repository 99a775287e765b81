"""Times in the forms in which sources write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.mapping.problems import Unfit
from cityhub.ingest.mapping.times import Times, since_1970
from cityhub.model.time import to_text

HERE = Times("Asia/Shanghai")
NOON = "2026-11-23T06:05:00.000000Z"


@pytest.mark.parametrize("written", [
    "2026-11-23T06:05:00Z", "2026-11-23T14:05:00+08:00", "2026-11-23 14:05:00+0800", "2026-11-23 14:05:00", "2026/11/23 14:05",
    "2026.11.23 14:05", "2026年11月23日14时05分", "2026年11月23日 14:05:00", "2026年11月23日14时5分0秒", "20261123140500", "202611231405",
    "20261123T140500", "2026-11-23T14:05", " 2026-11-23 14:05:00.000 ", "Mon, 23 Nov 2026 06:05:00 GMT", 20261123140500,
    1795413900, 1795413900000, 1795413900000000, 1795413900000000000, "1795413900", "1795413900000", 1795413900.0, "2026-11-23 06:05 UTC",
])  # fmt: skip
def test_forms(written: object) -> None:
    assert HERE.read(written) == NOON


@pytest.mark.parametrize(("written", "read"), [
    ("2026-11-23", "2026-11-22T16:00:00.000000Z"), ("2026/1/5 8:00", "2026-01-05T00:00:00.000000Z"), ("20261123", "2026-11-22T16:00:00.000000Z"),
    ("2026-11-23 24:00", "2026-11-23T16:00:00.000000Z"), ("2026-11-23 14:05:07.123456789", "2026-11-23T06:05:07.123456Z"),
    ("2026-11-23 8时", "2026-11-23T00:00:00.000000Z"), (0, "1970-01-01T00:00:00.000000Z"), (-1.5, "1969-12-31T23:59:58.500000Z"),
    ("1986-07-01 12:00", "1986-07-01T03:00:00.000000Z"),  # China had summer time then
])  # fmt: skip
def test_other_moments(written: object, read: str) -> None:
    assert HERE.read(written) == read


@pytest.mark.parametrize("written", ["", "now", "2026-13-01", "2026-02-30 10:00", "25:00", True, None, [], {}, 1e300, float("nan"), float("inf"), "９" * 70, "0000-01-01"])
def test_what_is_no_time(written: object) -> None:
    with pytest.raises(Unfit, match=r"is not a time|outside the years"):
        HERE.read(written)


def test_an_hour_that_came_twice() -> None:
    berlin = Times("Europe/Berlin")
    first, second = "2026-10-25T00:30:00.000000Z", "2026-10-25T01:30:00.000000Z"
    assert berlin.read("2026-10-25 02:30") == first
    assert berlin.read("2026-10-25 02:30", "2026-10-25T00:30:09.000000Z") == first
    assert berlin.read("2026-10-25 02:30", "2026-10-25T01:30:09.000000Z") == second
    assert berlin.read("2026-10-25 02:30", "2026-12-25T01:30:09.000000Z") == first  # filled in later: nobody knows
    assert berlin.read("2026-10-25 02:30+01:00", "2026-10-25T00:30:09.000000Z") == second


def test_an_hour_that_never_was() -> None:
    assert Times("Europe/Berlin").read("2026-03-29 02:30") == "2026-03-29T01:30:00.000000Z"


@pytest.mark.parametrize("zone", ["Asia/Chungking2", "../../etc/passwd", "", "\0"])
def test_zones(zone: str) -> None:
    with pytest.raises(Unfit, match="IANA"):
        Times(zone)


@given(st.datetimes(timezones=st.timezones()))
def test_rfc_3339_is_exact(moment) -> None:  # type: ignore[no-untyped-def]
    try:
        expected = to_text(moment)
    except OverflowError:
        return
    if moment.utcoffset().total_seconds() % 60 == 0:
        assert HERE.read(moment.isoformat()) == expected


@given(st.integers(-10**10, 10**11 - 1))
def test_seconds_and_milliseconds_agree(second: int) -> None:
    if abs(second * 1000) >= 10**11:
        assert since_1970(second) == since_1970(second * 1000)


@given(st.one_of(st.text(max_size=40), st.floats(), st.integers()))
def test_nothing_but_unfit(value: object) -> None:
    try:
        HERE.read(value)
    except Unfit:
        pass
