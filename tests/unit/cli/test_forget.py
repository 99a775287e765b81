"""`cityhub forget` on a hub that does not run: asked for --yes, then what it was told is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cityhub.cli.commands import main

PERSON = "urn:ngsi-ld:Person:1"


def test_it_asks_first_and_then_forgets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = tmp_path / "items.json"
    items.write_text(json.dumps([{"id": PERSON, "type": "Person", "name": {"type": "Property", "value": "Li"}}]), "utf-8")
    data = ["--data", str(tmp_path / "data")]
    assert main(["load", str(items), *data]) == 0
    capsys.readouterr()
    assert main(["forget", PERSON, *data]) == 1
    assert "--yes" in capsys.readouterr().err
    assert main(["forget", PERSON, "--yes", *data]) == 0
    out = capsys.readouterr().out
    assert "It is no entity any more; 1 observations and 1 versions" in out
    assert main(["forget", PERSON, "--yes", *data]) == 0
    assert "It was no entity now; 0 observations and 0 versions" in capsys.readouterr().out
