"""Answers as files, read back by other programs."""

from __future__ import annotations

import csv
import datetime as dt
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import apsw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import python_calamine

from cityhub.history.exchange import excel
from cityhub.history.exchange.files import file_pieces, write_file
from cityhub.history.exchange.mapping import AttributeMapping, Mapping
from cityhub.history.exchange.staging import preview
from cityhub.history.sql.limits import load_spatial
from cityhub.model.errors import OperationNotSupported, TooManyResults

AT = dt.datetime(2026, 1, 1, 0, 30, tzinfo=dt.UTC)
TABLE = pa.table(
    {
        "站": pa.array(["a,\"1\"", "=1+1", None]),
        "time": pa.array([AT, None, AT], pa.timestamp("us", "UTC")),
        "value": pa.array([1.5, None, -3.0]),
        "count": pa.array([1, 2**60, None], pa.int64()),
        "ok": pa.array([True, False, None]),
        "lon": pa.array([108.77, None, 108.0]),
        "lat": pa.array([29.53, None, 29.0]),
        "tags": pa.array([["x", "y"], [], None], pa.list_(pa.string())),
    }
)  # fmt: skip


def write(path: Path, format: str, table: pa.Table = TABLE, **more: object) -> Path:
    assert write_file(table.to_batches(max_chunksize=2), table.schema, format, path, **more) == table.num_rows
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path


def test_parquet_is_what_it_was(tmp_path: Path) -> None:
    assert pq.read_table(write(tmp_path / "a.parquet", "parquet")).equals(TABLE)


@pytest.mark.parametrize("bom", [False, True])
def test_csv_is_read_by_others(tmp_path: Path, bom: bool) -> None:
    raw = write(tmp_path / "a.csv", "csv", bom=bom).read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf") == bom
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    assert rows[0] == {
        "站": 'a,"1"', "time": "2026-01-01T00:30:00.000000Z", "value": "1.5", "count": "1", "ok": "true", "lon": "108.77", "lat": "29.53", "tags": '["x","y"]',
    }  # fmt: skip
    assert rows[1]["count"] == str(2**60)


def test_excel_shows_local_time_and_takes_no_text_for_a_formula(tmp_path: Path) -> None:
    sheet = python_calamine.CalamineWorkbook.from_path(str(write(tmp_path / "a.xlsx", "xlsx"))).get_sheet_by_index(0)
    heads, first, second, third = sheet.to_python()
    assert heads == TABLE.schema.names
    assert first[:5] == ['a,"1"', dt.datetime(2026, 1, 1, 8, 30), 1.5, 1.0, True]  # noqa: DTZ001
    assert second[0] == "=1+1"
    assert second[3] == str(2**60)
    assert third[7] == ""


def test_what_a_sheet_does_not_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "MAX_ROWS", 2)
    with pytest.raises(TooManyResults, match="holds 2 rows"):
        write_file(TABLE.to_batches(), TABLE.schema, "xlsx", tmp_path / "a.xlsx")
    long = pa.table({"a": ["x" * 40_000]})
    with pytest.raises(TooManyResults, match="40000 characters"):
        write_file(long.to_batches(), long.schema, "xlsx", tmp_path / "a.xlsx")
    wide = pa.schema([(f"c{n}", pa.int64()) for n in range(16_385)])
    with pytest.raises(TooManyResults, match="16384 columns"):
        write_file([], wide, "xlsx", tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_geopackage_is_opened_by_gdal(tmp_path: Path) -> None:
    import duckdb

    path = write(tmp_path / "a.gpkg", "gpkg")
    with duckdb.connect() as database:
        load_spatial(database)
        rows = database.execute(f"SELECT st_x(geom), st_y(geom), 站, value, count, time FROM st_read('{path}')").fetchall()
        layers = database.execute(
            f"SELECT layers[1].name, layers[1].geometry_fields[1].crs.auth_code FROM st_read_meta('{path}')"
        ).fetchone()
    assert layers == ("export", "4326")
    assert rows[0][:5] == (108.77, 29.53, 'a,"1"', 1.5, 1)
    assert rows[1][:5] == (None, None, "=1+1", None, 2**60)
    with apsw.Connection(str(path)) as database:
        assert database.execute("SELECT min_x, min_y, max_x, max_y FROM gpkg_contents").fetchall() == [(108.0, 29.0, 108.77, 29.53)]
        assert database.execute("PRAGMA application_id").fetchall() == [(0x47504B47,)]
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_shapes_and_tables_without_places(tmp_path: Path) -> None:
    line = struct.pack("<BIIdddd", 1, 2, 2, 108, 29, 109, 30)
    shapes = pa.table({"fid": [7], "geom": pa.array([line], pa.binary())})
    path = tmp_path / "a.gpkg"
    write(path, "gpkg", shapes)
    with apsw.Connection(str(path)) as database:
        assert database.execute("SELECT fid, fid_2, substr(geom, 9) FROM export").fetchall() == [(1, 7, line)]
    write(path, "gpkg", pa.table({"a": [1], "A": [2]}))
    with apsw.Connection(str(path)) as database:
        assert database.execute("SELECT a, A_2 FROM export").fetchall() == [(1, 2)]
        assert database.execute("SELECT data_type FROM gpkg_contents").fetchall() == [("attributes",)]


def test_what_was_exported_can_be_filled_back(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.gpkg", "gpkg", pa.table({"s": ["1"], "t": pa.array([AT], pa.timestamp("us", "UTC")), "lon": [108.5], "lat": [29.5]})
    )
    mapping = Mapping("urn:x:{s}", "T", "t", {"location": AttributeMapping(lon="geom.lon", lat="geom.lat")})
    [row] = preview(path, mapping, str).rows
    assert (row["lon"], row["lat"], row["observed_at"]) == (108.5, 29.5, AT)


@pytest.mark.parametrize("format", ["parquet", "csv", "xlsx", "gpkg"])
def test_no_rows_make_a_file_too(tmp_path: Path, format: str) -> None:
    assert write_file([], TABLE.schema, format, tmp_path / "a") == 0
    assert (tmp_path / "a").stat().st_size > 0


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield TABLE.to_batches()[0]
        raise RuntimeError("the source broke")

    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        write_file(batches(), TABLE.schema, "csv", path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_pieces_are_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "csv")
    assert b"".join(file_pieces(TABLE.to_batches(), TABLE.schema, "csv")) == path.read_bytes()


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OperationNotSupported, match="parquet, csv, xlsx, gpkg"):
        write_file([], TABLE.schema, "docx", tmp_path / "a")
