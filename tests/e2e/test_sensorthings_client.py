"""The SensorThings door with a client that others wrote: Fraunhofer's FROST client for Python."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import orjson
import pytest

from tests.e2e.hub_process import running_hub


@pytest.mark.skipif(find_spec("frost_sta_client") is None, reason="needs the development requirement frost_sta_client")
def test_frost_client_makes_reads_changes_and_deletes(tmp_path: Path) -> None:
    with running_hub(tmp_path, "--no-feeds") as hub:
        program = Path(__file__).with_name("frost_client.py")
        done = subprocess.run([sys.executable, str(program), f"{hub.url}/sta/v1.1"], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert orjson.loads(done.stdout.splitlines()[-1]) == {
        "thing": "Meter 7", "description": "A meter that was read", "floor": 4,
        "location": {"type": "Point", "coordinates": [108.77, 29.53]}, "datastream": "Warmth", "results": [24, 23], "count": 5, "pages": 5,
        "left": 0,
    }  # fmt: skip
