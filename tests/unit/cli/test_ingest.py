"""`cityhub ingest` against a real hub with its gateway, and against a data folder without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cityhub.cli import main
from tests.unit.cli.test_commands import call, hub

FEED = """
id: stations
protocol: mqtt
source: {host: 127.0.0.1, port: 1, topics: [x]}
entities:
  - type: Station
    id: '"urn:ngsi-ld:Station:" + code'
    observed_at: at
    attributes:
      rain: {value: rain, unit: mm}
"""
GOOD = '{"code": "1", "rain": 1.5, "at": "2026-01-01T00:00:00Z"}'
BAD = '{"code": "2", "rain": 1.5, "at": "yesterday"}'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("hub")
    with hub(folder):
        yield folder


def ingest(capfd: pytest.CaptureFixture[str], data: Path, *arguments: str) -> tuple[int, str, str]:
    return call(capfd, "ingest", *arguments, "--data", str(data))


def file(folder: Path, name: str, content: str) -> str:
    path = folder / name
    path.write_text(content, "utf-8")
    return str(path)


def test_a_feed_from_its_file_to_its_letters(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    feed, good, bad = file(tmp_path, "f.yaml", FEED), file(tmp_path, "good.json", GOOD), file(tmp_path, "bad.json", f"[{GOOD}, {BAD}]")
    code, out, err = ingest(capfd, data, "try", feed, bad)
    assert code == 1 and "2 records, 1 entities, 1 problems" in out and "record 1, map:" in out, (out, err)
    assert ingest(capfd, data, "try", feed, good)[0] == 0
    assert ingest(capfd, data, "add", feed, "--why", "first") == (0, "The feed 'stations' was added.\n", "")
    assert ingest(capfd, data, "add", feed)[1] == "The feed 'stations' is like that already.\n"
    slower = file(tmp_path, "g.yaml", FEED + "interval_s: 60\n")
    assert ingest(capfd, data, "add", slower)[1] == "The feed 'stations' has version 2 now.\n"
    versions = ingest(capfd, data, "show", "stations", "--versions")[1]
    assert [line.split()[0] for line in versions.splitlines()] == ["version", "2", "1"] and "first" in versions
    assert "urn:ngsi-ld:Station:" in ingest(capfd, data, "show", "stations")[1]
    code, out, err = ingest(capfd, data, "push", "stations", bad, "--type", "application/json")
    assert code == 1 and out.startswith("1 written, 0 late, 0 same, 0 flagged, 1 refused\n"), (out, err)
    listed = json.loads(ingest(capfd, data, "letters", "--json")[1])
    (letter,) = listed["letters"]
    assert "yesterday" in ingest(capfd, data, "letter", letter["id"])[1]
    code, out, _ = ingest(capfd, data, "replay", "--feed", "stations")
    assert code == 1 and out.startswith("0 taken, 1 not, 0 left\n")
    fixed = file(tmp_path, "fixed.json", BAD.replace("yesterday", "2026-01-01T00:00:00Z"))
    assert ingest(capfd, data, "letter", letter["id"], "--body", fixed)[0] == 0
    assert ingest(capfd, data, "replay", letter["id"])[1] == "1 taken, 0 not, 0 left\n"
    assert ingest(capfd, data, "letters")[1] == "0 dead letters\n"
    assert ingest(capfd, data, "stop", "stations")[1] == "The feed 'stations' is stopped.\n"
    assert "stations  mqtt      stopped" in ingest(capfd, data, "feeds")[1]
    code, _, err = ingest(capfd, data, "push", "stations", good)
    assert code == 1 and "start it" in err
    assert ingest(capfd, data, "delete", "stations")[0] == 0


def test_wrong_files_are_named_before_the_hub_is_asked(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = file(tmp_path, "wrong.yaml", FEED + "nothing: 1\n")
    code, _, err = ingest(capfd, data, "add", wrong)
    assert code == 1 and "wrong.yaml" in err and "nothing" in err
    code, _, err = ingest(capfd, data, "add", str(tmp_path / "none.yaml"))
    assert code == 1 and "none.yaml" in err
    code, _, err = ingest(capfd, data, "show", "nobody")
    assert code == 1 and "There is no feed 'nobody'" in err
    assert ingest(capfd, data, "replay")[0] == 1


def test_devices(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = ingest(capfd, data, "device", "add", "rain-1", "name=城东雨量计", "interval_s=60", "--token", "--claim")
    assert code == 0 and "Its token, shown this once: chd_" in out, err
    key = out.rpartition(": ")[2].strip()
    assert ingest(capfd, data, "device", "claim", key, "--owner", "water")[1].startswith("The device 'urn:ngsi-ld:Device:rain-1' belongs to 'water' now.")
    code, _, err = ingest(capfd, data, "device", "claim", key)
    assert code == 1 and "403" in err
    assert "has version 3 now" in ingest(capfd, data, "device", "set", "rain-1", "name=城西雨量计", "interval_s=")[1]
    rows = file(tmp_path, "devices.csv", "编号,名称\nrain-2,城南\nrain 3,坏\n")
    code, out, _ = ingest(capfd, data, "device", "bulk", rows)
    assert code == 1 and out.startswith("1 devices were added, 1 rows were not:\n  row 2 (rain 3): 'id' must be")
    assert "2 devices: 2 never" in ingest(capfd, data, "devices")[1]
    assert "城西雨量计" in ingest(capfd, data, "device", "show", "rain-1")[1]
    assert ingest(capfd, data, "device", "token", "rain-1", "--rotate")[0] == 0
    code, _, err = ingest(capfd, data, "device", "command", "rain-1", "open")
    assert code == 1 and "no 'feed'" in err
    ingest(capfd, data, "device", "set", "rain-1", 'address={"poll": true}')
    code, out, _ = ingest(capfd, data, "device", "command", "rain-1", "open", "valve=1", "--no-wait")
    assert code == 0 and out.endswith(" queued\n")
    assert "open" in ingest(capfd, data, "device", "commands", "rain-1")[1]
    assert ingest(capfd, data, "device", "delete", "rain-1")[0] == 0


def test_without_a_running_hub_the_store_is_asked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    with hub(folder):
        assert main(["ingest", "add", file(tmp_path, "f.yaml", FEED), "--data", str(folder)]) == 0
    code, out, err = ingest(capfd, folder, "feeds")
    assert code == 0 and "stations" in out, err
    assert ingest(capfd, folder, "stop", "stations")[0] == 0
    code, _, err = call(capfd, "ingest", "feeds", "--data", str(tmp_path / "nowhere"))
    assert code == 1 and "where no hub has been yet" in err
