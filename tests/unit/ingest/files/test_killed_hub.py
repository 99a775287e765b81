"""A hub that is killed in the middle of an import goes on with it when it runs again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.hub_process import HubProcess
from tests.unit.ingest.files.test_imports import PLAN, many

ROWS = 20_000


def client_of(hub: HubProcess) -> httpx.Client:
    return httpx.Client(base_url=hub.url, timeout=60, trust_env=False)


def count(client: httpx.Client) -> int:
    answer = client.get("/ngsi-ld/v1/entities", params={"type": "Device", "limit": 0, "count": "true"})
    return int(answer.headers["ngsild-results-count"])


@pytest.mark.slow
def test_every_row_comes_in_once(tmp_path: Path) -> None:
    with HubProcess(tmp_path) as hub, client_of(hub) as client:
        file = client.post("/api/imports/files?name=a.csv", content=many(ROWS)).json()["id"]
        while client.get(f"/api/imports/files/{file}?wait=10").json()["state"] == "reading":
            pass
        id = client.post("/api/imports", json={"file": file, "plan": PLAN}).json()["id"]
        while not count(client):
            time.sleep(0.05)
        hub.kill()
    with HubProcess(tmp_path) as hub, client_of(hub) as client:
        job: dict[str, Any] = {"state": "running"}
        while job["state"] in ("waiting", "running"):
            time.sleep(0.2)
            job = client.get(f"/api/imports/{id}").json()
        assert (job["state"], job["rows"], job["refused"], count(client)) == ("done", ROWS, 0, ROWS), job
        assert job["same"] == job["late"] == 0
