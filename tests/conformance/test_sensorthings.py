"""OGC SensorThings 1.1 over HTTP, clause by clause.

The first 22 tests hold what the 22 test methods of OGC's executable test suite for SensorThings (opengeospatial/ets-sta10, 3 conformance
classes) check, in our own words and on data of our own; the suite itself reads ids as numbers, which ours are not. The others hold what
it leaves out.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.conformance.sensorthings import (
    KINDS,
    PLURALS,
    Json,
    Sta,
    datastream,
    link,
    location,
    observed_property,
    one_of,
    point,
    sensor,
    without,
)
from tests.e2e.hub_process import running_hub

pytestmark = pytest.mark.timeout(240)
NOBODY = "urn:ngsi-ld:Nobody:0"
PATH_DEPTH = 4
"""How many links the suite follows in one path."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sta]:
    """A hub without feeds."""
    with running_hub(tmp_path_factory.mktemp("hub"), "--no-feeds") as hub, Sta(hub) as service:
        yield service


@pytest.fixture
def sta(empty: Sta) -> Sta:
    """The service with nothing in it."""
    empty.clear()
    return empty


class Town(Sta):
    """The service with two Things, four Datastreams with three Observations each, and Things that have changed places.

    Attributes:
        ids: Of all that there is, by kind, in the order in which it was made.
    """

    ids: dict[str, list[str]]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A hub with a small town in it; tests only read it."""
    with running_hub(tmp_path_factory.mktemp("town"), "--no-feeds") as hub, Town(hub) as made:
        _build(made)
        yield made


def _build(made: Town) -> None:
    flux, warmth = observed_property(), observed_property("Temperature", "https://example.org/quantity#Temperature")
    first: Json = {"name": "thing 1", "description": "thing 1", "properties": {"reference": "first"}, "Locations": [location("location 1")]}
    first["Datastreams"] = [
        datastream("datastream 1", ObservedProperty=flux, Sensor=sensor("sensor 1")),
        datastream("datastream 2", ObservedProperty=warmth, Sensor=sensor("sensor 2")),
    ]
    one = made.make("Things", first)
    shared = made.values("ObservedProperties?$filter=name eq 'Temperature'")[0]["@iot.id"]
    second: Json = {"name": "thing 2", "description": "thing 2", "Locations": [location("location 2", -100.05, 50.05)]}
    second["Datastreams"] = [
        datastream("datastream 3", Sensor=sensor("sensor 3"), ObservedProperty=observed_property("Second Luminous Flux")),
        datastream("datastream 4", Sensor=sensor("sensor 4"), ObservedProperty=link(shared)),
    ]
    two = made.make("Things", second)
    places = {row["name"]: row["@iot.id"] for row in made.values("Locations")}
    for thing, place in ((one, "location 2"), (two, "location 1")):
        assert made.ask("PATCH", one_of("Things", thing), {"Locations": [link(places[place])]}).status_code == 200
    streams = [row["@iot.id"] for row in made.values("Datastreams?$orderby=name")]
    days = itertools.count(1)
    for stream in streams:
        for day in itertools.islice(days, 3):
            made.make(f"{one_of('Datastreams', stream)}/Observations", {
                "phenomenonTime": f"2015-03-{day:02}T00:00:00Z", "result": day, "resultTime": f"2015-03-{day:02}T00:01:00Z"})  # fmt: skip
    made.ids = {kind: [row["@iot.id"] for row in made.values(f"{plural}?$top=1000")] for kind, (plural, _, _) in KINDS.items()}


SIZES = {"Thing": 2, "Location": 2, "HistoricalLocation": 4, "Datastream": 4, "Sensor": 4, "ObservedProperty": 3, "Observation": 12,
         "FeatureOfInterest": 2}  # fmt: skip
"""How much there is in the town."""


def related(town: Town) -> Iterator[tuple[str, str, str]]:
    """(path, kind it leads to, kind it comes from) of every link with many ends of the first entity of each kind."""
    for kind, (plural, _, links) in KINDS.items():
        for name in links:
            if name in PLURALS:
                yield f"{one_of(plural, town.ids[kind][0])}/{name}", PLURALS[name], kind


def collections(town: Town) -> Iterator[tuple[str, str]]:
    """(path, kind) of every collection and of every link with many ends."""
    for kind, (plural, _, _) in KINDS.items():
        yield plural, kind
    for path, kind, _ in related(town):
        yield path, kind


# -- Class 1: sensing core (6) ---------------------------------------------------------------------------------------


def is_whole(kind: str, entity: Json) -> None:
    """Control information, mandatory properties and links."""
    assert entity["@iot.id"]
    assert entity["@iot.selfLink"].endswith(one_of(KINDS[kind][0], entity["@iot.id"]))
    for name in KINDS[kind][1]:
        assert name in entity, f"{kind}: {name}"
    for name in KINDS[kind][2]:
        assert entity[f"{name}@iot.navigationLink"] == f"{entity['@iot.selfLink']}/{name}"


def test_entities_of_each_kind_are_whole(town: Town) -> None:
    for kind, (plural, _, _) in KINDS.items():
        rows = town.values(plural)
        assert len(rows) == SIZES[kind], kind
        for row in rows:
            is_whole(kind, row)


def test_an_entity_that_is_not_there_is_404(town: Town) -> None:
    for plural, _, _ in KINDS.values():
        for id in (NOBODY, "9223372036854775807"):
            assert town.get(one_of(plural, id), 404)["error"]["message"]
    town.get("Things(9223372036854775807)", 404)


def test_one_entity_is_whole(town: Town) -> None:
    for kind, (plural, _, _) in KINDS.items():
        is_whole(kind, town.get(one_of(plural, town.ids[kind][0])))


def test_a_property_and_its_bare_value(town: Town) -> None:
    for kind, (plural, properties, _) in KINDS.items():
        path = one_of(plural, town.ids[kind][0])
        whole = town.get(path)
        for name in properties:
            assert town.get(f"{path}/{name}") == {name: whole[name]}
            bare = town.ask("GET", f"{path}/{name}/$value")
            assert bare.status_code == 200
            if isinstance(whole[name], str):
                assert bare.text == whole[name]
            else:
                assert bare.json() == whole[name]


def test_paths_over_links_and_their_references(town: Town) -> None:
    def follow(kind: str, path: str, depth: int, many: bool) -> None:
        document = town.get(path)
        rows = document["value"] if many else [document]
        assert rows, path
        references = town.get(f"{path}/$ref")
        for reference, row in zip(references["value"] if many else [references], rows, strict=True):
            assert reference == {"@iot.selfLink": row["@iot.selfLink"]}
        if depth < PATH_DEPTH:
            here = f"{path}('{rows[0]['@iot.id']}')" if many else path
            for name in KINDS[kind][2]:
                follow(PLURALS.get(name, name), f"{here}/{name}", depth + 1, name in PLURALS)

    for kind, (plural, _, _) in KINDS.items():
        follow(kind, plural, 1, True)


def test_the_root_names_every_collection(town: Town) -> None:
    root = town.get("")
    assert {entry["name"]: entry["url"] for entry in root["value"]} == {plural: f"{town.root}/{plural}" for plural in PLURALS}
    assert "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel" in root["serverSettings"]["conformance"]
    assert not [name for name in root["serverSettings"]["conformance"] if "mqtt" in name or "multi-datastream" in name]


# -- Class 2: create, update, delete (8) -----------------------------------------------------------------------------


def furnished(sta: Sta) -> dict[str, str]:
    """One of each kind, made one after the other; the ids by kind."""
    made = {"Thing": sta.make("Things", {"name": "Test Thing", "description": "A Thing"}), "Location": sta.make("Locations", location())}
    made["Sensor"] = sta.make("Sensors", sensor())
    made["ObservedProperty"] = sta.make("ObservedProperties", observed_property("Dew Point", "https://example.org/quantity#DewPoint"))
    feature = {**without(location("A weather station", 10, 10), "location"), "feature": point(10, 10)}
    made["FeatureOfInterest"] = sta.make("FeaturesOfInterest", feature)
    links = {kind: link(made[kind]) for kind in ("Thing", "Sensor", "ObservedProperty")}
    made["Datastream"] = sta.make("Datastreams", datastream(**links))
    observation = {"phenomenonTime": "2015-03-01T00:40:00.000Z", "result": 8}
    observation |= {kind: link(made[kind]) for kind in ("Datastream", "FeatureOfInterest")}
    made["Observation"] = sta.make("Observations", observation)
    return made


def test_entities_are_made_and_a_feature_is_made_of_the_location(sta: Sta) -> None:
    made = furnished(sta)
    thing, stream = one_of("Things", made["Thing"]), link(made["Datastream"])
    assert sta.ask("PATCH", thing, {"Locations": [link(made["Location"])]}).status_code == 200
    times = {"phenomenonTime": "2015-03-01T00:00:00.000Z", "resultTime": "2015-03-01T01:00:00.000Z"}
    second = sta.make("Observations", {**times, "result": 100, "Datastream": stream})
    assert sta.get(one_of("Observations", second))["resultTime"] == "2015-03-01T01:00:00.000Z"
    feature = sta.get(f"{one_of('Observations', second)}/FeatureOfInterest")
    place = sta.get(one_of("Locations", made["Location"]))
    assert feature["feature"] == place["location"]
    assert [feature[name] for name in ("name", "description", "encodingType")] == [place[name] for name in ("name", "description", "encodingType")]
    third = sta.make("Observations", {"phenomenonTime": "2015-05-01T00:00:00.000Z", "result": 105, "Datastream": stream})
    assert sta.get(one_of("Observations", third))["resultTime"] is None
    assert sta.get(f"{one_of('Observations', third)}/FeatureOfInterest")["@iot.id"] == feature["@iot.id"]
    past = {"time": "2015-03-01T00:40:00.000Z", "Thing": link(made["Thing"]), "Locations": [link(made["Location"])]}
    historical = sta.make("HistoricalLocations", past)
    assert sta.get(one_of("HistoricalLocations", historical))["time"] == "2015-03-01T00:40:00.000Z"


def test_a_whole_tree_is_made_at_once(sta: Sta) -> None:
    body: Json = {"name": "Office", "description": "Office", "properties": {"reference": "Third Floor"}, "Locations": [location()]}
    thing = sta.make("Things", {**body, "Datastreams": [datastream()]})
    [stream] = sta.values(f"{one_of('Things', thing)}/Datastreams")
    assert {name: stream[name] for name in without(datastream(), "Sensor", "ObservedProperty")} == without(datastream(), "Sensor", "ObservedProperty")
    [place] = sta.values(f"{one_of('Things', thing)}/Locations")
    assert place["location"] == point(-117.05, 51.05)
    there = one_of("Datastreams", stream["@iot.id"])
    assert sta.get(f"{there}/Sensor")["metadata"] == sensor()["metadata"]
    assert sta.get(f"{there}/ObservedProperty")["definition"] == observed_property()["definition"]

    other = sta.make("Datastreams", datastream("Two", Thing=link(thing), Observations=[
        {"phenomenonTime": "2015-03-01T00:10:00Z", "result": 10}, {"phenomenonTime": "2015-03-01T00:20:00Z", "result": 20}]))  # fmt: skip
    assert [row["result"] for row in sta.values(f"{one_of('Datastreams', other)}/Observations")] == [10, 20]

    feature = {"name": "A station", "description": "A station", "encodingType": "application/vnd.geo+json", "feature": point(-114.05, 51.05)}
    observation = sta.make("Observations", {
        "phenomenonTime": "2015-03-01T00:00:00Z", "result": 100, "FeatureOfInterest": feature, "Datastream": link(other)})  # fmt: skip
    assert sta.get(f"{one_of('Observations', observation)}/FeatureOfInterest")["feature"] == point(-114.05, 51.05)


def test_a_tree_with_a_flaw_is_not_made_at_all(sta: Sta) -> None:
    body: Json = {"name": "Office", "description": "Office", "Locations": [location()], "Datastreams": [datastream()]}
    for flawed in (
        without(datastream(), "Sensor"), without(datastream(), "ObservedProperty"), without(datastream(), "unitOfMeasurement"),
        datastream(Sensor=without(sensor(), "encodingType")), datastream(ObservedProperty=without(observed_property(), "definition")),
    ):  # fmt: skip
        sta.refused("POST", "Things", {**body, "Datastreams": [flawed]})
    sta.refused("POST", "Things", {**body, "Locations": [without(location(), "location")]})
    sta.refused("POST", "Things", {**body, "Datastreams": [datastream(Observations=[{"phenomenonTime": "yesterday", "result": 1}])]})
    assert {plural: sta.values(plural) for plural in PLURALS} == {plural: [] for plural in PLURALS}

    thing = sta.make("Things", {"name": "Nowhere", "description": "A Thing without a Location"})
    sta.refused("POST", "Datastreams", datastream(Thing=link(thing), Observations=[{"phenomenonTime": "2015-03-01T00:10:00Z", "result": 1}]))
    sta.refused("POST", "Datastreams", without(datastream(), "Sensor"))
    assert not sta.values("Datastreams") and not sta.values("Sensors") and not sta.values("ObservedProperties")
    stream = link(sta.make("Datastreams", datastream(Thing=link(thing))))
    sta.refused("POST", "Observations", {"result": 100, "Datastream": stream})
    sta.refused("POST", "Observations", {"result": 100, "Datastream": stream, "FeatureOfInterest": {"name": "n", "description": "d", "feature": point(1, 1)}})
    assert not sta.values("Observations") and not sta.values("FeaturesOfInterest")


def test_entities_without_what_they_need_are_refused(sta: Sta) -> None:
    made = furnished(sta)
    links = {kind: link(made[kind]) for kind in ("Thing", "Sensor", "ObservedProperty")}
    for missing in links:
        sta.refused("POST", "Datastreams", without(datastream(**links), missing))
        sta.refused("POST", "Datastreams", datastream(**{**links, missing: link(NOBODY)}))
    sta.refused("POST", "Observations", {"result": 8, "FeatureOfInterest": link(made["FeatureOfInterest"])})
    sta.refused("POST", "Observations", {"result": 8, "Datastream": link(made["Datastream"])})  # the Thing is nowhere
    assert len(sta.values("Datastreams")) == len(sta.values("Observations")) == 1


PATCHES: list[tuple[str, Json]] = [
    ("Thing", {"description": "PATCHED"}), ("Location", {"location": point(114.05, -50)}),
    ("HistoricalLocation", {"time": "2015-07-01T00:00:00.000Z"}), ("Sensor", {"metadata": "PATCHED"}),
    ("ObservedProperty", {"description": "PATCHED"}), ("FeatureOfInterest", {"feature": point(114.05, -51.05)}),
    ("Datastream", {"description": "PATCHED"}),
    ("Datastream", {"unitOfMeasurement": {"name": "Entropy2", "symbol": "S2", "definition": "https://example.org/unit#Entropy2"}}),
    ("Observation", {"phenomenonTime": "2015-07-01T00:40:00.000Z"}), ("Observation", {"result": 9}),
]  # fmt: skip


def test_a_patch_changes_what_it_names_and_nothing_else(sta: Sta) -> None:
    made = furnished(sta)
    made["HistoricalLocation"] = sta.make("HistoricalLocations", {
        "time": "2015-03-01T00:40:00.000Z", "Thing": link(made["Thing"]), "Locations": [link(made["Location"])]})  # fmt: skip
    for kind, patch in PATCHES:
        path = one_of(KINDS[kind][0], made[kind])
        before = sta.get(path)
        assert sta.ask("PATCH", path, patch).status_code == 200
        assert sta.get(path) == {**before, **patch}, kind


def test_a_deletion_takes_along_what_cannot_be_alone(sta: Sta) -> None:
    gone = {
        "Thing": ("Thing", "Datastream", "HistoricalLocation", "Observation"), "Datastream": ("Datastream", "Observation"),
        "Location": ("Location", "HistoricalLocation"), "HistoricalLocation": ("HistoricalLocation",),
        "Sensor": ("Sensor", "Datastream", "Observation"), "ObservedProperty": ("ObservedProperty", "Datastream", "Observation"),
        "FeatureOfInterest": ("FeatureOfInterest", "Observation"), "Observation": ("Observation",),
    }  # fmt: skip
    for kind, lost in gone.items():
        sta.clear()
        observation = {"phenomenonTime": "2015-03-01T00:10:00Z", "result": 1}
        sta.make("Things", {"name": "n", "description": "d", "Locations": [location()], "Datastreams": [datastream(Observations=[observation])]})
        [one] = sta.values(KINDS[kind][0])
        path = one_of(KINDS[kind][0], one["@iot.id"])
        assert sta.ask("DELETE", path).status_code == 200
        sta.get(path, 404)
        left = {other: len(sta.values(plural)) for other, (plural, _, _) in KINDS.items()}
        assert left == {other: int(other not in lost) for other in KINDS}, kind


def test_a_patch_with_whole_entities_inside_is_refused(sta: Sta) -> None:
    made = furnished(sta)
    for kind, patch in (
        ("Thing", {"Locations": [location()]}), ("Thing", {"Datastreams": [datastream()]}), ("Sensor", {"Datastreams": [datastream()]}),
        ("ObservedProperty", {"Datastreams": [datastream()]}), ("Datastream", {"ObservedProperty": observed_property()}),
        ("Datastream", {"Sensor": sensor()}), ("Datastream", {"Thing": {"name": "test", "description": "test"}}),
        ("Datastream", {"Observations": [{"phenomenonTime": "2015-03-01T00:00:00Z", "result": 92122}]}),
    ):  # fmt: skip
        path = one_of(KINDS[kind][0], made[kind])
        before = sta.get(path)
        sta.refused("PATCH", path, patch)
        assert sta.get(path) == before


def test_what_is_not_there_cannot_be_deleted(sta: Sta) -> None:
    for plural, _, _ in KINDS.values():
        assert sta.ask("DELETE", one_of(plural, NOBODY)).status_code == 404


# -- Class 3: filtering (8) ------------------------------------------------------------------------------------------


def test_select_shows_what_it_names(town: Town) -> None:
    for path, kind in collections(town):
        for size in range(1, len(KINDS[kind][1]) + 1):
            names = KINDS[kind][1][:size]
            for row in town.values(f"{path}?$select={','.join(names)}"):
                assert set(row) == set(names)


def test_expand_shows_what_links_lead_to(town: Town) -> None:
    for path, kind in collections(town):
        links = KINDS[kind][2]
        for size in range(1, len(links) + 1):
            for row in town.values(f"{path}?$expand={','.join(links[:size])}"):
                for name in links[:size]:
                    inner = row[name]
                    for one in inner if name in PLURALS else [inner]:
                        is_whole(PLURALS.get(name, name), one)
                    assert inner
                    assert f"{name}@iot.navigationLink" not in row
        for name in links:
            target = PLURALS.get(name, name)
            for deeper in KINDS[target][2]:
                for row in town.values(f"{path}?$expand={name}/{deeper}&$top=2"):
                    inner = row[name][0] if name in PLURALS else row[name]
                    found = inner[deeper]
                    assert found
                    is_whole(PLURALS.get(deeper, deeper), found[0] if deeper in PLURALS else found)


def number_of(town: Town, path: str) -> int:
    """How many there are behind a path."""
    count: int = town.get(f"{path}?$count=true&$top=0")["@iot.count"]
    return count


def test_top_and_the_next_link(town: Town) -> None:
    for path, _ in collections(town):
        total = number_of(town, path)
        for top in (1, 2, 3, 5, 12, 13):
            page = town.get(f"{path}?$top={top}")
            assert len(page["value"]) == min(top, total)
            assert ("@iot.nextLink" in page) == (top < total), path
    seen, address = [], f"{town.root}/Observations?$top=5"
    while address:
        page = httpx.get(address).json()
        seen += [row["@iot.id"] for row in page["value"]]
        address = page.get("@iot.nextLink", "")
    assert seen == town.ids["Observation"]


def test_skip_leaves_out_the_first(town: Town) -> None:
    for path, _ in collections(town):
        ids = [row["@iot.id"] for row in town.values(path)]
        for skip in (1, 2, 3, 4, 12):
            page = town.get(f"{path}?$skip={skip}")
            assert [row["@iot.id"] for row in page["value"]] == ids[skip:]
            assert "@iot.nextLink" not in page


def key_of(value: Any) -> Any:
    """What a value is sorted by: numbers by size, texts by their letters, others by their JSON."""
    return value if isinstance(value, int | float | str) else httpx.Response(200, json=value).text


def test_orderby_sorts_by_one_and_by_more(town: Town) -> None:
    for path, kind in collections(town):
        names = [name for name in KINDS[kind][1] if name != "unitOfMeasurement"]
        for name in names:
            for direction in ("", " asc", " desc"):
                found = [key_of(row[name]) for row in town.values(f"{path}?$orderby={name}{direction}")]
                assert found == sorted(found, reverse=direction == " desc"), f"{path} {name}{direction}"
        together = [[key_of(row[name]) for name in names] for row in town.values(f"{path}?$orderby={','.join(names)}")]
        assert together == sorted(together)
        backwards = [[key_of(row[name]) for name in names] for row in town.values(f"{path}?$orderby={','.join(name + ' desc' for name in names)}")]
        assert backwards == sorted(backwards, reverse=True)


def test_count_counts_all_and_only_when_asked(town: Town) -> None:
    for kind, (plural, _, _) in KINDS.items():
        assert town.get(f"{plural}?$count=true")["@iot.count"] == SIZES[kind]
        assert "@iot.count" not in town.get(f"{plural}?$count=false")
    for path, _, _ in related(town):
        page = town.get(f"{path}?$count=true")
        assert page["@iot.count"] == len(page["value"]) > 0


RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt, "le": operator.le, "eq": operator.eq, "ge": operator.ge, "gt": operator.gt, "ne": operator.ne,
}  # fmt: skip


def test_filter_compares_each_property(town: Town) -> None:
    for path, kind in collections(town):
        rows = town.values(path)
        for name in KINDS[kind][1]:
            if name in ("unitOfMeasurement", "location", "feature"):
                continue
            sample = rows[len(rows) // 2][name]
            is_time = name in ("time", "phenomenonTime", "resultTime")
            literal = sample if is_time or not isinstance(sample, str) else f"'{sample}'"
            for relation, holds in RELATIONS.items():
                found = [row["@iot.id"] for row in town.values(f"{path}?$filter={quote(f'{name} {relation} {literal}')}")]
                assert found == [row["@iot.id"] for row in rows if holds(row[name], sample)], f"{path} {name} {relation} {literal}"


def test_options_apply_in_the_order_of_the_standard(town: Town) -> None:
    page = town.get("Observations?$count=true&$top=1&$skip=2&$orderby=phenomenonTime asc&$filter=result gt '3'")
    assert page["@iot.count"] == 6  # as texts: 4 to 9
    assert [row["result"] for row in page["value"]] == [6]
    page = town.get("Observations?$count=true&$top=2&$skip=1&$orderby=result desc&$filter=result gt 3&$select=result")
    assert page["@iot.count"] == 9
    assert page["value"] == [{"result": 11}, {"result": 10}]
