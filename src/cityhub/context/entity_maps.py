"""Entity maps: which entities a query found, kept for a while, so that its pages stay about the same entities.

They are the records of the collection "entityMap":

    {"id", "ids": [entity id, ...] in the order of the query, "sources": {entity id: [registration id or "@none", ...]} where that
     is not this broker alone, "linkedMaps": {registration id: id of its own entity map}, "filters", "expiresAt"}

Source: GS CIM 009 V1.9.1, clauses 5.2.39, 5.5.14 and 5.14.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, unquote
from uuid import uuid4

import msgspec

from cityhub.model.errors import BadRequestData, CityHubError, NotFound, TooManyResults
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.temporal import parse_duration
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Request
from cityhub.web.negotiation import flag, tenant_of

COLLECTION: Final = "entityMap"
PATH: Final = "/ngsi-ld/v1/entityMaps/"
HEADER: Final = "ngsild-entitymap"
LIFETIME: Final = timedelta(hours=1)
MAX_LIFETIME: Final = timedelta(days=1)
MAX_IDS: Final = 50_000
"""Most entities in one map."""
MAX_MAPS: Final = 200
"""Most maps of one tenant; a further one takes the place of that which would expire first."""
NONE: Final = "@none"
"""What stands for this broker among the sources of an entity."""


class EntityMap(msgspec.Struct, frozen=True):
    """An entity map.

    Attributes:
        tenant: Whose it is.
        id: Its id, a URI.
        ids: The entities, in the order of the query.
        expires_at: Until when it can be used.
        filters: Which query made it; "" is any.
        sources: Where the entities come from, if not from this broker alone.
        linked: The entity maps of other context sources, by registration.
    """

    tenant: str
    id: str
    ids: list[str]
    expires_at: str
    filters: str = ""
    sources: dict[str, list[str]] = {}
    linked: dict[str, str] = {}

    @property
    def location(self) -> str:
        """Where it is served."""
        return f"{PATH}{quote(self.id, safe=':')}"

    def document(self) -> dict[str, Any]:
        """The EntityMap of the standard (5.2.39)."""
        members = {id: self.sources.get(id, [NONE]) for id in self.ids}
        expires_at = moment.show(self.expires_at)
        return {"id": self.id, "type": "EntityMap", "expiresAt": expires_at, "entityMap": members, "linkedMaps": self.linked}


class EntityMaps:
    """The entity maps of all tenants, bounded in number, size and time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ends: dict[tuple[str, str], str] = {}

    async def load(self) -> None:
        """Learns which maps are in the store. To be called once, at the start."""
        self._ends = {(tenant, record["id"]): record["expiresAt"] for tenant, record in await self._store.records(None, COLLECTION)}

    async def create(
        self,
        tenant: str,
        ids: Sequence[str],
        *,
        filters: str = "",
        lifetime: str | None = None,
        sources: Mapping[str, list[str]] | None = None,
        linked: Mapping[str, str] | None = None,
        trace: str = "",
    ) -> EntityMap:
        """A new map of these entities.

        Args:
            tenant: Whose it is.
            ids: The entities, at most MAX_IDS, in the order of the pages that will be asked for.
            filters: Which query it is for; pages of another one are refused.
            lifetime: How long it is wanted (ISO 8601 duration); at most MAX_LIFETIME is given.
            sources: Where entities come from that are not from this broker alone.
            linked: The entity maps of other context sources, by registration.
            trace: Trace id of the request.

        Raises:
            BadRequestData: `lifetime` is no duration.
            TooManyResults: There are too many entities.
        """
        if len(ids) > MAX_IDS:
            raise TooManyResults(f"An entity map may have at most {MAX_IDS} entities; make the query narrower")
        ends = self._until(lifetime)
        made = EntityMap(tenant, f"urn:ngsi-ld:EntityMap:{uuid4()}", list(ids), ends, filters, dict(sources or {}), dict(linked or {}))
        mine = [key for key in self._ends if key[0] == tenant]
        if len(mine) >= MAX_MAPS:
            await self._drop(min(mine, key=self._ends.__getitem__))
        self._ends[tenant, made.id] = ends
        await self._write(tenant, made.id, lambda current, now: (_record(made), None), trace)
        return made

    def find(self, tenant: str, reference: str) -> EntityMap | None:
        """The map that a header refers to, by its location or by its id; None when there is none that has not expired."""
        id = unquote(reference.strip().rpartition("/")[2])
        record = self._store.get(tenant, id, COLLECTION)
        if record is None or record["expiresAt"] <= to_text(self._clock.now()):
            return None
        return _read(tenant, record)

    def get(self, tenant: str, id: str) -> EntityMap:
        """Retrieve EntityMap (5.14.1). Raises BadRequestData for an id that is no URI, NotFound."""
        if not is_uri(id):
            raise BadRequestData(f"The id of the entity map in the path must be a URI, not '{id[:200]}'")
        found = self.find(tenant, id)
        if found is None:
            raise NotFound(f"The entity map '{id}' does not exist, or has expired")
        return found

    async def update(self, tenant: str, id: str, fragment: Any, trace: str = "") -> None:
        """Update EntityMap (5.14.2): only 'expiresAt' can be changed, other members are ignored. Raises NotFound, BadRequestData."""
        self.get(tenant, id)
        if not isinstance(fragment, dict):
            raise BadRequestData("The body must be a JSON object with 'expiresAt'")
        if fragment.get("type", fragment.get("@type", "EntityMap")) != "EntityMap":
            raise BadRequestData("'type' must be 'EntityMap'")
        if "expiresAt" not in fragment:
            return
        ends = min(moment.read(fragment["expiresAt"], "expiresAt"), to_text(self._clock.now() + MAX_LIFETIME))
        await self._write(tenant, id, lambda current, now: (current and {**current, "expiresAt": ends}, None), trace)
        self._ends[tenant, id] = ends

    async def delete(self, tenant: str, id: str, trace: str = "") -> None:
        """Delete EntityMap (5.14.3). Raises NotFound, BadRequestData."""
        self.get(tenant, id)
        await self._drop((tenant, id), trace)

    async def remove(self, map: EntityMap, gone: Collection[str], trace: str = "") -> None:
        """Takes entities out of a map that no longer match its query (5.5.9.3)."""
        if not gone:
            return

        def transition(current: Document | None, now: str) -> tuple[Document | None, None]:
            if current is None:
                return None, None
            return {**current, "ids": [id for id in current["ids"] if id not in gone]}, None

        await self._write(map.tenant, map.id, transition, trace)

    async def expire(self) -> int:
        """Deletes the maps whose time has passed; returns how many."""
        now = to_text(self._clock.now())
        ended = [key for key, ends in self._ends.items() if ends <= now]
        for key in ended:
            await self._drop(key)
        return len(ended)

    # -- Requests ------------------------------------------------------------------------------------------------

    async def attach_one(self, request: Request, query: dict[str, str], id: str) -> None:
        """For Retrieve Entity (5.7.1.4): names the map in use in the answer, or a new one of this entity."""
        found = self.of_request(request)
        if found is None and (flag(query, "entityMap") or HEADER in request.headers):
            lifetime = query.get("entityMapLifetime")
            found = await self.create(tenant_of(request), [id], lifetime=lifetime, trace=request.trace)
        if found is not None:
            request.answer_headers.append((HEADER, found.location))

    def of_request(self, request: Request) -> EntityMap | None:
        """The map that the request refers to; None when it refers to none, or to one that is gone."""
        reference = request.headers.get(HEADER)
        return self.find(tenant_of(request), reference) if reference else None

    def _until(self, lifetime: str | None) -> str:
        now = self._clock.now()
        if lifetime is None:
            return to_text(now + LIFETIME)
        period = parse_duration(lifetime, "entityMapLifetime")
        limit = now + MAX_LIFETIME
        return to_text(limit if period.months or period.seconds > MAX_LIFETIME.total_seconds() else period.after(now))

    async def _drop(self, key: tuple[str, str], trace: str = "") -> None:
        self._ends.pop(key, None)
        await self._write(*key, lambda current, now: (None, None), trace)

    async def _write(self, tenant: str, id: str, transition: Any, trace: str = "") -> None:
        [result] = await self._store.write(tenant, [Write(id, transition, COLLECTION)], trace)
        if isinstance(result, CityHubError):
            raise result


def filters_of(members: Mapping[str, Any], key: str, names: Iterable[str]) -> str:
    """What tells one query from another: its filters and the @context (by its key) in which they are meant."""
    filters = {name: members[name] for name in sorted(names) if name in members}
    return msgspec.json.encode([key, filters]).decode()


def _record(map: EntityMap) -> Document:
    return {
        "id": map.id, "ids": map.ids, "sources": map.sources, "linkedMaps": map.linked, "filters": map.filters,
        "expiresAt": map.expires_at,
    }  # fmt: skip


def _read(tenant: str, record: Document) -> EntityMap:
    return EntityMap(
        tenant, record["id"], record["ids"], record["expiresAt"], record["filters"], record["sources"], record["linkedMaps"]
    )  # fmt: skip
