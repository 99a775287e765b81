"""Levels: when alerts are raised, change and end."""

from __future__ import annotations

from cityhub.rules.rule import Level
from tests.unit.rules.engine.scene import Scene, red, rule, told


def test_an_alert_is_raised_once_and_cleared_with_its_reason() -> None:
    scene = Scene(rule(red("level > 5")))
    for second, level in enumerate((1, 6, 7, 5)):
        scene.say("g", second, level=level)
    raised, cleared = scene.follow()
    assert told([raised, cleared]) == [("g", "raised", "red", 1), ("g", "cleared", "red", 3)]
    assert raised.alert == cleared.alert and (raised.step, cleared.step) == (0, 1)
    assert raised.inputs == {"level": 6, "level at": "2026-11-23T04:00:01.000000Z"}
    assert raised.condition == "level > 5" and raised.entities == ["g"] and raised.position == 2


def test_hysteresis_keeps_an_alert_until_the_other_threshold() -> None:
    scene = Scene(rule(red("level > 5", clear="level < 4")))
    for second, level in enumerate((6, 4.5, 5.5, 4, 3.9)):
        scene.say("g", second, level=level)
    assert told(scene.follow()) == [("g", "raised", "red", 0), ("g", "cleared", "red", 4)]


def test_several_levels_are_one_alert_that_changes() -> None:
    scene = Scene(rule(red("level > 5"), Level("blue", "level > 3")))
    for second, level in enumerate((4, 6, 4, 1)):
        scene.say("g", second, level=level)
    signals = scene.follow()
    assert [(one.kind, one.severity) for one in signals] == [
        ("raised", "blue"), ("changed", "red"), ("changed", "blue"), ("cleared", "blue"),
    ]  # fmt: skip
    assert len({one.alert for one in signals}) == 1


def test_a_condition_must_hold_by_the_time_of_observations() -> None:
    scene = Scene(rule(red("level > 5", hold="PT10M")))
    scene.say("g", 0, level=6)
    scene.say("g", 300, level=4)
    scene.say("g", 400, level=6)
    scene.say("g", 1000, level=6)
    assert told(scene.follow()) == [("g", "raised", "red", 1000)]


def test_a_condition_that_holds_while_nothing_comes_is_told_when_it_falls_due() -> None:
    scene = Scene(rule(red("level > 5", hold="PT10M")))
    scene.say("g", 0, level=6)
    assert scene.tick(599) == []
    assert told(scene.tick(700)) == [("g", "raised", "red", 600)]


def test_what_is_observed_an_hour_ago_does_not_hold_by_the_clock_of_today() -> None:
    scene = Scene(rule(red("level > 5", hold="PT10M")))
    scene.say("g", 0, 3600, level=6)
    scene.say("g", 60, 3601, level=1)
    assert scene.tick(7200) == []


def test_an_alert_ends_only_after_its_end_has_held() -> None:
    scene = Scene(rule(red("level > 5", clear_hold="PT5M")))
    for second, level in ((0, 6), (10, 1), (100, 6), (200, 1), (501, 1)):
        scene.say("g", second, level=level)
    assert told(scene.follow()) == [("g", "raised", "red", 0), ("g", "cleared", "red", 500)]


def test_a_missing_value_neither_raises_nor_clears() -> None:
    scene = Scene(rule(red("level > 5 and flow > 1")))
    scene.say("g", 0, level=6)
    assert scene.follow() == []
    scene.say("g", 1, flow=2)
    scene.say("g", 2, flow=None)
    assert told(scene.follow()) == [("g", "raised", "red", 1)]


def test_the_second_alert_of_a_subject_has_another_id_even_at_the_same_moment() -> None:
    scene = Scene(rule(red("level > 5")))
    for level in (6, 1, 6):
        scene.say("g", 0, level=level)
    first, _, second = scene.follow()
    assert first.alert != second.alert and first.at < second.at


def test_an_alert_ends_with_its_entity() -> None:
    scene = Scene(rule(red("level > 5")))
    scene.say("g", 0, level=6)
    scene.delete("g", 9)
    assert [one.kind for one in scene.follow()] == ["raised", "cleared"]
    assert scene.engine.rules["r"].subjects == {}


def test_the_place_of_the_subject_travels_with_the_signal() -> None:
    scene = Scene(rule(red("level > 5")))
    place = {"type": "Point", "coordinates": [108.7, 29.5]}
    scene.say("g", 0, level=1, location=place)
    scene.say("g", 1, level=6)
    [raised] = scene.follow()
    assert raised.location == place
