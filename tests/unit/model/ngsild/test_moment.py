"""DateTime texts in and out."""

from __future__ import annotations

import pytest

from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.moment import read, show


@pytest.mark.parametrize(
    ("text", "inside", "shown"),
    [
        ("2026-11-23T06:05:00Z", "2026-11-23T06:05:00.000000Z", "2026-11-23T06:05:00Z"),
        ("2026-11-23T06:05:00.000Z", "2026-11-23T06:05:00.000000Z", "2026-11-23T06:05:00Z"),
        ("2026-11-23T06:05:00,5Z", "2026-11-23T06:05:00.500000Z", "2026-11-23T06:05:00.500Z"),
        ("2026-11-23T06:05:00.123456789Z", "2026-11-23T06:05:00.123456Z", "2026-11-23T06:05:00.123456Z"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000000Z", "2024-02-29T23:59:59Z"),
    ],
)
def test_a_datetime_has_one_form_inside(text: str, inside: str, shown: str) -> None:
    assert read(text, "observedAt") == inside
    assert show(inside) == shown


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23", "06:05:00Z", "2026-11-23T06:05:00", "2026-11-23T06:05:00+08:00", "2026-11-23T06:05:00z", "2026-11-23 06:05:00Z",
        "2026-13-45T00:00:00Z", "2023-02-29T00:00:00Z", "2026-11-23T24:00:00Z", "2026-W11-1T13:00:00Z", "2026-11-23T06:05Z",
        "2026-11-23T06:05:00.Z", "2026-11-23T06:05:00.1٢Z", "20261123T060500Z", "2026-11-23T06:05:00.5.5Z", "", "Z", None, 5, True, {}, ["Z"],
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_name(value: object) -> None:
    with pytest.raises(BadRequestData, match=r"speed\.observedAt"):
        read(value, "speed.observedAt")
