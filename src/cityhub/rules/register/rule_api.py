"""The doors under `/api/rules`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.model.errors import BadRequestData, StoreUnavailable
from cityhub.registers.questions import object_of, text_of
from cityhub.registers.versioned_api import VersionedDoors
from cityhub.rules.maintenance.window import moment
from cityhub.rules.register.definition import read_rule, rule_of
from cityhub.rules.register.rule_answers import RuleAnswers
from cityhub.rules.register.rules import RuleRegister
from cityhub.rules.rule import Rule
from cityhub.rules.sentinel_port import Sentinel, Trial
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/rules"
READ: Final = "rule.read"
WRITE: Final = "rule.write"
MOST_PROBLEMS: Final = 20


class RuleApi:
    """The doors of rules.

    Args:
        register: The rules.
        answers: How they are shown.
        sentinel: What runs, checks and tries them.
    """

    def __init__(self, register: RuleRegister, answers: RuleAnswers, sentinel: Sentinel) -> None:
        self._register = register
        self._answers = answers
        self._sentinel = sentinel
        self._doors: VersionedDoors[Rule] = VersionedDoors(PREFIX, register, read_rule, answers.one, answers.all, check=self._refuse)

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [
            Route("POST", f"{PREFIX}/check", self._check, READ, "Check Rule", tag="rules"),
            Route("POST", f"{PREFIX}/trial", self._trial, READ, "Try Rule on the Past", tag="rules"),
            Route("GET", f"{PREFIX}/{{id}}/trace", self._trace, READ, "Trace Entity through Rule", tag="rules"),
            *self._doors.routes(),
        ]

    async def _refuse(self, id: str, rule: Rule | None) -> None:
        if rule is None:
            return
        try:
            problems = await self._sentinel.check(rule)
        except StoreUnavailable:  # the process that could tell is not there; how the rule stands will say whether it can run
            return
        if problems:
            raise BadRequestData("The rule cannot run: " + "; ".join(problems[:MOST_PROBLEMS]), problems=problems[:MOST_PROBLEMS])

    async def _check(self, request: Request) -> Response:
        body = object_of(request, ("rule",))
        try:
            rule = rule_of(_definition(body))
        except BadRequestData as error:
            return json_response({"problems": [error.detail]})
        return json_response({"problems": await self._sentinel.check(rule)})

    async def _trial(self, request: Request) -> Response:
        body = object_of(request, ("rule", "from", "to"))
        given = body.get("rule")
        rule = self._register.get(given) if isinstance(given, str) else rule_of(_definition(body))
        start, end = (moment(text_of(body, name, needed=True), name) for name in ("from", "to"))
        if start >= end:
            raise BadRequestData("'to' must be later than 'from'")
        return json_response(_shown(await self._sentinel.trial(rule, start, end)))

    async def _trace(self, request: Request) -> Response:
        entity = text_of(dict(request.query), "entity", needed=True, most=2_000)
        rule = self._register.get(request.parameters["id"])
        return json_response(msgspec.to_builtins(await self._sentinel.trace(rule.id, entity), enc_hook=str))


def _shown(trial: Trial) -> dict[str, Any]:
    """A trial with its signals as objects."""
    document: dict[str, Any] = msgspec.to_builtins(trial, enc_hook=str)
    return {**document, "signals": [msgspec.to_builtins(msgspec.structs.asdict(signal), enc_hook=str) for signal in trial.signals]}


def _definition(body: dict[str, Any]) -> dict[str, Any]:
    rule = body.get("rule")
    if not isinstance(rule, dict):
        raise BadRequestData("'rule' must be the definition of a rule")
    return rule
