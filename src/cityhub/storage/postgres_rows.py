"""From a batch to the rows that it changes: entities, shapes, boxes, indexed values, records. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import orjson

from cityhub.model.change import attribute_changes
from cityhub.model.entity import Entity, Instance
from cityhub.model.indexing import Box, boxes, indexed_values
from cityhub.model.ports import ENTITIES
from cityhub.storage.kept import Kept, Key
from cityhub.storage.postgres_batch import Batch
from cityhub.storage.postgres_link import encode

MAX_VALUES = 64
"""An entity with more values than this at a path is a candidate for every range."""
MAX_TEXT = 200
"""Indexed texts are cut to this many characters; a range with cut ends covers every cut text that it covered before."""
_FAR = 1e6


class Shape(NamedTuple):
    """Types and attributes with their kinds, as entities of one feed share them."""

    types: tuple[str, ...]
    kinds: tuple[str, ...]

    @property
    def digest(self) -> bytes:
        """What identifies the shape in the database."""
        return hashlib.sha256(orjson.dumps([self.types, self.kinds])).digest()

    @property
    def attributes(self) -> list[str]:
        """The attributes' IRIs."""
        return sorted({kind.partition(" ")[2] for kind in self.kinds})


class ValuePath(NamedTuple):
    """A place inside entities whose values have an index."""

    id: int
    attribute: str
    path: tuple[str, ...]


class EntityRow(NamedTuple):
    """An entity to insert (seq < 0: born at that entry of the batch) or to update."""

    seq: int
    tenant: str
    id: str
    shape: Shape
    scopes: str | None
    expires_at: str | None
    ends_at: str | None
    document: bytes


class RecordRow(NamedTuple):
    """A record to insert or update."""

    seq: int
    collection: str
    tenant: str
    id: str
    document: bytes


class PlaceRow(NamedTuple):
    """The bounding box of one GeoProperty."""

    seq: int
    area: int
    west: float
    south: float
    east: float
    north: float


class ValueRow(NamedTuple):
    """One indexed value; neither number nor text stands for too many values."""

    seq: int
    path: int
    tenant: str
    number: float | None
    text: str | None


class Rows(msgspec.Struct):
    """Everything that a batch changes, by table; deletions of places and values by (seq, area) and (seq, path)."""

    inserted: list[EntityRow] = []
    updated: list[EntityRow] = []
    deleted: list[int] = []
    records: list[RecordRow] = []
    deleted_records: list[Key] = []
    moved: list[tuple[int, int]] = []
    places: list[PlaceRow] = []
    revalued: list[tuple[int, int]] = []
    values: list[ValueRow] = []


def rows_of(batch: Batch, paths: Iterable[ValuePath]) -> Rows:
    """The rows that a batch changes, given the paths whose values are indexed."""
    by_attribute: dict[str, list[ValuePath]] = {}
    for path in paths:
        by_attribute.setdefault(path.attribute, []).append(path)
    rows = Rows()
    for key, after in batch.current.items():
        before = batch.loaded.get(key)
        collection, tenant, id = key
        if collection == ENTITIES:
            _entity_rows(rows, key, before, after, by_attribute)
        elif after is not None:
            rows.records.append(RecordRow(after.number, collection, tenant, id, after.encoded))
        elif before is not None:
            rows.deleted_records.append(key)
    return rows


def _entity_rows(rows: Rows, key: Key, before: Kept | None, after: Kept | None, paths: Mapping[str, list[ValuePath]]) -> None:
    if before is not None and (after is None or after.number < 0):
        rows.deleted.append(before.number)
        before = None
    if after is None:
        return
    (rows.inserted if before is None else rows.updated).append(entity_row(key, after))
    for attribute in attribute_changes(before, after):
        was = before["attrs"].get(attribute, ()) if before is not None else ()
        now = after["attrs"].get(attribute, ())
        if _has_places(was) or _has_places(now):
            _place_rows(rows, key, after.number, attribute, list(boxes(was)), list(boxes(now)))
        for path in paths.get(attribute, ()):
            _value_rows(rows, key, after.number, path, was, now)


def entity_row(key: Key, entity: Kept) -> EntityRow:
    """The entity's own row."""
    _, tenant, id = key
    return EntityRow(entity.number, tenant, id, shape_of(entity), _scopes(entity), entity.get("expiresAt"), entity.expires, entity.encoded)


def shape_of(entity: Entity) -> Shape:
    """The entity's shape."""
    kinds = {f"{instance['type']} {name}" for name, instances in entity["attrs"].items() for instance in instances}
    return Shape(tuple(sorted(entity["type"])), tuple(sorted(kinds)))


def _scopes(entity: Entity) -> str | None:
    """All scopes at or above the entity's own, as the text of a PostgreSQL array; None without scope."""
    found = sorted({above for scope in entity.get("scope", ()) for above in scopes_above(scope)})
    return array_text(found) if found else None


def scopes_above(scope: str) -> list[str]:
    """Every scope that the given one is equal to or below of, in the sense of `ScopeUnder`, with no slash at the end.

    >>> scopes_above("/city/north")
    ['', '/city', '/city/north']
    """
    own = scope.rstrip("/")
    return [own[:at] for at, sign in enumerate(own) if sign == "/"] + [own]


def array_text(items: Iterable[str]) -> str:
    """Texts as the text of a PostgreSQL array."""
    quoted = (encode(item).replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"


def _has_places(instances: Sequence[Instance]) -> bool:
    return len(instances) > 1 or (len(instances) == 1 and instances[0]["type"] == "GeoProperty")


def _place_rows(rows: Rows, key: Key, seq: int, attribute: str, was: list[Box], now: list[Box]) -> None:
    if was == now:
        return
    area = area_of(key[1], attribute)
    if was:
        rows.moved.append((seq, area))
    for west, south, east, north in now:
        rows.places.append(PlaceRow(seq, area, near(west), near(south), near(east), near(north)))


def near(degrees: float) -> float:
    """The coordinate, or a far one in place of what an index cannot keep; keeps order."""
    return float(max(-_FAR, min(_FAR, degrees)))


@lru_cache(maxsize=4096)
def area_of(tenant: str, attribute: str) -> int:
    """The key under which boxes of an attribute are kept; two areas that share one by chance only widen a search."""
    digest = hashlib.blake2b(f"{tenant}\0{attribute}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _value_rows(rows: Rows, key: Key, seq: int, path: ValuePath, was: Iterable[Instance], now: Iterable[Instance]) -> None:
    old, new = index_values(was, path.path), index_values(now, path.path)
    if old == new:
        return
    if old:
        rows.revalued.append((seq, path.id))
    rows.values.extend(ValueRow(seq, path.id, key[1], number, text) for number, text in new)


def index_values(instances: Iterable[Instance], path: tuple[str, ...]) -> set[tuple[float | None, str | None]]:
    """What the index of a path keeps for the instances of its attribute in one entity: (number, None) or (None, text)."""
    found = indexed_values(instances, path)
    if len(found) > MAX_VALUES:
        return {(None, None)}
    return {(None, index_text(value)) if isinstance(value, str) else (float(value), None) for value in found}


def index_text(text: str) -> str:
    """Text as it is kept in the index of values."""
    return encode(text[:MAX_TEXT])
