"""Rows of `observations` as instances of the internal form, by entity and attribute."""

from __future__ import annotations

from typing import Any, Final

from cityhub.history.lake.columns import instance_of
from cityhub.history.readings import Reading
from cityhub.model.entity import Attributes

COLUMNS: Final = (
    "entity", "attribute", "dataset", "observed_at", "modified_at", "number", "text", "json", "lon", "lat", "unit", "position", "ordinal",
    "kind", "rest", "created_at", "deleted_at", "expires_at",
)  # fmt: skip
_IDENTITY: Final = ("dataset", "observed_at", "number", "text", "json", "lon", "lat", "unit", "kind", "rest", "deleted_at", "expires_at")
SAME: Final = ", ".join(("entity", "attribute", *_IDENTITY))
"""Rows that are equal in these columns and have an observedAt are one measurement that came more than once."""
FIRST_OF_SAME: Final = f"observed_at IS NULL OR row_number() OVER (PARTITION BY {SAME} ORDER BY position, ordinal) = 1"


def instances_in(reading: Reading, ids: list[str], rows: list[tuple[Any, ...]]) -> tuple[dict[str, Attributes], bool]:
    """The instances of rows with `COLUMNS`, in their order, by entity; of a measurement that came more than once, the first.

    Also whether there was such a measurement.
    """
    found: dict[str, Attributes] = {id: {} for id in ids}
    seen: set[tuple[Any, ...]] = set()
    repeated = False
    for values in rows:
        row = dict(zip(COLUMNS, values, strict=True))
        if row["observed_at"] is not None:
            key = (row["entity"], row["attribute"], *(row[name] for name in _IDENTITY))
            if key in seen:
                repeated = True
                continue
            seen.add(key)
        found[row["entity"]].setdefault(row["attribute"], []).append(instance_of(row, reading.seed))
    return found, repeated
