"""The simulated sensors of a district, and what they say as NGSI-LD entities in concise form.

Every attribute carries `simulated: true` and, as `provenance`, the feed that made it; every name says 模拟.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from cityhub.ingest.simulation import activity
from cityhub.ingest.simulation.air import air_quality_index, level_of
from cityhub.ingest.simulation.rain import Point
from cityhub.ingest.simulation.world import World

Entity = dict[str, Any]
Measure = tuple[float | int | bool, str]
"""Value and UN/CEFACT unit code; "" for a value without unit."""

CELSIUS, FRACTION, HECTOPASCAL, METRE_PER_SECOND, MILLIMETRE, METRE = "CEL", "C62", "A97", "MTS", "MMT", "MTR"
CUBIC_METRE_PER_SECOND, CUBIC_METRE, MICROGRAM_PER_CUBIC_METRE = "MQS", "MTQ", "GQ"
KILOWATT, KILOMETRE_PER_HOUR, PERSON = "KWT", "KMH", "IE"
PER_HOUR = "H10"
GUARANTEED_ABOVE_M = 1.0
"""So far above the warning level lies the guaranteed level of the model's rivers: an assumption, as the levels themselves are."""


class Sensor(msgspec.Struct, frozen=True):
    """A simulated sensor.

    Attributes:
        id: The entity's URN.
        type: Its NGSI-LD type.
        scope: Its scope in the district.
        names: Its name by language.
        observes: The entity that it is about.
        point: Where it is; None when that is not known.
        read: What it shows at a moment: attributes by name.
        fixed: Attributes that do not change.
    """

    id: str
    type: str
    scope: str
    names: dict[str, str]
    observes: str
    point: Point | None
    read: Callable[[datetime], dict[str, Measure | str]]
    fixed: dict[str, Any] = {}


def introduce(sensor: Sensor) -> Entity:
    """The part of a sensor's entity that does not change: name, place, what it is about."""
    entity: Entity = {"id": sensor.id, "type": sensor.type, "scope": sensor.scope}
    entity["name"] = {"languageMap": sensor.names}
    entity["observes"] = {"object": sensor.observes}
    if sensor.point:
        entity["location"] = {"value": {"type": "Point", "coordinates": list(sensor.point)}, "approximate": True}
    return {**entity, **sensor.fixed}


def observe(sensor: Sensor, moment: datetime, observed_at: str, feed: str) -> Entity:
    """What a sensor says at a moment, each attribute marked as simulated. Grades are terms (VocabProperty)."""
    entity: Entity = {"id": sensor.id, "type": sensor.type}
    for attribute, reading in sensor.read(moment).items():
        instance: dict[str, Any]
        if isinstance(reading, str):
            instance = {"vocab": reading}
        else:
            value, unit = reading
            instance = {"value": value}
            if unit:
                instance["unitCode"] = unit
        instance["observedAt"] = observed_at
        instance["simulated"] = True
        instance["provenance"] = {"object": feed}
        entity[attribute] = instance
    return entity


def readings_of(sensor: Sensor, moment: datetime) -> dict[str, float | int | bool | str]:
    """What a sensor shows at a moment as a device would say it: bare values by name."""
    return {name: reading if isinstance(reading, str) else reading[0] for name, reading in sensor.read(moment).items()}


def sensors_of(world: World, code: str) -> dict[str, list[Sensor]]:
    """All simulated sensors of a district by feed id. `code` is the district's, for the URNs."""
    return {
        "weather": _weather(world, code),
        "rain-gauges": _rain_gauges(world, code),
        "rivers": _rivers(world, code),
        "reservoirs": _reservoirs(world, code),
        "air-quality": _air(world, code),
        "traffic": _traffic(world, code),
        "visitors": _visitors(world, code),
        "power": _power(world, code),
    }


def _named(names: dict[str, str], zh: str, en: str) -> dict[str, str]:
    return {"zh": f"{names['zh']}{zh}（模拟）", "en": f"{names['en']} {en} (simulated)"}


