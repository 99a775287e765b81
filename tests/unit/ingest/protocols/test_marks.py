"""Paths, watermarks and placeholders."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cityhub.ingest.protocols.marks import fill, finder, highest, path_of, set_back
from cityhub.ingest.protocols.timetable import Timetable
from cityhub.model.errors import BadRequestData


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", {"data": {"items": [{"t": 1}, {"t": 2}]}, "n": None}),
        ("data.items", [{"t": 1}, {"t": 2}]),
        ("data.items.t", [1, 2]),
        ("data.items[1].t", 1),
        ("data.items[-1].t", 2),
        ("data.items[3].t", None),
        ("data.items[0]", None),
        ("n.more", None),
    ],
)
def test_path(path: str, found: Any) -> None:
    assert path_of(path)({"data": {"items": [{"t": 1}, {"t": 2}]}, "n": None}) == found


@pytest.mark.parametrize("path", ["a[", "a]", "[x]", "a[1"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadRequestData, match="must be a path"):
        path_of(path)


def test_finder_takes_feel_where_it_is_no_path() -> None:
    answer = {"items": [{"t": 1, "ok": True}, {"t": 2, "ok": False}], "next": {"page": 2}}
    assert finder("items[ok = true].t")(answer) == [1]
    assert finder("max(items.t)")(answer) == 2
    assert finder('"/data?page=" + string(next.page)')(answer) == "/data?page=2"
    with pytest.raises(BadRequestData):
        finder("max(")


def test_highest() -> None:
    assert highest([3, None, 10, 9]) == 10
    assert highest(["9", "10"]) == "9"
    assert highest(["2026-01-01T08:00:00+08:00", "2026-01-01T00:30:00Z"]) == "2026-01-01T00:30:00Z"
    assert highest([1, 2, "rain"]) == 2
    assert highest([None, {}, []]) is None


def test_set_back() -> None:
    assert set_back("2026-01-01T08:00:00+08:00", 60) == "2025-12-31T23:59:00Z"
    assert set_back(100, 10) == 90
    assert set_back("abc", 10) == "abc"
    assert set_back(None, 10) is None


def test_placeholders() -> None:
    values = {"page": 3, "watermark": None, "cursor": "a b"}
    template = {"p": "{page}", "since": "{watermark}", "text": "page {page} of {cursor}", "list": ["{cursor}", "{watermark}", 5]}
    assert fill(template, values) == {"p": 3, "text": "page 3 of a b", "list": ["a b", 5]}


def test_timetable() -> None:
    begun = datetime(2026, 3, 1, 10, 7, tzinfo=UTC)
    assert Timetable(60, "", "UTC").following(begun) == datetime(2026, 3, 1, 10, 8, tzinfo=UTC)
    assert Timetable(60, "30 8 * * *", "Asia/Shanghai").following(begun) == datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
    for times, zone in (("8:30", "UTC"), ("", "Mars/Base"), ("0 0 31 2 *", "UTC")):
        with pytest.raises(BadRequestData):
            Timetable(60, times, zone)
