"""Answers as files: Parquet, CSV, Excel and GeoPackage, written batch by batch, so that memory does not grow with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from cityhub.history.exchange.excel import write_excel
from cityhub.history.exchange.geopackage import write_geopackage
from cityhub.history.exchange.plain import plain_batch
from cityhub.model.errors import OperationNotSupported

FileFormat = Literal["parquet", "csv", "xlsx", "gpkg"]
FORMATS: Final[tuple[FileFormat, ...]] = ("parquet", "csv", "xlsx", "gpkg")
ROW_GROUP: Final = 100_000
CHUNK: Final = 1_000_000
BOM: Final = b"\xef\xbb\xbf"
"""With it Excel takes a CSV for UTF-8."""


def write_file(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, format: str, target: Path, *, bom: bool = False, time_zone: str = "Asia/Shanghai"
) -> int:
    """Writes batches as a file; returns the number of rows. A file that was there is replaced when all is written, not before.

    Args:
        batches: All of the schema.
        schema: Names and types of the columns.
        format: "parquet", "csv", "xlsx" or "gpkg".
        target: The file.
        bom: Whether a CSV begins with a byte order mark.
        time_zone: In which Excel shows moments; the other formats keep them as they are.

    Raises:
        OperationNotSupported: The format is not known.
        TooManyResults: The rows, columns or a text do not fit into the format (Excel: 1,048,575 rows, 16,384 columns, 32,767
            characters in a cell); no file is left.
    """
    fresh = target.with_name(f".{target.name}.new")
    try:
        rows = _write(_Counted(batches), schema, format, fresh, bom, time_zone)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return rows


def file_pieces(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, format: str, *, bom: bool = False, time_zone: str = "Asia/Shanghai"
) -> Iterator[bytes]:
    """The same file piece by piece, for who sends it on. It is written to a temporary file first: these formats end where they began."""
    with tempfile.TemporaryDirectory(prefix="cityhub-export-") as folder:
        path = Path(folder, f"export.{format}")
        write_file(batches, schema, format, path, bom=bom, time_zone=time_zone)
        with open(path, "rb") as file:
            while piece := file.read(CHUNK):
                yield piece


class _Counted:
    """Batches, and how many rows they had."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.rows = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def _write(batches: _Counted, schema: pa.Schema, format: str, path: Path, bom: bool, time_zone: str) -> int:
    if format == "parquet":
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(pa.Table.from_batches([batch], schema), ROW_GROUP)
    elif format == "csv":
        _write_csv(batches, schema, path, bom)
    elif format == "xlsx":
        write_excel(batches, schema, path, time_zone)
    elif format == "gpkg":
        write_geopackage(batches, schema, path)
    else:
        raise OperationNotSupported(f"There is no format '{format}': right would be one of {', '.join(FORMATS)}")
    return batches.rows


def _write_csv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path, bom: bool) -> None:
    plain = plain_batch(pa.RecordBatch.from_pylist([], schema)).schema
    with open(path, "wb") as file:
        if bom:
            file.write(BOM)
        with pa.csv.CSVWriter(file, plain) as writer:
            for batch in batches:
                writer.write_batch(plain_batch(batch))
