"""Files that cannot be read: found, named, and set aside so that the rest answers."""

from __future__ import annotations

import contextlib
import logging

import duckdb
import msgspec

from cityhub.history.lake.reading import local, quoted
from cityhub.history.lake.standing import Standing
from cityhub.history.lake.tables import SET_ASIDE, File, LakeTable

log = logging.getLogger(__name__)


def examine(database: duckdb.DuckDBPyConnection, standing: Standing, tables: dict[str, LakeTable], *, deep: bool) -> dict[str, str]:
    """Sets aside files that cannot be read and takes back those that can be again; for the holder of `commit`.

    What is set aside stays in the table, as another engine may know better; it is recorded as a property of it.

    Args:
        database: Forgets what it knows of files that come back.
        standing: Whose files.
        tables: Of the lake.
        deep: Whether files are read to their end; otherwise only whether they are there, with all their bytes.

    Returns:
        The files that are new among those set aside, with what is wrong with them.
    """
    fresh: dict[str, str] = {}
    for name, table in tables.items():
        version = standing.half(name).version
        known = version.set_aside
        new = {file.path: fault for file in version.files if (fault := _fault(database, table, file, deep)) is not None}
        still = {path: fault for path in known if (fault := _unreadable(database, path)) is not None}
        for path, fault in new.items():
            log.error("the file %s of %s cannot be read and is set aside: %s", path, name, fault)
        for path in known.keys() - still.keys():
            log.info("the file %s of %s can be read again", path, name)
        if new or still.keys() != known.keys():
            recorded = msgspec.json.encode({**still, **new}).decode()
            table.commit(version, [], [], {SET_ASIDE: recorded})
            _forget_contents(database)
            standing.swap_version(name, table.version())
        fresh.update(new)
    return fresh


def _forget_contents(database: duckdb.DuckDBPyConnection) -> None:
    """Lets a database forget what it knows of files; where its settings are locked it looks at their times and sizes alone."""
    for setting in ("enable_external_file_cache", "parquet_metadata_cache"):
        with contextlib.suppress(duckdb.InvalidInputException):
            database.execute(f"SET GLOBAL {setting} = false; SET GLOBAL {setting} = true")


def _fault(database: duckdb.DuckDBPyConnection, table: LakeTable, file: File, deep: bool) -> str | None:
    """What is wrong with a file; None for nothing."""
    try:
        size = len(table.table.io.new_input(file.path))
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return str(error)
    if size != file.size:
        return f"it has {size} bytes; right would be {file.size}"
    return _unreadable(database, file.path) if deep else None


def _unreadable(database: duckdb.DuckDBPyConnection, path: str) -> str | None:
    """Why a file cannot be read to its end; None when it can."""
    # A local file by a database that has seen nothing of it before; objects by the one that can reach them.
    with duckdb.connect(":memory:", config={"threads": 1}) if "://" not in local(path) else database.cursor() as connection:
        try:
            everything = f"SELECT count(COLUMNS(*)), max(COLUMNS(*)) FROM read_parquet({quoted(local(path))}, hive_partitioning = false)"
            connection.execute(everything)
        except duckdb.Error as error:
            return str(error).splitlines()[0][:300]
    return None
