"""Who this context source is.

Source: GS CIM 009 V1.9.1, clauses 5.15, 5.2.40 and 6.33.
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid4, uuid5

from cityhub.context.entity_api import PREFIX
from cityhub.model.jsonld import CORE
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import accepted, check_parameters, document_response, tenant_of
from cityhub.web.ngsild_terms import describe_operation

COLLECTION = "identity"
ID = "self"


async def read_alias(store: Store) -> str:
    """The name by which loops between brokers are found; made once and kept with the store."""

    def transition(current: Document | None, now: str) -> tuple[Document, str]:
        document = current or {"id": ID, "alias": f"cityhub-{uuid4()}"}
        return document, document["alias"]

    [alias] = await store.write("", [Write(ID, transition, COLLECTION)])
    return str(alias)


def alias_of(alias: str, tenant: str) -> str:
    """The alias of one tenant of the source with this alias."""
    return f"{alias}-{uuid5(NAMESPACE_URL, tenant).hex[:12]}" if tenant else alias


class IdentityApi:
    """The door `/info/sourceIdentity`."""

    def __init__(self, alias: str, clock: Clock) -> None:
        self._alias = alias
        self._clock = clock
        self._started = clock.now()

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        path = f"{PREFIX}/info/sourceIdentity"
        operation = "Retrieve Context Source Identity"
        return [Route("GET", path, self.identity, "entity.read", operation, "GS CIM 009 6.33.3.1", "info", describe_operation(operation))]

    async def identity(self, request: Request) -> Response:
        """GET /info/sourceIdentity."""
        check_parameters(request, frozenset())
        media = accepted(request.headers.get("accept", ""))
        alias = alias_of(self._alias, tenant_of(request))
        now = self._clock.now()
        document = {
            "id": f"urn:ngsi-ld:ContextSourceIdentity:{alias}", "type": "ContextSourceIdentity", "contextSourceAlias": alias,
            "contextSourceUptime": f"PT{int((now - self._started).total_seconds())}S", "contextSourceTimeAt": to_text(now),
        }  # fmt: skip
        return document_response(document, CORE, media)
