"""Figures: windows, silence, groups, and what is near."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.rules.engine.engine import Engine
from cityhub.rules.engine.state import frozen, thaw
from cityhub.rules.rule import Figure, Near, Watch
from tests.unit.rules.engine.scene import Scene, iri, point, red, rule, told


def figure_of(function: str, values: list[tuple[float, Any]], **members: Any) -> Any:
    """The figure of one entity after values at seconds."""
    scene = Scene(rule(red("x > 1000000"), figures={"x": Figure(function, "level", **members)}))  # type: ignore[arg-type]
    for second, value in values:
        scene.say("g", second, level=value)
    scene.follow()
    assert scene.engine.rules["r"].trouble == ""
    return scene.engine.rules["r"].subjects["g"].context["x"]


VALUES: list[tuple[float, Any]] = [(0, 100), (61, 0.1), (62, 0.2), (63, 0.6)]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("sum", 0.9), ("average", 0.3), ("minimum", 0.1), ("maximum", 0.6), ("count", 3), ("first", 0.1), ("last", 0.6),
        ("median", 0.2), ("increase", 0.5), ("rate", 900), ("stddev", pytest.approx(0.26457513)),
    ],
)  # fmt: skip
def test_a_sliding_window_forgets_exactly(function: str, expected: Any) -> None:
    assert figure_of(function, VALUES, over="PT1M") == expected


def test_a_tumbling_window_begins_anew_at_midnight_of_the_district() -> None:
    to_midnight = 12 * 3600
    assert figure_of("sum", [(0, 5), (to_midnight - 1, 7)], over="P1D", window="tumbling") == 12
    assert figure_of("sum", [(0, 5), (to_midnight - 1, 7), (to_midnight, 1)], over="P1D", window="tumbling") == 1


def test_a_session_ends_with_a_long_pause() -> None:
    assert figure_of("count", [(0, 1), (50, 1), (100, 1)], over="PT1M", window="session") == 3
    assert figure_of("count", [(0, 1), (50, 1), (111, 1)], over="PT1M", window="session") == 1


def test_a_late_observation_counts_at_its_place_and_a_too_late_one_does_not() -> None:
    scene = Scene(rule(red("total >= 30"), figures={"total": Figure("sum", "rain", over="PT1H")}, lateness="PT10M"))
    scene.say("g", 0, rain=10)
    scene.say("g", 1200, rain=10)
    scene.say_late("g", 500, 1210, rain=10)
    assert scene.follow() == [] and scene.engine.rules["r"].too_late == 1
    scene.say_late("g", 900, 1220, rain=10)
    [raised] = scene.follow()
    assert raised.inputs["total"] == 30 and raised.at == "2026-11-23T04:20:00.000000Z"


def test_what_comes_twice_counts_once_and_a_correction_takes_its_place() -> None:
    assert figure_of("sum", [(0, 5), (10, 7), (10, 7), (10, 8)], over="PT1H") == 13


def test_an_expression_may_be_what_is_summed_up() -> None:
    scene = Scene(rule(red("work > 20"), figures={"work": Figure("sum", "level * flow", over="PT1H")}))
    scene.say("g", 0, level=2, flow=3)
    scene.say("g", 1, level=5, flow=3)
    [raised] = scene.follow()
    assert raised.inputs["work"] == 21


def test_silence_is_told_when_it_falls_due() -> None:
    scene = Scene(rule(red("age > 1800"), figures={"age": Figure("age", "level")}))
    scene.say("g", 0, level=1)
    scene.say("g", 60, level=1)
    assert scene.tick(1859) == []
    assert told(scene.tick(2000)) == [("g", "raised", "red", pytest.approx(1860.001))]
    scene.say("g", 2100, level=1)
    assert [one.kind for one in scene.follow()] == ["cleared"]


def test_silence_is_told_before_what_comes_afterwards() -> None:
    scene = Scene(rule(red("age > 1800"), figures={"age": Figure("age", "level")}))
    scene.say("g", 0, level=1)
    scene.say("g", 4000, level=1)
    assert [one.kind for one in scene.follow()] == ["raised", "cleared"]


def test_a_group_is_one_subject() -> None:
    total = Figure("sum", "rain", over="PT1H")
    scene = Scene(rule(red("total > 50"), figures={"total": total}, group_by="basin"))
    scene.say("a", 0, rain=30, basin="urn:basin:1")
    scene.say("b", 0, rain=30, basin="urn:basin:2")
    assert scene.follow() == []
    scene.say("c", 0, rain=21, basin="urn:basin:1")
    [raised] = scene.follow()
    assert raised.subject == "basin=urn:basin:1" and raised.entities == ["a", "c"] and raised.inputs["total"] == 51


def test_a_group_without_a_window_is_of_what_its_members_say_now() -> None:
    scene = Scene(rule(red("down >= 2"), figures={"down": Figure("sum", "if state = \"down\" then 1 else 0")}, group_by="*"))
    for id in "abc":
        scene.say(id, 0, state="up")
    scene.say("a", 1, state="down")
    scene.say("b", 2, state="down")
    assert told(scene.follow()) == [("*", "raised", "red", 2)]
    scene.delete("b", 3)
    assert [one.kind for one in scene.follow()] == ["cleared"]


def test_an_entity_that_changes_its_group_counts_there() -> None:
    scene = Scene(rule(red("n > 1"), figures={"n": Figure("count", "level")}, group_by="area"))
    scene.say("a", 0, level=1, area="x")
    scene.say("b", 1, level=1, area="y")
    scene.say("b", 2, area="x")
    assert told(scene.follow()) == [("area=x", "raised", "red", 1)]
    assert list(scene.engine.rules["r"].subjects) == ["area=x"]


def nearby(**members: Any) -> Scene:
    """Schools, and pumps about them that may be flooded."""
    near = Near(Watch("Pump", q="level>5"), **members)
    return Scene(rule(red("flooded >= 2"), watch="School", figures={"flooded": Figure("count", near=near, over="PT10M")}))


def test_what_happens_about_an_entity_is_told_of_it() -> None:
    scene = nearby(radius_m=500.0)
    scene.say("school", 0, kind="School", name="一中", location=point(108.7, 29.5))
    scene.say("p1", 10, kind="Pump", level=6, location=point(108.701, 29.5))
    scene.say("p2", 20, kind="Pump", level=6, location=point(108.9, 29.5))
    assert scene.follow() == []
    scene.say("p3", 30, kind="Pump", level=6, location=point(108.699, 29.501))
    [raised] = scene.follow()
    assert told([raised]) == [("school", "raised", "red", 30)] and raised.entities == ["school", "p1", "p3"]
    scene.say("p3", 40, kind="Pump", level=1)
    assert [one.kind for one in scene.follow()] == ["cleared"]


def test_what_happened_long_ago_is_not_near_in_time() -> None:
    scene = nearby(radius_m=500.0)
    scene.say("school", 0, kind="School", location=point(108.7, 29.5))
    scene.say("p1", 0, kind="Pump", level=6, location=point(108.701, 29.5))
    scene.say("p2", 700, kind="Pump", level=6, location=point(108.701, 29.5))
    assert scene.follow() == []


def test_a_link_may_join_what_is_apart() -> None:
    scene = nearby(link="servedBy")
    scene.say("school", 0, kind="School", servedBy="urn:station:1")
    scene.say("p1", 1, kind="Pump", level=6, servedBy="urn:station:1")
    scene.say("p2", 2, kind="Pump", level=6, servedBy="urn:station:2")
    scene.say("p3", 3, kind="Pump", level=6, servedBy="school")
    assert told(scene.follow()) == [("school", "raised", "red", 3)]


class Kept:
    """Models that expect what the journal last said."""

    def __init__(self) -> None:
        self.levels: dict[str, float] = {}

    def take(self, tenant: str, id: str, document: dict[str, Any] | None) -> None:
        if document is None:
            self.levels.pop(id)
        else:
            self.levels[id] = document["level"]

    def surprise(self, tenant: str, entity: str, attribute: str, value: float, at: int) -> float | None:
        level = self.expected(tenant, entity, attribute, at)
        return None if level is None else min(1.0, abs(value - level) / 10)

    def expected(self, tenant: str, entity: str, attribute: str, at: int) -> float | None:
        return self.levels.get(f"{entity} {attribute}")


def test_models_of_history_come_by_the_journal_and_are_kept() -> None:
    figures = {"odd": Figure("anomaly", "level"), "soon": Figure("forecast", "level", ahead="PT1H")}
    scene = Scene(rule(red("odd > 0.8 and soon < level"), figures=figures), models=Kept())
    scene.say("g", 0, level=19)
    scene.model(f"g {iri('level')}", 1, {"level": 10})
    scene.say("g", 2, level=11)
    scene.say("g", 3, level=19)
    [raised] = scene.follow()
    assert raised.inputs["odd"] == 0.9 and raised.inputs["soon"] == 10
    after = Engine(Kept())
    after.arrange([running.compiled for running in scene.engine.rules.values()])
    thaw(after, frozen(scene.engine))
    scene.say("g", 4, level=11)
    assert [one.kind for one in after.take(scene.entries[-1:])] == ["cleared"]
