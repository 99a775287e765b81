"""A catalogue on a real store, with the words of the first district and some entities of its kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.catalogue.assembly import Around, Catalogue
from cityhub.catalogue.district_words import Place
from cityhub.model.entity import Entity
from cityhub.model.ports import ENTITIES, Write
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.application import Application

DISTRICT = Path(__file__).parents[3] / "districts/qianjiang"
SDM = "https://smartdatamodels.org/dataModel."
WEATHER, WATER, POWER = f"{SDM}Weather/WeatherObserved", f"{SDM}Environment/WaterObserved", f"{SDM}Energy/ACMeasurement"
AIR, TRAFFIC, CROWD = f"{SDM}Environment/AirQualityObserved", f"{SDM}Transportation/TrafficFlowObserved", f"{SDM}Transportation/CrowdFlowObserved"
ORGANIZATION = f"{SDM}Organization/Organization"
FEED = "https://cityhub.example/terms/Feed"
NAME = "https://smartdatamodels.org/name"
TYPES = {
    "WeatherObserved": (WEATHER, {f"{SDM}Weather/temperature": (12.5, "CEL"), f"{SDM}Weather/precipitation": (0.4, "MMT")}),
    "WaterObserved": (WATER, {f"{SDM}Environment/waterLevel": (2.25, "MTR")}),
    "ACMeasurement": (POWER, {f"{SDM}Energy/totalActivePower": (1200.0, "KWT")}),
    "AirQualityObserved": (AIR, {f"{SDM}Environment/pm25": (31.0, "GQ")}),
    "TrafficFlowObserved": (TRAFFIC, {f"{SDM}Transportation/intensity": (420.0, "H10")}),
    "CrowdFlowObserved": (CROWD, {f"{SDM}Transportation/peopleCount": (88, "IE")}),
    "Village": ("https://cityhub.example/terms/Village", {"https://cityhub.example/terms/divisionCode": ("500114001001", "")}),
}  # fmt: skip


class TickingClock:
    """A clock that goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


class City:
    """What a test has in hand: store, catalogue, application and the clock."""

    def __init__(self, store: SqliteStore, catalogue: Catalogue, clock: TickingClock) -> None:
        self.store = store
        self.catalogue = catalogue
        self.clock = clock
        self.application = Application(catalogue.routes(), LoopbackAccess(), 1_000_000)

    async def put(self, entities: Sequence[Entity]) -> None:
        def keep(entity: Entity) -> Callable[[Any, str], tuple[Any, Any]]:
            return lambda current, at: (entity, None)

        for result in await self.store.write("", [Write(entity["id"], keep(entity), ENTITIES) for entity in entities]):
            assert result is None, result

    def forget(self) -> None:
        """Makes the next question read everything again."""
        self.catalogue.register._contents.clear()


def entity(type: str, number: int, attributes: dict[str, tuple[Any, str]], *, simulated: bool = True) -> Entity:
    """An entity in the internal form, with a name in two languages, a place, and readings from a feed."""
    at = f"2026-11-23T06:{number % 5:02}:00.000000Z"
    made_up = {"https://cityhub.example/terms/simulated": [{"type": "Property", "value": True}]} if simulated else {}
    feed = {"http://purl.org/dc/terms/provenance": [{"type": "Relationship", "object": "urn:ngsi-ld:Feed:500114:weather"}]}
    readings = {
        iri: [{"type": "Property", "value": value, "observedAt": at, "attrs": {**made_up, **feed}, **({"unitCode": unit} if unit else {})}]
        for iri, (value, unit) in attributes.items()
    }
    return {
        "id": f"urn:ngsi-ld:{type.rpartition('/')[2]}:{number}", "type": [type], "createdAt": at, "modifiedAt": at,
        "attrs": {
            NAME: [{"type": "LanguageProperty", "languageMap": {"zh": f"站点{number}", "en": f"Station {number}"}}],
            "https://uri.etsi.org/ngsi-ld/location": [
                {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [round(108.7 + number / 100, 2), 29.5]}},
            ],
            **readings,
        },
    }  # fmt: skip


def feed() -> Entity:
    names = {"zh": "乡镇气象（模拟）", "en": "Township weather (simulated)"}
    return {
        "id": "urn:ngsi-ld:Feed:500114:weather", "type": [FEED], "createdAt": "2026-11-23T06:00:00.000000Z",
        "modifiedAt": "2026-11-23T06:00:00.000000Z",
        "attrs": {
            NAME: [{"type": "LanguageProperty", "languageMap": names}],
            "https://cityhub.example/terms/updatePeriod": [{"type": "Property", "value": 5, "unitCode": "SEC"}],
            "https://smartdatamodels.org/source": [{"type": "Property", "value": "按各月气候平均值推算"}],
            "http://purl.org/dc/terms/license": [{"type": "Property", "value": "Apache-2.0"}],
        },
    }  # fmt: skip


def organization(key: str, zh: str) -> Entity:
    at = "2026-11-23T06:00:00.000000Z"
    return {
        "id": f"urn:ngsi-ld:Organization:500114:{key}", "type": [ORGANIZATION], "createdAt": at, "modifiedAt": at,
        "attrs": {NAME: [{"type": "LanguageProperty", "languageMap": {"zh": zh, "en": key}}]},
    }  # fmt: skip


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[City]:
    clock = TickingClock()
    store = await open_sqlite(tmp_path, clock)
    place = Place("500114", {"zh": "黔江", "en": "Qianjiang"}, (108.48, 29.07, 108.95, 29.88))
    catalogue = Catalogue(Around(store, None, LoopbackAccess(), clock, "http://hub.example:8000", DISTRICT, place))
    made = City(store, catalogue, clock)
    bodies = [("meteorology", "区气象局"), ("water-resources", "区水利局"), ("big-data", "区大数据发展局"), ("power-supply", "供电公司")]
    await made.put([organization(key, zh) for key, zh in bodies])
    await made.put([feed(), *(entity(iri, number, attributes) for iri, attributes in TYPES.values() for number in range(3))])
    yield made
    await store.close()
