"""What an index can know about an entity, and the exact meaning of a `Condition` on one.

Indexes of every backend are filled from these functions, so that they agree on what a value, a box or a scope is.
They are generous: text that is a time is known by its own spelling and in the form of `cityhub.model.time`, and the
items of nested lists and the "@value" of a typed value count as values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
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

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west <= east."""

_TIME_LENGTH = len("2026-11-23T06:05:00.000000Z")


def values(instances: Iterable[Instance], path: tuple[str, ...] = ()) -> Iterator[float | str]:
    """Numbers and texts that stand at a path below an attribute's instances; booleans and null are neither."""
    for instance in instances:
        yield from _below_instance(instance, path)


def _below_instance(instance: Instance, path: tuple[str, ...]) -> Iterator[float | str]:
    yield from _below_value(instance.get(VALUE_KEY.get(instance["type"], "value")), path)
    if path:
        for child in instance.get("attrs", {}).get(path[0], ()):
            yield from _below_instance(child, path[1:])


def _below_value(value: Any, path: tuple[str, ...]) -> Iterator[float | str]:
    if isinstance(value, list):
        for item in value:
            yield from _below_value(item, path)
    elif isinstance(value, dict):
        if path and path[0] in value:
            yield from _below_value(value[path[0]], path[1:])
        elif not path and "@value" in value:
            yield from _below_value(value["@value"], path)
    elif not path:
        yield from _scalar(value)


def _scalar(value: Any) -> Iterator[float | str]:
    if isinstance(value, str):
        yield value
        normal = _time(value)
        if normal is not None and normal != value:
            yield normal
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _time(text: str) -> str | None:
    """The normal form of a text that is a time with zone, else None."""
    if len(text) < 17 or len(text) > 40 or text[4] != "-" or not text[0].isdigit():
        return None
    try:
        moment = datetime.fromisoformat(text)
        return to_text(moment) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def boxes(instances: Iterable[Instance]) -> list[Box]:
    """The bounding box of each GeoProperty among an attribute's instances; a geometry without positions has none."""
    found: list[Box] = []
    for instance in instances:
        if instance["type"] == "GeoProperty":
            box = _bounds(instance.get("value"))
            if box is not None:
                found.append(box)
    return found


def _bounds(geometry: Any) -> Box | None:
    points = list(_positions(geometry))
    if not points:
        return None
    lons = [lon for lon, _ in points]
    lats = [lat for _, lat in points]
    return min(lons), min(lats), max(lons), max(lats)


def _positions(part: Any) -> Iterator[tuple[float, float]]:
    if isinstance(part, dict):
        yield from _positions(part.get("coordinates"))
        yield from _positions(part.get("geometries"))
    elif isinstance(part, list):
        if len(part) >= 2 and _is_number(part[0]) and _is_number(part[1]):
            yield part[0], part[1]
        else:
            for item in part:
                yield from _positions(item)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def scopes_above(scope: str) -> list[str]:
    """The scope itself and every scope that it is below of.

    >>> scopes_above("/city/north")
    ['/city', '/city/north']
    """
    names = [name for name in scope.split("/") if name]
    return ["/" + "/".join(names[: n + 1]) for n in range(len(names))]


def normal_scope(scope: str) -> str:
    """A scope with one slash before each name and none at the end; "" is the root of all scopes."""
    above = scopes_above(scope)
    return above[-1] if above else ""


def expiry(entity: Entity) -> str | None:
    """When the entity expires, in the form of `cityhub.model.time`; None when it never does."""
    text = entity.get("expiresAt")
    if text is None:
        return None
    if len(text) == _TIME_LENGTH and text.endswith("Z"):
        return str(text)
    return _expiry_of(text)


def _expiry_of(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
        return to_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def satisfies(entity: Entity, condition: Condition) -> bool:
    """Whether the entity satisfies the condition, taken exactly."""
    match condition:
        case Anything():
            return True
        case AllOf(parts):
            return all(satisfies(entity, part) for part in parts)
        case AnyOf(parts):
            return any(satisfies(entity, part) for part in parts)
        case IdIn(ids):
            return entity["id"] in ids
        case IdPrefix(prefix):
            return bool(entity["id"].startswith(prefix))
        case TypeIs(type_):
            return type_ in entity["type"]
        case HasAttribute(attribute):
            return attribute in entity["attrs"]
        case ScopeUnder(scope):
            return _is_under(entity, normal_scope(scope))
        case ValueIn():
            return any(_in_range(value, condition) for value in values(_instances(entity, condition), condition.path))
        case InBox():
            return any(_overlaps(box, condition) for box in boxes(_instances(entity, condition)))
    raise TypeError(f"Unknown condition {condition!r}")


def _instances(entity: Entity, condition: ValueIn | InBox) -> list[Instance]:
    found: list[Instance] = entity["attrs"].get(condition.attribute, [])
    return found


def _is_under(entity: Entity, scope: str) -> bool:
    own = [normal_scope(text) for text in entity.get("scope", ())]
    return any(text == scope or text.startswith(scope + "/") for text in own)


def _in_range(value: float | str, condition: ValueIn) -> bool:
    low, high = condition.low, condition.high
    bound = low if low is not None else high
    if bound is None:
        return True
    if isinstance(bound, str) != isinstance(value, str):
        return False
    return (low is None or value >= low) and (high is None or value <= high)  # type: ignore[operator]


def _overlaps(box: Box, condition: InBox) -> bool:
    west, south, east, north = box
    return west <= condition.east and east >= condition.west and south <= condition.north and north >= condition.south
