"""The report at its doors: the command, the historian's handler, and HTTP."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from cityhub.cli.commands import main
from cityhub.history.tiers.answers import TierAnswers
from cityhub.history.tiers.plan import Plan
from cityhub.history.tiers.tables import CatalogTables, held
from cityhub.history.tiers.tier_api import Question, TierApi
from cityhub.model.errors import BadRequestData
from cityhub.web.http import Request
from tests.unit.history.tiers.tiered import FixedClock, make_lake, make_plan

PLAN = """
[[tier]]
name = "hot"
title = "闪存"
storage_per_gb_month = 1.0
[[tier]]
name = "cold"
title = "蓝光"
kind = "archive"
location = "{}/cold"
storage_per_gb_month = 0.03
[[policy]]
tier = "cold"
tables = ["observations"]
older_than_days = 0
"""


class Lake(CatalogTables):
    """Tables through their catalogue, with reads that a test says."""

    def __init__(self, catalog: SqlCatalog) -> None:
        super().__init__(catalog)
        self.reads: dict[str, tuple[int, int]] = {}

    def count_reads(self) -> None:
        pass

    def file_reads(self) -> dict[str, tuple[int, int]]:
        return self.reads


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "tiers.toml").write_text(PLAN.format(tmp_path), "utf-8")
    catalog = make_lake(tmp_path)
    catalog.close()
    (tmp_path / "catalog.sqlite").rename(tmp_path / "lake" / "catalog.sqlite")
    return tmp_path


def test_the_command_reports_and_moves(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["tiers", "--data", str(data), "--plan", str(data / "tiers.toml")]
    assert main([*arguments, "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert [tier["files"] for tier in before["today"]] == [5, 0]
    assert [tier["files"] for tier in before["planned"]] == [1, 4]
    assert main([*arguments, "--move"]) == 0
    out = capsys.readouterr().out
    assert "蓝光" in out
    assert "CNY/month" in out
    assert "0 files (0.000 GB) would move" in out
    assert len(list((data / "cold").rglob("*.parquet"))) == 4


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiers", "--data", str(tmp_path)]) == 1
    assert "no plan of tiers" in capsys.readouterr().err
    assert main(["tiers", "--data", str(tmp_path), "--plan", str(tmp_path / "no.toml")]) == 1
    assert "there is no lake" in capsys.readouterr().err


async def test_the_historian_answers_and_tidies(tmp_path: Path) -> None:
    lake, clock, plan = Lake(make_lake(tmp_path)), FixedClock(), make_plan(tmp_path)
    answers = TierAnswers(lake, plan, tmp_path, clock)
    paths = [file.path for file in held(lake)]
    lake.reads = {paths[0]: (7, 900)}
    report = json.loads(await answers.answer(msgspec.msgpack.encode(Question())))
    assert report["moves"] == 3
    assert report["today"][0]["requests"] == 7
    other = json.loads(await answers.answer(msgspec.msgpack.encode(Question(Plan(tier=plan.tier)))))
    assert other["moves"] == 0
    answers.tidy()
    assert json.loads(await answers.answer(msgspec.msgpack.encode(Question())))["moves"] == 0
    assert json.loads(await TierAnswers(lake, None, tmp_path, clock).answer(msgspec.msgpack.encode(Question())))["today"][0]["source"]


class Historian:
    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def call(self, name: str, body: Any) -> bytes:
        self.asked.append((name, body))
        return b'{"today": []}'


async def test_the_door_asks_for_today_and_for_another_plan(tmp_path: Path) -> None:
    historian = Historian()
    api = TierApi(historian)
    assert {route.method for route in api.routes()} == {"GET", "POST"}
    plan = make_plan(tmp_path)
    assert (await api.today(request("GET"))).status == 200
    assert (await api.planned(request("POST", msgspec.json.encode(plan)))).status == 200
    assert historian.asked == [("tiers", Question()), ("tiers", Question(plan))]
    with pytest.raises(BadRequestData, match="tiers are"):
        await api.planned(request("POST", b'{"tier": [{"name": "hot"}], "policy": [{"tier": "tape"}]}'))


def request(method: str, body: bytes = b"") -> Request:
    return Request(method=method, path="/api/tiers", query_string="", headers={}, body=body)