def _weather(world: World, code: str) -> list[Sensor]:
    def reader(number: int) -> Callable[[datetime], dict[str, Measure | str]]:
        def read(moment: datetime) -> dict[str, Measure | str]:
            now = world.weather(number, moment)
            return {
                "temperature": (round(now.temperature_c, 1), CELSIUS),
                "relativeHumidity": (round(now.relative_humidity, 2), FRACTION),
                "atmosphericPressure": (round(now.pressure_hpa, 1), HECTOPASCAL),
                "windSpeed": (round(now.wind_m_per_s, 1), METRE_PER_SECOND),
                "precipitation": (round(world.rain.depth_mm(number, moment.timestamp() - 3600, moment.timestamp()), 1), MILLIMETRE),
            }
        return read

    return [
        Sensor(
            f"urn:ngsi-ld:WeatherObserved:{code}:{town.code}", "WeatherObserved", town.scope, _named(town.names, "气象", "weather"),
            town.id, town.point, reader(number),
        )
        for number, town in enumerate(world.towns)
    ]


def _rain_gauges(world: World, code: str) -> list[Sensor]:
    def reader(number: int) -> Callable[[datetime], dict[str, Measure | str]]:
        def read(moment: datetime) -> dict[str, Measure | str]:
            return {
                "precipitation": (round(world.village_rain_mm(number, moment, 1), 1), MILLIMETRE),
                **{
                    f"precipitation{hours}h": (round(world.village_rain_mm(number, moment, hours), 1), MILLIMETRE)
                    for hours in (3, 6, 12, 24)
                },
            }
        return read

    return [
        Sensor(
            f"urn:ngsi-ld:RainGauge:{code}:{village.code}", "RainGauge", village.scope, _named(village.names, "雨量", "rain gauge"),
            village.id, None, reader(number), _drains(world, code, world.towns[village.town].code),
        )
        for number, village in enumerate(world.villages)
    ]


def _drains(world: World, code: str, town: str) -> dict[str, Any]:
    """The relationship to the level gauge of the reach that a town drains into; none where the model has none."""
    for plan in world.parameters.reach:
        if town in plan.towns:
            gauge = f"urn:ngsi-ld:WaterObserved:{code}:{plan.id}"
            return {"drainsTo": {"object": gauge, "simulated": True, "note": "演示用假设的水系拓扑"}}
    return {}


def _rivers(world: World, code: str) -> list[Sensor]:
    def reader(reach: str, warning_m: float) -> Callable[[datetime], dict[str, Measure | str]]:
        def read(moment: datetime) -> dict[str, Measure | str]:
            now = world.gauge(reach)
            return {
                "waterLevel": (round(now.level_m, 2), METRE),
                "flow": (round(now.flow_m3_per_s, 1), CUBIC_METRE_PER_SECOND),
                "warningGap": (round(now.level_m - warning_m, 2), METRE),
            }
        return read

    sensors = []
    for plan in world.parameters.reach:
        town = world.towns[world.town_number(plan.at_town)]
        point = (round(town.point[0] + plan.offset_deg[0], 5), round(town.point[1] + plan.offset_deg[1], 5))
        warning = {"value": plan.warning_m, "unitCode": METRE, "simulated": True, "note": "演示用假设值，非公布的警戒水位"}
        guaranteed = {**warning, "value": round(plan.warning_m + GUARANTEED_ABOVE_M, 2), "note": "演示用假设值，非公布的保证水位"}
        sensors.append(Sensor(
            f"urn:ngsi-ld:WaterObserved:{code}:{plan.id}", "WaterObserved", town.scope, plan.names, plan.river, point,
            reader(plan.id, plan.warning_m), {"warningLevel": warning, "guaranteedLevel": guaranteed},
        ))
    return sensors


