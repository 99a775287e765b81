"""The data of the first district: complete, well formed, with sources, and nothing that may not be in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from cityhub.ingest.district import District, read_entities
from cityhub.model.jsonld import CORE_URL, TermMap, core_document, term_map
from cityhub.model.ngsild.parse import parse_entity

Entity = dict[str, Any]


@pytest.fixture(scope="session")
def entities(district: District) -> list[Entity]:
    return [entity for part in district.about.entities for entity in read_entities(district.path(part.file))]


@pytest.fixture(scope="session")
def recorded(district: District) -> list[list[Entity]]:
    return [read_entities(district.path(feed.file)) for feed in district.feeds if feed.kind == "recorded"]


@pytest.fixture(scope="session")
def context(district: District) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(district.path(district.about.context).read_bytes())["@context"]
    return document


@pytest.fixture(scope="session")
def terms(context: dict[str, Any]) -> TermMap:
    return term_map(context)


def types_of(entity: Entity) -> list[str]:
    return entity["type"] if isinstance(entity["type"], list) else [entity["type"]]


def of_type(entities: list[Entity], type_: str) -> list[Entity]:
    return [entity for entity in entities if type_ in types_of(entity)]


def objects_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("object"), str):
            yield value["object"]
        for item in value.values():
            yield from objects_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from objects_in(item)


def points_in(coordinates: Any) -> Iterator[list[float]]:
    if isinstance(coordinates[0], (int, float)):
        yield coordinates
    else:
        for item in coordinates:
            yield from points_in(item)


@pytest.mark.parametrize(
    ("type_", "count"),
    [
        ("District", 1), ("Township", 30), ("Village", 220), ("Organization", 90), ("RiverBodyOfWater", 5), ("Reservoir", 5),
        ("LakeBodyOfWater", 1), ("TouristAttraction", 6), ("Airport", 1), ("ClimateNormal", 1),
    ],
)
def test_counts(entities: list[Entity], type_: str, count: int) -> None:
    assert len(of_type(entities, type_)) == count


def test_populations_add_up_to_the_census(entities: list[Entity]) -> None:
    towns = [entity["population"]["value"] for entity in of_type(entities, "Township") if "population" in entity]
    assert len(towns) == 27
    assert sum(towns) == 301_285
    assert sum(towns) + 143_727 == 445_012


def test_ids_are_unique_and_files_have_no_duplicates(entities: list[Entity]) -> None:
    ids = [entity["id"] for entity in entities]
    assert len(ids) == len(set(ids))


def test_every_reference_resolves(entities: list[Entity], recorded: list[list[Entity]], district: District) -> None:
    known = {entity["id"] for entity in entities}
    played = [entity for feed in recorded for entity in feed]
    parameters = [value for kind in ("reach", "basin", "spot") for item in district.simulation[kind] for value in item.values()]
    wanted = set(objects_in([*entities, *played])) | {value for value in parameters if isinstance(value, str) and value.startswith("urn:")}
    assert wanted - known == set()


def test_villages_lie_in_towns_and_towns_in_the_district(entities: list[Entity]) -> None:
    towns = {entity["id"]: entity for entity in of_type(entities, "Township")}
    for village in of_type(entities, "Village"):
        town = towns[village["containedInPlace"]["object"]]
        assert village["divisionCode"].startswith(town["divisionCode"][:9])
        assert village["scope"] == town["scope"]
    assert {town["containedInPlace"]["object"] for town in towns.values()} == {"urn:ngsi-ld:District:500114"}
    assert {body["areaServed"]["object"] for body in of_type(entities, "Organization")} == {"urn:ngsi-ld:District:500114"}


def test_coordinates_lie_in_the_bounding_box(entities: list[Entity], district: District) -> None:
    west, south, east, north = district.about.bounding_box
    places = [
        point
        for entity in entities
        for name in ("location", "catchmentArea")
        if name in entity
        for point in points_in(entity[name]["value"]["coordinates"])
    ]
    assert len(places) > 300
    assert all(west <= lon <= east and south <= lat <= north for lon, lat in places)


def test_every_fact_has_source_and_licence(entities: list[Entity], recorded: list[list[Entity]]) -> None:
    assert [entity["id"] for entity in entities if not (entity.get("source") and entity.get("license"))] == []
    for feed in recorded:
        for entity in feed:
            observed = [item for item in entity.values() if isinstance(item, dict) and "observedAt" in item]
            own = entity.get("source") and entity.get("license")
            assert own or all(item.get("source") and item.get("license") for item in observed), entity["id"]


def test_what_is_approximate_says_so(entities: list[Entity]) -> None:
    (area,) = of_type(entities, "District")
    assert area["location"]["approximate"] is True
    assert "仅供示意" in area["location"]["note"]
    assert all(town["catchmentArea"]["approximate"] is True for town in of_type(entities, "Township"))


def test_names_are_in_chinese_and_english(entities: list[Entity], recorded: list[list[Entity]]) -> None:
    for entity in [*entities, *(entity for feed in recorded for entity in feed if "name" in entity)]:
        names = entity["name"]["languageMap"]
        assert re.search(r"[\u4e00-\u9fff]", names["zh"]), entity["id"]
        assert not re.search(r"[\u4e00-\u9fff]", names["en"]), entity["id"]


def test_every_entity_parses_and_every_name_is_a_term_of_the_context(
    entities: list[Entity], recorded: list[list[Entity]], terms: TermMap
) -> None:
    for document in [*entities, *(entity for feed in recorded for entity in feed)]:
        entity = parse_entity(document, terms)
        named = [*entity["type"], *entity["attrs"], *(name for items in entity["attrs"].values() for item in items for name in item.get("attrs", ()))]
        assert [name for name in named if "default-context" in name or ":" not in name] == [], document["id"]


def test_vocabulary_words_are_terms_of_the_context(entities: list[Entity], recorded: list[list[Entity]], context: dict[str, Any]) -> None:
    documents = [*entities, *(entity for feed in recorded for entity in feed)]
    words = {item["vocab"] for entity in documents for item in entity.values() if isinstance(item, dict) and "vocab" in item}
    assert len(words) >= 7
    assert words <= context.keys()


def test_context_leaves_the_core_terms_alone(context: dict[str, Any]) -> None:
    core = core_document(CORE_URL)
    assert core is not None
    assert context.keys() & core["@context"].keys() == set()


def test_recorded_figures_stand_in_the_order_of_time_and_in_the_past(recorded: list[list[Entity]]) -> None:
    now = datetime.now(UTC).isoformat()
    for feed in recorded:
        times = [
            max((item["observedAt"] for item in entity.values() if isinstance(item, dict) and "observedAt" in item), default="")
            for entity in feed
        ]
        assert times == sorted(times)
        assert times[-1] and times[-1] < now


def test_recorded_entities_are_introduced_before_they_speak_again(recorded: list[list[Entity]], entities: list[Entity]) -> None:
    known = {entity["id"] for entity in entities}
    for feed in recorded:
        for entity in feed:
            assert "name" in entity or entity["id"] in known, entity["id"]
            known.add(entity["id"])


def test_nothing_from_snapshots_is_in_the_district(district: District) -> None:
    text = "".join(path.read_text() for path in sorted(district.folder.rglob("*.jsonl")))
    for word in ("QNW", "彭水西", "确诊", "China-AQI", "Wuhan-2019", "CNID", "plotly"):
        assert word not in text
