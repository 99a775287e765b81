"""A store with one station in it, as a feed writes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cityhub.context.intake import StoreIntake
from cityhub.model.entity import DEFAULT_VOCAB, NGSI_LD
from cityhub.model.ports import EntityUpdate
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import SqliteStore, open_sqlite

STATION = "urn:ngsi-ld:Station:7"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await open_sqlite(tmp_path, SystemClock())
    level = {"type": "Property", "value": 2.5, "observedAt": "2026-11-01T00:00:00.000000Z"}
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}}
    attributes = {DEFAULT_VOCAB + "level": [level], NGSI_LD + "location": [place]}
    await StoreIntake(opened).take("", [EntityUpdate(STATION, [DEFAULT_VOCAB + "Station"], attributes)])
    yield opened
    await opened.close()
