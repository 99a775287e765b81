"""What the columns of a table hold: type, share of empties, range, samples, and what each looks to be for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal

import duckdb

from cityhub.ingest.files.found import ColumnProfile, Head, Profile, Role, Table
from cityhub.ingest.files.plan import Column, ColumnType
from cityhub.ingest.files.table import literal, open_database, quoted
from cityhub.ingest.files.typed import typed
from cityhub.ingest.files.unit_words import UNITS

LOOKED: Final = 20_000
"""By so many first rows types and ranges are judged; the preview says so when there are more."""
FIRST_ROWS: Final = 50
SAMPLES: Final = 5
ENOUGH: Final = 0.95
"""A column is of a type when so many of its values are."""
WITH_UNIT: Final = 0.5
"""Under a head with a unit so many numbers are enough."""
_AT_ONCE: Final = 12
_ROLES: Final[dict[Role, str]] = {
    "id": r"(编号|站码|站号|测站编码|代码|编码|设备号|序列号|证号)$|^(id|code|uuid|sn|.*[_ ]id|.*编号.*)$",
    "time": r"时间|日期|时刻|^(time|date|timestamp|datetime|ts|.*_at|.*time|.*date)$",
    "longitude": r"经度|^(lon|lng|long|longitude|x)$",
    "latitude": r"纬度|^(lat|latitude|y)$",
    "address": r"地址|住址|^(address|addr|.*address)$",
    "name": r"(名称|站名|名字|姓名)$|^(name|title|.*_name)$",
}
_LEADING_ZERO: Final = "^0[0-9]+$"


def profile(path: Path, table: Table) -> Profile:
    """The profile of a table that lies at a path."""
    with open_database(path.parents[1]) as connection:
        connection.execute("SET TimeZone = 'Asia/Shanghai'")
        connection.execute(f"CREATE TEMP VIEW whole AS SELECT * FROM read_parquet({literal(str(path))})")
        connection.execute(f"CREATE TEMP TABLE looked AS SELECT * FROM whole LIMIT {LOOKED}")
        first = connection.execute(f"SELECT * FROM looked LIMIT {FIRST_ROWS}").fetchall()
        columns: list[ColumnProfile] = []
        for start in range(0, len(table.heads), _AT_ONCE):
            columns += _columns(connection, table.heads[start : start + _AT_ONCE], table.rows)
    return Profile(columns, [list(row) for row in first], min(table.rows, LOOKED))


def _columns(connection: duckdb.DuckDBPyConnection, heads: list[Head], rows: int) -> list[ColumnProfile]:
    parts = [part for head in heads for part in _figures(head)]
    answer = connection.execute(f"SELECT {', '.join(parts)} FROM looked").fetchone()
    filled = connection.execute(f"SELECT {', '.join(f'count({quoted(head.name)})' for head in heads)} FROM whole").fetchone()
    assert answer is not None and filled is not None
    size = len(parts) // len(heads)
    return [
        _column(connection, head, answer[place * size : (place + 1) * size], round(1 - filled[place] / rows, 4) if rows else 0.0)
        for place, head in enumerate(heads)
    ]


def _figures(head: Head) -> list[str]:
    cell = quoted(head.name)
    number, comma = typed(cell, Column("number")), typed(cell, Column("number", decimal=","))
    return [
        f"count({cell})",
        f"approx_count_distinct({cell})",
        f"count({number})",
        f"count(*) FILTER (({number}) = floor({number}))",
        f"count({comma}) FILTER (contains({cell}, ','))",
        f"count({typed(cell, Column('time'))})",
        f"count({typed(cell, Column('boolean'))})",
        f"count(*) FILTER (regexp_matches({cell}, '{_LEADING_ZERO}'))",
        f"count(*) FILTER (left({cell}, 1) IN ('{{', '[') AND json_valid({cell}))",
        f"min({number})", f"max({number})", f"min({cell})", f"max({cell})",
    ]  # fmt: skip


def _column(connection: duckdb.DuckDBPyConnection, head: Head, figures: tuple[Any, ...], empty: float) -> ColumnProfile:
    count, distinct, numbers, whole, commas, times, booleans, zeros, objects, low, high, least, most = figures
    kind, form = _type(head, count, numbers, whole, times, booleans, zeros, objects, low, high)
    decimal: Literal[".", ","] = "," if kind == "text" and count and commas >= ENOUGH * count and not head.is_geometry else "."
    kind = "number" if decimal == "," else kind
    role = role_of(head, kind, low, high)
    if role == "id":
        kind = "text"
    if kind in ("number", "integer") and decimal == ".":
        least, most = _neat(low), _neat(high)
    cell = quoted(head.name)
    few = f"SELECT {cell} FROM looked LIMIT 1000"
    samples = connection.execute(f"SELECT DISTINCT left({cell}, 200) FROM ({few}) WHERE {cell} IS NOT NULL LIMIT {SAMPLES}")
    return ColumnProfile(
        head.name, head.head, kind, form, UNITS.get(head.unit, ""), role, empty, int(distinct),
        least and str(least)[:200], most and str(most)[:200], [str(row[0]) for row in samples.fetchall()], decimal,
    )  # fmt: skip


def _type(
    head: Head, count: int, numbers: int, whole: int, times: int, booleans: int, zeros: int, objects: int,
    low: float | None, high: float | None,
) -> tuple[ColumnType, str]:  # fmt: skip
    enough = ENOUGH * count
    figures = WITH_UNIT * count if head.unit else enough
    if head.is_geometry:
        return "geometry", "auto"
    if not count:
        return "text", "auto"
    is_time_head = re.search(_ROLES["time"], head.head.lower()) is not None
    if is_time_head and numbers >= enough and low is not None and high is not None:
        if 20_000 <= low and high <= 80_000:
            return "time", "excel"
        if times >= enough:
            return "time", "auto"
    if numbers < enough and times >= enough:
        return "time", "auto"
    if numbers >= figures:
        return ("text" if zeros else "integer" if whole >= numbers and numbers == count else "number"), "auto"
    if booleans >= enough:
        return "boolean", "auto"
    return ("object" if objects >= enough else "text"), "auto"


def role_of(head: Head, kind: ColumnType, low: float | None, high: float | None) -> Role:
    """What a column looks to be for, by its head and its values."""
    if head.is_geometry:
        return "geometry"
    name = head.head.strip().lower()
    for role, pattern in _ROLES.items():
        if not re.search(pattern, name):
            continue
        if role == "time" and kind != "time":
            continue
        if role in ("longitude", "latitude"):
            bound = 180.0 if role == "longitude" else 90.0
            if kind not in ("number", "integer") or low is None or high is None or not (-bound <= low <= high <= bound):
                continue
        return role
    return "time" if kind == "time" else ""


def _neat(value: float | None) -> str | None:
    return None if value is None else f"{int(value)}" if float(value).is_integer() and abs(value) < 2**53 else f"{value:.12g}"
