"""The places of a warning: from entities of the hub, from a geometry, or from what an alert is about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import orjson
import shapely

from cityhub.model.condition import AllOf, TypeIs
from cityhub.model.entity import DEFAULT_VOCAB, NGSI_LD, Entity, value_of
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.geo import GeoQuery
from cityhub.model.ngsild.geometry import read_geometry
from cityhub.model.ngsild.shapes import shape_of
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ports import Store
from cityhub.rules.cap.places import buffered, polygons_of
from cityhub.rules.warnings.authority import Townships
from cityhub.rules.warnings.warning import Place, Where

LOCATION: Final = f"{NGSI_LD}location"
MOST_ENTITIES: Final = 200
MOST_POINTS: Final = 20_000
MOST_BUFFER_M: Final = 100_000.0
STEPS: Final = 4
"""So many relationships are followed from a sensor to its township."""
UP: Final = ("observes", "containedInPlace", "refDevice", "controlledAsset")
"""The relationships that lead from a sensor to where it stands."""
LEAST_WIDTH_M: Final = 500.0
"""Around a point that is given without a distance, so that it has an area."""
TermsOf = Callable[[], Awaitable[Terms]]


class Ground:
    """Looks places up in the hub.

    Args:
        store: Where the entities are.
        terms: The names of the district's @context.
        townships: What the district's parts are called.
    """

    def __init__(self, store: Store, terms: TermsOf, townships: Townships) -> None:
        self._store = store
        self._terms = terms
        self._townships = townships

    async def places(self, tenant: str, where: Where) -> list[Place]:
        """What is affected, each part with its polygons.

        Raises:
            BadRequestData: Nothing is named, an entity is unknown or has no place, or a geometry is none or no area.
        """
        if not 0 <= where.buffer_m <= MOST_BUFFER_M:
            raise BadRequestData(f"'where.bufferM' must be 0 to {MOST_BUFFER_M:.0f} metres")
        if not where.entities and not where.geometry:
            raise BadRequestData("'where' must have 'entities' (ids of townships, ...) or a 'geometry'")
        if len(where.entities) > MOST_ENTITIES:
            raise BadRequestData(f"'where.entities' may have at most {MOST_ENTITIES} items")
        places = [await self._of_entity(tenant, id, where.buffer_m) for id in dict.fromkeys(where.entities)]
        if where.geometry:
            names = where.names or {"zh": "受影响区域", "en": "Affected area"}
            shape = _area(read_geometry(where.geometry, "where.geometry"), where.buffer_m, "where.geometry")
            places.append(Place(names, polygons_of(shape)))
        return places

    async def _of_entity(self, tenant: str, id: str, buffer_m: float) -> Place:
        entity = await self._store.fetch(tenant, id)
        if entity is None:
            raise BadRequestData(f"'where.entities' names '{id[:100]}', which the hub does not know")
        terms = await self._terms()
        found = geometry_of(entity, terms.expand(self._townships.area)) or geometry_of(entity, LOCATION)
        if found is None:
            raise BadRequestData(f"'{id[:100]}' has no place: give its township, or a 'geometry'")
        geometry, approximate = found
        shape = _area(geometry, buffer_m, f"the place of '{id[:100]}'")
        return Place(names_of(entity, terms), polygons_of(shape), [], _text(entity, terms.expand("divisionCode")), id, approximate)

    async def townships_of(self, tenant: str, ids: Sequence[str]) -> list[str]:
        """The townships that entities stand in: by their relationships or, where those lead nowhere, by their place; each once."""
        terms = await self._terms()
        found = [township for id in ids[:MOST_ENTITIES] for township in await self._township(tenant, id, terms)]
        return list(dict.fromkeys(found))

    async def _township(self, tenant: str, id: str, terms: Terms) -> list[str]:
        kind = terms.expand(self._townships.type)
        entity = start = await self._store.fetch(tenant, id)
        for _ in range(STEPS):
            if entity is None:
                break
            if kind in entity["type"]:
                return [entity["id"]]
            up = _target(entity, terms)
            entity = await self._store.fetch(tenant, up) if up else None
        place = geometry_of(start, LOCATION) if start is not None else None
        return await self._around(tenant, place[0], terms) if place is not None else []

    async def _around(self, tenant: str, geometry: dict[str, Any], terms: Terms) -> list[str]:
        geo = GeoQuery("intersects", geometry, terms.expand(self._townships.area))
        kind = terms.expand(self._townships.type)
        page = await self._store.find(
            tenant, AllOf((TypeIs(kind), geo.condition)), lambda entity: kind in entity["type"] and geo.matches(entity), limit=MOST_ENTITIES
        )
        return [entity["id"] for entity in page.entities]


def geometry_of(entity: Entity, attribute: str) -> tuple[dict[str, Any], str] | None:
    """A GeoProperty's value, and what is said of its being approximate ("" where nothing is); None without one."""
    for instance in entity["attrs"].get(attribute, ()):
        if instance["type"] == "GeoProperty" and isinstance(instance.get("value"), dict):
            return instance["value"], _caveat(instance)
    return None


def _caveat(instance: dict[str, Any]) -> str:
    notes = {name.rpartition("/")[2].rpartition("#")[2]: items[0] for name, items in instance.get("attrs", {}).items() if items}
    if "approximate" not in notes or not value_of(notes["approximate"]):
        return ""
    note = value_of(notes["note"]) if "note" in notes else "approximate"
    return str(note if not isinstance(note, dict) else note.get("zh", note))


def _area(geometry: dict[str, Any], buffer_m: float, where: str) -> Any:
    """A geometry as an area: what has none gets the least width around it."""
    shape = shape_of(geometry)
    if shape is None or shapely.get_num_coordinates(shape) > MOST_POINTS:
        raise BadRequestData(f"{where} must be a geometry of at most {MOST_POINTS} positions")
    west, south, east, north = shape.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise BadRequestData(f"{where} must have longitudes in -180..180 and latitudes in -90..90, in this order")
    if geometry["type"] in ("Polygon", "MultiPolygon") and not shapely.is_valid(shapely.from_geojson(_json(geometry))):
        raise BadRequestData(f"{where} must be a polygon that does not cross itself")
    return buffered(shape, buffer_m if shape.area > 0 else max(buffer_m, LEAST_WIDTH_M))


def _json(geometry: dict[str, Any]) -> str:
    return orjson.dumps(geometry).decode()


def _target(entity: Entity, terms: Terms) -> str:
    for name in UP:
        for instance in entity["attrs"].get(terms.expand(name), ()):
            if instance["type"] == "Relationship" and isinstance(instance.get("object"), str):
                return str(instance["object"])
    return ""


def names_of(entity: Entity, terms: Terms) -> dict[str, str]:
    """How people call an entity, by language; its id where it has no name."""
    for attribute in (terms.expand("name"), f"{DEFAULT_VOCAB}name"):
        for instance in entity["attrs"].get(attribute, ()):
            value = value_of(instance)
            if isinstance(value, str) and value:
                return {"zh": value, "en": value}
            if isinstance(value, dict) and value:
                texts = {language: text for language, text in value.items() if isinstance(text, str)}
                return texts or {"zh": entity["id"]}
    return {"zh": entity["id"], "en": entity["id"]}


def _text(entity: Entity, attribute: str) -> str:
    for instance in entity["attrs"].get(attribute, ()):
        value = value_of(instance)
        if isinstance(value, str):
            return value
    return ""
