"""The index rows of an entity, and what must be taken away and added when it changes."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

from cityhub.model.entity import Attributes, Entity
from cityhub.model.indexing import boxes, indexed_values
from cityhub.storage.sqlite_names import Paths

PRESENT = b""
"""The value that marks the mere presence of an attribute in `entity_value`; it sorts after every number and text."""
BOXES = 64
"""Slots of the R*Tree per entity; the boxes of further geometries are merged into the last one."""

Row = tuple[Any, ...]
Shape = tuple[int, tuple[str, ...], tuple[str, ...], tuple[Any, ...]]
"""Tenant, types, attributes, and of each attribute its kind, or its kinds where it has several instances."""


class RowChanges:
    """Index rows to delete and to insert, gathered over one transaction; the values of all rows one after the other."""

    def __init__(self) -> None:
        self.types_gone: list[Any] = []
        self.types_new: list[Any] = []
        self.scopes_gone: list[Any] = []
        self.scopes_new: list[Any] = []
        self.boxes_gone: list[Any] = []
        self.boxes_new: list[Any] = []
        self.values_gone: list[Any] = []
        self.values_new: list[Any] = []
        self.shapes: dict[Shape, int] = {}


def entity_rows(
    changes: RowChanges,
    tenant: int,
    number: int,
    before: Entity | None,
    after: Entity | None,
    paths: Paths,
    has_boxes: bool,
    number_of: Callable[[str], int],
) -> None:
    """Adds to `changes` what turns the index rows of `before` into those of `after`.

    Args:
        changes: Where to add.
        tenant: Number of the tenant.
        number: Row number of the entity.
        before: The entity as it was; None at a creation.
        after: The entity as it becomes; None at a deletion.
        paths: By attribute IRI, the (number, path) of each value index of the tenant.
        has_boxes: Whether bounding boxes are kept of the tenant's entities.
        number_of: Function from a name to its number.
    """
    _plain_rows(changes, tenant, number, before, after, has_boxes, number_of)
    if paths:
        old, new = (before["attrs"] if before else {}), (after["attrs"] if after else {})
        for attribute in paths.keys() & (old.keys() | new.keys()):
            was, now = old.get(attribute), new.get(attribute)
            if was is not now:
                _value_rows(changes, number, was, now, paths[attribute])


def _plain_rows(
    changes: RowChanges, tenant: int, number: int, before: Entity | None, after: Entity | None, has_boxes: bool,
    number_of: Callable[[str], int],
) -> None:  # fmt: skip
    """The rows of all but the value indexes."""
    old_types, new_types = (before["type"] if before else ()), (after["type"] if after else ())
    if old_types != new_types:
        for name in old_types:
            if name not in new_types:
                changes.types_gone += (tenant, number_of(name), number)
        for name in new_types:
            if name not in old_types:
                changes.types_new += (tenant, number_of(name), number)
    old_scopes, new_scopes = (before.get("scope", ()) if before else ()), (after.get("scope", ()) if after else ())
    if old_scopes != new_scopes:
        for scope in old_scopes:
            changes.scopes_gone += (tenant, scope, number)
        for scope in new_scopes:
            changes.scopes_new += (tenant, scope, number)
    shapes = changes.shapes
    new_shape = None if after is None else _shape(tenant, after)
    old_shape = None if before is None else _shape(tenant, before)
    if new_shape != old_shape:
        if new_shape is not None:
            shapes[new_shape] = shapes.get(new_shape, 0) + 1
        if old_shape is not None:
            shapes[old_shape] = shapes.get(old_shape, 0) - 1
    if has_boxes:
        _box_rows(changes, number, before["attrs"] if before else {}, after["attrs"] if after else {}, number_of)


def moves_rows(before: Entity, after: Entity, touched: Iterable[str], indexed: Container[str]) -> bool:
    """Whether an update may change index rows; told quickly, since most updates do not.

    They surely stay when types and scopes are the same, and each attribute that was touched has one instance of the same kind as
    before, no GeoProperty with another value, and no value index.
    """
    if before["type"] != after["type"] or before.get("scope") != after.get("scope"):
        return True
    old, new = before["attrs"], after["attrs"]
    for attribute in touched:
        was, now = old.get(attribute), new.get(attribute)
        if was is None or now is None or len(was) > 1 or len(now) > 1 or attribute in indexed:
            return True
        last, next = was[0], now[0]
        kind = next["type"]
        if last["type"] != kind or (kind == "GeoProperty" and last.get("value") != next.get("value")):
            return True
    return False


def _shape(tenant: int, entity: Entity) -> Shape:
    attrs: Attributes = entity["attrs"]
    kinds = [found[0]["type"] if len(found) == 1 else tuple({one["type"] for one in found}) for found in attrs.values()]
    return tenant, tuple(entity["type"]), tuple(attrs), tuple(kinds)


def shape_rows(shapes: dict[Shape, int]) -> dict[Row, int]:
    """By (tenant, type, attribute, kind), by how many entities more there are of it; attribute and kind "" for the type itself."""
    rows: dict[Row, int] = {}
    for (tenant, types, attributes, kinds), count in shapes.items():
        for name in dict.fromkeys(types):
            _count(rows, (tenant, name, "", ""), count)
            for attribute, kind in zip(attributes, kinds, strict=True):
                for one in (kind,) if type(kind) is str else kind:
                    _count(rows, (tenant, name, attribute, one), count)
    return rows


def _count(rows: dict[Row, int], key: Row, count: int) -> None:
    rows[key] = rows.get(key, 0) + count


def _box_rows(changes: RowChanges, number: int, old: Attributes, new: Attributes, number_of: Callable[[str], int]) -> None:
    old_geo, new_geo = _geo_values(old), _geo_values(new)
    if old_geo == new_geo:  # identical objects, or written again with the same places
        return
    if old_geo:
        count = sum(1 for name in old_geo for _ in boxes(old[name]))
        # One row each: an R*Tree finds a slot by its number, but a range of slots only by reading all.
        changes.boxes_gone.extend(number * BOXES + slot for slot in range(min(count, BOXES)))
    changes.boxes_new += box_values(number, new, number_of)


def box_values(number: int, attributes: Attributes, number_of: Callable[[str], int]) -> list[Any]:
    """The values of all rows of bounding boxes of an entity, one after the other."""
    values: list[Any] = []
    places = [(name, instances) for name, instances in attributes.items() if instances[0]["type"] == "GeoProperty"]
    found = [(number_of(name), box) for name, instances in places for box in boxes(instances)]
    for slot, (attribute, (west, south, east, north)) in enumerate(found[: BOXES - 1]):
        values += (number * BOXES + slot, west, east, south, north, number, attribute)
    rest = [box for _, box in found[BOXES - 1 :]]
    if rest:
        wests, souths, easts, norths = zip(*rest, strict=True)
        values += (number * BOXES + BOXES - 1, min(wests), max(easts), min(souths), max(norths), number, None)
    return values


def _geo_values(attributes: Attributes) -> dict[str, list[Any]]:
    """The instances of each GeoProperty by what its boxes are made from."""
    return {
        name: [(instance["type"], instance.get("value")) for instance in instances]
        for name, instances in attributes.items()
        if instances[0]["type"] == "GeoProperty"
    }


def _value_rows(
    changes: RowChanges, number: int, was: list[Any] | None, now: list[Any] | None, indexes: list[tuple[int, tuple[str, ...]]]
) -> None:
    for index, path in indexes:
        old, new = set(value_rows(index, path, number, was)), set(value_rows(index, path, number, now))
        for row in old - new:
            changes.values_gone += row
        for row in new - old:
            changes.values_new += row


def value_rows(index: int, path: tuple[str, ...], number: int, instances: list[Any] | None) -> Iterator[Row]:
    """The rows of one value index for the instances of its attribute in one entity."""
    if instances is None:
        return
    yield index, PRESENT, number
    for value in indexed_values(instances, path):
        yield index, storable(value), number


def storable(value: float | str) -> float | str:
    """The value as SQLite can hold it: integers beyond 64 bits as floats, which is how JSON readers see them."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value
