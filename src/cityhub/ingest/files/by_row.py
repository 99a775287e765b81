"""Rows one by one, for plans whose expressions need FEEL: slower, and just as a feed would map them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from cityhub.ingest.feed import Feed
from cityhub.ingest.files.conversion import PLACE
from cityhub.ingest.files.plan import Column, Plan
from cityhub.ingest.files.table import quoted
from cityhub.ingest.files.typed import RIGHT, typed
from cityhub.ingest.mapping.compiling import compile_mapping
from cityhub.ingest.mapping.problems import MappingError
from cityhub.ingest.message import Message
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import EntityUpdate

Found = tuple[list[tuple[int, EntityUpdate]], list[tuple[int, str, str, str]]]


class ByRow:
    """All mappings of a plan. Raises BadRequestData for an expression that is none."""

    def __init__(
        self, plan: Plan, columns: Mapping[str, Column], heads: Mapping[str, str], names: Callable[[str], str], arrived: str
    ) -> None:  # fmt: skip
        self._mapping = compile_mapping(Feed(id="import", protocol="folder", entities=plan.entities), names)
        self._columns, self._heads = columns, heads
        self._zone = plan.entities[0].time_zone
        self._message = Message(b"", {}, arrived)

    def updates(self, connection: duckdb.DuckDBPyConnection, cells: pa.Table) -> Found:
        """What rows say with their places, and what is wrong with some: place, head, reason and content; both in the order of places."""
        made: list[tuple[int, EntityUpdate]] = []
        wrong: list[tuple[int, str, str, str]] = []
        for place, record in self._records(connection, cells, wrong):
            try:
                made += [(place, update) for update in self._mapping.apply(record, self._message)]
            except (MappingError, BadRequestData) as error:
                wrong.append((place, "", str(error), orjson.dumps(record, default=str).decode()[:1000]))
        wrong.sort(key=lambda one: one[0])
        return made, wrong

    def _records(
        self, connection: duckdb.DuckDBPyConnection, cells: pa.Table, wrong: list[tuple[int, str, str, str]]
    ) -> list[tuple[int, dict[str, Any]]]:  # fmt: skip
        """Rows as records, nested where a column's name has dots; a cell that is not of its type is null in it, and listed."""
        names = list(self._columns)
        connection.execute("SET TimeZone = ?", [self._zone])
        connection.register("cells", cells)
        parts = ", ".join(f"{_json_safe(name, self._columns[name])} AS {quoted(name)}" for name in names)
        answer = connection.execute(f'SELECT "{PLACE}", {parts} FROM cells').to_arrow_table()
        connection.unregister("cells")
        places = answer.column(0).to_pylist()
        values = [answer.column(number).to_pylist() for number in range(1, len(names) + 1)]
        given = {name: cells.column(name).to_pylist() for name in names if self._columns[name].type != "text"}
        records: list[tuple[int, dict[str, Any]]] = [(place, {}) for place in places]
        for name, column in zip(names, values, strict=True):
            path, texts, kind = name.split("."), given.get(name), self._columns[name].type
            for number, value in enumerate(column):
                _put(records[number][1], path, orjson.loads(value) if kind in ("geometry", "object") and value else value)
                if texts is not None and value is None and texts[number] is not None:
                    wrong.append((places[number], self._heads[name], RIGHT[kind], texts[number]))
        return [(place, record) for number, (place, record) in enumerate(records) if any(column[number] is not None for column in values)]


def _json_safe(name: str, column: Column) -> str:
    found = typed(quoted(name), column)
    if column.type == "time":
        return f"strftime(({found}) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"CAST({found} AS BIGINT)" if column.type == "integer" else found


def _put(record: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        inner = record.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        record = inner
    record[path[-1]] = value
