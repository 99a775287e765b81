"""Rosters: turns, seasons, real holidays and gaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.cases.duty.post import Cover, Post, Rotation, check_post
from cityhub.cases.duty.roster import Book, Shift, gaps, joined, minus, required, shifts_between, span_text
from cityhub.model.errors import BadRequestData

ZONE = ZoneInfo("Asia/Shanghai")
DAY_AND_NIGHT = Rotation("2026-01-01", ["08:30-20:30", "20:30-08:30"], [["a"], ["b"], ["c"]])
POST = Post("centre", {"zh": "中心", "en": "Centre"}, rotation=DAY_AND_NIGHT)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def test_teams_take_turns_without_a_gap() -> None:
    start, end = local("2026-01-01T08:30"), local("2026-01-04T08:30")
    shifts = shifts_between(POST, Book("centre"), start, end, ZONE)
    assert ["".join(shift.people) for shift in shifts] == ["a", "b", "c", "a", "b", "c"]
    assert gaps(POST, shifts, start, end, ZONE) == []
    far = local("2031-07-01T12:00")
    assert len(shifts_between(POST, Book("centre"), far, far + timedelta(microseconds=1), ZONE)) == 1


def test_what_is_planned_goes_before_the_rotation() -> None:
    start, end = local("2026-01-02T08:30"), local("2026-01-03T08:30")
    planned = Shift(local("2026-01-02T10:00"), local("2026-01-02T12:00"), ["x"])
    shifts = shifts_between(POST, Book("centre", [planned]), start, end, ZONE)
    assert [("".join(one.people), one.start.astimezone(ZONE).hour) for one in shifts] == [("c", 8), ("x", 10), ("c", 12), ("a", 20)]
    whole = shifts_between(POST, Book("centre", [planned], [(start, end)]), start, end, ZONE)
    assert whole == [planned]
    assert [span_text(gap, ZONE) for gap in joined(gaps(POST, whole, start, end, ZONE))] == [
        "2026-01-02 08:30 to 2026-01-02 10:00", "2026-01-02 12:00 to 2026-01-03 08:30",
    ]  # fmt: skip


def test_the_flood_season_wants_somebody_around_the_clock() -> None:
    post = Post("flood", POST.title, cover=[Cover("05-01", "09-30", source="CQT-03"), Cover(days="working", hours="09:00-18:00")])
    in_season = required(post, local("2026-07-04T00:00"), local("2026-07-05T00:00"), ZONE)
    assert in_season == [(local("2026-07-04T00:00"), local("2026-07-05T00:00"))]
    assert required(post, local("2026-10-01T00:00"), local("2026-10-08T00:00"), ZONE) == [], "the National Day"
    (made_up_for,) = required(post, local("2026-10-10T00:00"), local("2026-10-11T00:00"), ZONE)
    assert span_text(made_up_for, ZONE) == "2026-10-10 09:00 to 2026-10-10 18:00", "a Saturday on which people work"
    assert len(required(post, local("2026-09-30T00:00"), local("2026-10-01T12:00"), ZONE)) == 1


def test_a_season_over_the_turn_of_the_year() -> None:
    post = Post("snow", POST.title, cover=[Cover("12-15", "02-15")])
    assert len(required(post, local("2026-01-10T00:00"), local("2026-01-11T00:00"), ZONE)) == 1
    assert required(post, local("2026-03-10T00:00"), local("2026-03-11T00:00"), ZONE) == []


spans = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 20)), max_size=8).map(
    lambda pairs: [(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=a), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=a + b)) for a, b in pairs]
)


@given(spans, spans)
def test_what_is_left_and_what_was_taken_are_the_whole(all: list[tuple[datetime, datetime]], taken: list[tuple[datetime, datetime]]) -> None:
    def hours(some: list[tuple[datetime, datetime]]) -> set[datetime]:
        return {start + timedelta(hours=number) for start, end in some for number in range(int((end - start).total_seconds()) // 3600)}

    assert hours(minus(all, taken)) == hours(all) - hours(taken)
    assert hours(joined(all)) == hours(all)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "a b"}, "'id' must be 1 to 64 letters"),
        ({"title": {"zh": "中心"}}, "'title' must have the members zh and en"),
        ({"cover": [Cover("5-1")]}, "'cover[0].first' must be a day of the year such as 05-01"),
        ({"cover": [Cover(hours="8-17")]}, "'cover[0].hours' must be hours such as 08:30-17:30"),
        ({"rotation": Rotation("2026-13-01", ["08:30-20:30"], [["a"]])}, "'rotation.since' must be a day"),
        ({"rotation": Rotation("2026-01-01", ["08:30-20:30"], [["a", "a"]])}, "'rotation.teams[0]' must have the ids of 1 to 50 people, each once"),
        ({"rotation": Rotation("2026-01-01", ["08:30-20:30"], [])}, "1 to 100 'teams'"),
    ],
)
def test_a_post_that_cannot_be_right_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequestData) as refused:
        check_post(Post(**{"id": "p", "title": POST.title, **changes}))  # type: ignore[arg-type]
    assert said in refused.value.detail
