"""The first district's rules in the engine: what they make of a storm over a catchment."""

from __future__ import annotations

from cityhub.rules.register.definition import read_rule
from cityhub.rules.rule import Rule
from tests.unit.rules.engine.scene import Scene, point, told
from tests.unit.rules.warnings.conftest import DISTRICT

REACH = "urn:ngsi-ld:WaterObserved:500114:apeng-zhuoshui"
RIVER = "urn:ngsi-ld:RiverBodyOfWater:500114:apeng"
GAUGES = [f"urn:ngsi-ld:RainGauge:500114:50011411200{number}" for number in (1, 2)]


def district(id: str) -> Rule:
    return read_rule((DISTRICT / f"rules/{id}.yaml").read_bytes())


def rain(scene: Scene, second: float, hours_3: float, hours_6: float, hours_12: float, gauge: str = GAUGES[0]) -> None:
    scene.say(
        gauge, second, kind="RainGauge", drainsTo=REACH, precipitation3h=hours_3, precipitation6h=hours_6, precipitation12h=hours_12,
        precipitation24h=hours_12,
    )  # fmt: skip


def test_the_grades_of_a_rainstorm_over_a_catchment() -> None:
    scene = Scene(district("rainstorm-signal"))
    rain(scene, 0, 1, 1, 1, GAUGES[1])
    rain(scene, 0, 20, 40, 49.9)
    rain(scene, 600, 20, 40, 50)
    rain(scene, 1200, 30, 50, 60)
    rain(scene, 1800, 50, 70, 80)
    rain(scene, 2400, 100, 110, 120)
    signals = scene.follow()
    subject = f"drainsTo={REACH}"
    assert told(signals) == [
        (subject, "raised", "blue", 600), (subject, "changed", "yellow", 1200), (subject, "changed", "orange", 1800),
        (subject, "changed", "red", 2400)]  # fmt: skip
    assert set(signals[-1].entities) == set(GAUGES)
    assert (signals[-1].inputs["rain_3h"], signals[-1].inputs["rain_6h"]) == (100, 110)


def test_one_gauge_in_rain_is_enough_and_the_storm_ends_when_all_are_dry() -> None:
    scene = Scene(district("rainstorm-signal"))
    rain(scene, 0, 60, 70, 80, GAUGES[0])
    rain(scene, 0, 0, 0, 0, GAUGES[1])
    for second in range(300, 9_000, 300):
        rain(scene, second, 0, 0, 0, GAUGES[0])
        rain(scene, second, 0, 0, 0, GAUGES[1])
    kinds = [(kind, severity) for _, kind, severity, _ in told(scene.tick(9_000))]
    assert kinds[0] == ("raised", "orange")
    assert kinds[-1][0] == "cleared"


def test_a_river_passes_its_levels_and_falls_again() -> None:
    scene = Scene(district("river-level"))
    for minute, gap in enumerate([-1.0, -0.4, -0.4, 0.1, 0.1, 1.2, 1.2, *[-1.0] * 40]):
        scene.say(
            REACH, minute * 60, kind="WaterObserved", warningGap=gap, waterLevel=round(3.6 + gap, 2), guaranteedLevel=4.6, observes=RIVER
        )
    found = told(scene.tick(60 * 60))
    assert [(kind, severity) for _, kind, severity, _ in found][:3] == [("raised", "blue"), ("changed", "yellow"), ("changed", "orange")]
    assert found[-1][1] == "cleared"


def test_heavy_rain_near_by_and_a_rising_river_are_more_than_either() -> None:
    scene = Scene(district("flash-flood"))
    scene.say("urn:ngsi-ld:WeatherObserved:1", 0, kind="WeatherObserved", precipitation=25, location=point(108.80, 29.31))
    for minute in range(0, 70, 10):
        scene.say(REACH, minute * 60, kind="WaterObserved", warningGap=-2 + minute / 100, waterLevel=1.6 + minute / 100, location=point(108.78, 29.31), observes=RIVER)
    (raised,) = scene.follow()
    assert (raised.kind, raised.severity) == ("raised", "yellow")
    dry = Scene(district("flash-flood"))
    for minute in range(0, 70, 10):
        dry.say(REACH, minute * 60, kind="WaterObserved", warningGap=-2 + minute / 100, waterLevel=1.6 + minute / 100, location=point(108.78, 29.31), observes=RIVER)
    dry.say("urn:ngsi-ld:WeatherObserved:1", 3_700, kind="WeatherObserved", precipitation=25, location=point(109.5, 29.9))
    assert dry.follow() == []


def test_a_silent_gauge_is_missed() -> None:
    scene = Scene(district("silent-rain-gauge"))
    scene.say(GAUGES[0], 0, kind="RainGauge", precipitation=0)
    assert [(kind, severity) for _, kind, severity, _ in told(scene.tick(700))] == [("raised", "blue")]
    assert [(kind, severity) for _, kind, severity, _ in told(scene.tick(3_700))] == [("changed", "yellow")]
    scene.say(GAUGES[0], 3_800, kind="RainGauge", precipitation=0)
    assert [kind for _, kind, _, _ in told(scene.follow())] == ["cleared"]
