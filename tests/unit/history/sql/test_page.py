"""The page about SQL: its statements run, its functions exist, and none is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lake_sample import STATION, asker, city

from cityhub.history.sql.functions import FUNCTIONS

PAGE = (Path(__file__).parents[4] / "docs/sql.md").read_text("utf-8")
STATEMENTS = [statement.strip() for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL) for statement in block.split(";") if statement.strip()]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statements_of_the_page_run_and_find_something(tmp_path: Path, statement: str) -> None:
    lake = city(tmp_path, spatial=True)
    for minute in range(60, 200, 10):
        for number in (1, 2):
            lake.add(f"{STATION}{number}", "level", minute, number=minute % 40 / 10)
    assert asker(lake)(statement)


@pytest.mark.parametrize("statement", re.findall(r'cityhub sql (?:--\S+ \S+ |--\S+ )*"([^"]+)"', PAGE))
def test_commands_of_the_page_run(tmp_path: Path, statement: str) -> None:
    asker(city(tmp_path))(statement, *(["urn:ngsi-ld:Station:1"] * statement.count("?")))


def test_every_function_is_on_the_page() -> None:
    assert len(STATEMENTS) >= 7
    for function in FUNCTIONS:
        assert f"`{function.name}(" in PAGE, function.name


def test_the_columns_of_the_page_are_those_of_the_view(tmp_path: Path) -> None:
    names = {str(row[0]) for row in asker(city(tmp_path))("DESCRIBE Station")}
    (shown,) = re.findall(r"^\| `Station` \|[^|]*\| (.*) \|$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", shown)) == names


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_examples_of_functions_run(tmp_path: Path, function: object) -> None:
    lake = city(tmp_path, spatial=True)
    for minute in (*range(60, 200, 10), *range(1440, 7 * 1440, 1440)):
        lake.add(f"{STATION}1", "level", minute, number=minute % 40 / 10)
    example = function.example  # type: ignore[attr-defined]
    for name, kind in (("temperature", "level"), ("total", "level")):
        example = example.replace(name, kind)
    if function.name == "within_geojson":  # type: ignore[attr-defined]
        example = example.replace("area", "'{\"type\":\"Point\",\"coordinates\":[1,2]}'")
    source = "Station_now" if "location" in example else "Station"
    asker(lake)(example if example.startswith("FROM") else f"SELECT {example} FROM {source}")
