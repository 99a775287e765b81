"""`cityhub rules` against a real hub with its sentinel and its history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cityhub.cli import main
from tests.unit.cli.test_commands import call, hub

RULE = """
id: level
title: {zh: 水位超警戒, en: Water above the warning level}
owner: urn:ngsi-ld:Organization:water
watch: {type: Station}
levels:
  - {severity: yellow, condition: level > 4.5, clear: level < 4}
"""
STATION = "urn:ngsi-ld:Station:1"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("hub")
    with hub(folder):
        yield folder


def rules(capfd: pytest.CaptureFixture[str], data: Path, *arguments: str) -> tuple[int, str, str]:
    return call(capfd, "rules", *arguments, "--data", str(data))


def file(folder: Path, content: str) -> str:
    path = folder / "rule.yaml"
    path.write_text(content, "utf-8")
    return str(path)


def test_a_rule_is_checked_tried_and_listed(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for hour, level in enumerate((3.0, 5.0, 6.0, 3.5)):
        entity = {"id": STATION, "type": "Station", "level": {"type": "Property", "value": level, "observedAt": f"2026-06-01T0{hour}:00:00Z"}}
        (tmp_path / "station.json").write_text(json.dumps([entity]))
        assert call(capfd, "load", str(tmp_path / "station.json"), "--data", str(data))[0] == 0
    assert rules(capfd, data, "check", file(tmp_path, RULE)) == (0, "The rule 'level' can run.\n", "")
    code, out, _ = rules(capfd, data, "check", file(tmp_path, RULE.replace("level > 4.5", "level >")))
    assert code == 1 and "levels[0].condition" in out
    code, out, err = rules(capfd, data, "check", file(tmp_path, "id: ["))
    assert code == 1 and out == "" and "YAML" in err
    days = ("--from", "2026-06-01T00:00:00Z", "--to", "2026-06-02T00:00:00Z")
    code, out, err = rules(capfd, data, "trial", file(tmp_path, RULE), *days)
    assert code == 0 and out.startswith("1 alerts out of 4 observations"), (out, err)
    assert [line.split()[1] for line in out.splitlines()[2:]] == ["raised", "cleared"]
    trial = json.loads(rules(capfd, data, "trial", file(tmp_path, RULE), *days, "--json")[1])
    assert [one["at"][11:13] for one in trial["signals"]] == ["01", "03"]
    assert rules(capfd, data, "list")[0] == 0
    code, _, err = rules(capfd, data, "trace", "none", STATION)
    assert code == 1 and "none" in err


def test_where_no_hub_has_been_there_are_no_rules(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "list", "--data", str(tmp_path / "nowhere")]) == 1
    assert "no hub has been" in capfd.readouterr().err
