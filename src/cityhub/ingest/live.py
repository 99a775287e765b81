"""The simulated feeds as a schedule: which sensors speak in which second, and what they say."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal

import msgspec

from cityhub.ingest.district import District, Feed, read_entities
from cityhub.ingest.loading import describe_feed
from cityhub.ingest.simulation.parameters import read_parameters
from cityhub.ingest.simulation.places import read_towns, read_villages
from cityhub.ingest.simulation.sensors import Sensor, introduce, observe, readings_of, sensors_of
from cityhub.ingest.simulation.world import World

Entity = dict[str, Any]
FEED_REPORT_EVERY_TICKS = 5


class Payload(msgspec.Struct, frozen=True):
    """What a simulated device sends: the payload of its feed, by MQTT or HTTP.

    Attributes:
        door: How it speaks.
        feed: Id of the feed.
        station: Its own short name.
        content: The payload: "at", "station", and its readings by name.
    """

    door: Literal["mqtt", "http"]
    feed: str
    station: str
    content: dict[str, Any]


class Tick(msgspec.Struct, frozen=True):
    """What is sent in one tick: entities by NGSI-LD, payloads by devices."""

    entities: list[Entity]
    payloads: list[Payload]


class LiveFeeds:
    """The simulated feeds of a district.

    The sensors of a feed take turns: in each tick of one second the next ones speak, and all have spoken once in the
    feed's period. In the first tick, and in the one after `forget`, all speak, with their names and
    places; after `speak_again` the devices, without.

    Args:
        district: The district.
        seed: Of all chance.
        start: First simulated moment, aware.
    """

    def __init__(self, district: District, seed: int, start: datetime) -> None:
        self.world = build_world(district, seed, start)
        sensors = sensors_of(self.world, district.about.code)
        self._district = district
        self._turns: list[tuple[Feed, list[Sensor]]] = [
            (feed, sensors[feed.id]) for feed in district.feeds if feed.kind == "simulated" and feed.id in sensors
        ]
        self._tick = 0
        self._introduced: set[str] = set()
        self._everyone = True
        self._every_device = False

    @property
    def sensor_count(self) -> int:
        """How many sensors there are."""
        return sum(len(sensors) for _, sensors in self._turns)

    def forget(self) -> None:
        """Lets every sensor introduce itself in the next tick: the hub may have lost it."""
        self._introduced.clear()
        self._everyone = True

    def speak_again(self) -> None:
        """Lets every device, not those that speak as systems, say its values in the next tick."""
        self._every_device = True

    def next(self, moment: datetime) -> Tick:
        """What to send in the next tick, observed at a simulated moment; each entity and each device at most once.

        Devices introduce themselves by their entities (name, place), as somebody would enter them, and then send payloads.
        """
        self.world.advance_to(moment)
        observed_at = moment.isoformat().replace("+00:00", "Z")
        entities: list[Entity] = []
        payloads: list[Payload] = []
        for feed, sensors in self._turns:
            uri = self._district.uri("Feed", feed.id)
            for sensor in self._whose_turn(feed, sensors):
                is_new = sensor.id not in self._introduced
                self._introduced.add(sensor.id)
                if feed.door == "ngsi-ld":
                    entity = observe(sensor, moment, observed_at, uri)
                    entities.append({**introduce(sensor), **entity} if is_new else entity)
                    continue
                if is_new:
                    entities.append(introduce(sensor))
                station = sensor.id.rpartition(":")[2]
                content = {"at": observed_at, "station": station, **readings_of(sensor, moment)}
                payloads.append(Payload(feed.door, feed.id, station, content))
            if self._everyone or self._tick % FEED_REPORT_EVERY_TICKS == 0:
                entities.append(self._report(feed, len(sensors), observed_at))
        self._tick += 1
        self._everyone = self._every_device = False
        return Tick(entities, payloads)

    def _whose_turn(self, feed: Feed, sensors: list[Sensor]) -> list[Sensor]:
        if self._everyone or (self._every_device and feed.door != "ngsi-ld"):
            return sensors
        ticks = max(1, math.ceil(feed.period_s))
        return sensors[self._tick % ticks :: ticks]

    def _report(self, feed: Feed, count: int, observed_at: str) -> Entity:
        uri = self._district.uri("Feed", feed.id)
        about = {"id": uri, "type": "Feed"} if uri in self._introduced else describe_feed(self._district, feed)
        self._introduced.add(uri)
        return {**about, "itemCount": count, "state": {"value": "playing", "observedAt": observed_at}}


def build_world(district: District, seed: int, start: datetime) -> World:
    """The simulated district at a moment, from the district's own entities and the feeds file."""
    parameters = read_parameters(district.simulation)
    entities = [entity for part in district.about.entities for entity in read_entities(district.path(part.file))]
    towns = read_towns(entities, parameters.assumptions.urban_towns, parameters.assumptions.urban_population_each)
    villages = read_villages(entities, towns)
    climate = next((entity for entity in entities if entity["id"] == parameters.climate.entity), None)
    if climate is None:
        raise ValueError(f"feeds file: the climate entity '{parameters.climate.entity}' is not in the district's entities")
    return World(
        seed, start, parameters, towns, villages,
        climate["monthlyMeanTemperature"]["valueList"], climate["monthlyRainfall"]["valueList"],
    )
