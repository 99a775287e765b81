"""One step of a case: its variables, its moment, what it may cost, and what it has passed. Nothing of SpiffWorkflow is known here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from cityhub.cases.bpmn.saying import Sayings, Script
from cityhub.cases.dmn import DecisionModel
from cityhub.cases.process_port import Passed
from cityhub.model.feel import Expression, compile_expression, to_json
from cityhub.model.feel.bounds import MAX_STEPS
from cityhub.model.feel.environment import weight
from cityhub.model.time import to_text

MAX_PASSED: Final = 2_000
"""Elements that one step may pass before it is taken for an endless loop."""
MAX_DATA: Final = 200_000
"""Bytes of a case's variables as JSON."""
MAX_MADE: Final = 300_000
"""Items and characters (each 64 of them) of the values that one step makes."""
MAX_WORK: Final = 5_000_000
"""Steps of FEEL of one step of a case."""
_AFTER: Final = compile_expression("date and time(from) + duration(length)")
_MOMENT: Final = compile_expression("date and time(text)")
_CYCLE: Final = re.compile(r"R(\d*)/(P.+)")


class Fault(Exception):
    """A process cannot go on: the element, and why."""

    def __init__(self, element: str, text: str) -> None:
        super().__init__(text)
        self.element = element
        self.text = text


class Place:
    """Where a step is. Attribute `element`: id of the element."""

    def __init__(self) -> None:
        self.element = ""

    def at(self, element: str) -> None:
        """Notes the element."""
        self.element = element


