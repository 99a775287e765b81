"""Files of every kind into staged observations."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from cityhub.history.exchange.mapping import AttributeMapping, Mapping, check, read_mapping
from cityhub.history.exchange.staging import STAGED, backfill_id, preview, stage
from cityhub.model.errors import BadRequestData

MAPPING = Mapping(
    entity="urn:ngsi-ld:Station:{station}", type="Station", time="time",
    attributes={"temperature": AttributeMapping("temp", unit="CEL"), "state": AttributeMapping("state", values="text")},
)  # fmt: skip
HEADS = ["station", "time", "temp", "state"]
ROWS: list[list[Any]] = [
    ["a", "2026-01-01 08:00:00", 1.5, "ok"],
    ["a", "2026-01-01T01:00:00Z", -2, ""],
    ["b", "2026/1/1 10:00", "", "坏"],
]


def expand(name: str) -> str:
    return f"https://example.org/{name}"


def staged(path: Path, mapping: Mapping = MAPPING) -> tuple[list[dict[str, Any]], list[dict[str, str]], Any]:
    target, rejects = path.parent / "staged.parquet", path.parent / "rejects.csv"
    result = stage(path, mapping, expand, target, rejects, lambda read, refused: None)
    refused = list(csv.DictReader(io.StringIO(rejects.read_text("utf-8-sig")))) if rejects.exists() else []
    rows = pq.read_table(target).to_pylist()
    assert pq.read_schema(target).equals(STAGED)
    assert result.rows == len(rows)
    return rows, refused, result


def write_csv(path: Path, rows: list[list[Any]], heads: list[str] = HEADS, encoding: str = "utf-8") -> Path:
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([heads, *rows])
    return path


def write_excel(path: Path) -> Path:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("数据")
        for number, row in enumerate([HEADS, *ROWS]):
            sheet.write_row(number, 0, row)
    return path


def write_gzip(path: Path) -> Path:
    plain = write_csv(path.parent / "plain", ROWS)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    return path


def write_lines(path: Path) -> Path:
    path.write_text("\n".join(json.dumps(dict(zip(HEADS, row, strict=True))) for row in ROWS))
    return path


def write_parquet(path: Path) -> Path:
    columns = [pa.array([str(row[place]) for row in ROWS]) for place in range(4)]
    pq.write_table(pa.table(columns, names=HEADS), path)
    return path


def at(hour: int) -> dt.datetime:
    return dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda path: write_csv(path, ROWS)),
        ("a.xlsx", write_excel),
        ("a.csv.gz", write_gzip),
        ("a.jsonl", write_lines),
        ("a.parquet", write_parquet),
    ],
)
def test_every_kind_of_file_gives_the_same_observations(tmp_path: Path, name: str, write: Any) -> None:
    rows, refused, result = staged(write(tmp_path / name))
    assert refused == []
    found = [
        (row["entity"][-1], row["attribute"].rsplit("/", 1)[1], row["observed_at"], row["number"], row["text"], row["unit"]) for row in rows
    ]
    assert found == [
        ("a", "temperature", at(0), 1.5, None, "CEL"),
        ("a", "state", at(0), None, "ok", None),
        ("a", "temperature", at(1), -2.0, None, "CEL"),
        ("b", "state", at(2), None, "坏", None),
    ]
    assert {row["type"] for row in rows} == {"https://example.org/Station"}
    assert (result.read, result.refused, result.empty) == (3, 0, 2)


def test_wrong_rows_are_named_and_the_others_kept(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv",
        [
            ROWS[0],
            ["", "2026-01-01", 1, "x"],
            ["a", "2026-13-01", 1, "x"],
            ["a", "2026-01-02", "warm", "x"],
            ["a b", "2026-01-01", 1, ""],
            ["a", "2026-01-03", 1],
            ["a", "", 1, "x"],
        ],
    )
    rows, refused, result = staged(path)
    assert [row["text"] or row["number"] for row in rows] == [1.5, "ok", "x"]
    assert [(int(row["line"]), row["reason"]) for row in sorted(refused, key=lambda row: int(row["line"]))] == [
        (2, "a column of the entity's id is empty"),
        (3, "'2026-13-01' is no time"),
        (4, "'warm' in column 'temp' is no number"),
        (5, "the id 'urn:ngsi-ld:Station:a b' is no URI"),
        (6, "3 values where the heads are 4"),
        (7, "the time is empty"),
    ]
    assert result.refused == 6


def test_one_attribute_a_row_named_by_a_column(tmp_path: Path) -> None:
    mapping = Mapping("urn:x:{s}", "{kind}", "t", {"{quantity}": AttributeMapping("v", unit_column="u")}, time_format="epoch_ms")
    path = write_csv(
        tmp_path / "a.csv",
        [["1", "Pump", 1_767_225_600_000, "level", 3, "MTR"], ["1", "Pump", "soon", "level", 3, ""]],
        ["s", "kind", "t", "quantity", "v", "u"],
    )
    rows, refused, _ = staged(path, mapping)
    assert len(rows) == 1
    assert (rows[0]["type"], rows[0]["attribute"], rows[0]["unit"], rows[0]["observed_at"]) == (
        expand("Pump"),
        expand("level"),
        "MTR",
        at(0),
    )
    assert [row["reason"] for row in refused] == ["'soon' is no time"]


def test_places_and_numbers_out_of_range(tmp_path: Path) -> None:
    mapping = Mapping("urn:x:{s}", "Bus", "t", {"location": AttributeMapping(lon="x", lat="y"), "speed": AttributeMapping("v")})
    path = write_csv(
        tmp_path / "a.csv",
        [["1", "2026-01-01", 108.77, 29.53, "nan"], ["2", "2026-01-01", 208, 29.53, 3], ["3", "2026-01-01", "", "", 4]],
        ["s", "t", "x", "y", "v"],
    )
    rows, refused, _ = staged(path, mapping)
    assert [(row["kind"], row["lon"], row["lat"], row["number"]) for row in rows] == [
        ("GeoProperty", 108.77, 29.53, None), ("Property", None, None, 3.0), ("Property", None, None, 4.0),
    ]  # fmt: skip
    assert [row["reason"] for row in refused] == [
        "'nan' in column 'v' is no number",
        "'208 29.53' in columns 'x' and 'y' is no place in degrees",
    ]


def test_times_of_another_zone_and_form_and_a_chinese_encoding(tmp_path: Path) -> None:
    mapping = Mapping(
        "urn:x:{站}",
        "T",
        "时间",
        {"v": AttributeMapping("值")},
        time_format="%Y年%m月%d日 %H:%M",
        time_zone="Asia/Tokyo",
        encoding="gb18030",
    )
    path = write_csv(tmp_path / "a.csv", [["1", "2026年01月01日 09:00", 5]], ["站", "时间", "值"], "gb18030")
    rows, _, _ = staged(path, mapping)
    assert rows[0]["observed_at"] == at(0)


def test_times_of_a_parquet_file_are_taken_as_they_are(tmp_path: Path) -> None:
    naive, aware = [at(8).replace(tzinfo=None)], [at(0)]
    for number, column in enumerate((pa.array(naive, pa.timestamp("us")), pa.array(aware, pa.timestamp("us", "UTC")))):
        pq.write_table(pa.table([pa.array([1]), column, pa.array([2.5]), pa.array(["x"])], names=HEADS), tmp_path / f"{number}.parquet")
        assert staged(tmp_path / f"{number}.parquet")[0][0]["observed_at"] == at(0)


def test_many_batches_keep_their_line_numbers(tmp_path: Path) -> None:
    count = 120_000
    rows = [["a", f"2026-01-01T00:00:{n % 60:02}Z", n, ""] for n in range(count)]
    rows[99_999][2] = "bad"
    rows[110_000] = ["short"]
    rows[119_999][2] = "worse"
    found, refused, _ = staged(write_csv(tmp_path / "a.csv", rows))
    assert [int(row["line"]) for row in refused if "number" in row["reason"]] == [100_000, 120_000]
    assert [int(row["line"]) for row in refused if "heads" in row["reason"]] == [110_001]
    assert len(found) == count - 3


def test_a_preview_shows_rows_and_faults(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [*ROWS, ["a", "never", 1, ""]])
    found = preview(path, MAPPING, expand)
    assert len(found.rows) == 4
    assert [fault.reason for fault in found.faults] == ["'never' is no time"]


def test_the_id_is_of_file_mapping_and_tenant(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ROWS)
    other = write_csv(tmp_path / "b.csv", ROWS[:2])
    first = backfill_id(path, MAPPING, "")
    assert first == backfill_id(path, MAPPING, "")
    assert (
        len(
            {
                first,
                backfill_id(other, MAPPING, ""),
                backfill_id(path, MAPPING, "t"),
                backfill_id(path, Mapping("urn:{a}", "T", "t", {}), ""),
            }
        )
        == 4
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.docx", b"", "of no known kind"),
        ("a.csv", b"station,time\n", "has no column 'state', 'temp'; it has 'station', 'time'"),
        ("a.csv", b"", "has no column"),
        ("a.csv", b"station,time,temp,state\n\xff\xfe\x00,2,3,4\n", "a.csv"),
        ("a.parquet", b"PAR1 no", "a.parquet"),
        ("a.xlsx", b"no", "a.xlsx"),
        ("a.gpkg", b"no database at all, but long enough to be looked at as if it were one" * 20, "a.gpkg"),
    ],
)
def test_files_that_cannot_be_read_are_told(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadRequestData, match=message):
        staged(tmp_path / name)
    assert not (tmp_path / "staged.parquet").exists()


@pytest.mark.parametrize(
    "text",
    [
        'entity = "station"\ntype="T"\ntime="t"\n[attributes.a]\ncolumn="a"',
        'entity = "urn:{a"\ntype="T"\ntime="t"\n[attributes.a]\ncolumn="a"',
        'entity = "urn:{a}"\ntype="T"\ntime="t"\n[attributes]',
        'entity = "urn:{a}"\ntype="T"\ntime="t"\n[attributes.a]\nlon="a"',
        'entity = "urn:{a}"\ntype="T"\ntime="t"\ntime_zone="Moon/Base"\n[attributes.a]\ncolumn="a"',
        'entity = "urn:{a}"\ntype="T"\ntime="t"\nunknown=1\n[attributes.a]\ncolumn="a"',
        "no toml",
    ],
)
def test_wrong_mappings_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(BadRequestData):
        read_mapping(tmp_path / "m.toml")


def test_a_mapping_is_read_from_toml_and_json(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('entity = "urn:{a}"\ntype="T"\ntime="t"\n[attributes.a]\ncolumn="a"\nunit="CEL"')
    (tmp_path / "m.json").write_text('{"entity": "urn:{a}", "type": "T", "time": "t", "attributes": {"a": {"column": "a", "unit": "CEL"}}}')
    mapping = read_mapping(tmp_path / "m.toml")
    assert mapping == read_mapping(tmp_path / "m.json")
    check(mapping)


def test_columns_cannot_smuggle_sql(tmp_path: Path) -> None:
    evil = "x\" FROM batch; ATTACH 'evil.db'; --"
    mapping = Mapping("urn:'--{" + evil + "}", "T'; DROP TABLE cells; --", "t'\"", {"a'b": AttributeMapping("v")})
    path = write_csv(tmp_path / "a.csv", [["1", "2026-01-01", 5]], [evil, "t'\"", "v"])
    rows, _, _ = staged(path, mapping)
    assert rows[0]["entity"] == "urn:'--1"
    assert rows[0]["attribute"] == expand("a'b")


def test_a_staged_file_is_plain_parquet(tmp_path: Path) -> None:
    staged(write_csv(tmp_path / "a.csv", ROWS))
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/staged.parquet'").fetchone() == (4,)
