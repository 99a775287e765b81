"""What an entity offers to an index: the pure counterpart of `cityhub.model.condition`.

Both stores derive their index rows from these functions, so a condition means the same on every backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from cityhub.model.condition import (
    AllOf,
    AnyOf,
    Anything,
    Condition,
    HasAttribute,
    IdIn,
    IdPrefix,
    InBox,
    ScopeUnder,
    TypeIs,
    ValueIn,
)
from cityhub.model.entity import VALUE_KEY, Entity, Instance
from cityhub.model.time import to_text

TEXT = 1_000
"""Indexed texts are cut to this many characters."""

Indexed = float | int | str
Box = tuple[float, float, float, float]
"""west, south, east, north in degrees."""


def indexed_values(instances: Iterable[Instance], path: tuple[str, ...] = ()) -> set[Indexed]:
    """Every number and text that a comparison of the attribute at this path could meet; times also in canonical text.

    Texts longer than 1,000 characters are cut there; `ValueIn` ranges must be read with that in mind.
    """
    found: set[Indexed] = set()
    for instance in instances:
        found.update(_at_path(instance, path))
    return found


def _at_path(instance: Instance, path: tuple[str, ...]) -> Iterator[Indexed]:
    value = instance.get(VALUE_KEY[instance["type"]])
    if not path:
        yield from _scalars(value)
        return
    head, rest = path[0], path[1:]
    sub_attribute = instance.get("attrs", {}).get(head)
    if sub_attribute is not None:
        for sub_instance in sub_attribute:
            yield from _at_path(sub_instance, rest)
    if not rest and head in instance:
        yield from _scalars(instance[head])
    yield from _members(value, path)


def _members(value: Any, path: tuple[str, ...]) -> Iterator[Indexed]:
    if isinstance(value, list):
        for item in value:
            yield from _members(item, path)
    elif not path:
        yield from _scalars(value)
    elif isinstance(value, dict) and path[0] in value:
        yield from _members(value[path[0]], path[1:])


def _scalars(value: Any) -> Iterator[Indexed]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, str):
        yield value[:TEXT]
        canonical = canonical_time(value)
        if canonical is not None:
            yield canonical
    elif isinstance(value, list):
        for item in value:
            yield from _scalars(item)
    elif isinstance(value, dict):
        for item in value.values():
            if not isinstance(item, dict):
                yield from _scalars(item)


def canonical_time(text: str) -> str | None:
    """The text as a canonical UTC time when it reads as a date, time or date-time of ISO 8601, otherwise None."""
    if not 8 <= len(text) <= 40 or not text[0].isdigit():
        return None
    try:
        moment = datetime.fromisoformat(text)
        return to_text(moment) if moment.tzinfo else moment.isoformat(timespec="microseconds") + "Z"
    except (ValueError, OverflowError):  # no time, or one that UTC puts outside the years 1 to 9999
        return None


def boxes(instances: Iterable[Instance]) -> Iterator[Box]:
    """The bounding box of each GeoProperty instance."""
    for instance in instances:
        if instance["type"] == "GeoProperty" and isinstance(instance.get("value"), dict):
            box = geometry_box(instance["value"])
            if box is not None:
                yield box


def geometry_box(geometry: dict[str, Any]) -> Box | None:
    """Bounding box of a GeoJSON geometry; None when it has no coordinates."""
    if geometry.get("type") == "Point":
        lon, lat = geometry["coordinates"][:2]
        return lon, lat, lon, lat
    points = list(_positions(geometry))
    if not points:
        return None
    lons, lats = [point[0] for point in points], [point[1] for point in points]
    return min(lons), min(lats), max(lons), max(lats)


def _positions(geometry: dict[str, Any]) -> Iterator[list[float]]:
    for part in geometry.get("geometries", ()):
        yield from _positions(part)
    level = [geometry.get("coordinates", [])]
    while level:
        item = level.pop()
        if item and isinstance(item[0], int | float):
            yield item
        else:
            level.extend(item)


def after_prefix(prefix: str) -> str | None:
    """The first text behind all that begin with the prefix, by code points; None when there is none.

    >>> after_prefix("urn:a")
    'urn:b'
    """
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return None
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)


def satisfies(condition: Condition, entity: Entity) -> bool:
    """Whether an entity satisfies a condition exactly."""
    match condition:
        case Anything():
            return True
        case TypeIs(type=type_iri):
            return type_iri in entity["type"]
        case IdIn(ids=ids):
            return entity["id"] in ids
        case IdPrefix(prefix=prefix):
            return bool(entity["id"].startswith(prefix))
        case HasAttribute(attribute=attribute):
            return attribute in entity["attrs"]
        case ValueIn(attribute=attribute, low=low, high=high, path=path):
            return any(in_range(value, low, high) for value in indexed_values(entity["attrs"].get(attribute, ()), path))
        case InBox(attribute=attribute, west=west, south=south, east=east, north=north):
            return any(
                box[0] <= east and box[2] >= west and box[1] <= north and box[3] >= south
                for box in boxes(entity["attrs"].get(attribute, ()))
            )
        case ScopeUnder(scope=scope):
            return any(own == scope or own.startswith(scope.rstrip("/") + "/") for own in entity.get("scope", ()))
        case AllOf(conditions=conditions):
            return all(satisfies(part, entity) for part in conditions)
        case AnyOf(conditions=conditions):
            return any(satisfies(part, entity) for part in conditions)
    raise TypeError(f"Unknown condition {condition!r}")


def in_range(value: Indexed, low: Indexed | None, high: Indexed | None) -> bool:
    """Whether a value lies in the closed range; a text is never in a range of numbers nor a number in one of texts.

    The ends are cut as the indexed values are, so that a long text is in the range of itself.
    """
    low = low[:TEXT] if isinstance(low, str) else low
    high = high[:TEXT] if isinstance(high, str) else high
    is_text = isinstance(value, str)
    for end in (low, high):
        if end is not None and isinstance(end, str) != is_text:
            return False
    return (low is None or value >= low) and (high is None or value <= high)  # type: ignore[operator]
