"""The quick start's commands do what the page says, on a hub with its feeds playing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.hub_process import ROOT, running_hub

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")]

BLOCKS = re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs" / "quickstart.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_every_command_of_the_quick_start_works(tmp_path: Path) -> None:
    outputs: list[str] = []
    with running_hub(tmp_path) as hub:
        for block in BLOCKS:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block], env={**os.environ, "HUB": hub.url}, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            outputs.append(done.stdout)
    health, _, _, asked, was, heard, subscription, batch, behind, _ = outputs
    assert '"status":"up"' in health
    assert asked.count('"urn:ngsi-ld:WaterMeter:quickstart-1"') == 3
    assert '"flow":31' in asked
    assert "[12.5," in was
    assert was.count("WaterMeter:quickstart-1") == 1
    assert heard.count("data: ") >= 2
    assert '"urn:ngsi-ld:Subscription:quickstart"' in subscription
    assert '"success":["urn:ngsi-ld:WaterMeter:quickstart-2"]' in batch
    assert "'id' must be a URI" in batch
    assert '"reader":"subscriptions"' in behind
    assert "cityhub_requests_total" in behind
