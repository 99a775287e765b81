"""The order of results: the NGSI-LD Entity Ordering Language.

Values of different kinds stand in this order: numbers, texts, objects, arrays, booleans, times, dates, moments; then
null, then entities without the target, last in either direction. Of an attribute with several instances the default
one counts, or else the first. Distances are those of the clause: along the sphere (haversine) between points.

Source: GS CIM 009 V1.9.1 clauses 4.23 and 5.2.43.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import orjson
import shapely

from cityhub.model.entity import Entity, dataset_of
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.collation import SortKey, collation
from cityhub.model.ngsild.earth import haversine_m, plane_around
from cityhub.model.ngsild.geo import read_reference
from cityhub.model.ngsild.q_cursor import Cursor
from cityhub.model.ngsild.q_paths import read_path
from cityhub.model.ngsild.q_targets import ABSENT, finder
from cityhub.model.ngsild.q_tree import Path
from cityhub.model.ngsild.q_values import date_of, moment_of, time_of
from cityhub.model.ngsild.shapes import shape_of
from cityhub.model.ngsild.terms import Terms

MAX_TERMS: Final = 20
"""Most terms of one order."""
DIRECTIONS: Final = ("asc", "desc", "dist-asc", "dist-desc")
_TIMES: Final = frozenset({"createdAt", "modifiedAt", "observedAt", "deletedAt", "expiresAt"})

Key = Callable[[Entity], Any]
Distance = Callable[[dict[str, Any]], float]


class Ordering:
    """An order that was read; immutable.

    Attributes:
        names: The first name of each term: "id", "createdAt", ... or the IRI of an attribute.
        by_distance: Whether a term orders by distance.
        key: The sort key of an entity.
    """

    __slots__ = ("_keys", "by_distance", "names")

    def __init__(self, names: tuple[str, ...], keys: tuple[Key, ...], *, by_distance: bool) -> None:
        self.names = names
        self.by_distance = by_distance
        self._keys = keys

    def key(self, entity: Entity) -> Any:
        """What sorts the entity among others."""
        return tuple([key(entity) for key in self._keys])


class Descending:
    """A sort key that stands in the opposite order."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: Descending) -> bool:
        return bool(other.key < self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descending) and bool(self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)


def parse_order(
    order_by: Any,
    terms: Terms,
    *,
    language: Any = None,
    order_from: Any = None,
    geometry: Any = None,
) -> Ordering:
    """The order of an `orderBy` text such as 'type,name;desc' or of a list of its terms.

    Args:
        order_by: The text or the list.
        terms: The names of the @context.
        language: The `collation` parameter; None means the root collation.
        order_from: The coordinates (JSON array or its text) from which distances are taken; needed for them only.
        geometry: The type of geometry of `order_from`; None means Point.

    Raises:
        BadRequestData: something does not follow the clause; distances without `order_from`; a collation not offered.
    """
    words = _split(order_by) if type(order_by) is str else order_by
    if type(words) is not list or not words or len(words) > MAX_TERMS or not all(type(word) is str for word in words):
        raise BadRequestData(f"'orderBy' must be up to {MAX_TERMS} terms like 'type,name;desc', not {order_by!r:.200}")
    if language is not None and type(language) is not str:
        raise BadRequestData("'collation' must be a language tag such as 'und' or 'de-u-co-phonebk'")
    text_key = collation("und" if language is None else language)
    reference = None
    if order_from is not None:
        reference = read_reference("Point" if geometry is None else geometry, order_from, "orderFrom")
    pairs = [_read_term(word, terms) for word in words]
    return Ordering(
        tuple(path.names[0] for path, _ in pairs),
        tuple(_term_key(path, direction, text_key, reference) for path, direction in pairs),
        by_distance=any(direction.startswith("dist") for _, direction in pairs),
    )


def read_ordering(document: Any, terms: Terms) -> Ordering:
    """The order of an OrderingParams document (orderBy, collation, coordinates, geometry).

    Raises BadRequestData. Source: GS CIM 009 V1.9.1 clause 5.2.43.
    """
    if type(document) is not dict or type(document.get("orderBy")) is not list:
        raise BadRequestData("'ordering' must be an object with a list 'orderBy'")
    coordinates, geometry = document.get("coordinates"), document.get("geometry")
    if coordinates is not None and type(coordinates) is not list:
        raise BadRequestData("'ordering.coordinates' must be a JSON array such as [8.5,40.1]")
    if geometry is not None and type(geometry) is not str:
        raise BadRequestData("'ordering.geometry' must be the name of a type of geometry")
    if coordinates is None:
        geometry = None
    return parse_order(
        document["orderBy"], terms, language=document.get("collation"), order_from=coordinates, geometry=geometry
    )


