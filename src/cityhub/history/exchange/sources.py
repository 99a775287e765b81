"""Tables of files, batch by batch: CSV, Parquet, Excel, GeoPackage and JSON lines; what cannot be read of a row is told by its number."""

from __future__ import annotations

import csv
import gzip
import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from cityhub.history.exchange.mapping import Mapping
from cityhub.model.errors import BadRequestData

BATCH: Final = 50_000
BLOCK_BYTES: Final = 2_000_000
LINE: Final = "#line"
"""The column that every batch has besides the file's own: the number of the row, the first being 1 (in a CSV the line after the heads)."""


class Fault(msgspec.Struct, frozen=True):
    """A row that is not taken: its number, why, and what stood there."""

    line: int
    reason: str
    content: str = ""


Piece: TypeAlias = "pa.RecordBatch | Fault"


def pieces(path: Path, mapping: Mapping) -> Iterator[Piece]:
    """The rows of a file, in batches with the columns that the mapping names and `LINE`, and the rows that cannot be read.

    Raises:
        BadRequestData: If the file is of no known kind, cannot be read at all, or lacks a column.
    """
    kind = _kind(path)
    try:
        yield from _READERS[kind](path, mapping)
    except (pa.ArrowException, OSError, UnicodeError, LookupError, csv.Error) as error:
        raise BadRequestData(f"{path.name}: {error}") from error


def _kind(path: Path) -> str:
    kind = _ENDS.get(path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower())
    if kind is None or (path.suffix.lower() == ".gz" and kind not in ("csv", "json")):
        raise BadRequestData(f"'{path.name}' is of no known kind: right would be a name that ends with {', '.join(_ENDS)}")
    return kind


def _check(path: Path, mapping: Mapping, names: list[str]) -> list[str]:
    missing = sorted(mapping.columns - set(names))
    if missing:
        raise BadRequestData(f"{path.name} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, names[:100]))}")
    return [name for name in dict.fromkeys(names) if name in mapping.columns]


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.GzipFile(path) if path.suffix.lower() == ".gz" else open(path, "rb")


