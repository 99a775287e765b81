"""The import contracts cover every room that exists."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
OPEN = {"model", "settings", "web", "registers", "cli", "hub", "historian", "gateway", "response", "sentinel", "caseworker", "apps", "__main__"}
"""What may be imported from above without a port."""


def existing() -> set[str]:
    """Packages and modules directly under `cityhub`; a folder without Python files is none."""
    top = ROOT / "src/cityhub"
    return {path.parent.name for path in top.glob("*/__init__.py")} | {path.stem for path in top.glob("*.py")} - {"__init__"}


def test_every_room_is_protected() -> None:
    (protected,) = [contract for contract in CONTRACTS if contract["type"] == "protected"]
    assert {f"cityhub.{room}" for room in existing() - OPEN} == set(protected["protected_modules"])


def test_applications_are_independent_as_soon_as_there_is_one() -> None:
    if any((ROOT / "src/cityhub/apps").glob("*/__init__.py")):
        assert any(contract["type"] == "independence" and contract["modules"] == ["cityhub.apps.*"] for contract in CONTRACTS)
