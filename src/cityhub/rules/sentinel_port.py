"""The port between the hub's register of rules and the process that follows the journal for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from cityhub.rules.rule import Rule, Severity


class Signal(msgspec.Struct, frozen=True, array_like=True):
    """What a rule has to say of one subject: each is a step of one alert.

    Attributes:
        rule: Its id.
        version: Its version.
        tenant: The tenant.
        subject: Id of the entity, or of the group as "<attribute>=<value>".
        entities: Ids of the entities that it was worked out of, at most 100, the subject's own first.
        alert: Id of the alert: the same whenever the same entries are read again.
        step: Place among the alert's steps, from 0; a step that is known already changes nothing.
        kind: "raised", "changed" (another severity), "cleared".
        severity: Of the alert from now on; of a cleared one the last.
        at: When it came to be so, by the observations' own time, RFC 3339 UTC.
        position: Of the journal's entry that made it so.
        inputs: The values that the condition saw, by name; the observations' times stand beside them as "<name> at".
        condition: The FEEL expression that became true.
        location: GeoJSON geometry of the subject; None: unknown.
    """

    rule: str
    version: int
    tenant: str
    subject: str
    entities: list[str]
    alert: str
    step: int
    kind: Literal["raised", "changed", "cleared"]
    severity: Severity
    at: str
    position: int
    inputs: dict[str, Any]
    condition: str
    location: dict[str, Any] | None = None


class RuleState(msgspec.Struct, frozen=True, rename="camel"):
    """How a rule stands.

    Attributes:
        state: "running"; "failing": its last evaluation failed, or one of the last hundred; "refused": it cannot be compiled;
            "stopped": it is not enabled; "waiting": the process that runs it is not there.
        detail: Why, for its owner; "" when all is well.
        failing_since: RFC 3339 UTC; "" when it does not fail.
        evaluated: Evaluations since it was started.
        failed: Those of them that failed.
        subjects: Subjects that it knows.
        open: Alerts of it that are open.
        last_at: When it was evaluated last, RFC 3339 UTC; "" never.
        lag_s: How far behind the journal its reader is.
    """

    state: Literal["running", "failing", "refused", "stopped", "waiting"] = "stopped"
    detail: str = ""
    failing_since: str = ""
    evaluated: int = 0
    failed: int = 0
    subjects: int = 0
    open: int = 0
    last_at: str = ""
    lag_s: float = 0.0


class Trial(msgspec.Struct, frozen=True, rename="camel"):
    """What a rule would have said of the past: nothing of it is kept.

    Attributes:
        signals: In the order of their times, at most 1,000.
        raised: How many alerts it would have raised in all.
        observations: How many it read.
        problems: Why evaluations failed, each reason once with the entity.
        took_s: How long it took.
    """

    signals: list[Signal]
    raised: int
    observations: int
    problems: list[str]
    took_s: float


class Trace(msgspec.Struct, frozen=True, rename="camel"):
    """The way of one subject through a rule, as it stands now.

    Attributes:
        watched: Whether the rule looks at it, and why not.
        values: Its attributes and figures by name; null: missing.
        levels: Of each level "severity", "condition" (true, false or null), "holdsSince", "clear", and "parts": the condition's parts
            with the value of each.
        alert: Id of its open alert; "".
        problems: Why something could not be worked out.
    """

    watched: str
    values: dict[str, Any]
    levels: list[dict[str, Any]]
    alert: str
    problems: list[str]


Hearing = Callable[[Sequence[Signal], int], Awaitable[None]]
"""Takes signals in their order, and how far the journal was read for them; returns when they are durable."""


class Sentinel(Protocol):
    """The process that follows the journal for the rules."""

    async def arrange(self, rules: Sequence[Rule]) -> None:
        """Runs exactly these rules from now on; one whose version is as before keeps its state."""

    async def check(self, rule: Rule) -> list[str]:
        """What is wrong with a rule, each with its place and what would be right; empty: it can run."""

    async def trial(self, rule: Rule, start: str, end: str) -> Trial:
        """What a rule would have said between two moments of the history. Raises BadRequestData for a rule that is wrong."""

    async def trace(self, rule: str, entity: str) -> Trace:
        """The way of an entity through a rule that runs. Raises NotFound."""

    def states(self) -> Mapping[str, RuleState]:
        """How each rule stands, by id."""