def _csv(path: Path, mapping: Mapping) -> Iterator[Piece]:
    with _open(path) as raw, io.TextIOWrapper(raw, mapping.encoding, newline="") as text:
        heads = next(csv.reader(text, delimiter=mapping.delimiter), [])
    wanted = _check(path, mapping, heads)
    faults: list[Fault] = []

    def unreadable(row: Any) -> str:
        reason = f"{row.actual_columns} values where the heads are {row.expected_columns}"
        faults.append(Fault((row.number or 0) - 1, reason, row.text or ""))
        return "skip"

    encoding = "utf8" if mapping.encoding in ("utf-8", "utf8", "utf-8-sig") else mapping.encoding
    read = pa.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, encoding=encoding)
    parse = pa.csv.ParseOptions(delimiter=mapping.delimiter, newlines_in_values=True, invalid_row_handler=unreadable)
    convert = pa.csv.ConvertOptions(
        include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    line = 1
    skipped: set[int] = set()
    with _open(path) as raw, pa.csv.open_csv(raw, read, parse, convert) as reader:
        for batch in reader:
            # It reads ahead: these may be of blocks that come later.
            while faults:
                skipped.add(faults[0].line)
                yield faults.pop(0)
            lines = _lines(line, batch.num_rows, skipped)
            yield _numbered(batch, lines)
            line = lines[-1] + 1 if lines else line
    yield from faults


def _lines(first: int, count: int, skipped: set[int]) -> list[int]:
    """The numbers of the rows of a batch, those left out that could not be read."""
    if not skipped:
        return list(range(first, first + count))
    return [line for line in range(first, first + count + len(skipped)) if line not in skipped][:count]


def _numbered(batch: pa.RecordBatch, lines: list[int]) -> pa.RecordBatch:
    return batch.append_column(LINE, pa.array(lines, pa.int64()))


def _parquet(path: Path, mapping: Mapping) -> Iterator[Piece]:
    with pq.ParquetFile(path) as file:
        wanted = _check(path, mapping, file.schema_arrow.names)
        line = 1
        for batch in file.iter_batches(BATCH, columns=wanted):
            yield _numbered(batch, list(range(line, line + batch.num_rows)))
            line += batch.num_rows


def _excel(path: Path, mapping: Mapping) -> Iterator[Piece]:
    import python_calamine

    try:
        with python_calamine.CalamineWorkbook.from_path(str(path)) as book:
            if mapping.table is not None and mapping.table not in book.sheet_names:
                raise BadRequestData(f"{path.name} has no sheet '{mapping.table}'; it has {', '.join(book.sheet_names)}")
            sheet = book.get_sheet_by_name(mapping.table or book.sheet_names[0])
            rows = sheet.iter_rows()
            heads = [str(head) for head in next(rows, [])]
            yield from _dicts(path, mapping, heads, (dict(zip(heads, row, strict=False)) for row in rows))
    except python_calamine.CalamineError as error:
        raise BadRequestData(f"{path.name}: {error}") from error


def _json(path: Path, mapping: Mapping) -> Iterator[Piece]:
    def rows() -> Iterator[dict[str, Any] | str]:
        with _open(path) as raw:
            for line in raw:
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    yield f"not valid JSON: {error}"
                    continue
                yield _flat(row) if isinstance(row, dict) else f"a row is a JSON object, not {type(row).__name__}"

    yield from _dicts(path, mapping, sorted(mapping.columns), rows())


def _flat(row: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested objects as columns with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{before}{name}."))
        else:
            flat[before + name] = value
    return flat


def _geopackage(path: Path, mapping: Mapping) -> Iterator[Piece]:
    import apsw

    database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        layers = [
            str(name) for (name,) in database.execute("SELECT table_name FROM gpkg_contents WHERE data_type IN ('features', 'attributes')")
        ]
        layer = mapping.table or (layers[0] if layers else None)
        if layer not in layers:
            raise BadRequestData(f"{path.name} has no layer '{layer}'; it has {', '.join(layers) or 'none'}")
        shapes = {str(name) for (name,) in database.execute("SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,))}
        quoted = str(layer).replace('"', '""')
        heads = [str(row[1]) for row in database.execute(f'PRAGMA table_info("{quoted}")')]
        names = [head for head in heads if head not in shapes]
        rows = (_placed(heads, row, shapes) for row in database.execute(f'SELECT * FROM "{quoted}"'))
        yield from _dicts(path, mapping, [*names, *(f"{shape}.{axis}" for shape in sorted(shapes) for axis in ("lon", "lat"))], rows)
    except apsw.Error as error:
        raise BadRequestData(f"{path.name}: {error}") from error
    finally:
        database.close()


def _placed(heads: list[str], row: tuple[Any, ...], shapes: set[str]) -> dict[str, Any]:
    """A row with its points as two columns, `geom.lon` and `geom.lat`; other shapes give none."""
    found: dict[str, Any] = {}
    for head, value in zip(heads, row, strict=True):
        if head in shapes:
            found[f"{head}.lon"], found[f"{head}.lat"] = _point(value)
        else:
            found[head] = value
    return found


def _point(blob: Any) -> tuple[float | None, float | None]:
    """Coordinates of a point. Source: OGC 12-128r18, GeoPackage Encoding Standard 1.3, clause 2.1.3."""
    if not isinstance(blob, bytes) or blob[:2] != b"GP" or len(blob) < 8:
        return None, None
    envelope = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}.get(blob[3] >> 1 & 7, 0)
    shape = blob[8 + envelope :]
    if len(shape) < 21:
        return None, None
    order = "<" if shape[0] else ">"
    kind, lon, lat = struct.unpack_from(f"{order}Idd", shape, 1)
    return (lon, lat) if kind % 1000 == 1 else (None, None)


def _dicts(path: Path, mapping: Mapping, heads: list[str], rows: Iterator[Any]) -> Iterator[Piece]:
    """Rows of Python values in batches of text; a text in place of a row says why there is none."""
    wanted = _check(path, mapping, heads)
    lines: list[int] = []
    columns: list[list[str | None]] = [[] for _ in wanted]
    for number, row in enumerate(rows, 1):
        if isinstance(row, str):
            yield Fault(number, row)
            continue
        lines.append(number)
        for name, column in zip(wanted, columns, strict=True):
            column.append(_text(row.get(name)))
        if len(lines) >= BATCH:
            yield _numbered(pa.record_batch([pa.array(column, pa.string()) for column in columns], wanted), lines)
            lines, columns = [], [[] for _ in wanted]
    if lines:
        yield _numbered(pa.record_batch([pa.array(column, pa.string()) for column in columns], wanted), lines)


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return orjson.dumps(value).decode() if isinstance(value, (list, dict)) else str(value)


_ENDS: Final = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".xlsx": "excel", ".xls": "excel", ".xlsb": "excel",
    ".ods": "excel", ".gpkg": "geopackage", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
_READERS: Final = {"csv": _csv, "parquet": _parquet, "excel": _excel, "geopackage": _geopackage, "json": _json}
