"""A post: where somebody must be on duty, when, and who takes turns there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Final, Literal

import msgspec

from cityhub.model.errors import BadRequestData

Days = Literal["all", "working", "free"]
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAY: Final = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)")
MOST_TEAMS: Final = 100
MOST_TEAM: Final = 50


class Cover(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When somebody must be there.

    Attributes:
        first: First day of a season, "MM-DD".
        last: Last day of it; before `first`: over the turn of the year.
        days: All days, working days, or days off; by the real holiday calendar.
        hours: "HH:MM-HH:MM" of the district's time, "00:00-24:00" round the clock; the second before the first: over midnight.
        source: Law or rule that wants it.
    """

    first: str = "01-01"
    last: str = "12-31"
    days: Days = "all"
    hours: str = "00:00-24:00"
    source: str = ""


class Rotation(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Teams that take turns without an end.

    Attributes:
        since: The day on which the first team begins, "YYYY-MM-DD".
        shifts: Hours of each day's shifts in their order, as `Cover.hours`.
        teams: Ids of people, the one in charge first; each shift the next team.
        days: On which days there are shifts.
    """

    since: str
    shifts: list[str]
    teams: list[list[str]]
    days: Days = "all"


class Post(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A post.

    Attributes:
        id: Letters, digits, "-" and "_".
        title: By language ("zh", "en").
        department: Id of the organization whose leaders hear of gaps.
        cover: When somebody must be there; empty: always.
        rotation: Who takes turns where nothing else is planned; None: nobody.
        simulated: Whether it is made up for trying the hub out.
        version: Counted by the hub.
    """

    id: str
    title: dict[str, str]
    department: str = ""
    cover: list[Cover] = []
    rotation: Rotation | None = None
    simulated: bool = False
    version: int = 1


def check_post(post: Post) -> None:
    """Raises BadRequestData naming the member that is wrong and what would be right."""
    if not _ID.fullmatch(post.id):
        raise BadRequestData("'id' must be 1 to 64 letters, digits, '-' and '_'")
    if set(post.title) != {"zh", "en"} or not all(0 < len(text) <= 200 for text in post.title.values()):
        raise BadRequestData("'title' must have the members zh and en, of 1 to 200 characters")
    if len(post.cover) > 20:
        raise BadRequestData("'cover' may have at most 20 items")
    for place, cover in enumerate(post.cover):
        for name in ("first", "last"):
            if not _DAY.fullmatch(getattr(cover, name)):
                raise BadRequestData(f"'cover[{place}].{name}' must be a day of the year such as 05-01")
        _check_hours(cover.hours, f"cover[{place}].hours")
    if post.rotation is not None:
        _check_rotation(post.rotation)


def _check_rotation(rotation: Rotation) -> None:
    try:
        date.fromisoformat(rotation.since)
    except ValueError:
        raise BadRequestData("'rotation.since' must be a day such as 2026-01-01") from None
    if not 1 <= len(rotation.shifts) <= 24 or not 1 <= len(rotation.teams) <= MOST_TEAMS:
        raise BadRequestData(f"'rotation' must have 1 to 24 'shifts' and 1 to {MOST_TEAMS} 'teams'")
    for place, hours in enumerate(rotation.shifts):
        _check_hours(hours, f"rotation.shifts[{place}]")
    for place, team in enumerate(rotation.teams):
        check_team(team, f"rotation.teams[{place}]")


def check_team(team: Sequence[str], where: str) -> None:
    """Raises BadRequestData for a team of nobody, of too many, or with somebody twice."""
    if not 1 <= len(team) <= MOST_TEAM or len(set(team)) != len(team) or not all(0 < len(id) <= 500 for id in team):
        raise BadRequestData(f"'{where}' must have the ids of 1 to {MOST_TEAM} people, each once, the one in charge first")


def _check_hours(hours: str, where: str) -> None:
    if not _HOURS.fullmatch(hours) or hours[:5] == hours[6:]:
        raise BadRequestData(f"'{where}' must be hours such as 08:30-17:30; 00:00-24:00 is round the clock")
