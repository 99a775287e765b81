"""Finding: pages, counts, orders, scans, shapes."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.condition import AllOf, AnyOf, Anything, HasAttribute, IdIn, IdPrefix, InBox, ScopeUnder, TypeIs, ValueIn
from cityhub.model.ports import Shape
from tests.contract.store.city import LEVEL, NAME, PLACE, TYPE, change, create, delete, entity, ids, number, place, put

OTHER = "https://example.org/Other"


def level(found: Any) -> Any:
    return found["attrs"][LEVEL][0]["value"]


@pytest.fixture
async def sensors(store: Any) -> Any:
    """300 sensors with levels that run backwards; every third is also of another type."""
    await store.write(
        "",
        [
            create(entity(f"urn:{n}", {LEVEL: number(300 - n)}, types=[TYPE, OTHER] if n % 3 == 0 else [TYPE]))
            for n in range(300)
        ],
    )
    return store


CONDITIONS = [Anything(), TypeIs(TYPE), HasAttribute(LEVEL), AllOf(()), IdPrefix("urn:"), ValueIn(LEVEL, 0, 1000)]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("exact", [False, True])
async def test_pages_in_the_order_of_creation(sensors: Any, condition: Any, exact: bool) -> None:
    matches = (lambda _: True) if exact else None
    assert await ids(sensors, "", condition, matches=matches) == [f"urn:{n}" for n in range(300)]
    assert await ids(sensors, "", condition, matches=matches, limit=3) == ["urn:0", "urn:1", "urn:2"]
    assert await ids(sensors, "", condition, matches=matches, offset=250, limit=2) == ["urn:250", "urn:251"]
    assert await ids(sensors, "", condition, matches=matches, offset=298, limit=20) == ["urn:298", "urn:299"]
    assert await ids(sensors, "", condition, matches=matches, offset=300) == []
    page = await sensors.find("", condition, matches, offset=299, limit=5, count=True)
    assert ([one["id"] for one in page.entities], page.count) == (["urn:299"], 300)
    assert (await sensors.find("", condition, matches, limit=0, count=True)) == (await sensors.find("", condition, matches, 9, 0, True))
    assert (await sensors.find("", condition, matches, limit=1)).count is None


async def test_twenty_is_the_default(sensors: Any) -> None:
    assert len((await sensors.find("", Anything(), None)).entities) == 20


async def test_limit_zero_only_counts(sensors: Any) -> None:
    page = await sensors.find("", TypeIs(OTHER), None, limit=0, count=True)
    assert (page.entities, page.count) == ([], 100)


async def test_the_predicate_decides(sensors: Any) -> None:
    def even(found: Any) -> bool:
        return level(found) % 2 == 0

    page = await sensors.find("", TypeIs(OTHER), even, offset=1, limit=3, count=True)
    assert [level(one) for one in page.entities] == [294, 288, 282]
    assert page.count == 50


async def test_an_order(sensors: Any) -> None:
    page = await sensors.find("", Anything(), None, offset=2, limit=3, count=True, order=level)
    assert [level(one) for one in page.entities] == [3, 4, 5]
    assert page.count == 300
    # Equal keys keep the order of creation.
    assert (await ids(sensors, "", order=lambda found: level(found) // 100))[:2] == ["urn:201", "urn:202"]
    assert await ids(sensors, "", order=level, offset=299) == ["urn:0"]
    assert await ids(sensors, "", matches=lambda found: level(found) < 3, order=level) == ["urn:299", "urn:298"]
    assert (await sensors.find("", Anything(), None, limit=0, count=True, order=level)) == (
        await sensors.find("", Anything(), None, limit=0, count=True)
    )


async def test_the_order_of_creation_outlives_changes(store: Any) -> None:
    await store.write("", [create(entity(id)) for id in ("urn:c", "urn:a", "urn:b")])
    await store.write("", [change("urn:c", level=1), put(entity("urn:a", types=[OTHER]))])
    assert await ids(store) == ["urn:c", "urn:a", "urn:b"]
    assert await ids(store, "", HasAttribute(LEVEL)) == ["urn:c"]
    assert await ids(store, "", TypeIs(TYPE)) == ["urn:c", "urn:b"]
    assert await ids(store, "", TypeIs(OTHER)) == ["urn:a"]


async def test_conditions_on_ids(store: Any) -> None:
    await store.write("", [create(entity(id)) for id in ("urn:a", "urn:a:1", "urn:a:\U0010ffff", "urn:b", "urn:a%", "URN:A")])
    assert await ids(store, "", IdPrefix("urn:a")) == ["urn:a", "urn:a:1", "urn:a:\U0010ffff", "urn:a%"]
    assert await ids(store, "", IdPrefix("urn:a:")) == ["urn:a:1", "urn:a:\U0010ffff"]
    assert await ids(store, "", IdPrefix("urn:a:\U0010ffff")) == ["urn:a:\U0010ffff"]
    assert len(await ids(store, "", IdPrefix(""))) == 6
    assert await ids(store, "", IdIn(("urn:b", "urn:none", "urn:a", "urn:b"))) == ["urn:a", "urn:b"]
    assert await ids(store, "", IdIn(())) == []
    assert await ids(store, "", IdIn(tuple(f"urn:{n}" for n in range(20_000)))) == []


async def test_and_or(sensors: Any) -> None:
    few = IdIn(("urn:0", "urn:1", "urn:3"))
    assert await ids(sensors, "", AllOf((few, TypeIs(OTHER)))) == ["urn:0", "urn:3"]
    assert await ids(sensors, "", AnyOf((IdPrefix("urn:29"), few)), limit=4) == ["urn:0", "urn:1", "urn:3", "urn:29"]
    assert await ids(sensors, "", AnyOf(())) == []
    assert await ids(sensors, "", AllOf((TypeIs(OTHER), AnyOf(())))) == []
    assert await ids(sensors, "", AllOf((AnyOf((TypeIs(OTHER), HasAttribute("urn:none"))), IdPrefix("urn:29")))) == ["urn:291", "urn:294", "urn:297"]
    assert len(await ids(sensors, "", AnyOf((TypeIs(OTHER), TypeIs(TYPE))))) == 300
    wide = AnyOf(tuple(IdIn((f"urn:{n}",)) for n in range(0, 600, 2)))
    assert len(await ids(sensors, "", wide)) == 150


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (2, 2, ["2", "2.0"]), (None, 1.5, ["-7", "1.5"]), (2, None, ["2", "2.0", "big"]), (2.0000001, 3, []), (-7, -7, ["-7"]),
        (2**60, None, ["big"]), ("a", "a", ["a"]), ("a", "ab", ["a", "ab"]), (None, "a", ["a", "2 as text", "empty"]), ("b", None, ["水", "é"]),
        ("水", "水", ["水"]), ("2", "2", ["2 as text"]), (3, 1, []), ("", "", ["empty"]), (None, None, ...),
    ],
)  # fmt: skip
async def test_ranges_of_values(store: Any, low: Any, high: Any, expected: Any) -> None:
    values = {
        "2": 2, "2.0": 2.0, "-7": -7, "1.5": 1.5, "big": 2**60, "a": "a", "ab": "ab", "2 as text": "2", "水": "水", "é": "é",
        "empty": "", "true": True, "null": None,
    }  # fmt: skip
    await store.write("", [create(entity(f"urn:{name}", {LEVEL: number(value)})) for name, value in values.items()])
    if expected is ...:
        expected = [name for name in values if name not in ("true", "null")]
    assert sorted(await ids(store, "", ValueIn(LEVEL, low, high))) == sorted(f"urn:{name}" for name in expected)
    assert await ids(store, "", ValueIn(NAME, low, high)) == []


async def test_ranges_of_items_and_paths(store: Any) -> None:
    inner = "https://example.org/inner"
    deep = [{"type": "Property", "value": {inner: {inner: [1, "x"]}}, "attrs": {NAME: number("low")}}]
    await store.write("", [create(entity("urn:list", {LEVEL: number([1, 9, "x"])})), create(entity("urn:deep", {LEVEL: deep}))])
    assert await ids(store, "", ValueIn(LEVEL, 8, 10)) == ["urn:list"]
    assert await ids(store, "", ValueIn(LEVEL, "x", "x")) == ["urn:list"]
    assert await ids(store, "", ValueIn(LEVEL, 2, 8)) == []
    assert await ids(store, "", ValueIn(LEVEL, 1, 1, (inner, inner))) == ["urn:deep"]
    assert await ids(store, "", ValueIn(LEVEL, "low", "low", (NAME,))) == ["urn:deep"]
    assert await ids(store, "", ValueIn(LEVEL, "low", "low", (NAME, inner))) == []


async def test_ranges_of_times(store: Any) -> None:
    texts = ["2026-11-23T06:00:00Z", "2026-11-23T14:00:00+08:00", "2026-11-23T06:00:00.5Z", "2026-11-22T23:59:59.999999Z", "yesterday"]
    await store.write("", [create(entity(f"urn:{n}", {LEVEL: number(text)})) for n, text in enumerate(texts)])
    at = "2026-11-23T06:00:00.000000Z"
    assert await ids(store, "", ValueIn(LEVEL, at, at)) == ["urn:0", "urn:1"]
    later = await ids(store, "", ValueIn(LEVEL, "2026-11-23T06:00:00.000001Z", "2026-11-23T07:00:00.000000Z"))
    assert "urn:2" in later
    assert "urn:3" not in later


async def test_long_texts_are_not_lost(store: Any) -> None:
    long = "水" * 3000
    await store.write("", [create(entity("urn:1", {LEVEL: number(long + "a")})), create(entity("urn:2", {LEVEL: number(long + "b")}))])

    def equal(found: Any) -> bool:
        return bool(level(found) == long + "b")

    assert await ids(store, "", ValueIn(LEVEL, long + "b", long + "b"), matches=equal) == ["urn:2"]
    assert "urn:2" in await ids(store, "", ValueIn(LEVEL, long + "b", long + "b"))


async def test_boxes(store: Any) -> None:
    shapes = {
        "point": place(108.77, 29.53),
        "line": place([108.0, 29.0], [109.0, 30.0], kind="LineString"),
        "far": place(120.0, 30.0),
        "high": place(108.77, 29.53, 640.0),
        "west": place(-179.9, 10.0),
        "east": place(179.9, 10.0),
        "area": place([[108.9, 29.9], [109.1, 29.9], [109.1, 30.1], [108.9, 29.9]], kind="Polygon"),
        "both": [
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120.0, 30.0]}},
            {"type": "GeoProperty", "datasetId": "urn:b", "value": {"type": "Point", "coordinates": [108.77, 29.53]}},
        ],
        "several": [
            {"type": "GeoProperty", "value": {"type": "GeometryCollection", "geometries": [
                {"type": "Point", "coordinates": [0, 0]}, {"type": "MultiPoint", "coordinates": [[5, 5], [6, 6]]}]}}
        ],
    }  # fmt: skip
    await store.write("", [create(entity(f"urn:{name}", {PLACE: shape})) for name, shape in shapes.items()])
    await store.write("", [create(entity("urn:text", {PLACE: number("108.77,29.53")})), create(entity("urn:none"))])

    async def inside(west: float, south: float, east: float, north: float) -> set[str]:
        return {id.removeprefix("urn:") for id in await ids(store, "", InBox(PLACE, west, south, east, north))}

    assert await inside(108.77, 29.53, 108.77, 29.53) == {"point", "line", "high", "both"}
    assert await inside(108.7700001, 29.0, 108.78, 30.0) == {"line"}
    assert await inside(119, 29, 121, 31) == {"far", "both"}
    assert await inside(109.05, 30.05, 109.06, 30.06) == {"area"}
    assert await inside(-180, -90, 180, 90) == set(shapes)
    assert await inside(3, 3, 3, 3) == {"several"}
    over_the_line = AnyOf((InBox(PLACE, 179, 0, 180, 20), InBox(PLACE, -180, 0, -179, 20)))
    assert await ids(store, "", over_the_line) == ["urn:west", "urn:east"]
    assert await ids(store, "", InBox(NAME, -180, -90, 180, 90)) == []

    await store.write("", [put(entity("urn:point", {PLACE: place(120.0, 30.0)})), change("urn:high", level=1), delete("urn:both")])
    assert await inside(108.77, 29.53, 108.77, 29.53) == {"line", "high"}
    await store.write("", [put(entity("urn:line"))])
    assert await inside(108.77, 29.53, 108.77, 29.53) == {"high"}


async def test_scopes(store: Any) -> None:
    own = {"a": ["/city"], "b": ["/city/north"], "c": ["/city/north/1", "/other"], "d": ["/cityscape"], "e": ["/city/northern"]}
    await store.write("", [create(entity(f"urn:{name}", scope=scope)) for name, scope in own.items()])
    await store.write("", [create(entity("urn:f"))])
    assert await ids(store, "", ScopeUnder("/city")) == ["urn:a", "urn:b", "urn:c", "urn:e"]
    assert await ids(store, "", ScopeUnder("/city/north")) == ["urn:b", "urn:c"]
    assert await ids(store, "", ScopeUnder("/other")) == ["urn:c"]
    assert await ids(store, "", ScopeUnder("/cit")) == []
    assert await ids(store, "", ScopeUnder("/")) == ["urn:a", "urn:b", "urn:c", "urn:d", "urn:e"]
    await store.write("", [put(entity("urn:a", scope=["/moved"])), put(entity("urn:b"))])
    assert await ids(store, "", ScopeUnder("/city")) == ["urn:c", "urn:e"]
    assert await ids(store, "", ScopeUnder("/moved")) == ["urn:a"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [(Anything(), 300), (TypeIs(OTHER), 100), (ValueIn(LEVEL, 1, 10), 10), (AllOf((TypeIs(OTHER), IdPrefix("urn:29"))), 3), (AnyOf(()), 0)],
)
async def test_scan_gives_all_in_blocks(sensors: Any, condition: Any, expected: int) -> None:
    blocks = [block async for block in sensors.scan("", condition)]
    found = [one["id"] for block in blocks for one in block]
    assert len(found) == expected
    assert found == sorted(found, key=lambda id: int(id.removeprefix("urn:")))


async def test_scan_goes_on_while_entities_come_and_go(store: Any) -> None:
    await store.write("", [create(entity(f"urn:{n}")) for n in range(6000)])
    seen: list[str] = []
    async for block in store.scan("", Anything()):
        assert len(block) <= 5000
        if not seen:
            await store.write("", [delete("urn:5999"), delete("urn:0"), create(entity("urn:new")), change("urn:5998", level=1)])
        seen += [one["id"] for one in block]
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"urn:{n}" for n in range(5999)}
    assert "urn:5999" not in seen


async def test_shapes(store: Any) -> None:
    relationship = [{"type": "Relationship", "object": "urn:b"}]
    both = [{"type": "Property", "value": 1}, {"type": "Relationship", "object": "urn:b", "datasetId": "urn:d"}]
    await store.write(
        "",
        [
            create(entity("urn:a", {LEVEL: number(1)}, types=[TYPE, OTHER])),
            create(entity("urn:b", {LEVEL: number(1), NAME: relationship})),
            create(entity("urn:c", {NAME: both}, types=[OTHER])),
            create(entity("urn:gone", {NAME: both}, types=["urn:gone"])),
        ],
    )
    await store.write("", [delete("urn:gone")])
    assert sorted(await store.shapes(""), key=str) == sorted(
        [
            Shape(TYPE, "", "", 2), Shape(OTHER, "", "", 2), Shape(TYPE, LEVEL, "Property", 2), Shape(OTHER, LEVEL, "Property", 1),
            Shape(TYPE, NAME, "Relationship", 1), Shape(OTHER, NAME, "Property", 1), Shape(OTHER, NAME, "Relationship", 1),
        ],
        key=str,
    )  # fmt: skip
    await store.write("", [put(entity("urn:b", types=[TYPE])), put(entity("urn:c", {LEVEL: relationship}, types=[TYPE]))])
    assert sorted(await store.shapes(""), key=str) == sorted(
        [
            Shape(TYPE, "", "", 3), Shape(OTHER, "", "", 1), Shape(TYPE, LEVEL, "Property", 1), Shape(OTHER, LEVEL, "Property", 1),
            Shape(TYPE, LEVEL, "Relationship", 1),
        ],
        key=str,
    )  # fmt: skip
    assert await store.entity_count() == 3


async def test_everything_is_found_after_a_restart(sensors: Any, open_store: Any) -> None:
    await sensors.write("", [create(entity("urn:place", {PLACE: place(108.7, 29.5)}, scope=["/a/b"]))])
    conditions = [*CONDITIONS, InBox(PLACE, 108, 29, 109, 30), ScopeUnder("/a"), TypeIs(OTHER)]
    before = [await ids(sensors, "", condition) for condition in conditions]
    await sensors.close()
    again = await open_store()
    try:
        assert [await ids(again, "", condition) for condition in conditions] == before
    finally:
        await again.close()
