"""HTTP of the tiers: what they cost today, and what they would cost under another plan.

    curl localhost:8000/api/tiers
    curl -d @plan.json -H 'Content-Type: application/json' localhost:8000/api/tiers
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from cityhub.history.tiers.plan import Plan, plan_of
from cityhub.model.errors import InvalidRequest
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.negotiation import check_parameters

PATH: Final = "/api/tiers"
MAX_PLAN: Final = 200_000
"""Bytes of a plan at most."""


class Question(msgspec.Struct, frozen=True):
    """As the historian's `TierQuestion`, without what that imports."""

    plan: Plan | None = None


class Historian(Protocol):
    """Whoever asks the historian."""

    async def call(self, name: str, body: Any) -> bytes: ...


class TierApi:
    """The doors."""

    def __init__(self, historian: Historian) -> None:
        self._historian = historian

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [
            Route("GET", PATH, self.today, "tiers.read", "Read what the storage tiers cost", tag="tiers"),
            Route("POST", PATH, self.planned, "tiers.read", "Work out what storage tiers would cost under another plan", tag="tiers"),
        ]

    async def today(self, request: Request) -> Response:
        """GET /api/tiers."""
        check_parameters(request, frozenset())
        return json_response(msgspec.json.decode(await self._historian.call("tiers", Question())))

    async def planned(self, request: Request) -> Response:
        """POST /api/tiers: a plan as JSON."""
        check_parameters(request, frozenset())
        if len(request.body) > MAX_PLAN:
            raise InvalidRequest(f"A plan of tiers has at most {MAX_PLAN} bytes")
        return json_response(msgspec.json.decode(await self._historian.call("tiers", Question(plan_of(request.body)))))
