"""Queries by place: the NGSI-LD Geoquery Language.

Spatial relations are those of OGC Simple Features in the plane of longitude and latitude. "near" takes the shortest
distance between the two geometries, in metres along the WGS 84 ellipsoid: between points within 10 m or 0.001 %,
between others within 0.1 % up to 100 km and 1 % up to 1,000 km.

Source: GS CIM 009 clause 4.10; OGC 06-103r4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson
import shapely

from cityhub.model.condition import Condition, HasAttribute, InBox
from cityhub.model.entity import NGSI_LD, Entity
from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.ngsild.earth import Array, Box, distance_m, plane_around, widened
from cityhub.model.ngsild.geometry import GEOMETRIES, read_geometry
from cityhub.model.ngsild.q_condition import any_of
from cityhub.model.ngsild.shapes import shape_of
from cityhub.model.ngsild.terms import Terms

RELATIONS: Final = ("near", "within", "contains", "overlaps", "intersects", "equals", "disjoint")
MAX_TEXT: Final = 1_000_000
"""Longest text of coordinates, in characters."""
_DEFAULT_PROPERTY: Final = f"{NGSI_LD}location"
_LONGEST_EDGE: Final = 0.5  # degrees; longer edges are cut before they are projected
_SLACK: Final = 1e-9  # degrees
_EARTH: Final[Box] = (-180.0, -90.0, 180.0, 90.0)

Test = Callable[[dict[str, Any]], bool]


class GeoQuery:
    """A geoquery that was read; immutable.

    Attributes:
        attribute: The GeoProperty (IRI) that is asked for.
        relation: One of `RELATIONS`.
        reference: The reference geometry (GeoJSON).
        at_most_m: For near: the largest distance; None: unbounded.
        at_least_m: For near: the distance that is to be exceeded; None: none.
        matches_geometry: Whether a GeoJSON geometry stands in the relation to the reference.
        condition: A condition that every matching entity satisfies.
    """

    __slots__ = ("at_least_m", "at_most_m", "attribute", "condition", "matches_geometry", "reference", "relation")

    def __init__(
        self,
        relation: str,
        reference: dict[str, Any],
        attribute: str,
        at_most_m: float | None = None,
        at_least_m: float | None = None,
    ) -> None:
        self.relation = relation
        self.reference = reference
        self.attribute = attribute
        self.at_most_m = at_most_m
        self.at_least_m = at_least_m
        shape = shape_of(reference)
        if shape is None:
            raise BadRequestData("'coordinates' must have a position")
        if relation == "near" and not shapely.box(*_EARTH).covers(shape):
            raise BadRequestData("'coordinates' must have longitudes in -180..180 and latitudes in -90..90 for near, in this order")
        self.matches_geometry: Test = self._near(shape) if relation == "near" else _relation(relation, reference, shape)
        self.condition: Condition = self._condition(shape)

    def matches(self, entity: Entity) -> bool:
        """Whether one instance of the entity's GeoProperty stands in the relation to the reference."""
        for instance in entity["attrs"].get(self.attribute, ()):
            geometry = instance.get("value")
            if instance["type"] == "GeoProperty" and type(geometry) is dict and self.matches_geometry(geometry):
                return True
        return False

    def _near(self, shape: Any) -> Test:
        at_most = float("inf") if self.at_most_m is None else self.at_most_m
        at_least = -1.0 if self.at_least_m is None else self.at_least_m
        boxes = self._boxes(shape) or [_EARTH]
        if self.reference["type"] == "Point":
            return _near_point(self.reference["coordinates"], boxes, at_most, at_least)
        return _near_shape(shape, boxes, at_most, at_least)

    def _boxes(self, shape: Any) -> list[Box]:
        """Boxes, one of which the bounding box of every match overlaps; none where matches are everywhere."""
        if self.relation == "disjoint" or (self.relation == "near" and self.at_most_m is None):
            return []
        west, south, east, north = shape.bounds
        box = (west - _SLACK, south - _SLACK, east + _SLACK, north + _SLACK)
        return [box] if self.at_most_m is None else widened(box, self.at_most_m)

    def _condition(self, shape: Any) -> Condition:
        boxes = self._boxes(shape)
        return any_of([InBox(self.attribute, *box) for box in boxes]) if boxes else HasAttribute(self.attribute)


def parse_geo_query(georel: Any, geometry: Any, coordinates: Any, geoproperty: Any, terms: Terms) -> GeoQuery:
    """The geoquery of its four parameters; `geoproperty` None means location.

    `coordinates` are a JSON array or its text. Raises BadRequestData for what does not follow the clause,
    TooComplexQuery for too many coordinates.
    """
    relation, at_most_m, at_least_m = read_georel(georel)
    reference = read_reference(geometry, coordinates)
    if geoproperty is None:
        return GeoQuery(relation, reference, _DEFAULT_PROPERTY, at_most_m, at_least_m)
    if type(geoproperty) is not str or not geoproperty:
        raise BadRequestData("'geoproperty' must be the name of a GeoProperty")
    return GeoQuery(relation, reference, terms.expand(geoproperty), at_most_m, at_least_m)


