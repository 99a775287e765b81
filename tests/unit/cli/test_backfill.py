"""`cityhub backfill` and `cityhub export` against a real hub with its historian."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cityhub.cli import main
from tests.hub_process import HubProcess

MAPPING = """
entity = "urn:ngsi-ld:Station:{station}"
type = "Station"
time = "时间"
[attributes.temperature]
column = "气温"
unit = "CEL"
"""


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The data folder of a hub that runs."""
    folder = tmp_path / "hub"
    with HubProcess(folder):
        yield folder


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    return (code, *capfd.readouterr())


def test_a_file_comes_in_once_and_out_again(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table, mapping, out = tmp_path / "stations.csv", tmp_path / "stations.toml", tmp_path / "out.csv"
    mapping.write_text(MAPPING, encoding="utf-8")
    rows = [f"s{n % 2},2026-10-01 {n:02}:00,{n + 0.5}" for n in range(10)]
    table.write_text("\n".join(["station,时间,气温", *rows, "s1,2026-10-02,warm"]), encoding="utf-8")
    where = ("--data", str(data))

    code, text, _ = call(capfd, "backfill", *where, "--preview", str(table), str(mapping))
    assert code == 0  # of the first ten rows none is wrong
    assert json.loads(text.splitlines()[0])["number"] == 0.5

    code, text, errors = call(capfd, "backfill", *where, str(table), str(mapping))
    assert (code, "10 observations are in the history" in text) == (1, True), errors
    with open(f"{table}.rejected.csv", encoding="utf-8-sig", newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file)] == ["'warm' in column '气温' is no number"]
    assert list((data / "backfills").iterdir()) == []

    code, text, _ = call(capfd, "backfill", *where, str(table), str(mapping))
    assert (code, "nothing is done" in text) == (0, True)

    statement = "SELECT entity, time, temperature FROM Station ORDER BY time"
    code, text, errors = call(capfd, "export", *where, str(out), statement)
    assert (code, text) == (0, f"{out}: 10 rows\n"), errors
    with open(out, encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert found[0] == {"entity": "urn:ngsi-ld:Station:s0", "time": "2026-09-30T16:00:00.000000Z", "temperature": "0.5"}
    code, _, errors = call(capfd, "export", *where, str(tmp_path / "out.docx"), statement)
    assert (code, ".parquet, .csv, .xlsx, .gpkg" in errors) == (1, True)
    code, _, errors = call(capfd, "export", *where, str(out), "SELECT nothing FROM nowhere")
    assert code == 1
    assert "nowhere" in errors
    assert len(list(csv.DictReader(out.read_text().splitlines()))) == 10
