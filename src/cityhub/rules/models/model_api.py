"""The door at which the models of rules are shown."""

from __future__ import annotations

from typing import Any, Final

from cityhub.model.ports import Store
from cityhub.registers.questions import page_of
from cityhub.rules.engine.models import MODELS
from cityhub.rules.models.training import Training
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.negotiation import tenant_of

PATH: Final = "/api/rules/models"


class ModelApi:
    """The door of models.

    Args:
        store: Where they are kept.
        training: Knows which could not be trained.
    """

    def __init__(self, store: Store, training: Training) -> None:
        self._store = store
        self._training = training

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [Route("GET", PATH, self._list, "rule.read", "List Models of Rules", tag="rules")]

    async def _list(self, request: Request) -> Response:
        limit, offset = page_of(request, "rule", "entity")
        rule, entity = request.query.get("rule", ""), request.query.get("entity", "")
        found = [
            document for _, document in await self._store.records(tenant_of(request), MODELS)
            if (not rule or rule in document["rules"]) and (not entity or document["entity"] == entity)
        ]  # fmt: skip
        shown = [_shown(document) for document in found[offset : offset + limit]]
        return json_response({"models": shown, "count": len(found), "refused": self._training.refused})


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    """What a person wants to know of a model; its values are left out."""
    return {name: value for name, value in document.items() if name not in ("values", "low", "high", "start", "step")}
