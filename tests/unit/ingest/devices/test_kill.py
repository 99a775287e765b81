"""What a hub has acknowledged of devices is there after it was killed: the device, its token, and the command that waits for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.hub_process import HubProcess


@contextlib.contextmanager
def killed_hub(data: Path) -> Iterator[httpx.Client]:
    """A hub that is killed at the end of the block."""
    with HubProcess(data) as hub, httpx.Client(base_url=hub.url, trust_env=False, timeout=60) as client:
        yield client
        hub.kill()


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
