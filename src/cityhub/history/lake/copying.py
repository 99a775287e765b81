"""Copies of the lake that are at home anywhere: for backups, and for a folder that was moved.

Iceberg names every file by its whole path. A copy has the data files and what cannot be told from them, without any path; tables are
made anew where it is put, and the files are registered in them.

A copy is a tar: `lake.json` (an `About`), and the data files under the names that are in it.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io import FileIO, InputFile
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import DataFile
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import StaticTable
from pyiceberg.typedef import Record

from cityhub.history.lake.parquet import FileWriter
from cityhub.history.lake.schema import ENTITY_VERSIONS, NAMESPACE, OBSERVATIONS
from cityhub.history.lake.tables import POSITION, SEED, LakeTable, Version, locations, open_tables
from cityhub.model.errors import BadRequestData, StoreUnavailable

CATALOG: Final = "catalog.sqlite"
ABOUT: Final = "lake.json"
PIECE: Final = 1_000_000
"""Bytes handed on at a time, about."""


class Held(msgspec.Struct, frozen=True):
    """A table whose files stay as long as it is held."""

    name: str
    seed: str
    version: Version
    io: Any


class CopiedFile(msgspec.Struct, frozen=True):
    """A data file in a copy: its name there, and its partition (tenant, and months since 1970 or None)."""

    name: str
    partition: list[str | int | None]


class CopiedTable(msgspec.Struct, frozen=True):
    """A table in a copy."""

    name: str
    position: int
    files: list[CopiedFile]


class About(msgspec.Struct, frozen=True):
    """What a copy has beside its files."""

    seed: str
    tables: list[CopiedTable]
    format: int = 1


# -- Out ---------------------------------------------------------------------------------------------------------------


def copy_of(held: Iterable[Held]) -> Iterator[bytes]:
    """The copy of tables, piece by piece."""
    tables = list(held)
    sources: list[tuple[str, Held, str]] = []
    copied = []
    for table in tables:
        files: list[CopiedFile] = []
        for number, file in enumerate(sorted(table.version.files, key=lambda one: one.path)):
            name = f"{table.name}/{number:06}.parquet"
            files.append(CopiedFile(name, [file.tenant, *file.partition[1:]]))
            sources.append((name, table, file.path))
        copied.append(CopiedTable(table.name, table.version.position, files))
    about = msgspec.json.encode(About(tables[0].seed, copied))
    yield from _member(ABOUT, len(about), [about])
    for name, table, path in sources:
        left = table.version.left.get(path)
        if left is None:
            source = table.io.new_input(path)
            yield from _member(name, len(source), _pieces(source))
        else:  # another engine deleted rows of it
            content = _written(left)
            yield from _member(name, len(content), [content])
    yield b"\0" * 2 * tarfile.BLOCKSIZE


def _member(name: str, size: int, content: Iterable[bytes]) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size = size
    yield info.tobuf(tarfile.PAX_FORMAT)
    yield from content
    yield b"\0" * (-size % tarfile.BLOCKSIZE)


def _pieces(source: InputFile) -> Iterator[bytes]:
    with source.open() as stream:
        while piece := stream.read(PIECE):
            yield piece


def _written(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    return bytes(sink.getvalue())


def stored(warehouse: Path, name: str = "cityhub") -> Iterator[bytes]:
    """The copy of a lake in a folder that no process keeps now; nothing when there is none."""
    if not (warehouse / CATALOG).is_file():
        return
    settle(warehouse, name)
    with _catalog(warehouse, warehouse / CATALOG, name) as catalog:
        tables = [LakeTable(catalog, one) for one in (OBSERVATIONS, ENTITY_VERSIONS)]
        seed = str(tables[0].table.properties[SEED])
        yield from copy_of([Held(one.name, seed, one.version(), one.table.io) for one in tables])


# -- In ----------------------------------------------------------------------------------------------------------------


def restore(copy: Path, warehouse: Path, name: str = "cityhub") -> int:
    """Makes a lake in a folder from a copy, in place of what is there; the rows that it has.

    Args:
        copy: The tar.
        warehouse: The folder of the lake. It is replaced when the copy was read to its end.
        name: Name of the catalogue.

    Raises:
        BadRequestData: The file is no copy, or not whole.
    """
    new = warehouse.with_name(f".{warehouse.name}-restored")
    shutil.rmtree(new, ignore_errors=True)
    try:
        with tarfile.open(copy) as tar:
            member = tar.extractfile(ABOUT)
            if member is None:
                raise KeyError(ABOUT)
            about = msgspec.json.decode(member.read(), type=About)
            for table in about.tables:
                for file in table.files:
                    _take(tar, file.name, _data(new, table.name, file.name))
    except (tarfile.TarError, KeyError, EOFError, msgspec.DecodeError) as error:
        shutil.rmtree(new, ignore_errors=True)
        raise BadRequestData(f"{copy} is no copy of a lake, or not whole: {error}") from None
    shutil.rmtree(warehouse, ignore_errors=True)
    os.replace(new, warehouse)
    with _catalog(warehouse, warehouse / CATALOG, name) as catalog:
        found = {
            table.name: [(_data(warehouse, table.name, one.name).as_uri(), one.partition) for one in table.files] for table in about.tables
        }
        return _register(catalog, about.seed, {table.name: table.position for table in about.tables}, found)


def _data(warehouse: Path, table: str, name: str) -> Path:
    """Where a file of a copy is put."""
    return warehouse / NAMESPACE / table / "data" / Path(name).name


def _take(tar: tarfile.TarFile, name: str, target: Path) -> None:
    member = tar.extractfile(name)
    if member is None:
        raise KeyError(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(member, file, PIECE)
        file.flush()
        os.fsync(file.fileno())


def settle(warehouse: Path, name: str) -> None:
    """Makes a lake at home in its folder, where it was made in another one; whole or not at all."""
    catalog_file = warehouse / CATALOG
    if not catalog_file.is_file():
        return
    with _catalog(warehouse, catalog_file, name) as catalog:
        known = locations(catalog)
        if OBSERVATIONS not in known or all(place.startswith(f"{warehouse.as_uri()}/") for place in known.values()):
            return
        moved = {table: _moved(warehouse, table, place) for table, place in known.items()}
    seed = moved[OBSERVATIONS][0]
    new = warehouse / f"{CATALOG}.new"
    new.unlink(missing_ok=True)
    with _catalog(warehouse, new, name) as catalog:
        positions = {table: position for table, (_, position, _) in moved.items()}
        _register(catalog, seed, positions, {table: files for table, (_, _, files) in moved.items()})
    os.replace(new, catalog_file)


Files = list[tuple[str, list[Any]]]
"""Address and partition of each file."""


def _moved(warehouse: Path, table: str, metadata: str) -> tuple[str, int, Files]:
    """Seed, position and files of a table whose folder was moved; the files with their present addresses."""
    home, marker, _ = metadata.rpartition(f"/{NAMESPACE}/{table}/")
    if not marker:
        raise StoreUnavailable(f"The table {table} is registered at {metadata}, which is not in {warehouse}")
    io = _MovedIO(home, warehouse.as_uri())
    described = FromInputFile.table_metadata(io.new_input(metadata))
    old = StaticTable((NAMESPACE, table), described, metadata, io, None)  # type: ignore[arg-type]
    files: Files = []
    for task in old.scan().plan_files():
        if task.delete_files:
            raise StoreUnavailable(
                f"The table {table} was moved while it had deletions of another engine: move it back, and let that engine rewrite it"
            )
        record = task.file.partition
        files.append((io.now(task.file.file_path), [record[0] or "", *(record[place] for place in range(1, len(record)))]))
    return str(old.properties[SEED]), int(old.properties[POSITION]), files


class _MovedIO(PyArrowFileIO):
    """Opens at its present address what is named by an earlier one."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__()
        self._before = before
        self._after = after

    def now(self, location: str) -> str:
        """Where a file is now."""
        return self._after + location.removeprefix(self._before) if location.startswith(f"{self._before}/") else location

    def new_input(self, location: str) -> Any:
        return super().new_input(self.now(location))


def _register(catalog: SqlCatalog, seed: str, positions: dict[str, int], files: dict[str, Files]) -> int:
    """Makes the tables and registers files in them, which are where they are to stay."""
    rows = 0
    for table in open_tables(catalog, 0, seed):
        writer = FileWriter(table.table.io, table.table.metadata)
        added: list[DataFile] = []
        for path, partition in files[table.name]:
            added.append(writer.described(path, Record(*partition), _footer(table.table.io, path)))
        table.commit(table.version(), added, [], {POSITION: str(positions[table.name])})
        rows += sum(one.record_count for one in added)
    return rows


def _footer(io: FileIO, path: str) -> pq.FileMetaData:
    try:
        with io.new_input(path).open() as stream:
            return pq.read_metadata(stream)
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreUnavailable(f"The file {path} of the lake cannot be read: {error}") from None


class _catalog:
    """The catalogue in a file, closed at the end of the block."""

    def __init__(self, warehouse: Path, file: Path, name: str) -> None:
        self._catalog = SqlCatalog(name, uri=f"sqlite:///{file}", warehouse=warehouse.as_uri())

    def __enter__(self) -> SqlCatalog:
        return self._catalog

    def __exit__(self, *_: object) -> None:
        self._catalog.close()
