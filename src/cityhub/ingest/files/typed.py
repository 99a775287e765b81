"""Cells of text as numbers, times and so on, in DuckDB's SQL; NULL where a cell is none."""

from __future__ import annotations

from typing import Final

from cityhub.ingest.files.plan import Column
from cityhub.ingest.files.table import literal

RIGHT: Final = {
    "number": "no number; right would be one such as 12.5",
    "integer": "no whole number; right would be one such as 12",
    "boolean": "neither true nor false; right would be true, false, 1, 0, 是 or 否",
    "time": "no time; right would be one such as 2026-07-01 08:00:00",
    "geometry": "no shape; right would be GeoJSON",
    "object": "no JSON",
}
"""What is said of a cell that is not of its column's type."""
EARLIEST: Final = "1677-09-22"
LATEST: Final = "2262-04-11"
"""What nanoseconds in 64 bits hold, as the tables of the history keep times."""
_WIDE: Final = ("０１２３４５６７８９．，－＋％", "0123456789.,-+%")
_COMPACT: Final = "['%Y%m%d%H%M%S', '%Y%m%d%H%M', '%Y%m%d', '%Y%m%d %H%M%S', '%Y%m%d %H:%M:%S', '%Y%m%d %H:%M']"


def typed(cell: str, column: Column) -> str:
    """The SQL of the value of a cell: DOUBLE for numbers, BOOLEAN, TIMESTAMPTZ for times, else text.

    Times without a zone are of the session's time zone. "24:00" is the midnight that follows.
    """
    if column.type == "number":
        return _number(cell, column.decimal)
    if column.type == "integer":
        number = _number(cell, column.decimal)
        return f"CASE WHEN {number} = floor({number}) THEN {number} END"
    if column.type == "boolean":
        return (
            f"CASE WHEN lower({cell}) IN ('true', 't', 'yes', 'y', '1', '是', '真', '有') THEN true"
            f" WHEN lower({cell}) IN ('false', 'f', 'no', 'n', '0', '否', '假', '无') THEN false END"
        )
    if column.type == "time":
        return moment(cell, column.form)
    if column.type in ("geometry", "object"):
        return f"CASE WHEN json_valid({cell}) THEN {cell} END"
    return cell


def moment(cell: str, form: str = "auto") -> str:
    """The SQL of the time that a cell says, TIMESTAMPTZ."""
    if form == "epoch_s":
        found = f"make_timestamptz((TRY_CAST({cell} AS DOUBLE) * 1e6)::BIGINT)"
    elif form == "epoch_ms":
        found = f"make_timestamptz((TRY_CAST({cell} AS DOUBLE) * 1e3)::BIGINT)"
    elif form == "excel":
        days = f"TRY_CAST({cell} AS DOUBLE)"
        micros = f"CASE WHEN {days} BETWEEN 0 AND 2958465 THEN ({days} * 86400e6)::BIGINT END"
        found = f"(TIMESTAMP '1899-12-30' + to_microseconds({micros}))::TIMESTAMPTZ"
    elif form != "auto":
        found = f"try_strptime({cell}, {literal(form)})::TIMESTAMPTZ"
    else:
        # Most times are as DuckDB knows them; only what is left goes the long way.
        found = (
            f"coalesce(TRY_CAST({cell} AS TIMESTAMPTZ), TRY_CAST({_plain(cell)} AS TIMESTAMPTZ),"
            f" try_strptime({cell}, {_COMPACT})::TIMESTAMPTZ, {_epoch(cell)})"
        )
    return found


def _number(cell: str, decimal: str) -> str:
    if decimal == ",":
        plain = f"replace(replace(replace(translate({cell}, '{_WIDE[0]}', '{_WIDE[1]}'), ' ', ''), '.', ''), ',', '.')"
        found = f"TRY_CAST({plain} AS DOUBLE)"
    else:
        plain = f"replace(replace(translate({cell}, '{_WIDE[0]}', '{_WIDE[1]}'), ',', ''), ' ', '')"
        found = f"coalesce(TRY_CAST({cell} AS DOUBLE), TRY_CAST({plain} AS DOUBLE))"
    return f"nullif(nullif(nullif({found}, 'Infinity'), '-Infinity'), 'NaN')"


def _plain(cell: str) -> str:
    """A time in Chinese, with slashes or dots, with hours only or with a zone but no seconds, as ISO 8601 has it."""
    dashed = f"translate({cell}, '年月/日T时点分：秒', '---  ::::')"
    dashed = f"regexp_replace({dashed}, '^(\\d{{4}})\\.(\\d{{1,2}})\\.(\\d{{1,2}})', '\\1-\\2-\\3')"
    trimmed = f"rtrim(regexp_replace({dashed}, '\\s+', ' ', 'g'), ': ')"
    hours = f"regexp_replace({trimmed}, '^(\\S+ \\d{{1,2}})$', '\\1:00')"
    return f"regexp_replace({hours}, '( \\d{{1,2}}:\\d\\d) ?(Z|[+-]\\d\\d:?\\d\\d)$', '\\1:00\\2')"


def _epoch(cell: str) -> str:
    """Numbers since 1970 by their size: below 1e11 seconds, below 1e14 milliseconds; short numbers are no times."""
    number = f"TRY_CAST({cell} AS DOUBLE)"
    return (
        f"CASE WHEN {number} >= 1e8 AND {number} < 1e11 THEN make_timestamptz(({number} * 1e6)::BIGINT)"
        f" WHEN {number} >= 1e11 AND {number} < 1e14 THEN make_timestamptz(({number} * 1e3)::BIGINT) END"
    )
