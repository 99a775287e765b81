"""`cityhub ingest file` as docs/import-files.md tells of it, against a hub."""

from __future__ import annotations

import asyncio
import csv
import re
from pathlib import Path

import pytest

from cityhub.cli import main
from cityhub.ingest.files.plan import read_plan
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import open_sqlite

PAGE = (Path(__file__).parents[3] / "docs/import-files.md").read_text("utf-8")


def block(kind: str) -> str:
    """The first block of the page of a kind."""
    found = re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page, and a hub's data folder in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CITYHUB_FEEDS", "false")
    (tmp_path / "levels.csv").write_text(block("csv"), "gb18030")
    (tmp_path / "levels.yaml").write_text(block("yaml"), "utf-8")
    (tmp_path / "data").mkdir()
    return tmp_path


async def begin(folder: Path) -> None:
    """Makes the data folder one in which a hub has been."""
    await (await open_sqlite(folder / "data", SystemClock())).close()


def cityhub_ingest(*words: str) -> int:
    """Runs `cityhub ingest` with some words."""
    return main(["ingest", "--data", "data", *words])


def test_the_example_of_the_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(begin(folder))
    assert cityhub_ingest("file", "levels.csv") == 0
    said = capsys.readouterr().out
    assert said.startswith("# csv, 4 rows")
    proposed = read_plan(said.encode())
    assert proposed.entities[0].id == '"urn:ngsi-ld:Device:" + 站号'
    assert proposed.entities[0].attributes["waterLevel"].unit == "cm"

    assert cityhub_ingest("file", "levels.csv", "--plan", "levels.yaml", "--dry-run") == 1
    out, err = capsys.readouterr()
    told = block("text").splitlines()
    assert told[0] in err.splitlines()
    assert told[1] in out.splitlines()

    assert cityhub_ingest("file", "levels.csv", "--plan", "levels.yaml") == 1
    assert "4 updates were written" in capsys.readouterr().out
    rows = list(csv.reader((folder / "levels.csv.refused.csv").read_text("utf-8-sig").splitlines()))
    assert rows[1][:2] == ["5", "水位(cm)"]

    assert cityhub_ingest("file", "missing.csv") == 1
    assert "'missing.csv' is no file" in capsys.readouterr().err
