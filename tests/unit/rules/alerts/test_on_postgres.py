"""Alerts on PostgreSQL: the same transitions, the same once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from cityhub.storage.postgres import open_postgres
from tests.unit.rules.alerts.conftest import ALERT, OPENS, START, Hub, SetClock, heard_by, rule, signal

pytestmark = pytest.mark.postgres


@pytest.fixture
async def hub(postgres_url: str, tmp_path: Path) -> AsyncIterator[Hub]:
    clock = SetClock()
    store = await open_postgres(postgres_url, clock)
    made = Hub(store, clock, tmp_path)
    await made.attention.start()
    yield made
    await made.attention.stop()
    await store.close()


async def test_an_alert_lives_its_life(hub: Hub) -> None:
    await hub.gauge()
    await hub.add(rule(opens=OPENS, **heard_by()))
    await hub.hear(signal(), signal(1, "changed", "red", minutes=5))
    await hub.hear(signal(), signal(1, "changed", "red", minutes=5))
    await hub.reacted()
    assert sorted(notice["key"] for notice in await hub.notices.all(hub.store)) == [f"{ALERT}#red", f"{ALERT}#yellow"]
    assert ALERT in hub.cases.cases
    for _ in range(2):
        taken = await hub.ask("POST", f"/api/alerts/{ALERT}/acknowledge", {"note": "在看"})
    assert (taken["state"], len(taken["deeds"]), [one["step"] for one in taken["steps"]]) == ("acknowledged", 1, [0, 1])
    await hub.hear(signal(2, "cleared", "red", minutes=9))
    await hub.ask("POST", f"/api/alerts/{ALERT}/false")
    await hub.ask("POST", f"/api/alerts/{ALERT}/close", expect=409)
    assert (await hub.ask("GET", "/api/rules/rain"))["precision"] == {"closed": 0, "false": 1, "value": 0.0}
    again = hub.built(None)
    await again.index.load(hub.store)
    assert again.index.precision("rain")["value"] == 0.0


async def test_a_window_lets_go(hub: Hub) -> None:
    await hub.add(rule())
    window = {"id": "w1", "title": "检修", "from": "2026-07-23T06:00:00Z", "to": "2026-07-23T07:00:00Z", "rules": ["rain"]}
    await hub.ask("POST", "/api/maintenance", window, 201)
    await hub.hear(signal())
    assert (await hub.ask("GET", f"/api/alerts/{ALERT}"))["state"] == "suppressed"
    hub.clock.moment = START + timedelta(hours=2)
    await hub.attention.sweep()
    assert (await hub.ask("GET", f"/api/alerts/{ALERT}"))["state"] == "open"
