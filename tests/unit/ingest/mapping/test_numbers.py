"""Numbers and their calibration."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cityhub.ingest.mapping.numbers import curve, number, straight
from cityhub.ingest.mapping.problems import Unfit


@pytest.mark.parametrize(("written", "read"), [
    ("12.5", 12.5), (" 7 ", 7), ("１２．５", 12.5), ("－３", -3), ("\u22124", -4), ("1,024", 1024), ("1,234,567.5", 1234567.5), ("1e-3", 0.001),
    (Decimal("2.50"), 2.5), (Decimal("4"), 4), (3, 3), (".5", 0.5),
])  # fmt: skip
def test_numbers(written: Any, read: float) -> None:
    assert number(written) == read
    assert type(number(written)) is type(read)


@pytest.mark.parametrize("written", ["", "abc", "1,5", "1_000", "nan", "inf", True, None, [], "0x10", "１" * 100, Decimal("1e400"), 10**400])
def test_what_is_no_number(written: Any) -> None:
    with pytest.raises(Unfit, match="number"):
        number(written)


def test_calibration() -> None:
    assert straight(1.0, 0.0) is None
    line = straight(2.0, 1.0)
    assert line is not None
    assert line(3) == 7.0
    true = curve([(0, 0), (100, 10), (200, 40)])
    assert [true(read) for read in (-50, 0, 50, 100, 150, 200, 300)] == [-5.0, 0.0, 5.0, 10.0, 25.0, 40.0, 70.0]


@pytest.mark.parametrize("table", [[], [(0, 0)], [(1, 0), (1, 1)], [(2, 0), (1, 1)], [(0, 0), (float("nan"), 1)], [(0, 0), (1, float("inf"))]])
def test_what_is_no_curve(table: list[tuple[float, float]]) -> None:
    with pytest.raises(Unfit, match="two pairs"):
        curve(table)
