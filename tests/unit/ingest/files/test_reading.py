"""Files of every kind become tables."""

from __future__ import annotations

import datetime
import gzip
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
import xlsxwriter

from cityhub.ingest.files.table import load_spatial
from tests.unit.ingest.files.conftest import shapefile, zipped

LEVELS = "站号,时间,水位(m)\nA01,2026-07-01 08:00,32.15\nA02,2026-07-01 08:00,30.9\n"
CGCS2000 = (
    'GEOGCS["China Geodetic Coordinate System 2000",DATUM["China_2000",SPHEROID["CGCS2000",6378137,298.257222101]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4490"]]'
)
ZONE = "EPSG:4547"
"""CGCS2000, three-degree Gauss-Krueger, central meridian 114 degrees east."""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_in_any_encoding(read: Any, encoding: str) -> None:
    table, rows = read(LEVELS.encode(encoding))
    assert [head.name for head in table.heads] == ["站号", "时间", "水位"]
    assert [head.unit for head in table.heads] == ["", "", "m"]
    assert rows == [("A01", "2026-07-01 08:00", "32.15"), ("A02", "2026-07-01 08:00", "30.9")]
    assert table.reading.encoding == encoding


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_with_any_delimiter_and_line_end(read: Any, delimiter: str) -> None:
    table, rows = read(LEVELS.replace(",", delimiter).replace("\n", "\r\n").encode())
    assert table.reading.delimiter == delimiter
    assert len(rows) == 2 and len(table.heads) == 3


def test_csv_with_a_title_above_its_heads_quotes_and_a_line_that_does_not_fit(read: Any) -> None:
    text = '钱江区水位,,\n\n站号,名称,水位(m)\nA1,"a, ""b""",1\nA2,x,2,3,4\nA3,y,3\n'
    table, rows = read(text.encode())
    assert rows == [("A1", 'a, "b"', "1"), ("A3", "y", "3")]
    assert [(fault.row, fault.content) for fault in table.faults] == [(5, "A2,x,2,3,4")]
    assert [table.number(place) for place in range(2)] == [4, 6]


def test_csv_without_heads(read: Any) -> None:
    table, rows = read(b"1,2.5\n2,3.5\n")
    assert [head.name for head in table.heads] == ["column_1", "column_2"]
    assert len(rows) == 2
    assert table.reading.header == 0


def test_excel_with_merged_cells_two_rows_of_heads_and_several_sheets(read: Any) -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "default_date_format": "yyyy-mm-dd hh:mm"}) as book:
        book.add_worksheet("空表")
        sheet = book.add_worksheet("水位")
        sheet.merge_range("A1:D1", "2026 年水位统计表")
        sheet.merge_range("A2:A3", "乡镇")
        sheet.merge_range("B2:B3", "日期")
        sheet.merge_range("C2:D2", "水位")
        sheet.write_row("C3", ["最高(m)", "最低(m)"])
        sheet.merge_range("A4:A5", "王场镇")
        for row in (3, 4):
            sheet.write_datetime(row, 1, datetime.date(2026, 7, row))
            sheet.write_row(row, 2, [32.5, 30])
        book.add_worksheet("其他").write_row("A1", ["a", "b"])
    table, rows = read(content.getvalue())
    assert table.reading.table == "水位"
    assert [head.head for head in table.heads] == ["乡镇", "日期", "水位 最高(m)", "水位 最低(m)"]
    assert [head.unit for head in table.heads][2:] == ["m", "m"]
    assert rows == [("王场镇", "2026-07-03", "32.5", "30"), ("王场镇", "2026-07-04", "32.5", "30")]
    assert table.number(0) == 4
    assert [head.name for head in read(content.getvalue(), table="其他")[0].heads] == ["a", "b"]


