"""The towns, villages and other places of a district, as the models need them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import msgspec

from cityhub.ingest.simulation.rain import EARTH_RADIUS_KM, Point


class Town(msgspec.Struct, frozen=True):
    """A township: where it is, how high, how many people, how large. `code` has 12 digits."""

    id: str
    code: str
    scope: str
    names: dict[str, str]
    point: Point
    elevation_m: float
    population: float
    area_km2: float
    urban: bool


class Village(msgspec.Struct, frozen=True):
    """A village and the number of its town in the list of towns."""

    id: str
    code: str
    scope: str
    names: dict[str, str]
    town: int


def area_km2(geometry: dict[str, Any]) -> float:
    """Area of a GeoJSON Polygon or MultiPolygon, outer rings less holes, on an equal-area projection of the sphere."""
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    total = 0.0
    for rings in polygons:
        for number, ring in enumerate(rings):
            total += abs(_ring_km2(ring)) * (1 if number == 0 else -1)
    return total


def _ring_km2(ring: list[list[float]]) -> float:
    """Signed area of a ring. Source: shoelace formula on Lambert's cylindrical equal-area projection."""
    projected = [(math.radians(x) * EARTH_RADIUS_KM, math.sin(math.radians(y)) * EARTH_RADIUS_KM) for x, y in ring]
    pairs = itertools.pairwise(projected)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs) / 2.0


def read_towns(entities: list[dict[str, Any]], urban: list[str], urban_population: float) -> list[Town]:
    """The Township entities as towns; those listed as urban get the population given."""
    towns = []
    for entity in entities:
        if "Township" in entity["type"]:
            code = entity["divisionCode"]
            lon, lat = entity["location"]["value"]["coordinates"]
            towns.append(Town(
                id=entity["id"], code=code, scope=entity["scope"], names=entity["name"]["languageMap"], point=(lon, lat),
                elevation_m=entity["elevation"]["value"],
                population=entity["population"]["value"] if "population" in entity else urban_population,
                area_km2=area_km2(entity["catchmentArea"]["value"]), urban=code in urban,
            ))
    return towns


def read_villages(entities: list[dict[str, Any]], towns: list[Town]) -> list[Village]:
    """The Village entities."""
    numbers = {town.id: number for number, town in enumerate(towns)}
    return [
        Village(
            id=entity["id"], code=entity["divisionCode"], scope=entity["scope"], names=entity["name"]["languageMap"],
            town=numbers[entity["containedInPlace"]["object"]],
        )
        for entity in entities
        if "Village" in entity["type"]
    ]
