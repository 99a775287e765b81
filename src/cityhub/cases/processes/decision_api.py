"""The doors under `/api/decisions`: decisions that stand alone are checked and tried."""

from __future__ import annotations

from typing import Final

import msgspec

from cityhub.cases.process_port import DecisionEngine
from cityhub.model.errors import BadRequestData
from cityhub.model.time import Clock, to_text
from cityhub.registers.questions import object_of, text_of
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/decisions"
READ: Final = "process.read"
MOST_DMN: Final = 1_000_000
MOST_INPUTS: Final = 1_000


class DecisionApi:
    """The doors of decisions.

    Args:
        engine: What checks and makes them.
        clock: What `now()` says where no moment is given.
    """

    def __init__(self, engine: DecisionEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [
            Route("POST", f"{PREFIX}/check", self._check, READ, "Check Decisions", tag="processes"),
            Route("POST", f"{PREFIX}/evaluate", self._evaluate, READ, "Evaluate Decision", tag="processes"),
        ]

    async def _check(self, request: Request) -> Response:
        body = object_of(request, ("dmn",))
        findings = await self._engine.check_decisions(text_of(body, "dmn", needed=True, most=MOST_DMN))
        return json_response({"findings": msgspec.to_builtins(findings), "grave": any(finding.grave for finding in findings)})

    async def _evaluate(self, request: Request) -> Response:
        body = object_of(request, ("dmn", "decision", "inputs"))
        inputs = body.get("inputs", {})
        if not isinstance(inputs, dict) or len(inputs) > MOST_INPUTS:
            raise BadRequestData(f"'inputs' must be an object with at most {MOST_INPUTS} members: the values by their names")
        dmn, decision = text_of(body, "dmn", needed=True, most=MOST_DMN), text_of(body, "decision", needed=True)
        outcome = await self._engine.evaluate(dmn, decision, inputs, to_text(self._clock.now()))
        return json_response({"decision": decision, **msgspec.to_builtins(outcome)})
