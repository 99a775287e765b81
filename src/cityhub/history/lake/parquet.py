"""Sorted rows as Parquet files, with what Iceberg wants to know of each."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import compute_statistics_plan, data_file_statistics_from_parquet_metadata, parquet_path_to_id_mapping
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import Record

from cityhub.history.lake.schema import arrow_schema

ROW_GROUP: Final = 122_880
"""Rows of a row group: what DuckDB gives to one thread."""
_DELTA: Final = ("observed_at", "modified_at", "position", "ordinal", "created_at", "deleted_at", "expires_at")
_SPLIT: Final = ("lon", "lat")
_DICTIONARY: Final = ("tenant", "entity", "type", "attribute", "dataset", "number", "unit", "quality", "kind", "rest", "text")
_COMPRESSION_LEVEL: Final = 3
_MONTH: Final = 12


def file_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema with the Iceberg ids of its columns, by which other engines know them."""
    plain = arrow_schema(schema)
    return pa.schema(
        [plain.field(field.name).with_metadata({"PARQUET:field_id": str(field.field_id)}) for field in schema.fields]
    )


def month_number(moment: datetime | None) -> int | None:
    """Months since January 1970, as Iceberg's transform counts them; None for no time."""
    return None if moment is None else (moment.year - 1970) * _MONTH + moment.month - 1


class FileWriter:
    """Writes files of one table.

    Args:
        io: Where files are written.
        metadata: Of the table.
    """

    def __init__(self, io: FileIO, metadata: TableMetadata) -> None:
        self._io = io
        self._metadata = metadata
        schema = metadata.schema()
        self._schema = file_schema(schema)
        self._plan = compute_statistics_plan(schema, metadata.properties)
        self._ids = parquet_path_to_id_mapping(schema)
        names = set(self._schema.names)
        self._options: dict[str, Any] = {
            "compression": "zstd",
            "compression_level": _COMPRESSION_LEVEL,
            "use_dictionary": [name for name in _DICTIONARY if name in names],
            "column_encoding": {
                **{name: "DELTA_BINARY_PACKED" for name in _DELTA if name in names},
                **{name: "BYTE_STREAM_SPLIT" for name in _SPLIT if name in names},
            },
            "write_page_checksum": True,
            "store_schema": False,
        }

    def write(self, partition: tuple[Any, ...], batches: Iterable[pa.Table | pa.RecordBatch]) -> DataFile | None:
        """One file of rows that belong to one partition and are in the table's order; None when there are none."""
        tenant = partition[0]
        folder = f"{month_label(partition[1])}/" if len(partition) > 1 else ""
        path = f"{self._metadata.location}/data/{folder}{uuid.uuid4().hex}.parquet"
        rows = 0
        writer: pq.ParquetWriter | None = None
        output = self._io.new_output(path)
        stream: Any = None
        try:
            for piece in _row_groups(batches, self._schema):
                if writer is None:
                    stream = output.create()
                    writer = pq.ParquetWriter(stream, self._schema, **self._options)
                writer.write_table(piece, row_group_size=ROW_GROUP)
                rows += piece.num_rows
        finally:
            if writer is not None:
                writer.close()
            if stream is not None:
                stream.close()
        if writer is None:
            return None
        return self.described(path, Record(tenant, *partition[1:]), writer.writer.metadata)

    def described(self, path: str, partition: Record, written: pq.FileMetaData) -> DataFile:
        """What Iceberg wants to know of a file that is there, by the metadata in it."""
        statistics = data_file_statistics_from_parquet_metadata(written, self._plan, self._ids)
        described = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=path,
            file_format=FileFormat.PARQUET,
            partition=partition,
            file_size_in_bytes=len(self._io.new_input(path)),
            sort_order_id=None,
            spec_id=self._metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )
        described.spec_id = self._metadata.default_spec_id
        return described


def month_label(number: int | None) -> str:
    """The folder of a month.

    >>> month_label(682), month_label(None)
    ('2026-11', 'no-time')
    """
    return "no-time" if number is None else f"{1970 + number // _MONTH:04d}-{number % _MONTH + 1:02d}"


def _row_groups(batches: Iterable[pa.Table | pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in whole row groups, the last one smaller."""
    waiting: list[pa.Table] = []
    count = 0
    for batch in batches:
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        if not table.num_rows:
            continue
        waiting.append(table.select(schema.names).cast(schema))
        count += table.num_rows
        if count >= ROW_GROUP:
            whole = pa.concat_tables(waiting)
            cut = count - count % ROW_GROUP
            yield whole.slice(0, cut)
            waiting, count = [whole.slice(cut)], count - cut
    if count:
        yield pa.concat_tables(waiting)
