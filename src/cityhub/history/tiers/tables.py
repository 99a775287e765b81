"""The tables as the moves see them: their data files, and a commit that lets files lie elsewhere without being written again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import msgspec
from pyiceberg.catalog import Catalog
from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.types import TimestamptzType

from cityhub.history.lake.schema import ENTITY_VERSIONS, NAMESPACE, OBSERVATIONS

NAMES: Final = (OBSERVATIONS, ENTITY_VERSIONS)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Held(msgspec.Struct, frozen=True):
    """One data file of a table as of its newest snapshot.

    Attributes:
        table: The table's name.
        tenant: Whose rows.
        path: Where it lies.
        size: Its bytes.
        rows: Its rows.
        newest: Time of its newest row; None: not known.
        is_movable: False when another engine left deletes beside it: these would no longer hold for a file that is newer than they.
        described: What the table says of it.
    """

    table: str
    tenant: str
    path: str
    size: int
    rows: int
    newest: datetime | None
    is_movable: bool
    described: Any


class Replacing(Protocol):
    """Whoever may commit to the tables. The historian does it through its lake, under the lake's lock."""

    def table(self, name: str) -> Table:
        """The table as it is now."""

    def replace(self, name: str, gone: Sequence[DataFile], added: Sequence[DataFile]) -> bool:
        """Puts files in the place of others in one commit; False when one of those is no longer in the table. Nothing is written then."""

    def in_use(self) -> set[str]:
        """Paths that a question is looking at."""


class CatalogTables:
    """Tables through their catalogue alone, as any other engine would commit; for commands, beside a hub that runs or not."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def table(self, name: str) -> Table:
        """The table as it is now."""
        return self._catalog.load_table((NAMESPACE, name))

    def replace(self, name: str, gone: Sequence[DataFile], added: Sequence[DataFile]) -> bool:
        """See `Replacing`. Somebody else's commit in between counts as no longer there; the next run finds the file again."""
        table = self.table(name)
        now = {task.file.file_path for task in table.scan().plan_files()}
        if not {file.file_path for file in gone} <= now:
            return False
        try:
            with table.transaction() as transaction, transaction.update_snapshot().overwrite() as update:
                for file in gone:
                    update.delete_data_file(file)
                for file in added:
                    update.append_data_file(file)
        except (CommitFailedException, ValidationException):
            return False
        return True

    def in_use(self) -> set[str]:
        """Nothing is known of questions; superseded snapshots keep their files long enough for them."""
        return set()


def held(tables: Replacing) -> list[Held]:
    """All data files of all tables now."""
    return [_held(name, table, task) for name in NAMES for table in (tables.table(name),) for task in table.scan().plan_files()]


def _held(name: str, table: Table, task: Any) -> Held:
    file: DataFile = task.file
    movable = not task.delete_files and file.spec_id == table.metadata.default_spec_id
    return Held(
        table=name,
        tenant=file.partition[0] or "",
        path=file.file_path,
        size=file.file_size_in_bytes,
        rows=file.record_count,
        newest=newest(table, file),
        is_movable=movable,
        described=file,
    )


def newest(table: Table, file: DataFile) -> datetime | None:
    """The time of the newest row: the upper bound of observed_at where the file has one, else of modified_at; None without both."""
    bounds = file.upper_bounds or {}
    schema = table.schema()
    for column in ("observed_at", "modified_at"):
        if column in schema.column_names and (bound := bounds.get(schema.find_field(column).field_id)):
            return _EPOCH + timedelta(microseconds=int(from_bytes(TimestamptzType(), bound)))
    return None


def moved(file: DataFile, path: str) -> DataFile:
    """The same file at another place."""
    names = (
        "content", "file_format", "partition", "record_count", "file_size_in_bytes", "column_sizes", "value_counts", "null_value_counts",
        "nan_value_counts", "lower_bounds", "upper_bounds", "key_metadata", "split_offsets", "equality_ids", "sort_order_id",
    )  # fmt: skip
    there = DataFile.from_args(file_path=path, **{name: getattr(file, name) for name in names})
    there.spec_id = file.spec_id
    return there


def named(table: Table) -> set[str]:
    """Paths of the data files that any snapshot names which can still be read."""
    found: set[str] = set()
    seen: set[str] = set()
    for snapshot in table.metadata.snapshots:
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in seen:
                seen.add(manifest.manifest_path)
                entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                found.update(entry.data_file.file_path for entry in entries)
    return found
