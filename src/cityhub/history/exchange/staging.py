"""From the rows of a file to a staged Parquet file in the columns of `observations`."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from cityhub.history.exchange.mapping import COLUMN, AttributeMapping, Mapping, expanded
from cityhub.history.exchange.sources import LINE, Fault, pieces
from cityhub.history.lake.schema import OBSERVATIONS_SCHEMA, arrow_schema

STAGED: Final = pa.schema(
    [
        arrow_schema(OBSERVATIONS_SCHEMA).field(name)
        for name in ("entity", "type", "attribute", "observed_at", "number", "text", "lon", "lat", "unit", "kind")
    ]
)
"""The columns of a staged file; the history adds the others."""
MAX_NAME: Final = 2_000
_EARLIEST, _LATEST = "1677-09-22", "2262-04-11"
"""What nanoseconds in 64 bits hold, as other readers of the tables keep times."""


class Preview(msgspec.Struct, frozen=True):
    """What would come of the first rows."""

    rows: list[dict[str, Any]]
    faults: list[Fault]


class Staged(msgspec.Struct, frozen=True):
    """What was staged: observations in the file, rows of the source that were read and refused, and cells without a value."""

    rows: int
    read: int
    refused: int
    empty: int


def backfill_id(path: Path, mapping: Mapping, tenant: str) -> str:
    """The same for the same file, mapping and tenant: 32 hex digits."""
    digest = hashlib.sha256(msgspec.json.encode([tenant, mapping], order="deterministic"))
    with open(path, "rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def preview(path: Path, mapping: Mapping, expand: Callable[[str], str], count: int = 10) -> Preview:
    """The observations of the first rows, and what is refused of them."""
    faults: list[Fault] = []
    with _Conversion(mapping, expand) as conversion:
        for piece in pieces(path, mapping):
            if isinstance(piece, Fault):
                faults.append(piece)
                continue
            made, refused, _ = conversion.observations(piece.slice(0, count))
            return Preview(made.to_pylist(), [*faults[:count], *refused])
    return Preview([], faults[:count])


def stage(
    path: Path, mapping: Mapping, expand: Callable[[str], str], target: Path, rejects: Path, progress: Callable[[int, int], None]
) -> Staged:
    """Writes the observations of a file to `target`, and the rows that are refused with their reasons to `rejects`.

    A row is refused as a whole only if its entity or time is wrong; of a row with one wrong value the other values are kept.
    `progress` is told the numbers of rows read and refused.

    Raises:
        BadRequestData: If the file cannot be read.
    """
    rows = read = empty = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    with _Conversion(mapping, expand) as conversion, _Rejects(rejects) as refused:
        try:
            with pq.ParquetWriter(fresh, STAGED, compression="zstd") as writer:
                for piece in pieces(path, mapping):
                    if isinstance(piece, Fault):
                        refused.add([piece])
                        read += 1
                        continue
                    made, faults, without = conversion.observations(piece)
                    writer.write_table(made)
                    refused.add(faults)
                    rows, read, empty = rows + made.num_rows, read + piece.num_rows, empty + without
                    progress(read, refused.count)
            os.replace(fresh, target)
        finally:
            fresh.unlink(missing_ok=True)
    return Staged(rows, read, refused.count, empty)


class _Rejects:
    """The file of refused rows; there is none when none was refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self.count = 0

    def __enter__(self) -> _Rejects:
        self._path.unlink(missing_ok=True)
        return self

    def add(self, faults: list[Fault]) -> None:
        self.count += len(faults)
        if faults and self._file is None:
            self._file = open(self._path, "w", encoding="utf-8-sig", newline="")
            csv.writer(self._file).writerow(("line", "reason", "content"))
        if faults:
            csv.writer(self._file).writerows((fault.line, fault.reason, fault.content) for fault in faults)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


