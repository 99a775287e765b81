"""The rules of the hub: the current definition of each, and every earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cityhub.model.ports import Store
from cityhub.registers.district_files import DistrictFiles
from cityhub.registers.versioned import Kind, VersionedRegister
from cityhub.rules.register.definition import MOST_BYTES, read_rule
from cityhub.rules.rule import Rule
from cityhub.rules.sentinel_port import Sentinel

RULES: Final = "rule"
MOST_RULES: Final = 2_000
FILES: Final = "rules/*.yaml"


class RuleRegister(VersionedRegister[Rule]):
    """The register of rules.

    Args:
        store: Where the records are kept.
        sentinel: What runs the rules; it hears of every change.
    """

    def __init__(self, store: Store, sentinel: Sentinel) -> None:
        super().__init__(Kind("rule", RULES, Rule, MOST_RULES), store, sentinel.arrange)


def rule_files(folder: Path, register: RuleRegister) -> DistrictFiles[Rule]:
    """The rule files of a district's folder."""
    return DistrictFiles(folder, FILES, lambda _, content: read_rule(content), register, MOST_BYTES)
