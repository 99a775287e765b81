"""Limits as a district writes them down: how long may pass between which events, and by which rule of law.

Source: `cases/limits.yaml` of the district; each entry names its article, or that the district made it up.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from cityhub.cases.deadlines.hours import Counting, Span, Unit
from cityhub.model.errors import BadRequestData
from cityhub.model.feel import Expression, compile_expression

MOST_LIMITS: Final = 500
Relation = Literal["at most", "at least", "opens"]
"""What must hold of the time between the two events: no more than the span; no less; or, when it is more, a task opens."""


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A limit.

    Attributes:
        id: Letters, digits, "-" and ".".
        title: By language.
        start: Names of the events that start its clock: "opened", "graded", "<step>.entered", "<step>.left", or a milestone.
        end: Names of the events that stop it.
        amount: How long; None: not set, and then the limit does not apply. Empty where the law is not known (RX-01).
        amount_from: Path of the variable of the process that has it ("limits.handleHours"), where a decision works it out; "": `amount`.
        unit: Of the amount.
        counting: By the clock or while people work.
        rule: Id of the rule of law; "": the district's own.
        article: Where it stands.
        kinds: Of cases; empty: all. One that ends in "*" is a beginning.
        grades: Of cases; empty: all.
        when: FEEL expression over the case's variables with "kind" and "grade"; "": always.
        relation: What must hold.
        opens: Of the relation "opens": name of the task, by language, and "department".
        pausable: Whether its clock stands still while the process waits for the reporter.
        extendable: Whether it may be extended with an approval.
        decides: Whether a case that broke it is not on time.
        once: Whether only the first such event counts; otherwise each round has a clock of its own.
        note: What is to be known of it, by language.
    """

    id: str
    title: dict[str, str]
    start: list[str]
    end: list[str]
    amount: float | None = None
    amount_from: str = ""
    unit: Unit = "hour"
    counting: Counting = "clock"
    rule: str = ""
    article: str = ""
    kinds: list[str] = []
    grades: list[str] = []
    when: str = ""
    relation: Relation = "at most"
    opens: dict[str, str] = {}
    pausable: bool = False
    extendable: bool = False
    decides: bool = True
    once: bool = True
    note: dict[str, str] = {}


class Limits:
    """The limits of a district.

    Args:
        limits: Each id once.

    Raises:
        BadRequestData: An id stands twice, an amount is not positive, or an expression is wrong.
    """

    def __init__(self, limits: list[Limit]) -> None:
        if len(limits) > MOST_LIMITS:
            raise BadRequestData(f"A district has at most {MOST_LIMITS} limits")
        self.all: Final = limits
        self._conditions: dict[str, Expression] = {}
        for limit in limits:
            self._check(limit)
        self.by_id: Final = {limit.id: limit for limit in limits}
        if len(self.by_id) < len(limits):
            raise BadRequestData("Each limit needs an id of its own")

    def _check(self, limit: Limit) -> None:
        if limit.amount is not None and limit.amount <= 0:
            raise BadRequestData(f"Limit '{limit.id}': 'amount' must be more than 0, or be left out")
        if not limit.start or not limit.end:
            raise BadRequestData(f"Limit '{limit.id}' needs events at 'start' and 'end'")
        if limit.when:
            self._conditions[limit.id] = compile_expression(limit.when)

    def applies(self, limit: Limit, kind: str, grade: str, data: dict[str, Any]) -> bool:
        """Whether a limit applies to a case of a kind and grade with such variables."""
        if limit.kinds and not any(_fits(kind, wanted) for wanted in limit.kinds):
            return False
        if limit.grades and grade not in limit.grades:
            return False
        condition = self._conditions.get(limit.id)
        return condition is None or condition({**data, "kind": kind, "grade": grade}) is True

    def span(self, limit: Limit, data: dict[str, Any]) -> Span | None:
        """How long it is for a case with such variables; None: it is not set."""
        amount = _found(data, limit.amount_from) if limit.amount_from else limit.amount
        if not isinstance(amount, int | float) or isinstance(amount, bool) or amount <= 0:
            amount = limit.amount
        return None if amount is None else Span(float(amount), limit.unit, limit.counting)


def _found(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _fits(kind: str, wanted: str) -> bool:
    return kind.startswith(wanted[:-1]) if wanted.endswith("*") else kind == wanted