def read_reference(kind: Any, coordinates: Any, where: str = "coordinates") -> dict[str, Any]:
    """A reference geometry from the name of its type and its coordinates (a JSON array or its text)."""
    if type(kind) is not str or kind not in GEOMETRIES:
        raise BadRequestData(f"'geometry' must be one of {', '.join(sorted(GEOMETRIES))}, not {kind!r:.50}")
    if type(coordinates) is str:
        if len(coordinates) > MAX_TEXT:
            raise TooComplexQuery(f"'{where}' has {len(coordinates)} characters; {MAX_TEXT} are the most")
        try:
            coordinates = orjson.loads(coordinates)
        except orjson.JSONDecodeError:
            raise BadRequestData(f"'{where}' must be a JSON array such as [8.5,40.1]") from None
    if type(coordinates) is not list:
        raise BadRequestData(f"'{where}' must be a JSON array such as [8.5,40.1]")
    return read_geometry({"type": kind, "coordinates": coordinates}, where)


def read_georel(georel: Any) -> tuple[str, float | None, float | None]:
    """The relation, and for near the largest or the smallest distance in metres."""
    relation, *modifiers = georel.split(";") if type(georel) is str else ("",)
    if relation not in RELATIONS:
        raise BadRequestData(f"'georel' must be one of {', '.join(RELATIONS)}, not {georel!r:.100}")
    if relation != "near":
        if modifiers:
            raise BadRequestData(f"'georel' must have a distance only with near, not with {relation}")
        return relation, None, None
    name, equal, number = ";".join(modifiers).partition("==")
    if name not in ("maxDistance", "minDistance") or not equal or len(modifiers) != 1:
        raise BadRequestData(f"'georel' must be like 'near;maxDistance==1000' or 'near;minDistance==1000', not {georel!r:.100}")
    metres = _metres(number)
    return relation, *((metres, None) if name == "maxDistance" else (None, metres))


def _metres(text: str) -> float:
    try:
        number = orjson.loads(text)
    except orjson.JSONDecodeError:
        number = None
    if type(number) not in (int, float) or not 0 < number < float("inf"):
        raise BadRequestData(f"'georel' must have a distance in metres greater than 0, not {text!r:.50}")
    return float(number)


def _near_point(place: list[float], boxes: list[Box], at_most: float, at_least: float) -> Test:
    """Near a point: other points without building shapes, and only those in the box around it in full."""
    lon, lat = place[:2]
    west, south, east, north = boxes[0]
    others = boxes[1:]
    of_shape = _near_shape(shapely.Point(lon, lat), boxes, at_most, at_least)

    def test(geometry: dict[str, Any]) -> bool:
        if geometry["type"] != "Point":
            return of_shape(geometry)
        x, y = geometry["coordinates"][:2]
        inside = (west <= x <= east and south <= y <= north) or (others and _overlaps(others, (x, y, x, y)))
        return bool(inside) and at_least < distance_m(lon, lat, x, y) <= at_most

    return test


def _near_shape(reference: Any, boxes: list[Box], at_most: float, at_least: float) -> Test:
    """Near any geometry, in a plane around its middle."""
    west, south, east, north = reference.bounds
    project = plane_around((west + east) / 2, (south + north) / 2)
    around = _projected(reference, project)
    shapely.prepare(around)

    def test(geometry: dict[str, Any]) -> bool:
        shape = shape_of(geometry)
        if shape is None or not _overlaps(boxes, shape.bounds):
            return False
        return bool(at_least < shapely.distance(around, _projected(shape, project)) <= at_most)

    return test


def _overlaps(boxes: list[Box], bounds: Box) -> bool:
    west, south, east, north = bounds
    return any(box[0] <= east and box[2] >= west and box[1] <= north and box[3] >= south for box in boxes)


def _projected(shape: Any, project: Callable[[Array], Array]) -> Any:
    return shapely.transform(shapely.segmentize(shape, _LONGEST_EDGE), project)


def _relation(relation: str, reference: dict[str, Any], shape: Any) -> Test:
    """The test of a spatial relation between a geometry and the reference."""
    shapely.prepare(shape)
    whole = _WHOLE[relation]

    def test(geometry: dict[str, Any]) -> bool:
        target = shape_of(geometry)
        return target is not None and bool(whole(shape, target))

    of_point = _of_point(relation, reference, shape)
    if of_point is None:
        return test
    return lambda geometry: of_point(*geometry["coordinates"][:2]) if geometry["type"] == "Point" else test(geometry)


_WHOLE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "within": shapely.contains,  # the reference comes first: it is prepared
    "contains": shapely.within,
    "overlaps": shapely.overlaps,
    "intersects": shapely.intersects,
    "equals": shapely.equals,
    "disjoint": shapely.disjoint,
}


def _of_point(relation: str, reference: dict[str, Any], shape: Any) -> Callable[[float, float], bool] | None:
    """The same test for a point, without building its shape; None where there is no shorter way."""
    west, south, east, north = shape.bounds
    if relation == "equals" and reference["type"] == "Point":
        return lambda x, y: x == west and y == south
    if relation == "within":
        return lambda x, y: west <= x <= east and south <= y <= north and bool(shapely.contains_xy(shape, x, y))
    if relation == "intersects":
        return lambda x, y: west <= x <= east and south <= y <= north and bool(shapely.intersects_xy(shape, x, y))
    if relation == "disjoint":
        return lambda x, y: not (west <= x <= east and south <= y <= north and shapely.intersects_xy(shape, x, y))
    return None
