"""What an index can know about an entity: the words between a query and a store.

A query language is evaluated exactly in one place only (a Python predicate over the internal form, used by queries
and subscriptions alike). For a store it is weakened to a `Condition`: every entity that satisfies the query
satisfies its condition, so a store may use whatever part it has an index for and ignore the rest.
"""

from __future__ import annotations

import msgspec


class Condition(msgspec.Struct, frozen=True):
    """A necessary condition on entities."""


class Anything(Condition, frozen=True):
    """Every entity."""


class IdIn(Condition, frozen=True):
    """Entities with one of these ids."""

    ids: tuple[str, ...]


class IdPrefix(Condition, frozen=True):
    """Entities whose id begins with this text (the literal head of an idPattern)."""

    prefix: str


class TypeIs(Condition, frozen=True):
    """Entities that have this type (an IRI) among their types."""

    type: str


class HasAttribute(Condition, frozen=True):
    """Entities that have this attribute (an IRI)."""

    attribute: str


class ValueIn(Condition, frozen=True):
    """Entities with an instance of the attribute whose value, or one item of it, lies in the closed range [low, high].

    Numbers and texts are told apart: a range is of one kind. None leaves an end open. Times are texts in the form of
    `cityhub.model.time.to_text`. Equality is a range of one value. `path` are the expanded member names inside the
    value or the sub-attributes that lead to what is compared; an empty path is the value itself.
    """

    attribute: str
    low: float | str | None = None
    high: float | str | None = None
    path: tuple[str, ...] = ()


class InBox(Condition, frozen=True):
    """Entities with a GeoProperty whose bounding box overlaps this one (degrees, WGS 84; west <= east)."""

    attribute: str
    west: float
    south: float
    east: float
    north: float


class ScopeUnder(Condition, frozen=True):
    """Entities with a scope equal to this one or below it ('/a' has '/a/b' below it)."""

    scope: str


class AllOf(Condition, frozen=True):
    """Entities that satisfy all of these; an empty tuple is every entity."""

    conditions: tuple[Condition, ...]


class AnyOf(Condition, frozen=True):
    """Entities that satisfy at least one of these; an empty tuple is none."""

    conditions: tuple[Condition, ...]
