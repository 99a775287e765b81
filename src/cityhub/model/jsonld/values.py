"""Names inside compound values: the keys of JSON objects that are the value of a Property.

Keys and the values of "type" are terms; everything else is data and stays as it is. GeoJSON geometries and typed or
language-tagged literals ({"@value": ...}) are left alone as a whole. "@id" and "@type" become "id" and "type", which
are the forms that responses use (clause 4.4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.model.errors import BadRequestData

MAX_VALUE_DEPTH: Final = 64

_GEOMETRIES: Final = frozenset({"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"})

Rename = Callable[[str], str]


def rename(value: Any, key_of: Rename, depth: int = 0) -> Any:
    """The value with every key and type renamed; parts that hold no object are shared with the original.

    Raises:
        BadRequestData: When two keys of one object get the same name, or beyond the depth of 64.
    """
    if depth > MAX_VALUE_DEPTH:
        raise BadRequestData(f"A value is nested more than {MAX_VALUE_DEPTH} levels deep")
    if type(value) is list:
        for item in value:
            if type(item) is dict or type(item) is list:
                return [rename(item, key_of, depth + 1) for item in value]
        return value
    if type(value) is not dict or is_literal(value):
        return value
    result: dict[str, Any] = {}
    for key, inner in value.items():
        name = key_of(key)
        if name == "type":
            result[name] = rename_type(inner, key_of, depth)
        else:
            kind = type(inner)
            result[name] = rename(inner, key_of, depth + 1) if kind is dict or kind is list else inner
    if len(result) != len(value):
        raise BadRequestData(f"Two of the keys {', '.join(repr(key) for key in list(value)[:20])} mean the same under the @context")
    return result


def is_literal(value: dict[str, Any]) -> bool:
    """Whether an object is a JSON-LD literal or a GeoJSON geometry, whose members are not terms."""
    if "@value" in value:
        return True
    kind = value.get("type")
    return type(kind) is str and kind in _GEOMETRIES and ("coordinates" in value or "geometries" in value)


def rename_type(value: Any, key_of: Rename, depth: int) -> Any:
    """The value of a "type" member with its names renamed; what is no name is treated like any other value."""
    if type(value) is str:
        return key_of(value)
    if type(value) is list and all(type(item) is str for item in value):
        return [key_of(item) for item in value]
    return rename(value, key_of, depth + 1)