def _reservoirs(world: World, code: str) -> list[Sensor]:
    def reader(basin: str, full_m: float) -> Callable[[datetime], dict[str, Measure | str]]:
        def read(moment: datetime) -> dict[str, Measure | str]:
            level_m = world.waters.basin_level_m(basin)
            return {
                "waterLevel": (round(level_m, 2), METRE),
                "storageVolume": (round(world.waters.basin_stored_m3(basin)), CUBIC_METRE),
                "fillFraction": (round(level_m / full_m, 3), FRACTION),
            }
        return read

    return [
        Sensor(
            f"urn:ngsi-ld:WaterObserved:{code}:{plan.id}", "WaterObserved", world.towns[world.town_number(plan.town)].scope,
            plan.names, plan.observes, None, reader(plan.id, plan.full_m),
        )
        for plan in world.parameters.basin
    ]


def _air(world: World, code: str) -> list[Sensor]:
    def reader(number: int) -> Callable[[datetime], dict[str, Measure | str]]:
        def read(moment: datetime) -> dict[str, Measure | str]:
            now = world.air(number, moment)
            index = air_quality_index(now)
            return {
                "airQualityIndex": (index, ""),
                "airQualityLevel": level_of(index),
                "pm25": (round(now.pm25), MICROGRAM_PER_CUBIC_METRE),
                "pm10": (round(now.pm10), MICROGRAM_PER_CUBIC_METRE),
                "no2": (round(now.no2), MICROGRAM_PER_CUBIC_METRE),
                "o3": (round(now.o3), MICROGRAM_PER_CUBIC_METRE),
            }
        return read

    return [
        Sensor(
            f"urn:ngsi-ld:AirQualityObserved:{code}:{town.code}", "AirQualityObserved", town.scope,
            _named(town.names, "空气质量", "air quality"), town.id, town.point, reader(number),
        )
        for number, town in enumerate(world.towns)
    ]


def _traffic(world: World, code: str) -> list[Sensor]:
    def reader(number: int, capacity_per_h: float) -> Callable[[datetime], dict[str, Measure | str]]:
        def read(moment: datetime) -> dict[str, Measure | str]:
            flow = world.vehicles_per_h(number, moment)
            speed = activity.speed_km_per_h(flow, capacity_per_h)
            return {
                "intensity": (round(flow), PER_HOUR),
                "averageVehicleSpeed": (round(speed, 1), KILOMETRE_PER_HOUR),
                "congested": (speed < 30.0, ""),
            }
        return read

    return [
        Sensor(
            f"urn:ngsi-ld:TrafficFlowObserved:{code}:{town.code}", "TrafficFlowObserved", town.scope,
            _named(town.names, "主路口车流", "main crossing traffic"), town.id, town.point,
            reader(number, activity.capacity_per_h(town.population)),
        )
        for number, town in enumerate(world.towns)
    ]


def _visitors(world: World, code: str) -> list[Sensor]:
    def reader(number: int) -> Callable[[datetime], dict[str, Measure | str]]:
        def read(moment: datetime) -> dict[str, Measure | str]:
            return {"peopleCount": (world.people_present(number, moment), PERSON)}
        return read

    sensors = []
    for number, plan in enumerate(world.parameters.spot):
        town = world.towns[world.town_number(plan.at_town)]
        sensors.append(Sensor(
            f"urn:ngsi-ld:CrowdFlowObserved:{code}:{plan.observes.rsplit(':', 1)[1]}", "CrowdFlowObserved", town.scope,
            plan.names, plan.observes, None, reader(number),
        ))
    return sensors


def _power(world: World, code: str) -> list[Sensor]:
    def reader(number: int) -> Callable[[datetime], dict[str, Measure | str]]:
        def read(moment: datetime) -> dict[str, Measure | str]:
            return {"totalActivePower": (round(world.load_kw(number, moment)), KILOWATT)}
        return read

    return [
        Sensor(
            f"urn:ngsi-ld:ACMeasurement:{code}:{town.code}", "ACMeasurement", town.scope, _named(town.names, "用电负荷", "power load"),
            town.id, town.point, reader(number),
        )
        for number, town in enumerate(world.towns)
    ]
