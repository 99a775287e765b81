"""Real files of every kind, made here, as people and their programs write them."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cityhub.ingest.files.found import Table
from cityhub.ingest.files.plan import Reading
from cityhub.ingest.files.source import open_source, read_table

MOST = 500_000_000
Rows = list[tuple[object, ...]]


def rows_of(table: Path) -> Rows:
    """All rows of a table."""
    import pyarrow.parquet as pq

    return [tuple(row.values()) for row in pq.read_table(table).to_pylist()]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[Table, Rows]]:
    """Reads a file as the worker does: its table, and the rows in it."""

    def work(content: bytes, **reading: object) -> tuple[Table, Rows]:
        folder = tmp_path / "import"
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        (folder / "content").write_bytes(content)
        wanted = Reading(**reading)  # type: ignore[arg-type]
        source = open_source(folder / "content", folder / "scratch", MOST, wanted.table)
        target = folder / "tables" / "t.parquet"
        return read_table(source, wanted, target, folder / "scratch"), rows_of(target)

    return work


def shapefile(encoding: str, name: str, points: list[tuple[float, float]], texts: list[str], prj: str) -> dict[str, bytes]:
    """The files of a Shapefile with points and a text each. Source: ESRI Shapefile Technical Description, July 1998; dBASE III."""
    records = [struct.pack("<idd", 1, *point) for point in points]
    body = b"".join(struct.pack(">ii", number, len(record) // 2) + record for number, record in enumerate(records, 1))
    xs, ys = [point[0] for point in points], [point[1] for point in points]

    def head(size: int) -> bytes:
        box = struct.pack("<dddddddd", min(xs), min(ys), max(xs), max(ys), 0, 0, 0, 0)
        return struct.pack(">iiiiiii", 9994, 0, 0, 0, 0, 0, (100 + size) // 2) + struct.pack("<ii", 1000, 1) + box

    index = b"".join(struct.pack(">ii", (100 + place * 28) // 2, 10) for place in range(len(points)))
    field = name.encode(encoding).ljust(11, b"\0") + b"C" + bytes(4) + bytes((40, 0)) + bytes(14)
    table = b"".join(b" " + text.encode(encoding).ljust(40) for text in texts)
    dbf = struct.pack("<BBBBIHH", 3, 126, 11, 23, len(texts), 32 + 32 + 1, 41) + bytes(20) + field + b"\r" + table + b"\x1a"
    return {"a.shp": head(len(body)) + body, "a.shx": head(len(index)) + index, "a.dbf": dbf, "a.prj": prj.encode()}


def zipped(files: dict[str, bytes], path: Path) -> bytes:
    """A zip of files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.read_bytes()
