"""The feeds' process tells of itself in the form of the hub's log."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from cityhub.ingest import player


def test_a_district_that_is_not_there_is_one_line_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    try:
        assert player.main(["--url", "http://127.0.0.1:9", "--district", str(tmp_path / "none"), "--log-format", "json"]) == 1
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
        logging.captureWarnings(False)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert set(told) == {"time", "level", "logger", "message"}
    assert (told["level"], told["logger"]) == ("error", "cityhub.ingest")
    assert "none" in told["message"]
