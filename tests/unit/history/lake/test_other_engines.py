"""Another engine deletes rows by files of deletions, as Spark and Trino do: its deletions hold here as well."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
)
from pyiceberg.table.update.snapshot import _FastAppendFiles

from cityhub.history.lake.lake import Lake, Place, open_lake
from cityhub.history.lake.schema import NAMESPACE
from cityhub.model.errors import StoreUnavailable
from tests.unit.history.conftest import TickingClock
from tests.unit.history.lake.conftest import Journal, rows, sensor

VALUES = "SELECT number FROM observations ORDER BY number"


class _Deletions(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class _Delete(_FastAppendFiles):
    """A commit that adds a file of deletions."""

    deletions: DataFile

    def _manifests(self) -> list[Any]:
        spec = self._transaction.table_metadata.spec()
        writer = _Deletions(spec, self.schema(), self.new_manifest_output(), self.snapshot_id, "deflate")
        with writer:
            writer.add(
                ManifestEntry.from_args(
                    status=ManifestEntryStatus.ADDED, snapshot_id=self.snapshot_id, sequence_number=None, file_sequence_number=None,
                    data_file=self.deletions,
                )
            )  # fmt: skip
        return [writer.to_manifest_file(), *self._existing_manifests()]


def _delete_row(lake: Lake, place: int, content: DataFileContent = DataFileContent.POSITION_DELETES) -> None:
    """What another engine does: the row at a place in the only data file is deleted by a file of deletions."""
    table = lake._catalog.load_table((NAMESPACE, "observations"))
    [task] = table.scan().plan_files()
    path = f"{table.location()}/data/deletions-{place}.parquet"
    fields = [("file_path", pa.string(), "2147483546"), ("pos", pa.int64(), "2147483545")]
    schema = pa.schema([pa.field(name, kind, False, {"PARQUET:field_id": id}) for name, kind, id in fields])
    pq.write_table(pa.table([[task.file.file_path], [place]], schema=schema), path.removeprefix("file://"))
    with table.transaction() as transaction:
        update = transaction.update_snapshot().fast_append()
        update.__class__ = _Delete
        assert isinstance(update, _Delete)
        update.deletions = DataFile.from_args(
            content=content, file_path=path, file_format=FileFormat.PARQUET, partition=task.file.partition, record_count=1,
            file_size_in_bytes=1, column_sizes={}, value_counts={}, null_value_counts={}, nan_value_counts={}, lower_bounds={},
            upper_bounds={}, key_metadata=None, split_offsets=None, sort_order_id=None, spec_id=0,
            equality_ids=[2] if content == DataFileContent.EQUALITY_DELETES else None,
        )  # fmt: skip
        update.deletions.spec_id = 0
        update.commit()


def _lay(lake: Lake, journal: Journal) -> None:
    for minute in range(4):
        sensor(journal, minute, f"2026-11-23T06:0{minute}:00.000000Z")
    lake.catch_up()
    lake.flush()


def test_deleted_rows_are_left_out_and_go_with_the_next_merge(
    place: Place, lake: Lake, journal: Journal, clock: TickingClock
) -> None:
    _lay(lake, journal)
    _delete_row(lake, 1)
    assert rows(lake, VALUES) == [(0,), (2,), (3,)]
    again = open_lake(place, journal, clock)
    assert rows(again, VALUES) == [(0,), (2,), (3,)]
    again.close()
    sensor(journal, 9, "2026-11-23T06:09:00.000000Z")
    lake.catch_up()
    lake.flush()
    assert rows(lake, VALUES) == [(0,), (2,), (3,), (9,)]
    assert lake.compact() > 0
    assert rows(lake, VALUES) == [(0,), (2,), (3,), (9,)]
    assert not any(file.has_deletes for file in lake._standing.state.files)
    lake.tidy()
    assert rows(lake, VALUES) == [(0,), (2,), (3,), (9,)]


def test_deletions_that_cannot_be_read_are_said_so(lake: Lake, journal: Journal) -> None:
    _lay(lake, journal)
    _delete_row(lake, 1, DataFileContent.EQUALITY_DELETES)
    with pytest.raises(StoreUnavailable, match="deletions of another engine"), lake.reading(""):
        pass
