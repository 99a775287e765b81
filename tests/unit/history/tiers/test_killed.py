"""A move that is killed anywhere leaves all data, and nothing else once it has run again and cleaned up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.history.tiers.tiered import checksum, make_lake

EVERYWHERE = 1
HERE_AND_THERE = 13


@pytest.mark.parametrize("step", [HERE_AND_THERE, pytest.param(EVERYWHERE, marks=pytest.mark.slow)])
def test_killed_at_any_step(tmp_path: Path, step: int) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    catalog = make_lake(folder)
    before = [str(part) for part in checksum(catalog)]
    catalog.close()
    root = Path(__file__).parents[4]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("killed.py")), str(folder), "1", str(step)],
        env=os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    *killed, ended = [line.split() for line in run.stdout.splitlines()]
    assert ended[1:3] == ["ended", "0"], run.stderr
    assert len(killed) >= 25 // step, run.stdout
    for line in killed:
        assert line[1:] == ["killed", *before, *before, "0", "cold,cold,hot,hot,warm"]
