"""What is guessed of columns, and how cells are read."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pytest

from cityhub.ingest.files.expressions import joined_of, pair_of
from cityhub.ingest.files.heads import find_heads, names_of
from cityhub.ingest.files.plan import Column
from cityhub.ingest.files.typed import moment, typed
from cityhub.ingest.files.unit_words import UNITS
from cityhub.ingest.mapping.units import code_of


@pytest.mark.parametrize(
    ("cell", "right"),
    [
        ("2026-07-01 08:00:00", "2026-07-01 00:00:00"),
        ("2026/7/1 8:00", "2026-07-01 00:00:00"),
        ("2026年7月1日 8时30分", "2026-07-01 00:30:00"),
        ("2026年7月1日", "2026-06-30 16:00:00"),
        ("2026年07月01日08:05", "2026-07-01 00:05:00"),
        ("2026.7.1 8:00", "2026-07-01 00:00:00"),
        ("2026-07-01T08:00Z", "2026-07-01 08:00:00"),
        ("2026-07-01T08:00:00+08:00", "2026-07-01 00:00:00"),
        ("2026-07-01 24:00", "2026-07-01 16:00:00"),
        ("20260701", "2026-06-30 16:00:00"),
        ("202607010800", "2026-07-01 00:00:00"),
        ("1782864000", "2026-07-01 00:00:00"),
        ("1782864000000", "2026-07-01 00:00:00"),
        ("12", None),
        ("2026-13-01", None),
        ("morgen", None),
    ],
)
def test_times(cell: str, right: str | None) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Asia/Shanghai'")
        found = connection.execute(f"SELECT ({moment('c')} AT TIME ZONE 'UTC')::VARCHAR FROM (SELECT ?::VARCHAR AS c)", [cell]).fetchone()
    assert found == (right,)


@pytest.mark.parametrize(
    ("cell", "column", "right"),
    [
        ("1,234.5", Column("number"), 1234.5), ("１２．５", Column("number"), 12.5), ("1.234,5", Column("number", decimal=","), 1234.5),
        ("nan", Column("number"), None), ("inf", Column("number"), None), ("1e3", Column("integer"), 1000.0), ("1.5", Column("integer"), None),
        ("是", Column("boolean"), True), ("否", Column("boolean"), False), ("-", Column("number"), None),
        ('{"a": 1', Column("object"), None),
    ],
)  # fmt: skip
def test_values(cell: str, column: Column, right: object) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {typed('c', column)} FROM (SELECT ?::VARCHAR AS c)", [cell]).fetchone() == (right,)


def test_every_unit_of_a_head_is_known_to_mappings() -> None:
    assert all(code_of(unit) for unit in UNITS.values())


def test_names_that_mean_something_else_are_not_given() -> None:
    assert names_of(["path", "Device", "device", "a.b", "PM2.5", "水位(m)"]) == ["path_", "Device", "device_", "a.b", "PM2_5", "水位"]


def test_heads() -> None:
    assert find_heads([["a", "b"], ["c", "d"]]) == (0, 1)
    assert find_heads([["1", "2"], ["3", "4"]]) == (0, 0)
    assert find_heads([]) == (0, 0)


def test_expressions_that_need_no_interpreter() -> None:
    columns = {"a": Column(), "n": Column("integer"), "x": Column("number"), "y": Column("number")}
    assert joined_of('"u:" + a + "-" + string(n)', columns) is not None
    for text in ('"u:" + n', "a +", '"u:" + upper case(a)', "", "b", '"u:" - a'):
        assert joined_of(text, columns) is None, text
    assert pair_of("[x, y]", columns) == pair_of('{type: "Point", coordinates: [x, y]}', columns) == ("x", "y")
    assert pair_of("[x, y + 1]", columns) is None


def test_the_hub_loads_no_library_that_opens_files() -> None:
    heavy = "{'duckdb', 'pyarrow', 'numpy', 'python_calamine', 'shapely'}"
    code = f"import sys, cityhub.ingest.files.assembly; sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    subprocess.run([sys.executable, "-c", code], check=True)
