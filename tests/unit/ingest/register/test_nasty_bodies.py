"""No body makes a door fail: what is wrong is answered 4xx."""

from __future__ import annotations

import itertools
import re
from typing import Any

import orjson

from tests.unit.ingest.devices.test_device_api import BODY
from tests.unit.ingest.register.conftest import Hub
from tests.unit.ingest.register.test_feed_api import TANK

VALUES: tuple[Any, ...] = (None, True, -1, 1e308, "", "x\u0000y", "字" * 3000, [], [None], [[1]], {}, {"a": {"b": [1, None]}})
DEEP = b'{"feed":' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}"
MEMBERS = {
    "/api/feeds": TANK, "/api/feeds/{id}": TANK, "/api/feeds/trial": {"feed": TANK, "sample": "{}", "about": {}, "format": ""},
    "/api/dead-letters/{id}": {"body": "x"}, "/api/dead-letters/replay": {"ids": [], "feed": "tank", "stage": "map"},
    "/api/dead-letters/delete": {"ids": [], "feed": "tank", "stage": "map"},
    "/api/devices": {**BODY, "wanted": {"firmware": "1"}, "address": {}, "token": True, "claimKey": True, "batteryLevel": 1, "dateInstalled": "x", "macAddress": []},
    "/api/devices/bulk": {"devices": [BODY]}, "/api/devices/claim": {"key": "x" * 20, "owner": "x"},
    "/api/devices/{id}": BODY, "/api/devices/{id}/credentials": {"expiresAt": "2027-01-01T00:00:00Z", "rotate": True, "graceS": 1},
    "/api/devices/{id}/commands": {"name": "x", "parameters": {}, "timeoutS": 1, "validS": 1},
    "/api/device/commands/{command}": {"ok": True, "value": 1, "detail": ""},
    "/api/device/report": {"firmwareVersion": "1", "batteryLevel": 1, "configuration": {}},
}  # fmt: skip


async def test_no_body_makes_a_door_fail(hub: Hub) -> None:
    async with hub.client() as client:
        assert (await client.post("/api/feeds", json=TANK)).status_code == 201
        made = await client.post("/api/devices", json={**BODY, "id": "tank", "token": True})
        headers = {"authorization": f"Bearer {made.json()['token']}"}
        for route in hub.registers.routes():
            if route.method not in ("POST", "PUT", "PATCH"):
                continue
            path = re.sub(r"\{\w+\}", "tank", route.path)
            known = MEMBERS.get(route.path, {})
            bodies = [DEEP, b"", b"{", b"\xff", *map(orjson.dumps, VALUES)]
            bodies += [orjson.dumps({**known, name: value}) for name, value in itertools.product(known, VALUES)]
            for body in bodies:
                answer = await client.request(route.method, path, content=body, headers=headers if "/device/" in path else {})
                assert answer.status_code < 500, (route.method, path, body[:300], answer.text)