class _Conversion:
    """Turns batches of a file into observations, by DuckDB: its casts take the many ways in which people write times and numbers."""

    def __init__(self, mapping: Mapping, expand: Callable[[str], str]) -> None:
        self._mapping = expanded(mapping, expand)
        self._expand = expand
        self._terms: dict[str, str] = {}
        self._database = duckdb.connect(":memory:", config={"threads": "2", "memory_limit": "512MB"})

    def __enter__(self) -> _Conversion:
        self._database.execute("SET TimeZone = ?", [self._mapping.time_zone])
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def observations(self, batch: pa.RecordBatch) -> tuple[pa.Table, list[Fault], int]:
        """The observations of a batch, what is refused, and how many cells are empty."""
        with self._database.cursor() as cursor:
            cursor.execute("SET TimeZone = ?", [self._mapping.time_zone])
            cursor.register("batch", batch)
            cursor.execute(f"CREATE TEMP TABLE cells AS {self._cells()}")
            faults = [Fault(*row) for row in cursor.execute(_FAULTS).fetchall()]
            (empty,) = cursor.execute("SELECT count(*) FROM cells WHERE fault = ''").fetchone() or (0,)
            made = cursor.execute(_GOOD).to_arrow_table()
            cursor.execute("DROP TABLE cells")
        return self._named(made).cast(STAGED), faults, int(empty)

    def _cells(self) -> str:
        """One row for each row of the batch and attribute, with `fault`: NULL for none, '' for no value."""
        mapping = self._mapping
        time = _quoted(mapping.time)
        moment = _moment(time, mapping.time_format)
        columns = f"{_pattern(mapping.entity)} AS entity, {_pattern(mapping.type)} AS type, {moment} AS observed_at"
        found = f'SELECT "{LINE}" AS line, {columns}, {time}::VARCHAR AS given_time, * EXCLUDE ("{LINE}") FROM batch'
        rows = f"SELECT *, {_ROW_FAULT} AS row_fault FROM ({found})"
        parts = [
            f"SELECT {place} AS part, {_cell(name, attribute)} FROM rows"
            for place, (name, attribute) in enumerate(mapping.attributes.items())
        ]
        return f"WITH rows AS ({rows}), parts AS ({' UNION ALL '.join(parts)}) SELECT *, {_CELL_FAULT} AS fault FROM parts"

    def _named(self, made: pa.Table) -> pa.Table:
        """Full names in place of those that came from columns."""
        for column, pattern in (("type", self._mapping.type), ("attribute", "".join(self._mapping.attributes))):
            if COLUMN.search(pattern):
                names = made.column(column).combine_chunks().dictionary_encode()
                if isinstance(names, pa.ChunkedArray):
                    names = names.combine_chunks()
                full = pa.array([self._full(name) for name in names.dictionary.to_pylist()], pa.string())
                place = made.schema.get_field_index(column)
                made = made.set_column(place, column, pa.DictionaryArray.from_arrays(names.indices, full).cast(pa.string()))
        return made

    def _full(self, name: str) -> str:
        if name not in self._terms:
            self._terms[name] = self._expand(name)
        return self._terms[name]


_ROW_FAULT: Final = f"""CASE
 WHEN entity IS NULL THEN 'a column of the entity''s id is empty'
 WHEN regexp_matches(entity, '[\\s<>"{{}}|\\\\^`]') THEN 'the id ''' || entity || ''' is no URI'
 WHEN length(entity) > {MAX_NAME} THEN 'the id is longer than {MAX_NAME} characters'
 WHEN type IS NULL THEN 'the column of the type is empty'
 WHEN given_time IS NULL THEN 'the time is empty'
 WHEN observed_at IS NULL THEN '''' || given_time || ''' is no time'
 WHEN observed_at < TIMESTAMPTZ '{_EARLIEST}' OR observed_at > TIMESTAMPTZ '{_LATEST}' THEN '''' || given_time || ''' is out of range'
END"""
_CELL_FAULT: Final = """CASE
 WHEN row_fault IS NOT NULL THEN row_fault
 WHEN attribute IS NULL THEN 'the column of the attribute is empty'
 WHEN given IS NULL THEN ''
 WHEN wrong THEN '''' || given || ''' in ' || place || ' is ' || reason
END"""
_FAULTS: Final = """SELECT line, fault, concat_ws(', ', entity, given_time, given) FROM cells
 WHERE fault <> '' AND (part = 0 OR row_fault IS NULL) ORDER BY line, part"""
