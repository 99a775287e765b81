"""GeoJSON geometries as shapely geometries.

Source: RFC 7946.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import orjson
import shapely

_KEPT: Final = 32_768  # bytes of the largest GeoJSON whose shape is kept


def shape_of(geometry: dict[str, Any]) -> Any:
    """The shapely geometry of a GeoJSON geometry; None for what is none. A self-intersecting one is repaired.

    Shapes of geometries met lately are kept, so asking again for an equal one is cheap.
    """
    text = orjson.dumps(geometry)
    return _kept(text) if len(text) <= _KEPT else _build(text)


@lru_cache(maxsize=2048)
def _kept(text: bytes) -> Any:
    return _build(text)


def _build(text: bytes) -> Any:
    shape = shapely.from_geojson(text, on_invalid="ignore")
    if shape is None or shape.is_empty:
        return None
    return shape if shapely.is_valid(shape) else shapely.make_valid(shape)