def test_shapefile_in_gb18030_and_a_zone(read: Any, tmp_path: Path) -> None:
    files = shapefile("gb18030", "名称", [(400000.0, 3360000.0), (410000.0, 3361000.0)], ["东荆河", "田关河"], "")
    del files["a.prj"]
    table, rows = read(zipped(files, tmp_path / "a.zip"), crs=ZONE)
    assert [head.name for head in table.heads if not head.is_geometry][-1] == "名称"
    assert [row[-2] for row in rows] == ["东荆河", "田关河"]
    point = orjson.loads(str(rows[0][-1]))
    assert point["type"] == "Point"
    assert point["coordinates"] == pytest.approx([112.9598823, 30.3556692], abs=1e-6)


def test_shapefile_that_says_its_coordinates(read: Any, tmp_path: Path) -> None:
    table, rows = read(zipped(shapefile("utf-8", "name", [(112.9, 30.4)], ["a"], CGCS2000), tmp_path / "a.zip"))
    assert table.crs == "EPSG:4490"
    assert orjson.loads(str(rows[0][-1]))["coordinates"] == [112.9, 30.4]


@pytest.mark.parametrize(("driver", "ending"), [("GPKG", "gpkg"), ("GeoJSON", "geojson"), ("GeoJSONSeq", "geojsonl")])
def test_maps(read: Any, tmp_path: Path, driver: str, ending: str) -> None:
    path = tmp_path / f"map.{ending}"
    with duckdb.connect() as connection:
        load_spatial(connection)
        connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES ('水库', 1.5, ST_Point(112.9, 30.4))) v(name, depth, geom)")
        connection.execute(f"COPY t TO '{path}' WITH (FORMAT gdal, DRIVER '{driver}', SRS 'EPSG:4326')")
    table, rows = read(path.read_bytes())
    assert rows[0][-3:-1] == ("水库", "1.5")
    assert orjson.loads(str(rows[0][-1])) == {"type": "Point", "coordinates": [112.9, 30.4]}
    assert table.heads[-1].is_geometry


KML = """<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder>
<Placemark><name>站 1</name><ExtendedData><Data name="code"><value>A1</value></Data></ExtendedData>
<Point><coordinates>112.9,30.4,0</coordinates></Point></Placemark>
<Placemark><name>区</name><Polygon><outerBoundaryIs><LinearRing><coordinates>0,0 1,0 1,1 0,0</coordinates></LinearRing></outerBoundaryIs></Polygon>
</Placemark></Folder></Document></kml>"""


def test_kml_and_kmz(read: Any, tmp_path: Path) -> None:
    for content in (KML.encode(), zipped({"doc.kml": KML.encode(), "a.png": b"\x89PNG"}, tmp_path / "a.kmz")):
        table, rows = read(content)
        assert [head.name for head in table.heads] == ["name", "code", "geometry"]
        assert rows[0] == ("站 1", "A1", '{"type":"Point","coordinates":[112.9,30.4]}')
        assert json.loads(str(rows[1][2]))["coordinates"] == [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]


def test_parquet(read: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    duckdb.execute(f"COPY (SELECT 'A' AS \"站号\", TIMESTAMP '2026-01-02 03:04:05' AS t, 1.5 AS v, [1, 2] AS l) TO '{path}'")
    _, rows = read(path.read_bytes())
    assert rows == [("A", "2026-01-02 03:04:05", "1.5", "[1,2]")]


def test_json_in_an_object_and_json_lines(read: Any) -> None:
    assert read(b'{"code": 0, "data": {"list": [{"id": "a", "v": {"x": 1}}, {"id": "b", "w": [1]}]}}')[1] == [("a", "1", None), ("b", None, "[1]")]
    table, rows = read(b'{"id": "a"}\n{"id": 2}\nno\n{"id": "c", "x": true}\n')
    assert rows == [("a", None), ("2", None), ("c", "true")]
    assert [fault.row for fault in table.faults] == [3]
    assert table.number(2) == 4


def test_gzip(read: Any) -> None:
    assert len(read(gzip.compress(LEVELS.encode("gb18030")))[1]) == 2
