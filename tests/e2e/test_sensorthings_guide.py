"""The commands of the SensorThings guide do what the page says, on a hub with its feeds playing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.hub_process import ROOT, running_hub

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")]

BLOCKS = re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs" / "sensorthings.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
GAUGES = "/sta/v1.1/Things?$filter=startswith(id,'urn:ngsi-ld:WaterObserved:500114')"


def test_every_command_of_the_guide_works(tmp_path: Path) -> None:
    outputs: list[str] = []
    with running_hub(tmp_path) as hub:
        hub.wait_until(lambda status: hub.get(GAUGES).json()["value"] and hub.get("/sta/v1.1/Observations?$top=1").status_code == 200, 60)
        for block in BLOCKS:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block], env={**os.environ, "HUB": hub.url}, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            outputs.append(done.stdout)
    root, gauges, levels, places, thing, observations, entity = outputs
    assert '"name":"Things"' in root
    assert '"symbol":"m"' in gauges and '"result":' in gauges
    assert '"@iot.count":' in levels
    assert '"name":' in places
    assert "201 Created" in thing
    assert observations.count("19.5") >= 2 and "20.4" in observations
    assert "20.4" in entity and '"unitCode":"CEL"' in entity
