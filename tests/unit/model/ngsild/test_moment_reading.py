"""DateTime texts."""

from __future__ import annotations

import pytest

from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild import moment


@pytest.mark.parametrize(
    ("given", "inside"),
    [
        ("2026-11-23T06:05:00Z", "2026-11-23T06:05:00.000000Z"),
        ("2026-11-23T06:05:00.5Z", "2026-11-23T06:05:00.500000Z"),
        ("2026-11-23T06:05:00,25Z", "2026-11-23T06:05:00.250000Z"),
        ("2026-11-23T06:05:00.1234567890123456789Z", "2026-11-23T06:05:00.123456Z"),
    ],
)
def test_reads(given: str, inside: str) -> None:
    assert moment.read(given, "observedAt") == inside
    assert moment.read(given, "observedAt") == inside  # and again from memory


@pytest.mark.parametrize(
    "given",
    [
        "", "Z", "2026-11-23", "2026-11-23T06:05Z", "2026-11-23T06:05:0Z", "2026-11-23T06+01:00Z", "2026-11-23T06:05+01Z",
        "2026-11-23T06:05:00", "2026-11-23T06:05:00+08:00", "2026-11-23T06:05:00.Z", "2026-11-23T06:05:00.5xZ", "2026-13-23T06:05:00Z",
        "2026-11-23 06:05:00Z", "2026-11-23T06:05:00Z" * 3, "x" * 100_000 + "Z", None, 5, ["2026-11-23T06:05:00Z"],
    ],
)  # fmt: skip
def test_refuses(given: object) -> None:
    with pytest.raises(BadRequestData, match="'observedAt' must be a UTC date and time"):
        moment.read(given, "observedAt")
