"""The engine: which entities concern a rule, rules that fail, and rules that come, change and go."""

from __future__ import annotations

from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.jsonld import CORE
from cityhub.rules.engine.compiling import compile_rule
from cityhub.rules.engine.engine import Engine
from cityhub.rules.engine.moments import SECOND
from cityhub.rules.rule import Figure, Level, Rule, Watch
from tests.unit.rules.engine.scene import NOON, ZONE, Scene, Script, instance, iri, point, red, rule, told


def arrange(engine: Engine, *rules: Rule) -> tuple[list[str], list[str]]:
    """The rules that are to be shown the present state, and the kinds of signals."""
    anew, signals = engine.arrange([compile_rule(one, CORE, ZONE) for one in rules])
    return anew, [one.kind for one in signals]


def test_a_query_decides_who_is_watched_and_ends_an_alert() -> None:
    scene = Scene(rule(red("level > 5"), watches=Watch("Gauge", q='state=="on"')))
    scene.say("g", 0, level=6, state="off")
    assert scene.follow() == []
    scene.say("g", 1, state="on")
    scene.say("g", 2, state="off")
    assert [one.kind for one in scene.follow()] == ["raised", "cleared"]


def test_a_place_decides_who_is_watched() -> None:
    geo = {"georel": "near;maxDistance==1000", "geometry": "Point", "coordinates": [108.7, 29.5]}
    scene = Scene(rule(red("level > 5"), watches=Watch("Gauge", geo=geo)))
    scene.say("near", 0, level=6, location=point(108.701, 29.5))
    scene.say("far", 0, level=6, location=point(109.7, 29.5))
    assert [one.subject for one in scene.follow()] == ["near"]


def test_a_query_follows_a_link_and_hears_when_its_end_changes() -> None:
    scene = Scene(rule(red("level > 5"), watches=Watch("Gauge", q='basin{Basin:flooded}==true')))
    scene.say("g", 0, level=6, basin="urn:basin:1")
    assert scene.follow() == [] and scene.engine.missing() == [("", "urn:basin:1")]
    scene.say("urn:basin:1", 1, kind="Basin", flooded=True)
    assert told(scene.follow()) == [("g", "raised", "red", 0)]
    scene.say("urn:basin:1", 2, kind="Basin", flooded=False)
    assert [one.kind for one in scene.follow()] == ["cleared"]


def test_changes_that_no_rule_reads_cost_no_evaluation() -> None:
    scene = Scene(rule(red("level > 5")))
    scene.say("g", 0, level=1)
    scene.say("g", 1, battery=3)
    scene.say("other", 2, kind="Lamp", level=9)
    scene.follow()
    assert scene.engine.rules["r"].evaluated == 1


def test_a_failing_rule_says_so_and_stops_nobody() -> None:
    scene = Scene(rule(red("level + 1"), id="bad"), rule(red("level > 5"), id="good"))
    scene.say("g", 0, level=6)
    assert [one.rule for one in scene.follow()] == ["good"]
    bad = scene.engine.rules["bad"]
    assert bad.trouble == "g: it gives 7, and a condition must give true or false" and bad.failed == bad.evaluated == 1


def test_a_figure_of_what_is_no_number_fails_with_the_entity_and_the_value() -> None:
    scene = Scene(rule(red("total > 5"), figures={"total": Figure("sum", "level", over="PT1H")}))
    scene.say("g", 0, level="high")
    scene.follow()
    assert scene.engine.rules["r"].trouble == "g: figures.total: 'sum' needs a number, and 'level' is 'high'"


def test_a_rule_is_well_again_after_a_hundred_good_evaluations() -> None:
    scene = Scene(rule(red("level > 5")))
    scene.say("g", 0, level="high")
    scene.follow()
    assert "g: " in scene.engine.rules["r"].trouble
    for second in range(1, 103):
        scene.say("g", second, level=1)
    scene.follow()
    assert scene.engine.rules["r"].trouble == "" and scene.engine.rules["r"].failed == 1


def test_a_new_rule_looks_at_what_is_there() -> None:
    engine, script = Engine(), Script()
    assert arrange(engine, rule(red("level > 5"))) == (["r"], [])
    document = {"id": "g", "type": [DEFAULT_VOCAB + "Gauge"], "attrs": {iri("level"): [instance(6, 0)]}, "modifiedAt": script.say("x", 0)[5]}
    engine.show("", [document], ["r"], NOON + SECOND)
    assert told(engine.shown(["r"], NOON + SECOND)) == [("g", "raised", "red", 0)]


def test_a_new_version_keeps_windows_where_its_figures_are_the_same_and_the_alert_always() -> None:
    total = {"total": Figure("sum", "level", over="PT1H")}
    scene = Scene(rule(red("total > 5"), figures=total))
    scene.say("g", 0, level=6)
    [raised] = scene.follow()
    assert arrange(scene.engine, rule(red("total > 4"), figures=total, version=2)) == (["r"], [])
    assert scene.engine.shown(["r"], NOON + SECOND) == []
    scene.say("g", 10, level=1)
    scene.follow()
    assert scene.engine.rules["r"].subjects["g"].context["total"] == 7
    assert arrange(scene.engine, rule(red("total > 100"), figures=total, version=3)) == (["r"], [])
    [cleared] = scene.engine.shown(["r"], NOON + 20 * SECOND)
    assert (cleared.kind, cleared.alert, cleared.step, cleared.version) == ("cleared", raised.alert, 1, 3)


def test_a_rule_that_goes_ends_its_alerts_and_comes_back_with_new_ones() -> None:
    scene = Scene(rule(red("level > 5")))
    scene.say("g", 0, level=6)
    [raised] = scene.follow()
    assert arrange(scene.engine) == ([], ["cleared"])
    assert arrange(scene.engine, rule(red("level > 5"))) == (["r"], [])
    scene.say("g", 10, level=6)
    [again] = scene.follow()
    assert again.alert != raised.alert


def test_the_same_version_is_left_alone() -> None:
    scene = Scene(rule(red("level > 5"), Level("blue", "level > 1")))
    assert arrange(scene.engine, rule(red("level > 5"), Level("blue", "level > 1"))) == ([], [])


def test_a_clock_that_is_years_ahead_does_not_make_a_rule_deaf() -> None:
    scene = Scene(rule(red("total > 5"), figures={"total": Figure("sum", "level", over="PT1H")}, lateness="PT10M"))
    scene.say("g", 10**8, 0, level=1)
    scene.say("g", 60, level=5)
    assert [one.kind for one in scene.follow()] == ["raised"]
