"""A running hub for tests over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.hub import Hub


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub with an empty store in a process of its own."""
    hub = Hub(tmp_path / "data")
    await hub.start()
    yield hub
    hub.stop()
