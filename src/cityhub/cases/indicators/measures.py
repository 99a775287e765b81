"""The indicators of cases: pure, from the faces that are written in the transaction of each step, so that they are exact.

A case counts in the span of time in which it was closed. With `by` department it counts for the one in charge; the steps count for
the department whose tasks they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import median
from typing import Any, Final, Literal

import msgspec

By = Literal["department", "kind"]
WORK: Final = ("accept", "dispatch", "handle", "feedback", "check", "close")
"""The steps that are shown first; further ones of other processes stand behind them."""


class Definition(msgspec.Struct, frozen=True):
    """What an indicator is.

    Attributes:
        id: Its member in an answer.
        title: By language.
        formula: By language.
        unit: UN/CEFACT code: "C62" a ratio or a count, "HUR" hours.
        source: Where it comes from.
    """

    id: str
    title: dict[str, str]
    formula: dict[str, str]
    unit: str
    source: str


_OWN: Final = "issue of the hub; stations as in GB/T 30428 and CJ/T 315-2009"
DEFINITIONS: Final = (
    Definition("closed", {"zh": "结案数", "en": "Closed cases"}, {"zh": "期内结案的案件数", "en": "cases closed in the span"}, "C62", _OWN),
    Definition(
        "onTimeRate", {"zh": "按期结案率", "en": "On-time rate"},
        {"zh": "各时限均未超期的结案数 ÷ 结案数", "en": "closed cases that kept every limit ÷ closed cases"}, "C62", _OWN,
    ),
    Definition(
        "firstTimeFix", {"zh": "一次办结率", "en": "First-time fix"},
        {"zh": "未退回、未重开的结案数 ÷ 结案数", "en": "closed cases never returned and never reopened ÷ closed cases"}, "C62", _OWN,
    ),
    Definition(
        "reopenRate", {"zh": "重开率", "en": "Reopen rate"},
        {"zh": "曾经重开的结案数 ÷ 结案数", "en": "closed cases that were reopened ÷ closed cases"}, "C62", _OWN,
    ),
    Definition(
        "medianHours", {"zh": "各环节用时中位数", "en": "Median time of each step"},
        {"zh": "已结案件各环节（从任务产生到完成）用时的中位数", "en": "median over closed cases' steps, from a task's opening to its end"},
        "HUR", _OWN,
    ),
)  # fmt: skip


class Finished(msgspec.Struct, frozen=True):
    """A closed case, as far as indicators need it.

    Attributes:
        kind: Its kind.
        departments: Those that handled it, the one in charge first.
        on_time: Whether every limit was kept.
        rounds: 1, and one more after each reopening.
        steps: {"step", "from", "to", "department", "outcome", "round"} of each, as on the face.
    """

    kind: str
    departments: list[str]
    on_time: bool
    rounds: int
    steps: list[dict[str, Any]]

    @property
    def returned(self) -> bool:
        """Whether any step gave it back."""
        return any(step["outcome"] == "return" for step in self.steps)


def figures(cases: Iterable[Finished], by: By) -> list[dict[str, Any]]:
    """The indicators of each department or kind, by its id; "" stands for cases without one."""
    groups: dict[str, list[Finished]] = {}
    for case in cases:
        key = case.kind if by == "kind" else next(iter(case.departments), "")
        groups.setdefault(key, []).append(case)
    hours = _hours([case for group in groups.values() for case in group], by)
    for key in hours:
        groups.setdefault(key, [])
    return [{by: key, **_of(groups[key], hours.get(key, {}))} for key in sorted(groups)]


def _of(cases: list[Finished], hours: Mapping[str, list[float]]) -> dict[str, Any]:
    count = len(cases)
    ordered = sorted(hours, key=lambda step: (WORK.index(step) if step in WORK else len(WORK), step))
    return {
        "closed": count,
        "onTimeRate": _share(sum(case.on_time for case in cases), count),
        "firstTimeFix": _share(sum(case.rounds == 1 and not case.returned for case in cases), count),
        "reopenRate": _share(sum(case.rounds > 1 for case in cases), count),
        "medianHours": {step: round(median(hours[step]), 4) for step in ordered},
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _hours(cases: list[Finished], by: By) -> dict[str, dict[str, list[float]]]:
    """How long each step took, by group and step."""
    found: dict[str, dict[str, list[float]]] = {}
    for case in cases:
        for step in case.steps:
            key = case.kind if by == "kind" else step["department"] or next(iter(case.departments), "")
            took = datetime.fromisoformat(step["to"]) - datetime.fromisoformat(step["from"])
            found.setdefault(key, {}).setdefault(step["step"], []).append(took.total_seconds() / 3600)
    return found