def _split(text: str) -> list[str]:
    """The terms of a text: separated by commas, but not by those inside brackets; an empty one stays."""
    words, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth <= 0:
            words.append("")
        else:
            words[-1] += letter
    return words


def _read_term(word: str, terms: Terms) -> tuple[Path, str]:
    name, _, direction = word.partition(";")
    direction = direction or ("asc" if not word.endswith(";") else "")
    if direction not in DIRECTIONS:
        raise BadRequestData(f"'orderBy' has {word!r:.100}; a direction is one of {', '.join(DIRECTIONS)}")
    cursor = Cursor(name, "orderBy")
    path = read_path(cursor, terms)
    cursor.finish("the end of a name or path")
    if path.hops:
        raise BadRequestData(f"'orderBy' has {word!r:.100}; attributes of linked entities cannot order")
    return path, direction


def _term_key(path: Path, direction: str, text_key: SortKey, reference: dict[str, Any] | None) -> Key:
    if direction.startswith("dist"):
        if reference is None:
            raise BadRequestData(f"'orderBy' with {direction} needs 'orderFrom', the coordinates from which distances are taken")
        return _distance_key(path, text_key, _distance_from(reference), descending=direction == "dist-desc")
    return _value_key(path, text_key, descending=direction == "desc")


def _value_key(path: Path, text_key: SortKey, *, descending: bool) -> Key:
    find = finder(path)
    moments = path.names[-1] in _TIMES

    def key(entity: Entity) -> Any:
        value = next(find(_default_of(entity, path)), ABSENT)
        if value is ABSENT:
            return (2,)
        if value is None:
            return (1,)
        ranked = _ranked(value, text_key, moments)
        return (0, Descending(ranked) if descending else ranked)

    return key


def _default_of(entity: Entity, path: Path) -> Entity:
    """The entity with the instance alone that counts."""
    instances: list[Any] = [] if path.own else entity["attrs"].get(path.names[0], [])
    if len(instances) < 2:
        return entity
    chosen = dataset_of(instances, None) or instances[0]
    return {**entity, "attrs": {path.names[0]: [chosen]}}


def _ranked(value: Any, text_key: SortKey, moments: bool) -> tuple[int, Any]:
    """The place of the value's kind, and of the value within its kind."""
    kind = type(value)
    if kind is dict and "@value" in value:
        return _typed(value["@value"], text_key)
    if kind is int or kind is float:
        return 0, value
    if kind is str:
        return (7, value) if moments else (1, text_key(value))
    if kind is list and len(value) == 1:
        return _ranked(value[0], text_key, moments)
    if kind is bool:
        return 4, value
    return 3 if kind is list else 2, orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _typed(value: Any, text_key: SortKey) -> tuple[int, Any]:
    if type(value) is str:
        for rank, read in ((7, moment_of), (6, date_of), (5, time_of)):
            form = read(value)
            if form is not None:
                return rank, form
    return _ranked(value, text_key, False) if type(value) is not dict else (2, b"")


def _distance_key(path: Path, text_key: SortKey, distance: Distance, *, descending: bool) -> Key:
    name = path.names[0]
    by_value = _value_key(path, text_key, descending=False)

    def key(entity: Entity) -> Any:
        instances = () if path.own else entity["attrs"].get(name, ())
        found = [distance(one["value"]) for one in instances if one["type"] == "GeoProperty" and type(one.get("value")) is dict]
        if not found:
            return (1, by_value(entity))
        return (0, -min(found) if descending else min(found))

    return key


def _distance_from(reference: dict[str, Any]) -> Distance:
    """Metres between the reference and a geometry; between points on the sphere, else in a plane around the reference."""
    shape = shape_of(reference)
    if shape is None:
        raise BadRequestData("'orderFrom' must have a position")
    west, south, east, north = shape.bounds
    project = plane_around((west + east) / 2, (south + north) / 2)
    around = shapely.transform(shapely.segmentize(shape, 0.5), project)
    is_point = shape.geom_type == "Point"

    def distance(geometry: dict[str, Any]) -> float:
        if geometry["type"] == "Point":
            lon, lat = geometry["coordinates"][:2]
            if is_point:
                return haversine_m(west, south, lon, lat)
            return float(shapely.distance(around, shapely.Point(project(np.array([[lon, lat]], dtype=float))[0])))
        target = shape_of(geometry)
        return float("inf") if target is None else float(shapely.distance(around, shapely.transform(target, project)))

    return distance
