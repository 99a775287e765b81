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


class Compiled(msgspec.Struct, frozen=True):
    """A condition in SQL.

    Attributes:
        shape: What a shape `s` must satisfy; None: nothing.
        row: What a row `e` must satisfy beside its shape; None: nothing.
        exact: Whether the two together are the condition itself, as long as no attribute has expired.
        names_attributes: Whether attributes that have expired make a difference.
        wanted: Attribute and path of the values that an index would have answered.
    """

    shape: Sql | None
    row: Sql | None
    exact: bool
    names_attributes: bool
    wanted: tuple[tuple[str, tuple[str, ...]], ...]


def compile_condition(tenant: str, condition: Condition, paths: Paths) -> Compiled:
    """The condition in SQL for one tenant."""
    leaves = list(_leaves(condition))
    if len(leaves) > MAX_LEAVES:
        return Compiled(None, None, exact=False, names_attributes=True, wanted=())
    wanted = tuple(
        dict.fromkeys(
            (leaf.attribute, leaf.path) for leaf in leaves if isinstance(leaf, ValueIn) and (leaf.attribute, leaf.path) not in paths
        )
    )
    row = _Rows(tenant, paths).beside_shape(condition)
    return Compiled(
        shape=_on_shape(condition),
        row=row,
        exact=all(_is_exact(leaf) for leaf in leaves),
        names_attributes=any(isinstance(leaf, HasAttribute) for leaf in leaves),
        wanted=wanted,
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
    """Conditions on rows `e` of one tenant."""

    def __init__(self, tenant: str, paths: Paths) -> None:
        self._tenant = encode(tenant)
        self._plain_tenant = tenant
        self._paths = paths

    def beside_shape(self, condition: Condition) -> Sql | None:
        """What remains when `_on_shape` is asked as well."""
        if all(isinstance(leaf, Anything | TypeIs | HasAttribute) for leaf in _leaves(condition)):
            return None
        if isinstance(condition, AllOf):
            parts = [one for one in map(self.beside_shape, condition.conditions) if one is not None]
            return Sql.joined(" AND ", parts) if parts else None
        return self._row(condition)

    def _row(self, condition: Condition) -> Sql | None:
        """The whole condition on a row; None when no index helps."""
        match condition:
            case IdIn(ids=ids):
                return Sql("e.id = ANY(%s::text[])", (array_text(_encodable(ids)),))
            case IdPrefix(prefix=prefix):
                return self._prefix(prefix)
            case ScopeUnder(scope=scope):
                return Sql("e.scopes @> %s::text[]", (array_text([scope.rstrip("/")]),))
            case AllOf(conditions=parts):
                known = [one for one in map(self._row, parts) if one is not None]
                return Sql.joined(" AND ", known) if known else None
            case AnyOf(conditions=parts):
                return self._any([self._set(part) for part in _merged(parts)])
        found = self._set(condition)
        return found and Sql(f"e.seq IN ({found.text})", found.parameters)

    def _any(self, sets: list[Sql | None]) -> Sql | None:
        # A union of sets and not an OR: with an OR the server would look at every row.
        found = [one for one in sets if one is not None]
        if len(found) < len(sets):
            return None
        if not found:
            return Sql("false")
        union = Sql.joined(" UNION ALL ", found)
        return Sql(f"e.seq IN ({union.text})", union.parameters)

    def _set(self, condition: Condition) -> Sql | None:
        """The rows under a condition as a query of their seq; None when no index helps."""
        match condition:
            case ValueIn():
                return self._values(condition)
            case InBox(attribute=attribute):
                return Sql(
                    "SELECT p.seq FROM place p WHERE p.area = %s::bigint"
                    " AND p.box && ST_MakeEnvelope(%s::float8, %s::float8, %s::float8, %s::float8, 4326)",
                    (
                        area_of(self._plain_tenant, attribute),
                        near(condition.west),
                        near(condition.south),
                        near(condition.east),
                        near(condition.north),
                    ),
                )
            case TypeIs() | HasAttribute():
                shape = _on_shape(condition)
                return shape and self._of_rows(Sql(f"e.shape IN (SELECT s.id FROM shape s WHERE {shape.text})", shape.parameters))
        row = None if isinstance(condition, Anything) else self._row(condition)
        return row and self._of_rows(row)

    def _of_rows(self, row: Sql) -> Sql:
        return Sql(f"SELECT e.seq FROM entity e WHERE e.tenant = %s AND ({row.text})", (self._tenant, *row.parameters))

    def _values(self, wanted: ValueIn) -> Sql | None:
        path = self._paths.get((wanted.attribute, wanted.path))
        bound = wanted.low if wanted.low is not None else wanted.high
        if path is None or bound is None:
            return self._set(HasAttribute(wanted.attribute))
        column, kind = ("text", "text") if isinstance(bound, str) else ("number", "float8")
        where, parameters = "v.path = %s AND v.tenant = %s", (path, self._tenant)
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

    def _prefix(self, prefix: str) -> Sql | None:
        ids = _encodable((prefix,))
        if not ids:
            return Sql("false")
        if not prefix:
            return None
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
