"""Windows as SQL over the lake's view `observations`."""

from __future__ import annotations

from typing import Any, Final

from cityhub.history.conditions import in_range
from cityhub.model.ports import Window

Sql = tuple[str, list[Any]]
_COLUMNS: Final = {
    "observedAt": "observed_at",
    "createdAt": "coalesce(created_at, modified_at)",
    "modifiedAt": "modified_at",
    "deletedAt": "deleted_at",
}
_NO_MARK: Final = " AND (deleted_at IS NULL OR observed_at IS NOT NULL)"


def time_of(window: Window) -> str:
    """The time of an instance that counts, as SQL."""
    column = _COLUMNS[window.property]
    return "coalesce(observed_at, modified_at)" if window.property == "observedAt" and not window.bounded else column


def spanned(window: Window) -> Sql:
    """The condition that an instance is in a window; begins with " AND " where there is one. The limit is not in it."""
    sql, values = _span(window)
    if window.attributes is not None:
        sql += " AND attribute IN (SELECT unnest(?::VARCHAR[]))"
        values.append(sorted(window.attributes))
    if window.datasets is not None:
        named = sorted(window.datasets - {"@none"})
        sql += " AND (list_contains(?::VARCHAR[], dataset)" + (" OR dataset IS NULL)" if "@none" in window.datasets else ")")
        values.append(named)
    for attribute in sorted({one.attribute for one in window.near}):
        tests = [in_range(one) for one in window.near if one.attribute == attribute]
        sql += f" AND (attribute <> ? OR {' OR '.join('(true' + test + ')' for test, _ in tests)})"
        values.extend([attribute, *(value for _, given in tests for value in given)])
    return sql, values


def _span(window: Window) -> Sql:
    if not window.bounded:
        return (" AND deleted_at IS NOT NULL" if window.property == "deletedAt" else _NO_MARK), []
    column = _COLUMNS[window.property]
    sql, values = f" AND {column} IS NOT NULL", []
    if window.property in ("createdAt", "modifiedAt"):
        sql += _NO_MARK
    for sign, moment in ((">=", window.start), ("<", window.end)):
        if moment is not None:
            sql += f" AND {column} {sign} ?::TIMESTAMPTZ"
            values.append(moment)
    return sql, values
