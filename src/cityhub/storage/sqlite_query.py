"""From a condition to the cheapest set of candidates that SQLite can give.

One index drives: the most selective leaf that every match must satisfy. Everything else is left to the exact
predicate, which looks at few candidates then. A leaf without an index is reported as wanted, so that the store can
build one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from cityhub.model.condition import (
    AllOf,
    AnyOf,
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
from cityhub.storage.sqlite_rows import PRESENT, storable

PROBE = 2_000
"""Sets are counted up to this size when the smallest is looked for."""
PARAMETERS = 10_000
"""Most ids that are looked up one by one."""
MOST_PARAMETERS = 30_000
"""SQLite takes 32,766 in one statement."""
MOST_PARTS = 400
"""SQLite takes 500 in one UNION; more are put into several, one around the others."""


class Source(msgspec.Struct, frozen=True):
    """A set of entities.

    Attributes:
        select: SELECT of their numbers as `entity`, in no order.
        bindings: Its parameters.
        size: How many there are, counted up to PROBE.
        is_sorted: Whether those behind a number are found without reading all others.
    """

    select: str
    bindings: tuple[Any, ...]
    size: int
    is_sorted: bool = False


class Wanted(msgspec.Struct, frozen=True):
    """A value index, or with no attribute the index on places, that would have helped."""

    attribute: str
    path: tuple[str, ...]


PLACES: Final = Wanted("", ())
"""Stands for the index on places, which is one for all GeoProperties of a tenant."""


class Planner:
    """Chooses the driving set for one tenant on one connection.

    Attributes:
        wanted: The indexes that would have helped and are not there.

    Args:
        connection: Where it counts.
        tenant: Number of the tenant.
        built: The value indexes that are complete, by attribute and path.
        has_places: Whether the index on places is complete.
    """

    def __init__(
        self, connection: apsw.Connection, tenant: int, built: dict[tuple[str, tuple[str, ...]], int], has_places: bool
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._built = built
        self._has_places = has_places
        self.wanted: list[Wanted] = []

    def on(self, connection: apsw.Connection) -> Planner:
        """The same on another connection."""
        return Planner(connection, self._tenant, self._built, self._has_places)

    def everything(self) -> Source:
        """All entities of the tenant."""
        return self._sized("SELECT number AS entity FROM entity WHERE tenant = ?", (self._tenant,), is_sorted=True)

    def source(self, condition: Condition, bound: int = PROBE) -> Source | None:
        """The smallest known set that holds every entity under the condition; None when no index helps.

        A set is counted up to `bound`: beyond the smallest one found so far its size does not matter.
        """
        match condition:
            case AllOf(conditions=parts):
                return self._smallest(parts, bound)
            case AnyOf(conditions=parts):
                return self._union(parts, bound)
            case TypeIs(type=name):
                return self._sized(
                    "SELECT entity FROM entity_type WHERE tenant = ? AND type = (SELECT number FROM name WHERE text = ?)",
                    (self._tenant, name),
                    bound,
                    is_sorted=True,
                )
            case IdIn(ids=ids) if len(ids) <= PARAMETERS:
                marks = ",".join("?" * len(ids))
                return self._sized(f"SELECT number AS entity FROM entity WHERE tenant = ? AND id IN ({marks})", (self._tenant, *ids), bound)
            case IdPrefix(prefix=prefix) if prefix:
                end = after_prefix(prefix)
                bounds, ends = ("id >= ?", (prefix,)) if end is None else ("id >= ? AND id < ?", (prefix, end))
                return self._sized(f"SELECT number AS entity FROM entity WHERE tenant = ? AND {bounds}", (self._tenant, *ends), bound)
            case ScopeUnder(scope=scope):
                below = scope.rstrip("/")
                return self._sized(
                    "SELECT entity FROM entity_scope WHERE tenant = ? AND (scope = ? OR scope > ? AND scope < ?)",
                    (self._tenant, scope, below + "/", below + "0"),
                    bound,
                )
            case InBox():
                return self._box(condition, bound)
            case ValueIn():
                return self._values(condition, bound)
            case HasAttribute(attribute=attribute):
                return self._values(ValueIn(attribute), bound)
        return None

    def _smallest(self, parts: Sequence[Condition], bound: int) -> Source | None:
        best: Source | None = None
        # Types last: they are many entities in most stores, and counting them ends at the size of what was found before.
        for part in sorted(parts, key=lambda part: isinstance(part, TypeIs | AnyOf)):
            one = self.source(part, bound if best is None else min(bound, best.size))
            if one is not None and (best is None or one.size < best.size):
                best = one
        return best

    def _sized(self, select: str, bindings: tuple[Any, ...], bound: int = PROBE, *, is_sorted: bool = False) -> Source:
        size = self._connection.execute(f"SELECT count(*) FROM ({select} LIMIT ?)", (*bindings, bound)).get
        return Source(select, bindings, size, is_sorted)

    def _union(self, conditions: Sequence[Condition], bound: int) -> Source | None:
        parts: list[Source] = []
        size = 0
        for condition in conditions:
            part = self.source(condition, max(1, bound - size))
            if part is None:
                return None
            parts.append(part)
            size += part.size
        if not parts:
            return Source("SELECT number AS entity FROM entity WHERE 0", (), 0)
        if len(parts) == 1:
            return parts[0]
        bindings = tuple(value for part in parts for value in part.bindings)
        if len(bindings) > MOST_PARAMETERS:
            return None
        selects = [part.select for part in parts]
        while len(selects) > 1:
            heaps = [selects[at : at + MOST_PARTS] for at in range(0, len(selects), MOST_PARTS)]
            selects = [" UNION ".join(heap) if len(heaps) == 1 else f"SELECT entity FROM ({' UNION '.join(heap)})" for heap in heaps]
        return Source(selects[0], bindings, size)

    def _box(self, box: InBox, bound: int) -> Source | None:
        if not self._has_places:
            self.wanted.append(PLACES)
            return None
        return self._sized(
            "SELECT entity FROM entity_box WHERE west <= ? AND east >= ? AND south <= ? AND north >= ? "
            "AND (attribute IS NULL OR attribute = (SELECT number FROM name WHERE text = ?))",
            (box.east, box.west, box.north, box.south, box.attribute),
            bound,
        )

    def _values(self, wanted: ValueIn, bound: int) -> Source | None:
        index = self._built.get((wanted.attribute, wanted.path))
        if index is None:
            self.wanted.append(Wanted(wanted.attribute, wanted.path))
            return None
        low, high = (None if end is None else storable(end) for end in (wanted.low, wanted.high))
        if isinstance(low, str) or isinstance(high, str):
            low, high = "" if low is None else low, None if high is None else str(high)[:1000]
            bounds = "value >= ? AND value <= ?" if high is not None else "value >= ? AND value < ?"
            values: tuple[Any, ...] = (str(low)[:1000], high if high is not None else PRESENT)
        elif low is None and high is None:
            bounds, values = "value = ?", (PRESENT,)
        elif high is None:
            bounds, values = "value >= ? AND value < ''", (low,)
        else:
            bounds, values = ("value <= ?", (high,)) if low is None else ("value >= ? AND value <= ?", (low, high))
        return self._sized(f"SELECT entity FROM entity_value WHERE path = ? AND {bounds}", (index, *values), bound)
