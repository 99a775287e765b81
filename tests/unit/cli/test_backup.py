"""Backup of a running hub and its restoration, by the commands that people use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.hub_process import ROOT, running_hub

ENTITY = {"id": "urn:ngsi-ld:Meter:1", "type": "Meter", "flow": {"type": "Property", "value": 1, "observedAt": "2026-11-23T06:00:00Z"}}
PAST = {"id": "urn:ngsi-ld:Meter:2", "type": "Meter", "flow": [{"type": "Property", "value": 7, "observedAt": "2020-01-01T00:00:00Z"}]}
LAST = {"timerel": "before", "timeAt": "2100-01-01T00:00:00Z"}


def cityhub(*arguments: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "CITYHUB_FEEDS": "false"}
    return subprocess.run([sys.executable, "-m", "cityhub", *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of a running hub with an entity, and another that only the history knows."""
    with running_hub(tmp_path / "one", "--no-feeds") as hub:
        assert httpx.post(f"{hub.url}/ngsi-ld/v1/entities", timeout=60, json=ENTITY).status_code == 201
        assert httpx.post(f"{hub.url}/ngsi-ld/v1/temporal/entities", timeout=60, json=PAST).status_code == 201
        done = cityhub("backup", "--data", tmp_path / "one", tmp_path / "saved.tar")
        assert done.returncode == 0, done.stderr
        assert "1 entities" in done.stdout
        httpx.delete(f"{hub.url}/ngsi-ld/v1/entities/{ENTITY['id']}", timeout=60)
    return tmp_path / "saved.tar"


def test_what_was_there_is_there_again(saved: Path, tmp_path: Path) -> None:
    done = cityhub("restore", "--data", tmp_path / "two", saved)
    assert done.returncode == 0, done.stderr
    with running_hub(tmp_path / "two", "--no-feeds") as hub:
        assert hub.get(f"/ngsi-ld/v1/entities/{ENTITY['id']}").json() == ENTITY
        for id, value in ((ENTITY["id"], 1), (PAST["id"], 7)):
            past = hub.get(f"/ngsi-ld/v1/temporal/entities/{id}", params=LAST).json()
            assert past["flow"][0]["value"] == value if isinstance(past["flow"], list) else past["flow"]["value"] == value


def test_a_hub_that_is_not_empty_is_kept(saved: Path, tmp_path: Path) -> None:
    refused = cityhub("restore", "--data", tmp_path / "one", saved)
    assert (refused.returncode, "not empty" in refused.stderr) == (1, True)
    assert cityhub("restore", "--data", tmp_path / "one", "--replace", saved).returncode == 0
    with running_hub(tmp_path / "one", "--no-feeds") as hub:
        assert hub.get(f"/ngsi-ld/v1/entities/{ENTITY['id']}").status_code == 200


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"no tar at all")
    refused = cityhub("restore", "--data", tmp_path / "two", tmp_path / "x.tar")
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", f"cityhub: {tmp_path / 'x.tar'} is no backup of a hub\n")
    absent = cityhub("backup", "--data", tmp_path / "nothing", tmp_path / "y.tar")
    assert (absent.returncode, "where no hub has been yet" in absent.stderr, (tmp_path / "y.tar").exists()) == (1, True, False)


def test_on_a_terminal_its_progress_is_shown(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    with running_hub(tmp_path / "one", "--no-feeds") as hub:
        assert httpx.post(f"{hub.url}/ngsi-ld/v1/entities", timeout=60, json=ENTITY).status_code == 201
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "CITYHUB_FEEDS": "false"}
    command = [sys.executable, "-m", "cityhub", "backup", "--data", str(tmp_path / "one"), str(tmp_path / "saved.tar")]
    code = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=60).returncode
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert code == 0
    assert "items" in shown
    assert (tmp_path / "saved.tar").is_file()
