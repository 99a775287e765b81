"""One Iceberg table of the lake: its files as the newest snapshot has them, and commits that bring data and position together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.sorting import SortOrder
from pyiceberg.types import TimestamptzType
from sqlalchemy import text

from cityhub.history.lake.schema import (
    ENTITY_VERSIONS,
    ENTITY_VERSIONS_ORDER,
    ENTITY_VERSIONS_PARTITION,
    ENTITY_VERSIONS_SCHEMA,
    NAMESPACE,
    OBSERVATIONS,
    OBSERVATIONS_ORDER,
    OBSERVATIONS_PARTITION,
    OBSERVATIONS_SCHEMA,
    arrow_schema,
)
from cityhub.model.errors import StoreUnavailable

POSITION: Final = "cityhub.position"
"""Table property: the journal position up to which the table has everything."""
SEED: Final = "cityhub.seed"
"""Table property: what the instanceIds of this lake begin with."""
SET_ASIDE: Final = "cityhub.set-aside"
"""Table property: JSON object from the paths of files that cannot be read to what is wrong with them."""

_PROPERTIES: Final = {
    "format-version": "2",
    "write.format.default": "parquet",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.metadata.metrics.default": "counts",
    "write.metadata.metrics.column.entity": "full",
    "write.metadata.metrics.column.attribute": "full",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "50",
}
_BOUNDED: Final = ("tenant", "observed_at", "modified_at", "position", "expires_at", "deleted_at")

_EXPIRES_AT: Final = OBSERVATIONS_SCHEMA.find_field("expires_at").field_id

log = logging.getLogger(__name__)


class File(msgspec.Struct, frozen=True):
    """A data file of a snapshot: where it is, of which tenant, and how it is described."""

    path: str
    tenant: str
    described: Any
    has_deletes: bool = False

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.described.record_count)

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return int(self.described.file_size_in_bytes)

    @property
    def first_expiry(self) -> int | None:
        """When the first of its rows expires, in microseconds since 1970; None when none does."""
        bound = (self.described.lower_bounds or {}).get(_EXPIRES_AT)
        return None if bound is None else int(from_bytes(TimestamptzType(), bound))

    @property
    def partition(self) -> tuple[Any, ...]:
        """The values of its partition."""
        record = self.described.partition
        return tuple(record[n] for n in range(len(record)))


class Version(msgspec.Struct, frozen=True):
    """A table as of one commit.

    Attributes:
        location: Of its metadata; another engine's commit changes it.
        position: The journal position up to which it has everything.
        files: Its files but for those that are set aside.
        set_aside: Path and fault of files that cannot be read.
        left: What is left of files of which another engine deleted rows, by path.
    """

    location: str
    position: int
    files: tuple[File, ...]
    set_aside: dict[str, str]
    left: dict[str, pa.Table] = {}


def file_of(described: DataFile, has_deletes: bool = False) -> File:
    """A file by its description."""
    return File(described.file_path, described.partition[0] or "", described, has_deletes)


class LakeTable:
    """One table. Only the holder of the lake's commit lock may call what changes it."""

    def __init__(self, catalog: Catalog, name: str) -> None:
        self._catalog = catalog
        self.name = name
        self.table: Table = catalog.load_table((NAMESPACE, name))

    def version(self) -> Version:
        """The table as it is now, files and all."""
        self.table = self._catalog.load_table((NAMESPACE, self.name))
        properties = self.table.properties
        set_aside = msgspec.json.decode(properties.get(SET_ASIDE, "{}"), type=dict[str, str])
        try:
            tasks = [task for task in self.table.scan().plan_files() if task.file.file_path not in set_aside]
            left = {task.file.file_path: self._left(task) for task in tasks if task.delete_files}
        except (ValueError, NotImplementedError) as error:
            raise StoreUnavailable(
                f"The table {self.name} has deletions of another engine that cannot be read here ({error}); "
                "right would be to let that engine rewrite its data files"
            ) from error
        files = tuple(file_of(task.file, bool(task.delete_files)) for task in tasks)
        return Version(self.table.metadata_location, int(properties.get(POSITION, 0)), files, set_aside, left)

    def _left(self, task: FileScanTask) -> pa.Table:
        """The rows of a file without those that another engine deleted."""
        schema = self.table.schema()
        scan = ArrowScan(self.table.metadata, self.table.io, schema, AlwaysTrue())
        return scan.to_table([task]).cast(arrow_schema(schema))

    def commit(
        self, before: Version, added: Iterable[DataFile], removed: Iterable[DataFile], properties: Mapping[str, str]
    ) -> Version:
        """Adds and removes files and sets properties in one commit; the version it makes."""
        new, gone = list(added), list(removed)
        with self.table.transaction() as transaction:
            if gone:
                with transaction.update_snapshot(snapshot_properties=dict(properties)).overwrite() as update:
                    for file in gone:
                        update.delete_data_file(file)
                    for file in new:
                        update.append_data_file(file)
            elif new:
                with transaction.update_snapshot(snapshot_properties=dict(properties)).merge_append() as append:
                    for file in new:
                        append.append_data_file(file)
            if properties:
                transaction.set_properties(dict(properties))
        left = {file.file_path for file in gone}
        files = (*(file for file in before.files if file.path not in left), *map(file_of, new))
        kept = self.table.properties
        set_aside = msgspec.json.decode(kept.get(SET_ASIDE, "{}"), type=dict[str, str])
        return Version(self.table.metadata_location, int(kept.get(POSITION, 0)), files, set_aside, before.left)


def open_tables(catalog: SqlCatalog, position: int, seed: str) -> tuple[LakeTable, LakeTable]:
    """The tables `observations` and `entity_versions`, made when they are not there.

    Args:
        catalog: Where they are registered.
        position: The journal position from which new tables begin.
        seed: The seed of new tables.
    """
    try:
        catalog.create_namespace(NAMESPACE)
    except NamespaceAlreadyExistsError:
        pass
    _make(catalog, OBSERVATIONS, OBSERVATIONS_SCHEMA, OBSERVATIONS_PARTITION, OBSERVATIONS_ORDER, position, seed)
    _make(catalog, ENTITY_VERSIONS, ENTITY_VERSIONS_SCHEMA, ENTITY_VERSIONS_PARTITION, ENTITY_VERSIONS_ORDER, position, seed)
    return LakeTable(catalog, OBSERVATIONS), LakeTable(catalog, ENTITY_VERSIONS)


def _make(
    catalog: SqlCatalog, name: str, schema: Schema, partition: PartitionSpec, order: SortOrder, position: int, seed: str
) -> None:
    try:
        catalog.load_table((NAMESPACE, name))
        return
    except NoSuchTableError:
        pass
    bounded = {f"write.metadata.metrics.column.{column}": "full" for column in _BOUNDED if column in schema.column_names}
    properties = {**_PROPERTIES, **bounded, POSITION: str(position), SEED: seed}
    try:
        catalog.create_table((NAMESPACE, name), schema, partition_spec=partition, sort_order=order, properties=properties)
    except TableAlreadyExistsError:
        log.info("the table %s was made by somebody else", name)


def locations(catalog: SqlCatalog) -> dict[str, str]:
    """The metadata location of each table, as the catalogue has it now."""
    statement = text("SELECT table_name, metadata_location FROM iceberg_tables WHERE catalog_name = :name AND table_namespace = :space")
    with catalog.engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(statement, {"name": catalog.name, "space": NAMESPACE})}
