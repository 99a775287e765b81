"""OGC SensorThings 1.1 over HTTP, clause by clause.

The first 22 tests hold what the 22 test methods of OGC's executable test suite for SensorThings (opengeospatial/ets-sta10, 3 conformance
classes) check, in our own words and on data of our own; the suite itself reads ids as numbers, which ours are not. The others hold what
it leaves out.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator
from random import Random
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
        page = httpx.get(address, timeout=60).json()
        seen += [row["@iot.id"] for row in page["value"]]
        address = page.get("@iot.nextLink", "")
    assert seen == town.ids["Observation"]
    [row] = town.values("Datastreams?$top=1&$orderby=name&$expand=Observations($top=2;$orderby=result desc;$select=result)")
    assert row["Observations"] == [{"result": 3}, {"result": 2}]
    assert httpx.get(row["Observations@iot.nextLink"], timeout=60).json()["value"] == [{"result": 1}]


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


# -- What the suite leaves out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("filter", "results"), [
    ("result gt 3 and result le 5", [4, 5]), ("not (result gt 2)", [1, 2]), ("result eq 2 or result eq 11", [2, 11]),
    ("result mod 5 eq 0", [5, 10]), ("result add 2 mul 3 eq 12", [6]), ("result div 2 gt 5.5", [12]), ("-1 mul result lt -11", [12]),
    ("result in (1,7,99)", [1, 7]), ("round(result div 4) eq 3", [10, 11, 12]), ("floor(result div 5) eq ceiling(result div 5)", [5, 10]),
    ("day(phenomenonTime) eq 4 and month(phenomenonTime) eq 3 and year(phenomenonTime) eq 2015", [4]),
    ("phenomenonTime gt 2015-03-10T08:00:00%2B08:00", [11, 12]), ("date(phenomenonTime) eq '2015-03-02'", [2]),
    ("phenomenonTime lt 2015-03-01T00:00:00Z add duration'P1DT1S'", [1, 2]), ("phenomenonTime ge now() sub duration'P1D'", []),
    ("resultTime sub phenomenonTime eq duration'PT1M' and result lt 2", [1]), ("hour(phenomenonTime) eq 0 and minute(resultTime) eq 1 and result eq 3", [3]),
    ("Datastream/name eq 'datastream 2'", [4, 5, 6]), ("Datastream/Thing/name eq 'thing 2' and result lt 8", [7]),
    ("Datastream/ObservedProperty/name eq 'Temperature' and result ge 6", [6, 10, 11, 12]), ("FeatureOfInterest/name eq 'location 2' and result lt 3", [1, 2]),
    ("Datastream/unitOfMeasurement/symbol eq 'lm' and result eq 1", [1]), ("resultQuality eq null and result eq 1", [1]), ("resultQuality ne null", []),
    ("phenomenonTime lt 2015-03-02T00:00:00Z/2015-03-05T00:00:00Z", [1]),
])  # fmt: skip
def test_a_filter_selects_observations(town: Town, filter: str, results: list[int]) -> None:
    page = town.get(f"Observations?$count=true&$orderby=phenomenonTime&$select=result&$filter={filter}")
    assert [row["result"] for row in page["value"]] == results
    assert page["@iot.count"] == len(results)


@pytest.mark.parametrize(("path", "names"), [
    ("Things?$filter=properties/reference eq 'first'", ["thing 1"]), ("Things?$filter=Datastreams/name eq 'datastream 3'", ["thing 2"]),
    ("Things?$filter=startswith(name,'thing') and endswith(name,'2')", ["thing 2"]), ("Things?$filter=substringof('ing 1',name)", ["thing 1"]),
    ("Things?$filter=contains(toupper(name),'NG 2')", ["thing 2"]), ("Things?$filter=length(name) eq 7 and indexof(name,'2') eq 6", ["thing 2"]),
    ("Things?$filter=concat(concat(name,'-'),description) eq 'thing 1-thing 1'", ["thing 1"]), ("Things?$filter=substring(name,6) eq '1'", ["thing 1"]),
    ("Things?$filter=substring(tolower(trim(name)),0,5) eq 'thing'&$orderby=name", ["thing 1", "thing 2"]),
    ("Things?$orderby=Datastreams/name desc", ["thing 2", "thing 1"]), ("Things?$orderby=substring(name,6) desc", ["thing 2", "thing 1"]),
    ("Things?$filter=Locations/name eq 'location 2'", ["thing 1"]), ("Things?$filter=Datastreams/Observations/result eq 8", ["thing 2"]),
    ("Locations?$filter=st_within(location,geography'POLYGON((-118 50,-116 50,-116 52,-118 52,-118 50))')", ["location 1"]),
    ("Locations?$filter=geo.distance(location,geography'POINT(-100 50)') lt 1", ["location 2"]),
    ("Locations?$filter=st_intersects(location,geography'LINESTRING(-117.05 51,-117.05 52)')", ["location 1"]),
    ("Locations?$filter=geo.intersects(location,geography'POINT(-100.05 50.05)') and st_equals(location,geography'POINT(-100.05 50.05)')", ["location 2"]),
    ("Locations?$filter=not st_disjoint(location,geography'POINT(-100.05 50.05)')", ["location 2"]),
    ("Locations?$filter=st_relate(location,geography'POINT(-100.05 50.05)','T********')", ["location 2"]),
    ("Datastreams?$filter=Thing/name eq 'thing 1' and Sensor/name eq 'sensor 2'", ["datastream 2"]),
    ("Datastreams?$orderby=Thing/name desc,name desc&$top=2", ["datastream 4", "datastream 3"]),
    ("ObservedProperties?$filter=Datastreams/Thing/name eq 'thing 2'&$orderby=name", ["Second Luminous Flux", "Temperature"]),
])  # fmt: skip
def test_a_query_over_links_functions_and_places(town: Town, path: str, names: list[str]) -> None:
    assert [row["name"] for row in town.values(path)] == names


@pytest.mark.parametrize("path", [
    "Things?$filter=name eq", "Things?$filter=nothing eq 1", "Things?$filter=name eq 'a' and (", "Things?$filter=foo(name) eq 1", "Things?$filter=name 'x'",
    "Things?$filter=Datastreams eq 1", "Things?$filter=length(name,name) eq 1", "Things?$top=-1", "Things?$top=x", "Things?$count=maybe", "Things?$orderby=nothing",
    "Things?$select=nothing", "Things?$expand=nothing", "Things?$expand=Datastreams($top=x)", "Things?$expand=Datastreams(", "Things?$foo=1",
    "Things?$resultFormat=dataArray", "Things?$filter=" + "(" * 100 + "1" + ")" * 100, "Things?$filter=" + "not " * 100 + "true",
    "Things?$filter=name eq '" + "x" * 9000 + "'", "Things?$filter=" + " or ".join(["1 eq 1"] * 300),
    "Things?$expand=" + "/".join(["Datastreams/Thing"] * 5), "Things?$expand=" + ",".join(["Datastreams"] * 50),
])  # fmt: skip
def test_what_cannot_be_understood_is_400_and_says_why(town: Town, path: str) -> None:
    assert len(town.get(path, 400)["message"]) > 10


def test_what_leads_nowhere_is_404(town: Town) -> None:
    for path in ("Nothing", "Things/Datastreams", "Things('x')/Nothing", "Things('x'", f"{one_of('Things', town.ids['Thing'][0])}/nothing",
                 f"{one_of('Things', town.ids['Thing'][0])}/Datastreams('{town.ids['Datastream'][3]}')"):  # fmt: skip
        town.get(path, 404)


def test_observations_as_a_data_array(town: Town) -> None:
    [group] = town.get(f"{one_of('Datastreams', town.ids['Datastream'][0])}/Observations?$resultFormat=dataArray")["value"]
    assert group["components"] == ["id", "phenomenonTime", "resultTime", "result"]
    assert [row[3] for row in group["dataArray"]] == [1, 2, 3]
    groups = town.get("Observations?$resultFormat=dataArray&$select=result&$count=true")
    assert groups["@iot.count"] == 12
    assert [group["dataArray"] for group in groups["value"]] == [[[1], [2], [3]], [[4], [5], [6]], [[7], [8], [9]], [[10], [11], [12]]]


def test_a_thousand_observations_are_taken_at_once(sta: Sta) -> None:
    thing = sta.make("Things", {"name": "n", "description": "d", "Locations": [location()], "Datastreams": [datastream()]})
    [stream] = sta.values("Datastreams")
    rows: list[list[Any]] = [[f"2026-01-01T00:{i // 60:02}:{i % 60:02}Z", i] for i in range(1000)]
    rows[7] = ["no time", 7]
    body = [{"Datastream": link(stream["@iot.id"]), "components": ["phenomenonTime", "result"], "dataArray@iot.count": 1000, "dataArray": rows}]
    answer = sta.ask("POST", "CreateObservations", body)
    assert answer.status_code == 201
    links = answer.json()
    assert len(links) == 1000
    assert links[7].startswith("error")
    assert httpx.get(links[8], timeout=60).json()["result"] == 8
    page = sta.get(f"{one_of('Things', thing)}/Datastreams?$expand=Observations($count=true;$top=1;$orderby=result desc)")
    assert page["value"][0]["Observations@iot.count"] == 999
    assert page["value"][0]["Observations"][0]["result"] == 999
    span = sta.get(f"{one_of('Datastreams', stream['@iot.id'])}?$select=phenomenonTime")["phenomenonTime"]
    assert span == "2026-01-01T00:00:00.000Z/2026-01-01T00:16:39.000Z"


def test_what_one_door_writes_the_other_shows(sta: Sta) -> None:
    hub = sta.root.removesuffix("/sta/v1.1")
    station = {
        "id": "urn:ngsi-ld:Station:7", "type": "Station", "name": {"type": "Property", "value": "Bridge"},
        "location": {"type": "GeoProperty", "value": point(108.7, 29.5)}, "owner": {"type": "Property", "value": "Water office"},
        "level": {"type": "Property", "value": 2.5, "unitCode": "MTR", "observedAt": "2026-11-01T00:00:00Z"},
    }  # fmt: skip
    assert httpx.post(f"{hub}/ngsi-ld/v1/entities", timeout=60, json=station).status_code == 201
    thing = one_of("Things", "urn:ngsi-ld:Station:7")
    seen = sta.get(f"{thing}?$expand=Locations,Datastreams($expand=Observations,Sensor,ObservedProperty),HistoricalLocations")
    assert (seen["name"], seen["properties"]["owner"]) == ("Bridge", "Water office")
    assert seen["Locations"][0]["location"] == point(108.7, 29.5)
    assert len(seen["HistoricalLocations"]) == 1
    [stream] = seen["Datastreams"]
    assert stream["unitOfMeasurement"]["symbol"] == "m"
    assert stream["ObservedProperty"]["definition"].endswith("/level")
    assert [(one["phenomenonTime"], one["result"]) for one in stream["Observations"]] == [("2026-11-01T00:00:00.000Z", 2.5)]
    for name in ("Things", "Locations", "HistoricalLocations", "Datastreams", "Sensors", "ObservedProperties", "Observations", "FeaturesOfInterest"):
        assert len(sta.values(name)) == 1, name

    path = f"{one_of('Datastreams', stream['@iot.id'])}/Observations"
    new = sta.make(path, {"phenomenonTime": "2026-11-01T01:00:00Z", "result": 3.5})
    late = sta.make(path, {"phenomenonTime": "2026-10-31T00:00:00Z", "result": 1.5})
    present = httpx.get(f"{hub}/ngsi-ld/v1/entities/urn:ngsi-ld:Station:7", timeout=60).json()["level"]
    assert (present["value"], present["observedAt"], present["unitCode"]) == (3.5, "2026-11-01T01:00:00Z", "MTR")
    past = httpx.get(f"{hub}/ngsi-ld/v1/temporal/entities/urn:ngsi-ld:Station:7?attrs=level&options=temporalValues", timeout=60).json()["level"]["values"]
    assert [value for value, _ in past] == [1.5, 2.5, 3.5]
    assert sta.ask("DELETE", one_of("Observations", new)).status_code == 200
    assert httpx.get(f"{hub}/ngsi-ld/v1/entities/urn:ngsi-ld:Station:7", timeout=60).json()["level"]["value"] == 2.5
    assert sta.ask("PATCH", one_of("Observations", late), {"result": 1.25, "resultQuality": {"flag": "ok"}}).status_code == 200
    assert [row["result"] for row in sta.values(f"{path}?$orderby=phenomenonTime desc")] == [2.5, 1.25]
    correction = {"level": {"type": "Property", "value": 0.5, "observedAt": "2026-11-01T00:00:00Z"}}
    assert httpx.patch(f"{hub}/ngsi-ld/v1/entities/urn:ngsi-ld:Station:7/attrs", timeout=60, json=correction).status_code == 204
    for order in ("phenomenonTime desc", "result", "id desc"):
        assert [row["result"] for row in sta.values(f"{path}?$orderby={order}")] == [0.5, 1.25]
    assert sta.get(f"{path}?$count=true&$filter=result gt 2")["@iot.count"] == 0  # what was corrected is not found any more
    assert sta.get(f"{path}?$count=true")["@iot.count"] == 2
    assert sta.ask("PATCH", thing, {"name": "Old bridge"}).status_code == 200
    assert httpx.get(f"{hub}/ngsi-ld/v1/entities/urn:ngsi-ld:Station:7", timeout=60).json()["name"]["value"] == "Old bridge"
    sta.refused("PATCH", one_of("Datastreams", stream["@iot.id"]), {"name": "x"})
    sta.refused("DELETE", one_of("Sensors", "urn:ngsi-ld:Station:7~sensor"))
    assert sta.ask("DELETE", one_of("Datastreams", stream["@iot.id"])).status_code == 200
    assert "level" not in httpx.get(f"{hub}/ngsi-ld/v1/entities/urn:ngsi-ld:Station:7", timeout=60).json()
    assert httpx.delete(f"{hub}/ngsi-ld/v1/entities/urn:ngsi-ld:Station:7", timeout=60).status_code == 204

    sta.make("Things", {"name": "Made here", "description": "d", "Locations": [location()], "Datastreams": [
        datastream(Observations=[{"phenomenonTime": "2026-11-01T00:00:00Z", "result": 7}])]})  # fmt: skip
    [entity] = httpx.get(f"{hub}/ngsi-ld/v1/entities?type=Thing", timeout=60).json()
    assert entity["location"]["value"] == point(-117.05, 51.05)
    assert entity["https://example.org/quantity#LuminousFlux"]["value"] == 7
    assert entity["https://example.org/quantity#LuminousFlux"]["unitCode"] == "LUM"


def test_put_takes_away_what_it_does_not_name(sta: Sta) -> None:
    thing = one_of("Things", sta.make("Things", {"name": "n", "description": "d", "properties": {"a": 1}}))
    assert sta.ask("PUT", thing, {"name": "m", "description": "e"}).status_code == 200
    after = sta.get(thing)
    assert (after["name"], after["description"], after["properties"]) == ("m", "e", {})
    sta.refused("PUT", thing, {"name": "m"})


def test_json_patch_changes_what_is_inside(sta: Sta) -> None:
    thing = one_of("Things", sta.make("Things", {"name": "n", "description": "d", "properties": {"a": {"b": 1}, "c": [1]}}))
    patch = [{"op": "test", "path": "/properties/a/b", "value": 1}, {"op": "replace", "path": "/properties/a/b", "value": 2},
             {"op": "add", "path": "/properties/c/-", "value": 2}, {"op": "move", "from": "/properties/c", "path": "/properties/e"}]  # fmt: skip
    headers = {"content-type": "application/json-patch+json"}
    assert sta.ask("PATCH", thing, patch, headers=headers).status_code == 200
    assert sta.get(thing)["properties"] == {"a": {"b": 2}, "e": [1, 2]}
    assert sta.ask("PATCH", thing, [{"op": "test", "path": "/name", "value": "x"}], headers=headers).status_code == 409
    assert sta.ask("PATCH", thing, [{"op": "remove", "path": "/properties/x"}], headers=headers).status_code == 400


def test_a_thing_that_moves_leaves_a_trace(sta: Sta) -> None:
    thing = one_of("Things", sta.make("Things", {"name": "n", "description": "d", "Locations": [location("one")]}))
    sta.make(f"{thing}/Locations", location("two", 10, 10))
    assert [row["name"] for row in sta.values(f"{thing}/Locations")] == ["two"]
    past = sta.values(f"{thing}/HistoricalLocations?$expand=Locations&$orderby=time")
    assert [row["Locations"][0]["name"] for row in past] == ["one", "two"]
    one = past[0]["Locations"][0]["@iot.id"]
    for time, now_at in (("2015-01-01T00:00:00Z", "two"), ("2090-01-01T00:00:00Z", "one")):
        sta.make(f"{thing}/HistoricalLocations", {"time": time, "Locations": [link(one)]})
        assert [row["name"] for row in sta.values(f"{thing}/Locations")] == [now_at]
    assert len(sta.values(f"{thing}/HistoricalLocations")) == 4


def test_a_batch_of_requests_is_answered_one_by_one(sta: Sta) -> None:
    requests: list[Json] = [
        {"id": "a", "method": "post", "url": "Things", "body": {"name": "n", "description": "d"}},
        {"id": "b", "method": "patch", "url": "$a", "body": {"description": "e"}}, {"id": "c", "method": "get", "url": "Things?$count=true"},
        {"id": "d", "method": "get", "url": one_of("Things", NOBODY)}, {"id": "e", "method": "post", "url": "Datastreams", "body": datastream(Thing=link("$a"))},
    ]  # fmt: skip
    answers = {one["id"]: one for one in sta.ask("POST", "$batch", {"requests": requests}).json()["responses"]}
    assert {id: one["status"] for id, one in answers.items()} == {"a": 201, "b": 200, "c": 200, "d": 404, "e": 201}
    assert answers["c"]["body"]["@iot.count"] == 1
    assert len(sta.values(f"{one_of('Things', answers['a']['body']['@iot.id'])}/Datastreams")) == 1
    assert sta.ask("POST", "$batch", {"requests": [{**requests[0], "atomicityGroup": "g"}]}).status_code == 501


def test_the_same_message_twice_is_one_observation(sta: Sta) -> None:
    sta.make("Things", {"name": "n", "description": "d", "Locations": [location()], "Datastreams": [datastream()]})
    path = f"{one_of('Datastreams', sta.values('Datastreams')[0]['@iot.id'])}/Observations"
    body = {"phenomenonTime": "2026-11-01T08:00:00+08:00", "result": 7, "parameters": {"battery": 3}}
    assert sta.make(path, body) == sta.make(path, body)
    [row] = sta.values("Observations")
    assert (row["phenomenonTime"], row["parameters"]) == ("2026-11-01T00:00:00.000Z", {"battery": 3})
    assert sta.make(path, {"result": True}) != sta.make(path, {"result": "wet"})
    span = {"phenomenonTime": "2026-10-01T00:00:00Z/2026-10-01T01:00:00Z", "validTime": "2026-10-01T00:00:00Z/2026-10-02T00:00:00Z", "result": {"a": [1]}}
    row = sta.get(one_of("Observations", sta.make(path, span)))
    assert (row["phenomenonTime"], row["result"]) == ("2026-10-01T00:00:00.000Z/2026-10-01T01:00:00.000Z", {"a": [1]})
    assert len(sta.values("Observations?$filter=phenomenonTime lt 2026-10-01T00:30:00Z")) == 0
    assert len(sta.values("Observations?$filter=phenomenonTime lt 2026-10-02T00:00:00Z")) == 1
    assert sta.get(one_of("Observations", sta.make(path, {"result": 1, "phenomenonTime": None})))["resultTime"] is None


def test_what_is_wrong_with_a_body_is_told(sta: Sta) -> None:
    for collection, body in (
        ("Things", []), ("Things", {"name": 7, "description": "d"}), ("Things", {"name": "n", "description": "d", "colour": "red"}),
        ("Things", {"name": "n", "description": "d", "Locations": {}}), ("Things", {"name": "n", "description": "d", "properties": 3}),
        ("Things", {"name": "n", "description": "d", "@iot.id": "mine"}), ("Locations", {**location(), "location": {"type": "Point", "coordinates": ["a"]}}),
        ("Observations", {"result": None}), ("HistoricalLocations", {"time": "never", "Thing": link(NOBODY)}), ("CreateObservations", {}),
        ("CreateObservations", [{"Datastream": link(NOBODY), "components": ["colour"], "dataArray": []}]), ("$batch", []),
    ):  # fmt: skip
        sta.refused("POST", collection, body)
    assert sta.ask("POST", one_of("Things", NOBODY), {}).status_code == 405
    assert sta.ask("DELETE", "Things").status_code == 405
    assert httpx.post(f"{sta.root}/Things", timeout=60, content=b"{", headers={"content-type": "application/json"}).status_code == 400


def _anything(random: Random, depth: int = 0) -> Any:
    """A JSON value as nobody expects it."""
    scalars = [None, True, -1, 1e308, "", "x" * 300, "2026-11-23T06:05:00Z", "\ud7ff", "'", point(1, 2), {"type": "Point"}, link(NOBODY), link("a@b~c")]
    if depth > 2 or random.random() < 0.6:
        return random.choice(scalars)
    if random.random() < 0.5:
        return [_anything(random, depth + 1) for _ in range(random.randint(0, 3))]
    names = [*KINDS, *PLURALS, "name", "@iot.id", "@context", "type"]
    return {random.choice(names): _anything(random, depth + 1) for _ in range(random.randint(0, 3))}


def test_nothing_that_is_sent_makes_the_service_fail(sta: Sta) -> None:
    random = Random(4)
    made = furnished(sta)
    words = ["Things", "Observations", "('", "')", "/", "$ref", "$value", "name", "Datastreams", "(", ")", "'", "?", "$filter=", "$expand=", "$top=0", "&", "eq", " ",
             "result", "1", "%00", "%ff", "~", "@", "now()", "-", "..", "\u6c34", *(quote(id) for id in made.values())]  # fmt: skip
    bodies: dict[str, Json] = {"Things": {"name": "n", "description": "d"}, "Locations": location(), "Sensors": sensor(), "Datastreams": datastream(Thing=link(made["Thing"])),
                               "Observations": {"result": 1, "Datastream": link(made["Datastream"]), "FeatureOfInterest": link(made["FeatureOfInterest"])}}  # fmt: skip
    for _ in range(300):
        path = "".join(random.choices(words, k=random.randint(1, 9)))
        answer = sta.ask(random.choice(["GET", "DELETE", "PATCH"]), path.replace("?", "%3F") if path[0] == "?" else path, {})
        assert answer.status_code < 500, f"{path}: {answer.text[:500]}"
    for _ in range(300):
        collection, body = random.choice(list(bodies.items()))
        names = [*body, *KINDS[PLURALS[collection]][1], *KINDS[PLURALS[collection]][2], "properties"]
        wrong = {**body, **{random.choice(names): _anything(random) for _ in range(random.randint(1, 2))}}
        answer = sta.ask("POST", collection, wrong)
        assert answer.status_code in (201, 400), f"{collection} {wrong}: {answer.status_code} {answer.text[:500]}"
    for kind, id in furnished(sta).items():
        for _ in range(15):
            wrong = {random.choice([*KINDS[kind][1], *KINDS[kind][2], "properties"]): _anything(random)}
            answer = sta.ask(random.choice(["PATCH", "PUT"]), one_of(KINDS[kind][0], id), wrong)
            assert answer.status_code in (200, 400, 409), f"{kind} {wrong}: {answer.status_code} {answer.text[:500]}"
            assert sta.ask("GET", one_of(KINDS[kind][0], id)).status_code == 200, f"{kind} {wrong}"
    for plural in PLURALS:
        sta.get(f"{plural}?$expand={','.join(KINDS[PLURALS[plural]][2])}&$orderby=id&$count=true")
