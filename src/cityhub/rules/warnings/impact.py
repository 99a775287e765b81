"""What lies in the area of a warning: townships and their people, villages, schools, hospitals, scenic spots, waters.

Everything is counted by geo queries over the entities of the hub, and every sum names its sources. What the hub has no entities of is
"unknown", which is not none; entities without a place of their own are counted where the township that they belong to is affected.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
import shapely

from cityhub.model.condition import AllOf, AnyOf, Condition, TypeIs
from cityhub.model.entity import Entity, value_of
from cityhub.model.ngsild.earth import plane_around
from cityhub.model.ngsild.geo import GeoQuery
from cityhub.model.ngsild.shapes import shape_of
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ports import Store
from cityhub.rules.cap.places import shape_of_texts
from cityhub.rules.warnings.authority import Counted, Kind
from cityhub.rules.warnings.ground import LOCATION, TermsOf, geometry_of, names_of
from cityhub.rules.warnings.warning import Place

MOST_TOWNSHIPS: Final = 1_000
MOST_LISTED: Final = 100
"""So many entities of a kind are listed by name; all are counted."""
MOST_FOUND: Final = 10_000
LEAST_SHARE: Final = 0.01
"""A township of which less lies in the area is only touched by the edge of a polygon and does not count."""


class Impact:
    """Works out what lies in an area.

    Args:
        store: Where the entities are.
        terms: The names of the district's @context.
        counted: What is looked for.
    """

    def __init__(self, store: Store, terms: TermsOf, counted: Counted) -> None:
        self._store = store
        self._terms = terms
        self._counted = counted

    async def of(self, tenant: str, places: list[Place]) -> dict[str, Any]:
        """The impact on places.

        Returns:
            "geometry" (GeoJSON), "area_km2", "townships" (each with "share" of its area, "population", "source"), "population" with
            its "sources" and for which townships it is unknown, and "kinds": of each "count" (None: unknown), "listed" and "note".
        """
        shape = shapely.union_all([shape_of_texts(place.polygons, place.circles) for place in places])
        if shape.is_empty:
            return {}
        terms = await self._terms()
        geometry: dict[str, Any] = orjson.loads(shapely.to_geojson(shape))
        townships = await self._townships(tenant, geometry, shape, terms)
        ids = frozenset(one["id"] for one in townships)
        return {
            "geometry": geometry, "area_km2": round(_area_m2(shape, shape) / 1e6, 2), "townships": townships,
            "population": _people(townships),
            "kinds": [await self._kind(tenant, kind, geometry, ids, terms) for kind in self._counted.kinds],
            "approximate": list(dict.fromkeys(place.approximate for place in places if place.approximate)),
        }  # fmt: skip

    async def _townships(self, tenant: str, geometry: dict[str, Any], shape: Any, terms: Terms) -> list[dict[str, Any]]:
        words = self._counted.townships
        area, population = terms.expand(words.area), terms.expand(words.population)
        geo = GeoQuery("intersects", geometry, area)
        kind = terms.expand(words.type)
        page = await self._store.find(
            tenant, AllOf((TypeIs(kind), geo.condition)), lambda one: kind in one["type"] and geo.matches(one), limit=MOST_TOWNSHIPS
        )
        found = [_township(entity, shape, area, population, terms) for entity in page.entities]
        return sorted((one for one in found if one["share"] >= LEAST_SHARE), key=lambda one: str(one["id"]))

    async def _kind(self, tenant: str, kind: Kind, geometry: dict[str, Any], townships: frozenset[str], terms: Terms) -> dict[str, Any]:
        types = frozenset(terms.expand(name) for name in kind.types)
        condition = AnyOf(tuple(TypeIs(type) for type in sorted(types)))
        answer: dict[str, Any] = {"id": kind.id, "names": kind.names, "count": None, "listed": [], "note": {}}
        all_of_them = await self._count(tenant, condition, types)
        if all_of_them == 0:
            return {**answer, "note": {"zh": "本系统没有此类数据，情况不明", "en": "unknown: the hub has no data of this kind"}}
        geo = GeoQuery("intersects", geometry, LOCATION if kind.at == "location" else terms.expand(kind.at))
        link = terms.expand(kind.within) if kind.within else ""

        def lies_there(entity: Entity) -> bool:
            if types.isdisjoint(entity["type"]):
                return False
            return geo.matches(entity) if entity["attrs"].get(geo.attribute) else _target(entity, link) in townships

        page = await self._store.find(tenant, condition, lies_there, limit=MOST_FOUND, count=True)
        unplaced = await self._unplaced(tenant, condition, types, geo.attribute, link, terms)
        note = {"zh": f"另有 {unplaced} 处没有位置，未计入", "en": f"{unplaced} more have no place and are not counted"} if unplaced else {}
        listed = [{"id": entity["id"], "names": names_of(entity, terms)} for entity in page.entities[:MOST_LISTED]]
        sources = sorted({source for entity in page.entities if (source := _source(entity, terms))})
        return {**answer, "count": page.count, "listed": listed, "sources": sources[:20], "note": note}

    async def _count(self, tenant: str, condition: Condition, types: frozenset[str]) -> int:
        page = await self._store.find(tenant, condition, lambda entity: not types.isdisjoint(entity["type"]), limit=0, count=True)
        return page.count or 0

    async def _unplaced(self, tenant: str, condition: Condition, types: frozenset[str], at: str, link: str, terms: Terms) -> int:
        """How many have neither a place nor a township: nobody knows whether they lie there."""
        township = terms.expand(self._counted.townships.type)
        page = await self._store.find(tenant, TypeIs(township), lambda entity: township in entity["type"], limit=MOST_TOWNSHIPS)
        known = {entity["id"] for entity in page.entities}

        def is_nowhere(entity: Entity) -> bool:
            return not types.isdisjoint(entity["type"]) and not entity["attrs"].get(at) and _target(entity, link) not in known

        found = await self._store.find(tenant, condition, is_nowhere, limit=0, count=True)
        return found.count or 0


def _township(entity: Entity, shape: Any, area: str, population: str, terms: Terms) -> dict[str, Any]:
    found = geometry_of(entity, area)
    own = shape_of(found[0]) if found is not None else None
    share = _area_m2(shapely.intersection(own, shape), own) / (_area_m2(own, own) or 1.0) if own is not None else 0.0
    instances = entity["attrs"].get(population, [])
    people = value_of(instances[0]) if instances else None
    return {
        "id": entity["id"], "names": names_of(entity, terms), "share": round(min(1.0, share), 3),
        "population": people if isinstance(people, int | float) and not isinstance(people, bool) else None,
        "populationAt": instances[0].get("observedAt", "") if instances else "",
        "source": _said(instances[0], terms.expand("source")) if instances else "", "approximate": found[1] if found else "",
    }  # fmt: skip


def _people(townships: list[dict[str, Any]]) -> dict[str, Any]:
    """The people of the townships: all of each, and by the share of its area; None where nothing is known."""
    known = [one for one in townships if one["population"] is not None]
    return {
        "value": sum(one["population"] for one in known) if known else None,
        "byShareOfArea": round(sum(one["population"] * one["share"] for one in known)) if known else None,
        "unknown": [one["names"] for one in townships if one["population"] is None],
        "sources": sorted({one["source"] for one in known if one["source"]}),
        "observedAt": sorted({one["populationAt"] for one in known if one["populationAt"]}),
    }


def _area_m2(shape: Any, around: Any) -> float:
    if shape.is_empty:
        return 0.0
    centre = around.centroid
    return float(shapely.area(shapely.transform(shape, plane_around(centre.x, centre.y))))


def _target(entity: Entity, link: str) -> str:
    for instance in entity["attrs"].get(link, ()):
        if isinstance(instance.get("object"), str):
            return str(instance["object"])
    return ""


def _source(entity: Entity, terms: Terms) -> str:
    for instance in entity["attrs"].get(terms.expand("source"), ()):
        value = value_of(instance)
        if isinstance(value, str):
            return value
    return ""


def _said(instance: dict[str, Any], attribute: str) -> str:
    for one in instance.get("attrs", {}).get(attribute, ()):
        value = value_of(one)
        if isinstance(value, str):
            return value
    return ""
