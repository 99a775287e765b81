"""From a file to one of its tables, whatever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from cityhub.ingest.files.archives import check_workbook, gunzip, unpack
from cityhub.ingest.files.found import Table
from cityhub.ingest.files.kinds import KNOWN, Kind, kind_of
from cityhub.ingest.files.plan import Reading
from cityhub.model.errors import BadRequestData

VECTORS: Final = frozenset(("geojson", "geojsonseq", "shapefile", "geopackage"))


class Source(msgspec.Struct, frozen=True):
    """A file that was looked into.

    Attributes:
        kind: What it is; of an archive, what is in it.
        path: The file to read.
        tables: Names of its sheets, layers or members, one of which may be chosen; empty when there is only one table.
        members: Of an archive: where each was unpacked to.
    """

    kind: Kind
    path: Path
    tables: list[str] = []
    members: dict[str, Path] = {}


def open_source(path: Path, scratch: Path, most: int, table: str = "", depth: int = 0) -> Source:
    """Looks into a file, unpacking it into `scratch` to at most `most` bytes.

    Raises:
        BadRequestData: It is of no known kind, broken, or an archive that is made to do harm.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    kind = kind_of(path)
    if kind == "excel":
        return _workbook(path, most)
    if kind == "geopackage":
        from cityhub.ingest.files.vector_table import layers_of

        return Source(kind, path, layers_of(path, kind))
    if kind not in ("zip", "gzip", "shapefile"):
        return Source(kind, path)
    if depth > 1:
        raise BadRequestData("The file is an archive in an archive in an archive: unpack it first")
    if kind == "gzip":
        return open_source(gunzip(path, scratch / f"unpacked{depth}", most), scratch, most, table, depth + 1)
    return _archive(kind, unpack(path, scratch / f"members{depth}", most), scratch, most, table, depth)


def read_table(source: Source, reading: Reading, target: Path, scratch: Path) -> Table:
    """Brings a table of a file into the one form, at `target`. Raises BadRequestData when it cannot be read."""
    if source.kind == "csv":
        from cityhub.ingest.files.csv_table import csv_table

        return csv_table(source.path, reading, target, scratch)
    if source.kind in ("json", "ndjson"):
        from cityhub.ingest.files.json_table import json_table

        return json_table(source.path, source.kind, reading, target, scratch)
    if source.kind == "excel":
        from cityhub.ingest.files.excel_table import excel_table

        return excel_table(source.path, reading, target)
    if source.kind == "kml":
        from cityhub.ingest.files.kml_table import kml_table

        return kml_table(source.path, reading, target)
    if source.kind == "parquet":
        from cityhub.ingest.files.parquet_table import parquet_table

        return parquet_table(source.path, reading, target)
    from cityhub.ingest.files.vector_table import vector_table

    path = source.members.get(reading.table, source.path) if source.kind == "shapefile" else source.path
    return vector_table(path, source.kind, reading, target)


def _workbook(path: Path, most: int) -> Source:
    from cityhub.ingest.files.excel_table import sheets_of

    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    if is_zip:
        check_workbook(path, most)
    return Source("excel", path, sheets_of(path))


def _archive(kind: Kind, files: list[Path], scratch: Path, most: int, table: str, depth: int) -> Source:
    if kind == "shapefile":
        shapes = {file.stem: file for file in files if file.suffix.lower() == ".shp"}
        return Source(kind, shapes.get(table) or next(iter(shapes.values())), list(shapes), shapes)
    for file in sorted(files, key=lambda file: (file.name != table, file.name != "doc.kml")):
        try:
            found = open_source(file, scratch, most, table, depth + 1)
        except BadRequestData:
            if len(files) == 1:
                raise
            continue
        if len(files) == 1 or found.kind == "kml" or found.tables:
            return found
        return msgspec.structs.replace(found, tables=[other.name for other in files])
    raise BadRequestData(f"There is no file in the zip that is read; read are {KNOWN}")
