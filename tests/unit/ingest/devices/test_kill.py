"""What a hub has acknowledged of devices is there after it was killed: the device, its token, and the command that waits for it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx


@contextlib.contextmanager
def killed_hub(data: Path) -> Iterator[httpx.Client]:
    """A hub that is killed at the end of the block."""
    command = [sys.executable, "-m", "cityhub", "run", "--dev", "--port", "0", "--no-feeds", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            with httpx.Client(base_url=json.loads(process.stdout.readline())["url"], trust_env=False) as client:
                yield client
        finally:
            process.send_signal(signal.SIGKILL)


def test_a_command_outlasts_the_hub(tmp_path: Path) -> None:
    with killed_hub(tmp_path) as client:
        token = client.post("/api/devices", json={"id": "pump", "address": {"poll": True}, "token": True}).json()["token"]
        given = client.post("/api/devices/pump/commands", json={"name": "open"}).json()
    device = {"Authorization": f"Bearer {token}"}
    with killed_hub(tmp_path) as client:
        (waiting,) = client.get("/api/device/commands", headers=device).json()["commands"]
        assert waiting["id"] == given["id"]
    with killed_hub(tmp_path) as client:
        (again,) = client.get("/api/device/commands", headers=device).json()["commands"]
        assert again["id"] == given["id"], "it was sent, and nobody knows whether it arrived"
        assert client.post(f"/api/device/commands/{given['id']}", headers=device, json={}).status_code == 204
    with killed_hub(tmp_path) as client:
        assert client.get(f"/api/devices/pump/commands/{given['id']}").json()["state"] == "acknowledged"
