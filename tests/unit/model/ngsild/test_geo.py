"""Geoqueries: relations, distances, conditions, errors. Source: GS CIM 009 V1.9.1 clause 4.10."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.condition import AnyOf, HasAttribute, InBox
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.indexing import satisfies
from cityhub.model.ngsild.geo import RELATIONS, GeoQuery, parse_geo_query
from tests.unit.model.ngsild.sample import TERMS, entity, instance, iri

SQUARE = [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]


def at(*geometries: dict[str, Any], name: str = "location") -> Entity:
    values = [instance(one, "GeoProperty", **({"datasetId": f"urn:d:{n}"} if n else {})) for n, one in enumerate(geometries)]
    return entity(**{name: values})


def shape(kind: str, coordinates: Any) -> dict[str, Any]:
    return {"type": kind, "coordinates": coordinates}


def query(georel: str, kind: str, coordinates: Any, geoproperty: str | None = None) -> GeoQuery:
    return parse_geo_query(georel, kind, coordinates, geoproperty, TERMS)


INSIDE, EDGE, OUTSIDE = shape("Point", [1, 1]), shape("Point", [2, 1]), shape("Point", [3, 1])
CASES = [
    # relation, reference, target, whether it holds
    ("within", ("Polygon", SQUARE), INSIDE, True),
    ("within", ("Polygon", SQUARE), EDGE, False),
    ("within", ("Polygon", SQUARE), OUTSIDE, False),
    ("within", ("Polygon", SQUARE), shape("LineString", [[0.5, 0.5], [1, 1]]), True),
    ("within", ("Polygon", SQUARE), shape("LineString", [[0.5, 0.5], [3, 1]]), False),
    ("within", ("MultiPolygon", [SQUARE]), shape("MultiPoint", [[1, 1], [0.5, 1]]), True),
    ("within", ("Point", [1, 1]), INSIDE, True),
    ("within", ("Polygon", [*SQUARE, [[0.5, 0.5], [0.5, 1.5], [1.5, 1.5], [1.5, 0.5], [0.5, 0.5]]]), INSIDE, False),
    ("contains", ("Point", [1, 1]), shape("Polygon", SQUARE), True),
    ("contains", ("Point", [3, 1]), shape("Polygon", SQUARE), False),
    ("contains", ("Point", [1, 1]), INSIDE, True),
    ("intersects", ("Polygon", SQUARE), INSIDE, True),
    ("intersects", ("Polygon", SQUARE), EDGE, True),
    ("intersects", ("Polygon", SQUARE), OUTSIDE, False),
    ("intersects", ("LineString", [[-1, 1], [1, 1]]), shape("Polygon", SQUARE), True),
    ("intersects", ("MultiLineString", [[[5, 5], [6, 6]], [[0, 3], [3, 0]]]), shape("Polygon", SQUARE), True),
    ("disjoint", ("Polygon", SQUARE), INSIDE, False),
    ("disjoint", ("Polygon", SQUARE), EDGE, False),
    ("disjoint", ("Polygon", SQUARE), OUTSIDE, True),
    ("disjoint", ("MultiPoint", [[1, 1], [5, 5]]), shape("Polygon", SQUARE), False),
    ("overlaps", ("Polygon", SQUARE), shape("Polygon", [[[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]]), True),
    ("overlaps", ("Polygon", SQUARE), shape("Polygon", [[[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1], [0.5, 0.5]]]), False),
    ("overlaps", ("Polygon", SQUARE), INSIDE, False),
    ("equals", ("Polygon", SQUARE), shape("Polygon", [[[2, 2], [0, 2], [0, 0], [2, 0], [2, 2]]]), True),
    ("equals", ("Point", [1, 1]), shape("Point", [1, 1, 300]), True),
    ("equals", ("Point", [1, 1]), EDGE, False),
    ("equals", ("LineString", [[0, 0], [1, 1]]), shape("LineString", [[1, 1], [0, 0]]), True),
    ("equals", ("LineString", [[0, 0], [1, 1]]), INSIDE, False),
    ("near;maxDistance==2000", ("Point", [8, 40]), shape("Point", [8.01, 40.01]), True),
    ("near;maxDistance==1000", ("Point", [8, 40]), shape("Point", [8.01, 40.01]), False),
    ("near;minDistance==1000", ("Point", [8, 40]), shape("Point", [8.01, 40.01]), True),
    ("near;minDistance==2000", ("Point", [8, 40]), shape("Point", [8.01, 40.01]), False),
    ("near;maxDistance==1", ("Point", [1, 1]), shape("Polygon", SQUARE), True),
    ("near;maxDistance==112000", ("Point", [3, 1]), shape("Polygon", SQUARE), True),
    ("near;maxDistance==110000", ("Point", [3, 1]), shape("Polygon", SQUARE), False),
    ("near;maxDistance==1", ("Polygon", SQUARE), INSIDE, True),
    ("near;maxDistance==112000", ("Polygon", SQUARE), OUTSIDE, True),
    ("near;maxDistance==110000", ("Polygon", SQUARE), OUTSIDE, False),
    ("near;maxDistance==112000", ("LineString", [[3, 0], [3, 2]]), shape("MultiPoint", [[1, 1], [2, 1]]), True),
    ("near;maxDistance==23000", ("Point", [179.9, 0]), shape("Point", [-179.9, 0]), True),
    ("near;maxDistance==22000", ("Point", [179.9, 0]), shape("Point", [-179.9, 0]), False),
    ("near;maxDistance==23000", ("Point", [0, 89.9]), shape("Point", [180, 89.9]), True),
]


@pytest.mark.parametrize(("georel", "reference", "target", "holds"), CASES)
def test_relations(georel: str, reference: tuple[str, Any], target: dict[str, Any], holds: bool) -> None:
    asked = query(georel, *reference)
    assert asked.matches(at(target)) is holds
    if holds:
        assert satisfies(asked.condition, at(target))


def test_one_instance_is_enough_and_other_attributes_do_not_count() -> None:
    asked = query("within", "Polygon", SQUARE)
    assert asked.matches(at(OUTSIDE, INSIDE))
    assert not asked.matches(at(INSIDE, name="observationSpace"))
    assert not asked.matches(entity(location=INSIDE))  # a Property with a geometry as value is no GeoProperty
    assert query("within", "Polygon", SQUARE, "observationSpace").matches(at(INSIDE, name="observationSpace"))
    assert asked.matches_geometry(INSIDE)


def test_conditions_are_boxes_where_they_can_be() -> None:
    location = iri("location")
    assert query("disjoint", "Point", [1, 1]).condition == HasAttribute(location)
    assert query("near;minDistance==5", "Point", [1, 1]).condition == HasAttribute(location)
    box = query("near;maxDistance==1000", "Point", [8, 40]).condition
    assert isinstance(box, InBox)
    assert (box.west, box.south, box.east, box.north) == pytest.approx((7.988, 39.991, 8.012, 40.009), abs=0.001)
    across = query("near;maxDistance==100000", "Point", [179.9, 0]).condition
    assert isinstance(across, AnyOf)
    assert [(part.west, part.east) for part in across.conditions if isinstance(part, InBox)] == [
        (pytest.approx(179, abs=0.01), 180),
        (-180, pytest.approx(-179.2, abs=0.01)),
    ]
    polar = query("near;maxDistance==100000", "Point", [10, 89.5]).condition
    assert isinstance(polar, InBox)
    assert (polar.west, polar.east, polar.north) == (-180, 180, 90)


WRONG: list[tuple[Any, Any, Any, Any, str]] = [
    ("", "Point", "[0,0]", None, "'georel'"),
    (None, "Point", "[0,0]", None, "'georel'"),
    (["near"], "Point", "[0,0]", None, "'georel'"),
    ("NEAR;maxDistance==100", "Point", "[0,0]", None, "'georel' must be one of near"),
    ("foo", "Point", "[0,0]", None, "'georel' must be one of near"),
    ("near", "Point", "[0,0]", None, "'georel' must be like"),
    ("near;foo==100", "Point", "[0,0]", None, "'georel' must be like"),
    ("near;maxDistance=100", "Point", "[0,0]", None, "'georel' must be like"),
    ("near;maxDistance==1500;minDistance==1000", "Point", "[0,0]", None, "'georel' must be like"),
    ("near;", "Point", "[0,0]", None, "'georel' must be like"),
    ("near;maxDistance==abc", "Point", "[0,0]", None, "distance in metres"),
    ("near;maxDistance==-5", "Point", "[0,0]", None, "distance in metres"),
    ("near;maxDistance==0", "Point", "[0,0]", None, "distance in metres"),
    ("near;maxDistance==true", "Point", "[0,0]", None, "distance in metres"),
    ("near;maxDistance==1e999", "Point", "[0,0]", None, "distance in metres"),
    ("within;maxDistance==100", "Point", "[0,0]", None, "only with near"),
    ("within", "", "[0,0]", None, "'geometry'"),
    ("within", "point", "[0,0]", None, "'geometry'"),
    ("within", 5, "[0,0]", None, "'geometry'"),
    ("within", "GeometryCollection", "[]", None, "'geometry'"),
    ("within", "Point", "", None, "'coordinates'"),
    ("within", "Point", "notanarray", None, "'coordinates'"),
    ("within", "Point", 5, None, "'coordinates'"),
    ("within", "Point", "[0]", None, "'coordinates'"),
    ("near;maxDistance==1", "Point", "[181,0]", None, "'coordinates'"),
    ("near;maxDistance==1", "LineString", "[[0,0],[0,91]]", None, "'coordinates'"),
    ("within", "Point", '["a","b"]', None, "'coordinates'"),
    ("within", "Polygon", "[[[0,0],[1,1],[0,0]]]", None, "'coordinates'"),
    ("within", "Polygon", "[]", None, "'coordinates'"),
    ("within", "LineString", "[[0,0]]", None, "'coordinates'"),
    ("within", "Point", "[0,0]", "", "'geoproperty'"),
    ("within", "Point", "[0,0]", 5, "'geoproperty'"),
]


@pytest.mark.parametrize(("georel", "kind", "coordinates", "geoproperty", "message"), WRONG)
def test_refuses_what_the_clause_does_not_have(georel: Any, kind: Any, coordinates: Any, geoproperty: Any, message: str) -> None:
    with pytest.raises(BadRequestData) as error:
        parse_geo_query(georel, kind, coordinates, geoproperty, TERMS)
    assert message in error.value.detail


def test_refuses_very_many_coordinates() -> None:
    with pytest.raises(TooComplexQuery):
        query("within", "MultiPoint", "[" + "[0,0]," * 200_000 + "[0,0]]")


def test_self_intersecting_areas_are_answered() -> None:
    bow = [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]
    assert query("intersects", "Polygon", bow).matches(at(shape("Point", [1.9, 1])))
    assert not query("intersects", "Polygon", bow).matches(at(shape("Point", [1, 0.1])))
    assert query("contains", "Point", [1.9, 1]).matches(at(shape("Polygon", bow)))


positions = st.tuples(st.integers(-190, 190).map(float), st.integers(-95, 95).map(float)).map(list)
near = st.tuples(st.floats(-3, 3), st.floats(-3, 3)).map(lambda p: [round(p[0], 2), round(p[1], 2)])


@st.composite
def geometries(draw: st.DrawFn) -> dict[str, Any]:
    place = draw(st.sampled_from([positions, near, near]))
    kind = draw(st.sampled_from(["Point", "MultiPoint", "LineString", "Polygon"]))
    if kind == "Point":
        return shape(kind, draw(place))
    if kind == "Polygon":
        ring = draw(st.lists(place, min_size=3, max_size=5))
        return shape(kind, [[*ring, ring[0]]])
    return shape(kind, draw(st.lists(place, min_size=2, max_size=4)))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([relation for relation in RELATIONS if relation != "near"])
    | st.sampled_from([1, 1000, 150_000.5, 3e6, 1e8]).map(lambda metres: f"near;maxDistance=={metres}")
    | st.just("near;minDistance==1000"),
    geometries(),
    geometries(),
)
def test_what_matches_satisfies_the_condition(georel: str, reference: dict[str, Any], target: dict[str, Any]) -> None:
    try:
        asked = query(georel, reference["type"], reference["coordinates"])
    except BadRequestData:
        assert georel.startswith("near")
        return
    if asked.matches(at(target)):
        assert satisfies(asked.condition, at(target)), asked.condition
