"""The first district and its simulated world, read once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cityhub.ingest.district import District, read_district
from cityhub.ingest.live import build_world
from cityhub.ingest.simulation.world import World

FOLDER = Path(__file__).parents[3] / "districts" / "qianjiang"
JULY = datetime(2026, 7, 23, 6, tzinfo=UTC)


@pytest.fixture(scope="session")
def district() -> District:
    return read_district(FOLDER)


@pytest.fixture
def world(district: District) -> World:
    return build_world(district, 7, JULY)
