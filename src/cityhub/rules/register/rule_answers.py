"""A rule as the doors show it: its definition, who changed it, how it stands, and how often it was right."""

from __future__ import annotations

from typing import Any

import msgspec

from cityhub.model.ports import Document
from cityhub.registers.district_files import DistrictFiles
from cityhub.registers.versioned import present
from cityhub.rules.alerts.index import AlertIndex
from cityhub.rules.register.rules import RuleRegister
from cityhub.rules.rule import Rule
from cityhub.rules.sentinel_port import RuleState, Sentinel
from cityhub.web.http import Request

WRONG = frozenset(("failing", "refused"))


class RuleAnswers:
    """Makes the answers about rules.

    Args:
        register: The rules.
        sentinel: Knows how they stand.
        index: Knows their alerts.
        files: The district's rule files; None: none.
    """

    def __init__(self, register: RuleRegister, sentinel: Sentinel, index: AlertIndex, files: DistrictFiles[Rule] | None) -> None:
        self._register = register
        self._sentinel = sentinel
        self._index = index
        self._files = files

    async def all(self, request: Request) -> list[dict[str, Any]]:
        """Every rule, those that do not work first, then by id."""
        states = self._sentinel.states()
        shown = [self._shown(rule, states.get(rule.id)) for rule in self._register.all()]
        return sorted(shown, key=lambda one: one["status"]["state"] not in WRONG)

    async def one(self, id: str) -> dict[str, Any]:
        """One rule. Raises NotFound."""
        rule = self._register.get(id)
        return self._shown(rule, self._sentinel.states().get(id))

    def wrong(self) -> dict[str, RuleState]:
        """The rules that are failing or refused, by id."""
        known = {rule.id for rule in self._register.all() if rule.enabled}
        return {id: state for id, state in sorted(self._sentinel.states().items()) if id in known and state.state in WRONG}

    def _shown(self, rule: Rule, state: RuleState | None) -> dict[str, Any]:
        record = self._register.record(rule.id) or {}
        status: dict[str, Any] = {
            **msgspec.to_builtins(_state(rule, record, state)), "open": self._index.open_of(rule.id),
        }  # fmt: skip
        answer = {**present(record), "status": status, "precision": self._index.precision(rule.id)}
        if record["origin"]:
            differs = self._files is not None and rule.id in self._files.differing
            answer["district"] = {"file": record["origin"]["file"], "touched": record["touched"], "differs": differs}
        return answer


def _state(rule: Rule, record: Document, state: RuleState | None) -> RuleState:
    if not rule.enabled:
        return RuleState("stopped", f"Stopped by {record['by']}" if record["touched"] else "'enabled' is false")
    return state if state is not None else RuleState("waiting", "The process that runs the rules has not reported it yet")