class FixedClock:
    """The moment of the step."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        """That moment."""
        return self._moment


class Decisions(msgspec.Struct, frozen=True):
    """What business rule tasks ask, by the id of the task: the model, the name of its decision, and the variable that it sets."""

    of_task: dict[str, tuple[DecisionModel, str, str]]


class Step:
    """What happens now.

    Attributes:
        data: The variables of the case.
        now: The moment, as `cityhub.model.time.to_text` writes it.
        passed: What was passed.
        outcome: Id of the end event that was passed last.
    """

    def __init__(
        self,
        sayings: Sayings,
        decisions: Decisions,
        data: dict[str, Any],
        moment: datetime,
        place: Place | None = None,
    ) -> None:
        self._place = place or Place()
        self.data = data
        self.now = to_text(moment)
        self.passed: list[Passed] = []
        self.outcome = ""
        self.details: dict[str, dict[str, Any]] = {}
        self._clock = FixedClock(moment)
        self._sayings = sayings
        self._decisions = decisions
        self._count = 0
        self._work = MAX_WORK
        self._made = 0

    def charge(self, element: str) -> None:
        """Counts an element that is passed; Fault beyond MAX_PASSED."""
        self._place.at(element)
        self._count += 1
        if self._count > MAX_PASSED:
            text = f"the process does not come to rest: more than {MAX_PASSED} elements were passed in one step"
            raise Fault(element, f"{text}; right would be a user task, an event or an end on each way round")

    def _value(self, element: str, expression: Expression, names: Mapping[str, Any]) -> tuple[Any, list[str]]:
        if self._work <= 0:
            raise Fault(element, "the expressions of one step cost more than they may; right would be shorter lists")
        value, warnings = expression.evaluate(names, self._clock, min(MAX_STEPS, self._work))
        self._work -= 100
        self._weigh(element, value)
        return value, warnings

    def _weigh(self, element: str, value: Any) -> None:
        """Counts what is made; Fault beyond MAX_MADE: memory is not to be filled before the end of the step looks at it."""
        self._made += weight(value)
        if self._made > MAX_MADE:
            raise Fault(element, "the values that one step makes need too much memory; right would be shorter lists and texts")

    def holds(self, gateway: str, flow: str, names: Mapping[str, Any]) -> bool:
        """Whether the condition of a flow is true; what is null is not."""
        expression = self._sayings.conditions[flow]
        value, warnings = self._value(gateway, expression, names)
        if value is True:
            detail = self.details.setdefault(gateway, {})
            detail.setdefault("conditions", []).append({"flow": flow, "condition": expression.text})
        elif warnings:
            self.details.setdefault(gateway, {}).setdefault("warnings", []).extend(warnings[:5])
        return value is True

    def script(self, element: str, names: dict[str, Any]) -> dict[str, Any]:
        """What a script sets."""
        script: Script = self._sayings.scripts[element]
        found: dict[str, Any] = {}
        for name, expression in script.assignments:
            value, warnings = self._value(element, expression, {**names, **found})
            found[name] = to_json(value)
            if warnings:
                self.details.setdefault(element, {}).setdefault("warnings", []).extend(warnings[:5])
        self.details.setdefault(element, {})["set"] = found
        return found

    def decide(self, element: str, names: dict[str, Any]) -> dict[str, Any]:
        """What a decision comes to, under the name of its result."""
        model, decision, result = self._decisions.of_task[element]
        outcome = model.evaluate(decision, names, self._clock)
        self._weigh(element, [outcome.value, *(step.inputs for step in outcome.steps)])
        value = to_json(outcome.value)
        last = outcome.steps[-1] if outcome.steps else None
        asked = {name for step in outcome.steps for match in step.matches for name in match.inputs}
        self.details[element] = {
            "decision": decision,
            "inputs": {name: to_json(step.inputs[name]) for step in outcome.steps for name in step.inputs},
            "tested": sorted(asked),
            "output": value,
            "rules": [
                {"decision": step.decision, "rules": list(match.rules), "ids": list(match.ids)}
                for step in outcome.steps
                for match in step.matches
            ],
            "warnings": list(outcome.warnings[:5]) if last is not None else ["the decision was not made"],
        }
        return {result: value}

    def items(self, element: str, names: dict[str, Any], most: int) -> list[Any]:
        """The list that an activity goes through; of a number, the numbers from 1."""
        value, warnings = self._value(element, self._sayings.items[element], names)
        value = to_json(value)
        if type(value) is int and 0 <= value <= most:
            return list(range(1, value + 1))
        if type(value) is not list:
            why = f" ({warnings[0]})" if warnings else ""
            raise Fault(element, f"what it goes through is no list{why}; right would be a list, or a number from 0 to {most}")
        if len(value) > most:
            raise Fault(element, f"it would run {len(value)} times; at most {most} are run")
        return value

    def result(self, element: str, names: dict[str, Any]) -> Any:
        """What one of several contributes."""
        expression = self._sayings.results.get(element)
        return names.get("result") if expression is None else to_json(self._value(element, expression, names)[0])

    def enough(self, element: str, names: dict[str, Any]) -> bool:
        """Whether the rest of several need not be done."""
        expression = self._sayings.untils.get(element)
        return expression is not None and self._value(element, expression, names)[0] is True

    def due(self, element: str, names: dict[str, Any]) -> str:
        """When a timer goes off."""
        text = self._timer_text(element, names)
        return self._after(element, text, self.now) if text.lstrip("-").startswith("P") else self._moment(element, text)

    def cycle(self, element: str, names: dict[str, Any]) -> tuple[int, str]:
        """How often a repeating timer goes off (-1: without end), and when first."""
        match = _CYCLE.fullmatch(self._timer_text(element, names))
        if match is None:
            raise Fault(element, "its cycle is none; right would be R3/PT10M or R/PT10M")
        return int(match[1]) if match[1] else -1, self._after(element, match[2], self.now)

    def next_in_cycle(self, element: str, last: str, names: dict[str, Any]) -> str:
        """When a repeating timer goes off after a moment."""
        match = _CYCLE.fullmatch(self._timer_text(element, names))
        following = self._after(element, match[2] if match else "", last)
        if following <= last:
            raise Fault(element, "its cycle takes no time; right would be a duration such as PT10M")
        return following

    def passed_over(self, last: str, following: str) -> str:
        """The first moment of a repeating timer that has not come yet, when those that were missed are passed over."""
        begin, length = datetime.fromisoformat(last), datetime.fromisoformat(following) - datetime.fromisoformat(last)
        missed = (datetime.fromisoformat(self.now) - begin) // length + 1
        return to_text(begin + missed * length)

    def _timer_text(self, element: str, names: dict[str, Any]) -> str:
        said = self._sayings.timers[element]
        if isinstance(said, str):
            return said
        value, warnings = self._value(element, said, names)
        text = to_json(value)
        if not isinstance(text, str):
            why = f" ({warnings[0]})" if warnings else ""
            raise Fault(element, f"its timer has no time{why}; right would be a duration, a date or a date and time")
        return text

    def _after(self, element: str, length: str, start: str) -> str:
        moment = to_json(_AFTER({"from": start, "length": length}))
        if not isinstance(moment, str):
            raise Fault(element, f"'{length}' is no duration; right would be PT2H or P3D")
        return self._moment(element, moment)

    def _moment(self, element: str, text: str) -> str:
        value = to_json(_MOMENT({"text": text}))
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            raise Fault(element, f"'{text}' is no date and time; right would be 2026-11-23T08:00:00+08:00") from None
        return to_text(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
