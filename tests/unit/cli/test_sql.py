"""`cityhub sql` without a hub: what fits together, and what a person sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityhub.cli.commands import main
from cityhub.cli.connection import Failed
from cityhub.cli.sql import Wanted, form_of, print_answer, shown, value_of, width


@pytest.mark.parametrize(("wanted", "form"), [
    (Wanted("x"), "table"),
    (Wanted("x", file="a/b.CSV"), "csv"),
    (Wanted("x", file="a.parquet"), "parquet"),
    (Wanted("x", format="json", file="a.txt"), "json"),
    (Wanted("x", format="csv"), "csv"),
])  # fmt: skip
def test_the_form_follows_the_file(wanted: Wanted, form: str) -> None:
    assert form_of(wanted) == form


@pytest.mark.parametrize(("wanted", "says"), [(Wanted("x", file="a.doc"), ".csv"), (Wanted("x", format="table", file="a.csv"), "for the screen")])
def test_what_does_not_fit_together_is_told(wanted: Wanted, says: str) -> None:
    with pytest.raises(Failed, match=says):
        form_of(wanted)


@pytest.mark.parametrize(("text", "value"), [("1.5", 1.5), ('"1"', "1"), ("urn:a:1", "urn:a:1"), ("true", True), ("2026-11-01", "2026-11-01")])
def test_parameters_are_json_or_text(text: str, value: object) -> None:
    assert value_of(text) == value


def test_a_table_lines_up_in_chinese_too(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [{"name": "站", "type": "VARCHAR"}, {"name": "level", "type": "DOUBLE"}, {"name": "at", "type": "TIMESTAMP WITH TIME ZONE"}]
    rows = [["黔江", 3.5, "2026-11-01T00:00:00.000000Z"], ["x", None, None], ["a\nb", 10, "2026-11-01T00:00:00.500000Z"]]
    print_answer({"columns": columns, "rows": rows, "truncated": True})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "站    level  at",
        "----  -----  ---------------------------",
        "黔江    3.5  2026-11-01T00:00:00Z",
        "x",
        "a b      10  2026-11-01T00:00:00.500000Z",
        "(3 rows, there are more (--limit))",
    ]


def test_a_plan_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [{"name": "explain_key", "type": "VARCHAR"}, {"name": "explain_value", "type": "VARCHAR"}]
    print_answer({"columns": columns, "rows": [["physical_plan", "┌─┐\n└─┘"]], "truncated": False})
    assert capsys.readouterr().out == "┌─┐\n└─┘\n"


def test_cells_are_cut_and_cannot_steer_the_terminal() -> None:
    assert shown("\x1b[31mred") == " [31mred"
    assert width(shown("水" * 100)) <= 60
    assert shown({"a": [1]}) == '{"a":[1]}'
    assert (shown(None), shown(True)) == ("", "true")


def test_without_a_hub_it_says_what_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "--data", str(tmp_path), "SELECT 1"]) == 1
    assert "right would be the data folder of one that does" in capsys.readouterr().err
