"""Profiles: what a library says of rows that are right and wrong."""

from __future__ import annotations

import msgspec
import pytest

from cityhub.catalogue.model import Field, Rule
from cityhub.catalogue.quality import Quality
from tests.unit.catalogue.conftest import SDM, WEATHER, City, entity

pytest.importorskip("pointblank")

FIELDS = [Field("id"), Field("level", "number"), Field("grade"), Field("at", "datetime")]
ROWS = [
    ["a", 1.0, "blue", "2026-11-23T06:00:00Z"],
    ["b", 99.0, "blue", "2026-11-23T06:04:00Z"],
    ["b", None, "pink", None],
    ["d", 2.0, None, "not a time"],
]


def checked(rule: Rule) -> tuple[int, int, bool]:
    from cityhub.catalogue.profiling import Job, profile

    (found,) = profile(Job(FIELDS, ROWS, [rule], "2026-11-23T06:05:00Z"))["rules"]
    return found["tested"], found["passed"], found["holds"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("complete", "id"), (4, 4, True)), (Rule("complete", "level"), (4, 3, False)), (Rule("complete", "level", share=0.75), (4, 3, True)),
        (Rule("unique", "id"), (4, 2, False)), (Rule("unique", "level"), (3, 3, True)), (Rule("between", "level", 0, 10), (3, 2, False)),
        (Rule("between", "level", low=1), (3, 3, True)), (Rule("one of", "grade", values=["blue", "red"]), (3, 2, False)),
        (Rule("pattern", "id", pattern="^[a-z]$"), (4, 4, True)), (Rule("pattern", "grade", pattern="^b"), (3, 2, False)),
        (Rule("fresh", "at", high=60), (1, 1, True)), (Rule("fresh", "at", high=59), (1, 0, False)),
    ],
)  # fmt: skip
def test_rules(rule: Rule, expected: tuple[int, int, bool]) -> None:
    assert checked(rule) == expected


def test_figures_of_a_table() -> None:
    from cityhub.catalogue.profiling import Job, profile

    found = profile(Job(FIELDS, ROWS, [Rule("between", "level", 0, 10), Rule("fresh", "at", high=60)], "2026-11-23T06:05:00Z"))
    assert (found["rows"], found["completeness"], found["timeliness"], found["validity"]) == (4, 0.8125, 1.0, 0.6667)
    level = next(field for field in found["fields"] if field["name"] == "level")
    assert (level["complete"], level["least"], level["mean"], level["greatest"]) == (0.75, 1.0, 34.0, 99.0)
    empty = profile(Job(FIELDS, [], [Rule("complete", "id"), Rule("fresh", "at", high=60)], "2026-11-23T06:05:00Z"))
    assert (empty["rows"], empty["completeness"], empty["timeliness"], empty["validity"]) == (0, None, None, None)


async def test_profiles_are_made_in_a_process_of_their_own_and_kept(around: City) -> None:
    quality: Quality = around.catalogue.quality
    weather = (await around.catalogue.register.contents("")).datasets.find("weather-observed")
    first = await quality.measure("", weather)
    assert (first["rows"], first["validity"]) == (3, 1.0)
    assert first["timeliness"] == 1.0
    await around.put([entity(WEATHER, 5, {f"{SDM}Weather/temperature": (99.0, "CEL")})])
    second = await quality.measure("", weather)
    assert second["validity"] < 1
    (broken,) = [rule for rule in second["rules"] if not rule["holds"]]
    assert (broken["kind"], broken["field"], broken["tested"], broken["passed"]) == ("between", "temperature", 4, 3)
    assert [one["at"] for one in await quality.history("", weather)] == [first["at"], second["at"]]


async def test_each_dataset_with_rows_gets_a_profile_once(around: City) -> None:
    quality = around.catalogue.quality
    made = await quality.renew()
    contents = await around.catalogue.register.contents("")
    assert made == sum(one.origin.kind == "entity type" for one in contents.datasets.all)
    assert await quality.renew() == 0
    assert set(msgspec.to_builtins(await quality.latest(""))) <= {one.id for one in contents.datasets.all}
