"""The order of results. Source: GS CIM 009 V1.9.1 clauses 4.23 and 5.2.43."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.order import Ordering, parse_order, read_ordering
from tests.unit.model.ngsild.sample import TERMS, entity, instance, iri


def ordered(entities: list[Entity], order: Ordering) -> str:
    shuffled = list(entities)
    random.Random(5).shuffle(shuffled)
    return " ".join(thing["id"] for thing in sorted(shuffled, key=order.key))


def moment(text: str) -> dict[str, str]:
    return {"@type": "DateTime", "@value": text}


KINDS = [
    entity("n", x=-3),
    entity("m", x=2.5),
    entity("s", x="a"),
    entity("t", x="B"),
    entity("o", x={iri("b"): 1}),
    entity("a", x=[1, 2]),
    entity("f", x=False),
    entity("g", x=True),
    entity("time", x=moment("10:00:00Z")),
    entity("date", x=moment("2026-01-01")),
    entity("moment", x=moment("2026-01-01T00:00:00Z")),
    entity("null", x=instance({"y": None}, "JsonProperty")),
    entity("none"),
]


def test_kinds_of_values_stand_in_the_order_of_the_clause() -> None:
    things = [thing for thing in KINDS if thing["id"] != "null"]
    assert ordered(things, parse_order("x", TERMS)) == "n m s t o a f g time date moment none"
    assert ordered(things, parse_order("x;desc", TERMS)) == "moment date time g f a o t s m n none"


def test_null_comes_before_what_is_not_there() -> None:
    things = [entity("one", x=instance({"y": 1}, "JsonProperty")), KINDS[-2], KINDS[-1]]
    assert ordered(things, parse_order("x[y]", TERMS)) == "one null none"
    assert ordered(things, parse_order("x[y];desc", TERMS)) == "one null none"


PLACES = [
    entity("1", ("T",), name="Main", address={iri("city"): "Oslo"}, n=2),
    entity("2", ("T",), name="main", address={iri("city"): "Berlin"}, n=1),
    entity("3", ("U",), name=instance("Aga", observedAt="2026-01-01T00:00:00.000000Z"), address={iri("city"): "rome"}),
    entity("4", ("T",), name=instance("Zoo", observedAt="2025-01-01T00:00:00.000000Z", attrs={iri("q"): [instance(1)]}), n=[instance(9)]),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id", "1 2 3 4"),
        ("id;desc", "4 3 2 1"),
        ("type;desc,id", "3 1 2 4"),
        ("name", "3 2 1 4"),
        ("name;desc,id", "4 1 2 3"),
        ("address[city]", "2 1 3 4"),
        ("address[city];desc", "3 1 2 4"),
        ("n,id", "2 1 4 3"),
        ("n;desc,id", "4 1 2 3"),
        ("name.observedAt,id;desc", "4 3 2 1"),
        ("name.q,id", "4 1 2 3"),
        ("createdAt,name;asc,id;desc", "3 2 1 4"),
    ],
)
def test_orders(text: str, expected: str) -> None:
    assert ordered(PLACES, parse_order(text, TERMS)) == expected
    assert ordered(PLACES, parse_order(text.split(","), TERMS)) == expected


def test_the_default_instance_counts() -> None:
    things = [entity("a", x=[instance(1, datasetId="urn:d"), instance(9)]), entity("b", x=5)]
    assert ordered(things, parse_order("x", TERMS)) == "b a"


def at(id: str, kind: str, coordinates: Any) -> Entity:
    return entity(id, location=instance({"type": kind, "coordinates": coordinates}, "GeoProperty"))


GEO = [
    at("near", "Point", [8.01, 40.01]),
    at("mid", "Polygon", [[[9, 41], [9.1, 41], [9.1, 41.1], [9, 41]]]),
    at("far", "Point", [10, 45]),
    entity("value", location=5),
    entity("none"),
]


@pytest.mark.parametrize(
    ("text", "order_from", "geometry", "expected"),
    [
        ("location;dist-asc", "[8,40]", None, "near mid far value none"),
        ("location;dist-desc", [8, 40], "Point", "far mid near value none"),
        ("location;dist-asc", "[[10,44],[10,46]]", "LineString", "far mid near value none"),
    ],
)
def test_orders_by_distance(text: str, order_from: Any, geometry: str | None, expected: str) -> None:
    order = parse_order(text, TERMS, order_from=order_from, geometry=geometry)
    assert order.by_distance
    assert ordered(GEO, order) == expected


def test_texts_follow_the_collation() -> None:
    things = [entity(name, name=name) for name in ("Zebra", "Ähre", "Affe", "Aga")]
    assert ordered(things, parse_order("name", TERMS)) == "Affe Aga Ähre Zebra"
    assert ordered(things, parse_order("name", TERMS, language="de-u-co-phonebk")) == "Ähre Affe Aga Zebra"


def test_names_say_what_is_ordered_by() -> None:
    assert parse_order("id,speed.quality;desc", TERMS).names == ("id", iri("speed"))


@pytest.mark.parametrize(
    "text", ["", ",", "a,,b", "a,", "a;up", "a;", "a;asc;desc", "a[", "a[]", "a]", "a{b}", "a b", "1", "a==1", 5, [], ["a", 5], ["a;x"], None, ["a"] * 21]
)
def test_refuses_what_is_no_order(text: Any) -> None:
    with pytest.raises(BadRequestData, match="'orderBy'"):
        parse_order(text, TERMS)


def test_reads_ordering_documents() -> None:
    order = read_ordering({"orderBy": ["location;dist-asc", "id"], "coordinates": [8, 40], "geometry": "Point", "collation": "de"}, TERMS)
    assert ordered(GEO, order) == "near mid far value none"
    assert read_ordering({"orderBy": ["id;asc"], "geometry": "Point"}, TERMS).names == ("id",)


@pytest.mark.parametrize(
    "document",
    [
        {"orderBy": ["location;dist-asc"]},
        {"orderBy": ["location;dist-asc"], "coordinates": "8,40"},
        {"orderBy": ["location;dist-asc"], "coordinates": "[8,40]"},
        {"orderBy": ["location;dist-asc"], "coordinates": [8]},
        {"orderBy": ["id;asc"], "geometry": 5},
        {"orderBy": ["id;asc"], "collation": "not a bcp47 tag!!"},
        {"orderBy": ["id;asc"], "collation": 5},
        {"orderBy": "id"},
        {},
        5,
    ],
)
def test_refuses_wrong_ordering_documents(document: Any) -> None:
    with pytest.raises(BadRequestData):
        read_ordering(document, TERMS)


scalars = st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["a", "B", "é", ""]) | st.booleans()
values = st.none() | scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.just(iri("m")), scalars) | st.just(moment("2026-01-01T00:00:00Z"))


@settings(deadline=None)
@given(st.lists(values, max_size=8), st.sampled_from(["x", "x;desc", "x[m]", "x;dist-asc,x;desc"]))
def test_any_entities_can_be_ordered(found: list[Any], text: str) -> None:
    order = parse_order(text, TERMS, order_from=[0, 0])
    things = [entity(str(n)) if value is None else entity(str(n), x=value) for n, value in enumerate(found)]
    backwards = things[::-1]
    assert [order.key(thing) for thing in sorted(things, key=order.key)] == [order.key(thing) for thing in sorted(backwards, key=order.key)]
