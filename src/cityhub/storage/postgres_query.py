"""From a condition to SQL: which shapes can satisfy it, and which rows.

Types and attributes are asked of the small table of shapes. Ids, scopes, boxes and indexed values are asked of the
rows. What has no index, or is too wide to be worth one, is left out: the SQL may find too much, never too little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

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
from cityhub.model.indexing import after_prefix
from cityhub.storage.postgres_link import encode
from cityhub.storage.postgres_rows import area_of, array_text, index_text, near

Paths = Mapping[tuple[str, tuple[str, ...]], int]
"""Ids of the indexed paths by attribute and path."""

FEW = 5_000
"""So many rows are few enough to look at each."""
MAX_LEAVES = 64
"""Parts of a condition that are turned into SQL; a wider one is left to the exact predicate."""


class Sql(msgspec.Struct, frozen=True):
    """A piece of SQL with its parameters."""

    text: str
    parameters: tuple[Any, ...] = ()

    @staticmethod
    def joined(word: str, parts: list[Sql]) -> Sql:
        """The parts in parentheses with a word between."""
        return Sql(word.join(f"({part.text})" for part in parts), tuple(value for part in parts for value in part.parameters))


class Part(msgspec.Struct, frozen=True):
    """One of the things that a row must satisfy beside its shape.

    Attributes:
        row: As a predicate on a row `e`.
        rows: As a query of the seq of all rows that satisfy it.
        is_cheap: Whether the predicate looks at the row alone.
        is_few: Whether the rows are known to be few without counting them.
    """

    row: Sql
    rows: Sql
    is_cheap: bool
    is_few: bool = False


class Compiled(msgspec.Struct, frozen=True):
    """A condition in SQL.

    Attributes:
        shape: What a shape `s` must satisfy; None: nothing.
        parts: What a row must satisfy beside its shape, all of it.
        exact: Whether shape and parts are the condition itself, as long as no attribute has expired.
        names_attributes: Whether attributes that have expired make a difference.
        wanted: Attribute and path of the values that an index would have answered.
    """

    shape: Sql | None
    parts: tuple[Part, ...]
    exact: bool
    names_attributes: bool
    wanted: tuple[tuple[str, tuple[str, ...]], ...]


def compile_condition(tenant: str, condition: Condition, paths: Paths) -> Compiled:
    """The condition in SQL for one tenant."""
    leaves = _leaves(condition)
    if len(leaves) > MAX_LEAVES:
        return Compiled(None, (), exact=False, names_attributes=True, wanted=())
    return Compiled(
        shape=_on_shape(condition),
        parts=tuple(_Rows(tenant, paths).parts(condition)),
        exact=all(_is_exact(leaf) for leaf in leaves),
        names_attributes=any(isinstance(leaf, HasAttribute) for leaf in leaves),
        wanted=tuple(
            dict.fromkeys(
                (leaf.attribute, leaf.path) for leaf in leaves if isinstance(leaf, ValueIn) and (leaf.attribute, leaf.path) not in paths
            )
        ),
    )


def _leaves(condition: Condition) -> list[Condition]:
    if isinstance(condition, AllOf | AnyOf):
        return [leaf for part in condition.conditions for leaf in _leaves(part)]
    return [condition]


def _is_exact(leaf: Condition) -> bool:
    if isinstance(leaf, ScopeUnder):
        return leaf.scope == "/" or not leaf.scope.endswith("/")
    return isinstance(leaf, Anything | TypeIs | HasAttribute | IdIn | IdPrefix)


def _on_shape(condition: Condition) -> Sql | None:
    """What the shape of an entity under the condition must satisfy; None when it may be any."""
    match condition:
        case TypeIs(type=name):
            return Sql("s.types @> %s::text[]", (array_text([name]),))
        case HasAttribute(attribute=name) | ValueIn(attribute=name) | InBox(attribute=name):
            return Sql("s.attributes @> %s::text[]", (array_text([name]),))
        case AllOf(conditions=parts):
            known = [one for one in map(_on_shape, parts) if one is not None]
            return Sql.joined(" AND ", known) if known else None
        case AnyOf(conditions=parts):
            alternatives = [_on_shape(part) for part in parts]
            if not alternatives:
                return Sql("false")
            found = [one for one in alternatives if one is not None]
            return Sql.joined(" OR ", found) if len(found) == len(alternatives) else None
    return None


class _Rows:
    """Conditions on the rows of one tenant."""

    def __init__(self, tenant: str, paths: Paths) -> None:
        self._tenant = tenant
        self._paths = paths

    def parts(self, condition: Condition) -> list[Part]:
        """What remains when `_on_shape` is asked as well."""
        if isinstance(condition, AllOf):
            return [found for part in condition.conditions for found in self.parts(part)]
        if all(self._is_of_shape(leaf) for leaf in _leaves(condition)):
            return []
        row = self._own(condition)
        if row is not None:
            few = isinstance(condition, IdIn) and len(condition.ids) <= FEW
            return [Part(row, self._where(row), is_cheap=True, is_few=few)]
        rows = self._rows(condition)
        return [] if rows is None else [Part(Sql(f"e.seq IN ({rows.text})", rows.parameters), rows, is_cheap=False)]

    def _is_of_shape(self, leaf: Condition) -> bool:
        if isinstance(leaf, ValueIn):
            return self._path(leaf) is None
        return isinstance(leaf, Anything | TypeIs | HasAttribute)

    def _own(self, condition: Condition) -> Sql | None:
        """The condition as a predicate on the row alone."""
        match condition:
            case IdIn(ids=ids):
                return Sql("e.id = ANY(%s::text[])", (array_text(_encodable(ids)),))
            case IdPrefix(prefix=prefix):
                return _prefix(prefix)
            case ScopeUnder(scope=scope):
                return Sql("e.scopes @> %s::text[]", (array_text([scope.rstrip("/")]),))
        return None

    def _rows(self, condition: Condition) -> Sql | None:
        """The rows under a condition as a query of their seq; None when no index helps."""
        match condition:
            case Anything():
                return None
            case ValueIn() if self._path(condition) is not None:
                return self._values(condition)
            case InBox():
                return self._box(condition)
            case AllOf(conditions=parts):
                known = [Sql(f"e.seq IN ({one.text})", one.parameters) for one in map(self._rows, parts) if one is not None]
                return self._where(Sql.joined(" AND ", known)) if known else None
            case AnyOf(conditions=parts):
                return self._union([self._rows(part) for part in _merged(parts)])
        own = self._own(condition)
        if own is not None:
            return self._where(own)
        shape = _on_shape(condition)
        return shape and self._where(of_shape(shape))

    def _where(self, row: Sql) -> Sql:
        return Sql(f"SELECT e.seq FROM entity e WHERE e.tenant = %s AND ({row.text})", (encode(self._tenant), *row.parameters))

    def _union(self, sets: list[Sql | None]) -> Sql | None:
        found = [one for one in sets if one is not None]
        if len(found) < len(sets):
            return None
        return Sql.joined(" UNION ALL ", found) if found else self._where(Sql("false"))

    def _box(self, box: InBox) -> Sql:
        return Sql(
            "SELECT p.seq FROM place p WHERE p.area = %s::bigint"
            " AND p.box && ST_MakeEnvelope(%s::float8, %s::float8, %s::float8, %s::float8, 4326)",
            (area_of(self._tenant, box.attribute), near(box.west), near(box.south), near(box.east), near(box.north)),
        )

    def _path(self, wanted: ValueIn) -> int | None:
        """The index of the values, when there is one and there is something to ask it."""
        is_open = wanted.low is None and wanted.high is None
        return None if is_open else self._paths.get((wanted.attribute, wanted.path))

    def _values(self, wanted: ValueIn) -> Sql:
        bound = wanted.low if wanted.low is not None else wanted.high
        column, kind = ("text", "text") if isinstance(bound, str) else ("number", "float8")
        where, parameters = "v.path = %s AND v.tenant = %s", (self._path(wanted), encode(self._tenant))
        ends = f" AND v.{column} IS NOT NULL"
        values: list[Any] = []
        for sign, end in ((">=", wanted.low), ("<=", wanted.high)):
            if end is not None:
                ends += f" AND v.{column} {sign} %s::{kind}"
                values.append(index_text(end) if isinstance(end, str) else _number(end))
        return Sql(
            f"SELECT v.seq FROM value v WHERE {where}{ends}"
            f" UNION ALL SELECT v.seq FROM value v WHERE {where} AND v.number IS NULL AND v.text IS NULL",
            (*parameters, *values, *parameters),
        )


def of_shape(shape: Sql) -> Sql:
    """A condition on shapes as a predicate on a row `e`."""
    return Sql(f"e.shape = ANY(ARRAY(SELECT s.id FROM shape s WHERE {shape.text}))", shape.parameters)


def _prefix(prefix: str) -> Sql | None:
    if not prefix:
        return None
    if not _encodable((prefix,)):
        return Sql("false")
    low = encode(prefix)
    high = after_prefix(low)
    return Sql("e.id >= %s", (low,)) if high is None else Sql("e.id >= %s AND e.id < %s", (low, high))


def _merged(parts: tuple[Condition, ...]) -> list[Condition]:
    """The same alternatives with those on ids as one."""
    ids = [id for part in parts if isinstance(part, IdIn) for id in part.ids]
    others = [part for part in parts if not isinstance(part, IdIn)]
    return [IdIn(tuple(dict.fromkeys(ids))), *others] if ids else others


def _number(end: float) -> float:
    try:
        return float(end)
    except OverflowError:  # an integer beyond all floats
        return math.inf if end > 0 else -math.inf


def _encodable(ids: tuple[str, ...]) -> list[str]:
    """Those ids that can exist at all: text with lone surrogates cannot."""
    return [id for id in ids if not any("\ud800" <= sign <= "\udfff" for sign in id)]
