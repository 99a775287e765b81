"""What a tenant's history holds: which types have which attributes, and of what kind their values are.

It is read from the observations themselves; after the first time only from those that are new.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import duckdb
import msgspec

RENEW_S: Final = 86_400.0
"""After so long all is read again, so that what was deleted is forgotten."""
MAX_TENANTS: Final = 256
"""Of so many tenants the shape is remembered."""


class Reading(Protocol):
    """The lake at one moment, as one tenant sees it: a connection with the views `observations` and `entity_versions`."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection: ...
    @property
    def position(self) -> int: ...


class Facts(msgspec.Struct, frozen=True):
    """What is known of an attribute of entities of some types.

    Attributes:
        types: The entities' types, as in the column `type`.
        attribute: The attribute.
        numbers, texts, booleans, others, points: Whether it has had a value of that kind; others are JSON.
        units: The unit codes it has had, in order; of more than two at a time the first and the last.
        first: The first journal position that has it.
        default: Whether it has had an instance without datasetId.
    """

    types: str
    attribute: str
    numbers: bool
    texts: bool
    booleans: bool
    others: bool
    points: bool
    units: tuple[str, ...]
    first: int
    default: bool

    def joined(self, later: Facts) -> Facts:
        """What is known from both."""
        return Facts(
            self.types, self.attribute, self.numbers or later.numbers, self.texts or later.texts, self.booleans or later.booleans,
            self.others or later.others, self.points or later.points, tuple(sorted({*self.units, *later.units})),
            min(self.first, later.first), self.default or later.default,
        )  # fmt: skip


_FACTS: Final = """
SELECT type, attribute, count(number) > 0, count(text) > 0,
  coalesce(bool_or(json IN ('true', 'false')), false), coalesce(bool_or(json NOT IN ('true', 'false')), false), count(lon) > 0,
  [min(unit), max(unit)], min(position), count(*) > count(dataset)
FROM observations WHERE position > ? AND deleted_at IS NULL GROUP BY type, attribute
"""

Key = tuple[str, str]


class _Known(msgspec.Struct):
    position: int
    facts: dict[Key, Facts]
    began: float


class Shapes:
    """The shapes of tenants' histories. It may be used from several threads.

    Args:
        monotonic: Seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()
        self._working: dict[str, threading.Lock] = {}

    def of(self, tenant: str, reading: Reading) -> list[Facts]:
        """What the tenant's history holds at the reading, by when it was first seen."""
        with self._lock:
            working = self._working.setdefault(tenant, threading.Lock())
        with working:  # who comes meanwhile waits, rather than doing the same beside it
            return self._of(tenant, reading)

    def _of(self, tenant: str, reading: Reading) -> list[Facts]:
        with self._lock:
            known = self._known.get(tenant)
        if known is None or self._monotonic() - known.began > RENEW_S or reading.position < known.position:
            known = _Known(-1, {}, self._monotonic())
        if reading.position > known.position:
            facts = dict(known.facts)
            for row in reading.connection.execute(_FACTS, [known.position]).fetchall():
                new = _facts(row)
                key = (new.types, new.attribute)
                facts[key] = facts[key].joined(new) if key in facts else new
            known = _Known(reading.position, facts, known.began)
            self._keep(tenant, known)
        return sorted(known.facts.values(), key=lambda item: (item.first, item.types, item.attribute))

    def _keep(self, tenant: str, known: _Known) -> None:
        with self._lock:
            self._known.pop(tenant, None)
            self._known[tenant] = known
            while len(self._known) > MAX_TENANTS:
                oldest = next(iter(self._known))
                del self._known[oldest]
                self._working.pop(oldest, None)


def _facts(row: tuple[Any, ...]) -> Facts:
    types, attribute, numbers, texts, booleans, others, points, units, first, default = row
    known = tuple(sorted({unit for unit in units if unit is not None}))
    return Facts(types, attribute, numbers, texts, booleans, others, points, known, first, default)
