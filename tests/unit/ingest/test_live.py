"""The schedule of the simulated feeds, and that nothing simulated goes out unmarked."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import orjson
import pytest

from cityhub.ingest.district import District
from cityhub.ingest.feed import read_feed
from cityhub.ingest.live import LiveFeeds, Tick, build_world
from cityhub.ingest.mapping import compile_mapping
from cityhub.ingest.message import Message
from cityhub.ingest.simulation.sensors import observe, readings_of, sensors_of
from cityhub.model.jsonld import term_map
from cityhub.model.ngsild.parse import parse_entity
from cityhub.model.vocabulary import FEED, PROVENANCE, SIMULATED
from tests.unit.ingest.conftest import JULY

TICKS = 20
DOORS = {"mqtt": "broker", "http": "http"}
BY_DEVICES = ("RainGauge", "WaterObserved", "AirQualityObserved", "TrafficFlowObserved")
"""Types whose values come by payloads of devices."""


@pytest.fixture(scope="module")
def spoken(district: District) -> list[Tick]:
    feeds = LiveFeeds(district, 1, JULY)
    return [feeds.next(JULY + timedelta(seconds=tick)) for tick in range(TICKS)]


@pytest.fixture(scope="module")
def ticks(spoken: list[Tick]) -> list[list[dict[str, Any]]]:
    return [tick.entities for tick in spoken]


def test_everyone_is_introduced_in_the_first_tick(district: District, ticks: list[list[dict[str, Any]]]) -> None:
    feeds = LiveFeeds(district, 1, JULY)
    first = ticks[0]
    assert len(first) == feeds.sensor_count + 8
    assert all("name" in entity for entity in first)
    assert 300 <= feeds.sensor_count <= 900


def test_each_device_speaks_once_in_its_period(spoken: list[Tick]) -> None:
    counts = Counter((payload.feed, payload.station) for tick in spoken[10:20] for payload in tick.payloads)
    assert {count for (feed, _), count in counts.items() if feed == "rain-gauges"} == {1}
    assert {count for (feed, _), count in counts.items() if feed == "rivers"} == {2}
    assert {(payload.feed, payload.door) for tick in spoken for payload in tick.payloads} == {
        ("rain-gauges", "mqtt"), ("rivers", "mqtt"), ("reservoirs", "mqtt"), ("air-quality", "http"), ("traffic", "http"),
    }  # fmt: skip


def test_what_devices_say_becomes_the_same_as_what_systems_say(district: District) -> None:
    terms = term_map(orjson.loads(district.path(district.about.context).read_bytes())["@context"])
    sensors = sensors_of(build_world(district, 1, JULY), district.about.code)
    for played in district.feeds:
        if played.kind != "simulated" or played.door == "ngsi-ld":
            continue
        feed = read_feed(district.path(f"feeds/{played.id}.yaml").read_bytes())
        assert (feed.interval_s, feed.title, feed.protocol) == (played.period_s, played.names, DOORS[played.door])
        sensor = sensors[played.id][0]
        station = sensor.id.rpartition(":")[2]
        record = {"at": "2026-07-01T00:00:00Z", "station": station, **readings_of(sensor, JULY)}
        message = Message(b"", {"topic": ["simulation", played.id, station]}, "2026-07-01T00:00:01Z")
        [update] = compile_mapping(feed, terms.expand).apply(record, message)
        system = parse_entity(observe(sensor, JULY, "2026-07-01T00:00:00Z", district.uri("Feed", played.id)), terms)
        assert (update.id, update.types, update.attributes) == (system["id"], system["type"], system["attrs"])


def test_each_sensor_speaks_once_in_its_period_and_never_twice_in_a_tick(ticks: list[list[dict[str, Any]]]) -> None:
    for tick in ticks:
        ids = [entity["id"] for entity in tick]
        assert len(ids) == len(set(ids))
    spoken = Counter(entity["id"] for tick in ticks[10:20] for entity in tick)
    assert {count for id, count in spoken.items() if ":WeatherObserved:" in id} == {2}
    sizes = [len(tick) for tick in ticks[1:]]
    assert max(sizes) < 80


def test_every_simulated_value_is_marked_and_names_its_feed(district: District, ticks: list[list[dict[str, Any]]]) -> None:
    terms = term_map(orjson.loads(district.path(district.about.context).read_bytes())["@context"])
    known = {district.uri("Feed", feed.id) for feed in district.feeds}
    for document in ticks[0]:
        entity = parse_entity(document, terms)
        if entity["type"] == [FEED]:
            continue
        observed = [item for items in entity["attrs"].values() for item in items if "observedAt" in item]
        assert observed or document["type"] in BY_DEVICES
        for item in observed:
            assert item["attrs"][SIMULATED][0]["value"] is True
            assert item["attrs"][PROVENANCE][0]["object"] in known
        assert "模拟" in document["name"]["languageMap"]["zh"]
        assert "simulated" in document["name"]["languageMap"]["en"]


def test_every_name_is_a_term_of_the_context(district: District, ticks: list[list[dict[str, Any]]]) -> None:
    context = orjson.loads(district.path(district.about.context).read_bytes())["@context"]
    members = {"id", "type", "scope", "location"}
    used = {name for tick in ticks for entity in tick for name in entity} - members
    words = {item["vocab"] for tick in ticks for entity in tick for item in entity.values() if isinstance(item, dict) and "vocab" in item}
    assert used | words <= context.keys()


def test_after_forgetting_all_introduce_themselves_again(district: District) -> None:
    feeds = LiveFeeds(district, 1, JULY)
    feeds.next(JULY)
    assert not all("name" in entity for entity in feeds.next(JULY).entities)
    feeds.forget()
    again = feeds.next(JULY).entities
    assert len(again) == feeds.sensor_count + 8
    assert all("name" in entity for entity in again)


def test_all_speak_again_without_introducing_themselves(district: District) -> None:
    feeds = LiveFeeds(district, 1, JULY)
    first = feeds.next(JULY)
    feeds.speak_again()
    again = feeds.next(JULY)
    assert len(again.payloads) == len(first.payloads)
    assert not any("name" in entity for entity in again.entities)
