"""A hub that is killed in the middle of an import goes on with it when it runs again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.ingest.files.test_imports import PLAN, many

ROWS = 60_000


def begun(data: Path) -> tuple[subprocess.Popen[str], httpx.Client]:
    """A hub that runs, and a client of it."""
    command = [sys.executable, "-m", "cityhub", "run", "--dev", "--port", "0", "--no-feeds", "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["port"]
    return process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)


def count(client: httpx.Client) -> int:
    answer = client.get("/ngsi-ld/v1/entities", params={"type": "Device", "limit": 0, "count": "true"})
    return int(answer.headers["ngsild-results-count"])


@pytest.mark.slow
def test_every_row_comes_in_once(tmp_path: Path) -> None:
    process, client = begun(tmp_path)
    try:
        with client:
            file = client.post("/api/imports/files?name=a.csv", content=many(ROWS)).json()["id"]
            while client.get(f"/api/imports/files/{file}?wait=10").json()["state"] == "reading":
                pass
            id = client.post("/api/imports", json={"file": file, "plan": PLAN}).json()["id"]
            while not count(client):
                time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        process, client = begun(tmp_path)
        with client:
            job: dict[str, Any] = {"state": "running"}
            while job["state"] in ("waiting", "running"):
                time.sleep(0.2)
                job = client.get(f"/api/imports/{id}").json()
            assert (job["state"], job["rows"], job["refused"], count(client)) == ("done", ROWS, 0, ROWS), job
            assert job["same"] == job["late"] == 0
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