_GOOD: Final = """SELECT entity, type, attribute, observed_at, number, text, lon, lat, unit, kind
 FROM cells WHERE fault IS NULL ORDER BY line, part"""


def _cell(name: str, attribute: AttributeMapping) -> str:
    common = f"line, entity, type, observed_at, given_time, row_fault, {_pattern(name)} AS attribute"
    unit = f"nullif({_quoted(attribute.unit_column)}::VARCHAR, '')" if attribute.unit_column else _literal(attribute.unit)
    if attribute.column is None:
        lon, lat = (f"TRY_CAST({_quoted(column or '')} AS DOUBLE)" for column in (attribute.lon, attribute.lat))
        given = f"concat_ws(' ', {_quoted(attribute.lon or '')}::VARCHAR, {_quoted(attribute.lat or '')}::VARCHAR)"
        right = f"coalesce({lon} BETWEEN -180 AND 180 AND {lat} BETWEEN -90 AND 90, false)"
        place = f"columns '{attribute.lon}' and '{attribute.lat}'"
        return (
            f"{common}, nullif({given}, '') AS given, NOT {right} AS wrong, 'no place in degrees' AS reason, {_literal(place)} AS place,"
            f" NULL::DOUBLE AS number, NULL::VARCHAR AS text, {lon} AS lon, {lat} AS lat, {unit}::VARCHAR AS unit, 'GeoProperty' AS kind"
        )
    given = f"nullif(trim({_quoted(attribute.column)}::VARCHAR), '')"
    number = f"CASE WHEN isfinite(TRY_CAST({given} AS DOUBLE)) THEN TRY_CAST({given} AS DOUBLE) END"
    wrong = f"({number}) IS NULL" if attribute.values == "number" else "false"
    text = {"number": "NULL", "text": given, "auto": f"CASE WHEN ({number}) IS NULL THEN {given} END"}[attribute.values]
    place = f"column '{attribute.column}'"
    return (
        f"{common}, {given} AS given, {wrong} AS wrong, 'no number' AS reason, {_literal(place)} AS place,"
        f" {'NULL::DOUBLE' if attribute.values == 'text' else number} AS number, {text}::VARCHAR AS text,"
        f" NULL::DOUBLE AS lon, NULL::DOUBLE AS lat, {unit}::VARCHAR AS unit, 'Property' AS kind"
    )


def _moment(time: str, form: str) -> str:
    if form == "epoch_s":
        return f"make_timestamptz((TRY_CAST({time} AS DOUBLE) * 1e6)::BIGINT)"
    if form == "epoch_ms":
        return f"make_timestamptz((TRY_CAST({time} AS DOUBLE) * 1e3)::BIGINT)"
    if form != "auto":
        return f"try_strptime({time}::VARCHAR, {_literal(form)})::TIMESTAMPTZ"
    # A Parquet column may be a time already: a naive one is of the zone, as a text is.
    return f"TRY_CAST(CASE WHEN typeof({time}) = 'VARCHAR' THEN replace({time}::VARCHAR, '/', '-') ELSE {time}::VARCHAR END AS TIMESTAMPTZ)"


def _pattern(pattern: str) -> str:
    """The SQL of a pattern with columns in braces; NULL where one of them is."""
    parts = [_quoted(part) + "::VARCHAR" if place % 2 else _literal(part) for place, part in enumerate(COLUMN.split(pattern))]
    return "nullif(" + " || ".join(part for part in parts if part != "''") + ", '')"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"
