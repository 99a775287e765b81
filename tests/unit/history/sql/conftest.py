"""Statements over a small lake."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lake_sample import Ask, Sample, asker, city


@pytest.fixture
def lake(tmp_path: Path) -> Sample:
    return city(tmp_path)


@pytest.fixture
def ask(lake: Sample) -> Ask:
    """Runs a statement and gives its rows."""
    return asker(lake)
