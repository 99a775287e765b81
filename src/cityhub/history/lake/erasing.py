"""What is to be taken out of the tables and is there still: the view leaves it out, the next flush rewrites the files.

Every row of the files is older than every pending erasure; of the tail's rows those are meant that an older change wrote.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import msgspec
import pyarrow as pa

from cityhub.history.lake.tail import SEQUENCE

NUMBERS = pa.int64()
_TEXT = pa.string()


class Erasure(msgspec.Struct, frozen=True):
    """What one change takes out of the history: everything that agrees with all members that are not None.

    Attributes:
        sequence: Position of the change.
        tenant: The tenant.
        entity: The entity; None: the whole tenant.
        attribute: An attribute of the entity.
        dataset: One dataset of the attribute, "" is the default one.
        observed_at: The time of observation, as text.
        instance: Position and ordinal of one instance.
    """

    sequence: int
    tenant: str
    entity: str | None = None
    attribute: str | None = None
    dataset: str | None = None
    observed_at: str | None = None
    instance: tuple[int, int] | None = None


class Pending:
    """The erasures that wait for the files of a table to be rewritten. It never changes."""

    def __init__(self, erasures: tuple[Erasure, ...] = ()) -> None:
        self.erasures = erasures
        self._of_tenants: dict[str, Pending] = {}
        self._tables: dict[str, pa.Table] | None = None

    def __bool__(self) -> bool:
        return bool(self.erasures)

    def after(self, position: int) -> Pending:
        """Those of changes after a position."""
        return Pending(tuple(one for one in self.erasures if one.sequence > position)) if self.erasures else self

    def with_(self, more: Iterable[Erasure]) -> Pending:
        """These and more."""
        return Pending((*self.erasures, *more))

    def of(self, tenant: str) -> Pending:
        """Those of one tenant."""
        if not self.erasures:
            return self
        mine = self._of_tenants.get(tenant)
        if mine is None:
            mine = self._of_tenants[tenant] = Pending(tuple(one for one in self.erasures if one.tenant == tenant))
        return mine

    def of_entities(self) -> Pending:
        """Those that meet whole entities."""
        return Pending(tuple(one for one in self.erasures if one.attribute is None and one.instance is None))

    def tables(self) -> dict[str, pa.Table]:
        """The erasures by what they name, as tables."""
        if self._tables is None:
            by_kind: dict[str, list[Erasure]] = {}
            for one in self.erasures:
                by_kind.setdefault(_kind(one), []).append(one)
            self._tables = {kind: _table(erasures) for kind, erasures in by_kind.items()}
        return self._tables


_KINDS: tuple[tuple[str, str], ...] = (
    ("tenant", ""),
    ("entity", "AND e.entity = r.entity"),
    ("attribute", "AND e.entity = r.entity AND e.attribute = r.attribute"),
    ("dataset", "AND e.entity = r.entity AND e.attribute = r.attribute AND e.dataset = coalesce(r.dataset, '')"),
    (
        "observed_at",
        "AND e.entity = r.entity AND e.attribute = r.attribute AND e.observed_at = r.observed_at AND e.dataset = coalesce(r.dataset, '')",
    ),
    (
        "instance",
        "AND e.entity = r.entity AND e.attribute = r.attribute AND e.position = r.position AND e.ordinal = r.ordinal",
    ),
)


def _kind(erasure: Erasure) -> str:
    if erasure.instance is not None:
        return "instance"
    for name in ("observed_at", "dataset", "attribute", "entity"):
        if getattr(erasure, name) is not None:
            return name
    return "tenant"


def _table(erasures: list[Erasure]) -> pa.Table:
    places = [one.instance or (None, None) for one in erasures]
    times = pa.array([one.observed_at for one in erasures], _TEXT).cast(pa.timestamp("us", "UTC"))
    return pa.table(
        {
            SEQUENCE: pa.array([one.sequence for one in erasures], NUMBERS),
            "tenant": pa.array([one.tenant for one in erasures], _TEXT),
            "entity": pa.array([one.entity for one in erasures], _TEXT),
            "attribute": pa.array([one.attribute for one in erasures], _TEXT),
            "dataset": pa.array([one.dataset for one in erasures], _TEXT),
            "observed_at": times,
            "position": pa.array([place[0] for place in places], NUMBERS),
            "ordinal": pa.array([place[1] for place in places], NUMBERS),
        }
    )


def register(connection: duckdb.DuckDBPyConnection, pending: Pending, *, in_tail: bool = False, prefix: str = "erased_") -> list[str]:
    """Conditions on a row `r` that is left, one for each kind of erasure there is; their tables come into the connection.

    Args:
        connection: Whose temporary views are made.
        pending: What is erased.
        in_tail: Whether the rows have a sequence that decides whether an erasure came after them.
        prefix: Of the views' names.
    """
    conditions = []
    tables = pending.tables()
    for kind, condition in _KINDS:
        if kind in tables:
            connection.register(prefix + kind, tables[kind])
            older = f"AND r.{SEQUENCE} < e.{SEQUENCE} " if in_tail else ""
            conditions.append(f"NOT EXISTS (SELECT 1 FROM {prefix}{kind} e WHERE e.tenant = r.tenant {older}{condition})")
    return conditions
