"""The index rows of an entity, and what must be taken away and added when it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from cityhub.model.entity import Attributes, Entity
from cityhub.model.indexing import boxes, indexed_values

PRESENT = b""
"""The value that marks the mere presence of an attribute in `entity_value`; it sorts after every number and text."""
BOXES = 64
"""Slots of the R*Tree per entity; the boxes of further geometries are merged into the last one."""

Row = tuple[Any, ...]


class RowChanges:
    """Index rows to delete and to insert, gathered over one transaction."""

    def __init__(self) -> None:
        self.types_gone: list[Row] = []
        self.types_new: list[Row] = []
        self.scopes_gone: list[Row] = []
        self.scopes_new: list[Row] = []
        self.boxes_gone: list[Row] = []
        self.boxes_new: list[Row] = []
        self.values_gone: list[Row] = []
        self.values_new: list[Row] = []
        self.shapes: Counter[Row] = Counter()


def entity_rows(
    changes: RowChanges,
    tenant: int,
    number: int,
    before: Entity | None,
    after: Entity | None,
    paths: dict[str, list[tuple[int, tuple[str, ...]]]],
    number_of: Any,
) -> None:
    """Adds to `changes` what turns the index rows of `before` into those of `after`.

    Args:
        changes: Where to add.
        tenant: Number of the tenant.
        number: Row number of the entity.
        before: The entity as it was; None at a creation.
        after: The entity as it becomes; None at a deletion.
        paths: By attribute IRI, the (number, path) of each value index of the tenant.
        number_of: Function from a name to its number.
    """
    old, new = (before["attrs"] if before else {}), (after["attrs"] if after else {})
    if before is None or after is None or not _same_rows(before, after):
        _plain_rows(changes, tenant, number, before, after, number_of)
    for attribute in paths.keys() & (old.keys() | new.keys()) if paths else ():
        was, now = old.get(attribute), new.get(attribute)
        if was is not now:
            _value_rows(changes, number, was, now, paths[attribute])


def _plain_rows(changes: RowChanges, tenant: int, number: int, before: Entity | None, after: Entity | None, number_of: Any) -> None:
    """The rows of all but the value indexes."""
    old_types, new_types = (before["type"] if before else []), (after["type"] if after else [])
    if old_types != new_types:
        changes.types_gone.extend((tenant, number_of(name), number) for name in old_types if name not in new_types)
        changes.types_new.extend((tenant, number_of(name), number) for name in new_types if name not in old_types)
    old_scopes, new_scopes = (before or {}).get("scope", ()), (after or {}).get("scope", ())
    if old_scopes != new_scopes:
        changes.scopes_gone.extend((tenant, scope, number) for scope in old_scopes)
        changes.scopes_new.extend((tenant, scope, number) for scope in new_scopes)
    old, new = (before["attrs"] if before else {}), (after["attrs"] if after else {})
    _shape_rows(changes.shapes, tenant, old_types, old, new_types, new)
    _box_rows(changes, number, old, new, number_of)


def _same_rows(before: Entity, after: Entity) -> bool:
    """Whether two versions surely have the same index rows, value indexes aside; found in one pass, as most updates leave them.

    They have when types and scopes are the same, and each attribute has one instance of the same kind, if a GeoProperty
    with the same value.
    """
    old, new = before["attrs"], after["attrs"]
    if len(old) != len(new) or before["type"] != after["type"] or before.get("scope") != after.get("scope"):
        return False
    for attribute, now in new.items():
        was = old.get(attribute)
        if was is now:
            continue
        if was is None or len(was) > 1 or len(now) > 1:
            return False
        last, next = was[0], now[0]
        kind = next["type"]
        if last["type"] != kind or (kind == "GeoProperty" and last.get("value") != next.get("value")):
            return False
    return True


def _shape_rows(
    shapes: Counter[Row], tenant: int, old_types: list[str], old: Attributes, new_types: list[str], new: Attributes
) -> None:
    if old_types == new_types and _same_kinds(old, new):
        return
    for name, attribute, kind in _shapes(new_types, new):
        shapes[(tenant, name, attribute, kind)] += 1
    for name, attribute, kind in _shapes(old_types, old):
        shapes[(tenant, name, attribute, kind)] -= 1


def _same_kinds(old: Attributes, new: Attributes) -> bool:
    """Whether two versions have the same attributes with single instances of the same kinds, as most updates leave them."""
    if len(old) != len(new):
        return False
    for attribute, now in new.items():
        was = old.get(attribute)
        if was is not now and (was is None or len(was) > 1 or len(now) > 1 or was[0]["type"] != now[0]["type"]):
            return False
    return True


def _shapes(types: list[str], attributes: Attributes) -> set[tuple[str, str, str]]:
    found = {(name, "", "") for name in types}
    for attribute, instances in attributes.items():
        for instance in instances:
            kind = instance["type"]
            for name in types:
                found.add((name, attribute, kind))
    return found


def _box_rows(changes: RowChanges, number: int, old: Attributes, new: Attributes, number_of: Any) -> None:
    old_geo, new_geo = _geo_values(old), _geo_values(new)
    if old_geo == new_geo:  # identical objects, or written again with the same places
        return
    if old_geo:
        count = sum(1 for name in old_geo for _ in boxes(old[name]))
        # One row each: an R*Tree finds a slot by its number, but a range of slots only by reading all.
        changes.boxes_gone.extend((number * BOXES + slot,) for slot in range(min(count, BOXES)))
    found = [(number_of(name), box) for name in new_geo for box in boxes(new[name])]
    for slot, (attribute, (west, south, east, north)) in enumerate(found[: BOXES - 1]):
        changes.boxes_new.append((number * BOXES + slot, west, east, south, north, number, attribute))
    rest = [box for _, box in found[BOXES - 1 :]]
    if rest:
        wests, souths, easts, norths = zip(*rest, strict=True)
        changes.boxes_new.append(
            (number * BOXES + BOXES - 1, min(wests), max(easts), min(souths), max(norths), number, None)
        )


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
        changes.values_gone.extend(old - new)
        changes.values_new.extend(new - old)


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
