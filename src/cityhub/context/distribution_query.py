"""Queries over the entities of this hub and of all sources that may have some, as one list of pages.

The list has what is here in the order of creation, then what only sources have, in the order of their registrations. An
entity that is at several places stands at the first one.

Source: GS CIM 009 V1.9.1, clauses 4.3.6, 5.5.9, 5.7.2.4 and 6.3.17.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from cityhub.context.distribution_ask import Group, filter_members, filters, groups_for
from cityhub.context.distribution_merge import limited, merged, read_remotes
from cityhub.context.distribution_read import SHOWN
from cityhub.context.entities import Call
from cityhub.context.registered import Registration
from cityhub.context.registrations import Registrations
from cityhub.context.source_answer import REVALIDATION_FAILED, Reply, warning_header
from cityhub.context.source_requests import Ask, SourceRequests, together
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData, CityHubError, TooManyResults
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import EntityQuery
from cityhub.model.ngsild.selector import EntitySelector
from cityhub.model.ngsild.view import View
from cityhub.model.ports import Page, Store

QUERYING = ("queryEntity", "queryBatch")
MAX_WINDOW: Final = 10_000
"""So many entities are gathered from each source at most."""
PAGE: Final = 250
"""Entities in one answer of a source; more of them could be larger than an answer may be."""
MAX_GROUPS: Final = 50
"""One source is asked at most so many questions for one query."""

Key = Callable[[Entity], Any]
LocalQuery = Callable[[EntityQuery, int, bool, Key | None], Awaitable[Page]]


class _Found(msgspec.Struct):
    """What one source has: the first entities, how many in all, whether there may be more, and a warning."""

    registration: Registration
    entities: list[Entity] = []
    total: int = 0
    more: bool = False
    warning: int = 0


class DistributedQueries:
    """Queries entities.

    Args:
        store: What is here.
        registrations: The sources.
        requests: Sends to them.
    """

    def __init__(self, store: Store, registrations: Registrations, requests: SourceRequests) -> None:
        self._store = store
        self._registrations = registrations
        self._requests = requests

    def sources(self, call: Call, wanted: EntityQuery, view: View) -> list[tuple[Registration, frozenset[str] | None]]:
        """Who may have some of what is wanted, and which attributes of it: None for all."""
        chosen = call.csf.over_documents() if call.csf is not None else None
        found: list[tuple[Registration, frozenset[str] | None]] = []
        for registration in self._registrations.selected(call.tenant, wanted.selectors):
            if registration.operations.isdisjoint(QUERYING) or (chosen is not None and not chosen(registration.record)):
                continue
            asked = wanted.attributes or view.attrs
            meets, names = registration.meeting(wanted.selectors, asked)
            if meets and self._requests.refusal(call, registration) is None:
                narrowed = names if not asked else (frozenset(asked) if names is None else names & asked)
                found.append((registration, narrowed))
        return found

    async def query(
        self,
        call: Call,
        wanted: EntityQuery,
        view: View,
        sources: list[tuple[Registration, frozenset[str] | None]],
        window: tuple[int, int, bool],
        order: Key | None,
        local: LocalQuery,
    ) -> Page:
        """One page (offset, limit, whether to count) of what is here and at the sources.

        Raises BadRequestData for an order, which no hub can keep over the pages of others; TooManyResults for a page
        too far out.
        """
        offset, limit, count = window
        if order is not None:
            raise BadRequestData("'orderBy' is not possible over several context sources; set local to true")
        if offset + limit > MAX_WINDOW:
            raise TooManyResults(f"Over several context sources only the first {MAX_WINDOW} entities can be paged; narrow the query")
        if call.split:
            return await self._split(call, wanted, view, sources, window, local)
        need = offset + limit
        here, there = await asyncio.gather(
            local(wanted, need, count, None),
            together(self._gather(call, wanted, one, names, need, False) for one, names in sources),
        )
        call.answer.extend(warning_header([(found.registration, found.warning) for found in there]))
        entities = self._united(call, wanted, here.entities, there, len(here.entities) == need)
        shown = entities[offset:need]
        if any(found.more for found in there):
            shown = await self._completed(call, wanted, sources, there, shown)
        total = None
        if count:
            known = len(here.entities) + sum(len(found.entities) for found in there)
            total = (here.count or 0) + sum(found.total for found in there) - (known - len(entities))
        return Page(shown, total)

    def _united(
        self, call: Call, wanted: EntityQuery, here: list[Entity], there: list[_Found], more_here: bool
    ) -> list[Entity]:
        local = {entity["id"]: entity for entity in here}
        parts: dict[str, list[tuple[Registration, Entity]]] = {id: [] for id in local}
        for found in there:
            for entity in found.entities:
                if more_here and entity["id"] not in parts and self._comes_later(call, wanted, entity["id"]):
                    continue
                parts.setdefault(entity["id"], []).append((found.registration, entity))
        wholes = (merged(local.get(id), remote) for id, remote in parts.items())
        return [whole for whole in wholes if whole is not None]

    def _comes_later(self, call: Call, wanted: EntityQuery, id: str) -> bool:
        """Whether an entity is here as well and stands on a later page."""
        entity = self._store.get(call.tenant, id)
        return entity is not None and wanted.matches(entity)

    async def _completed(
        self, call: Call, wanted: EntityQuery, sources: list[tuple[Registration, frozenset[str] | None]], there: list[_Found],
        shown: list[Entity],
    ) -> list[Entity]:  # fmt: skip
        """The entities of a page with their parts at sources that have more than was gathered."""
        ids = frozenset(entity["id"] for entity in shown)
        types = wanted.selectors[0].types if len(wanted.selectors) == 1 else None
        by_id = EntityQuery((EntitySelector(ids, None, types),), wanted.attributes, wanted.q, wanted.geo, wanted.scope)
        full = [(one, names) for (one, names), found in zip(sources, there, strict=True) if found.more]
        again = await together(self._gather(call, by_id, one, names, len(ids), False) for one, names in full)
        parts: dict[str, list[tuple[Registration, Entity]]] = {}
        for found in again:
            for entity in found.entities:
                parts.setdefault(entity["id"], []).append((found.registration, entity))
        return [merged(entity, parts[entity["id"]]) or entity if entity["id"] in parts else entity for entity in shown]

    async def _split(
        self, call: Call, wanted: EntityQuery, view: View, sources: list[tuple[Registration, frozenset[str] | None]],
        window: tuple[int, int, bool], local: LocalQuery,
    ) -> Page:  # fmt: skip
        """A page where the filters hold for entities put together of all their parts, wherever these are."""
        offset, limit, count = window
        unfiltered = EntityQuery(wanted.selectors)
        here, there = await asyncio.gather(
            local(unfiltered, MAX_WINDOW, False, None),
            together(self._gather(call, unfiltered, one, names, MAX_WINDOW, True) for one, names in sources),
        )
        call.answer.extend(warning_header([(found.registration, found.warning) for found in there]))
        if len(here.entities) == MAX_WINDOW:
            raise TooManyResults(f"More than {MAX_WINDOW} entities would have to be put together; narrow the query")
        entities = self._united(call, unfiltered, here.entities, there, False)
        by_id = {entity["id"]: entity for entity in entities}
        matches = wanted.with_links(lambda id: by_id.get(id) or self._store.get(call.tenant, id))
        chosen = [entity for entity in entities if matches(entity)]
        return Page(chosen[offset : offset + limit], len(chosen) if count else None)

    # -- One source ----------------------------------------------------------------------------------------------------

    async def _gather(
        self, call: Call, wanted: EntityQuery, registration: Registration, attributes: frozenset[str] | None, need: int, split: bool
    ) -> _Found:
        """The first entities of one source."""
        found = _Found(registration)
        try:
            terms = await self._requests.terms_for(call, registration)
        except CityHubError:
            found.warning = REVALIDATION_FAILED
            return found
        groups = groups_for(registration, wanted, terms)[:MAX_GROUPS]
        asks = self._asks(registration, wanted, groups, attributes, terms, split)
        for part in await together(self._pages(call, ask, need) for ask in asks):
            found.entities += part.entities
            found.total += part.total
            found.more = found.more or part.more
            found.warning = found.warning or part.warning
        return found

    def _asks(
        self, registration: Registration, wanted: EntityQuery, groups: list[Group], attributes: frozenset[str] | None, terms: TermMap,
        split: bool,
    ) -> list[Ask]:  # fmt: skip
        names = sorted(terms.compact(name) for name in attributes) if attributes is not None else []
        flags = {"splitEntities": "true"} if split else {}
        if "queryBatch" in registration.operations and (len(groups) > 1 or "queryEntity" not in registration.operations):
            body: dict[str, Any] = {"type": "Query", "entities": [group.selector() for group in groups], **filter_members(wanted, terms)}
            if names:
                body["attrs"] = names
            return [Ask(registration, "POST", "/entityOperations/query", terms, {**SHOWN, **flags}, body)]
        params = {**({"attrs": ",".join(names)} if names else {}), **filters(wanted, terms), **SHOWN, **flags}
        return [Ask(registration, "GET", "/entities", terms, {**group.parameters(), **params}) for group in groups]

    async def _pages(self, call: Call, ask: Ask, need: int) -> _Found:
        """As many entities of the answers to a question as are needed."""
        found = _Found(ask.registration)
        while True:
            limit = min(PAGE, max(1, need - len(found.entities)))
            window = {"limit": str(limit), "count": "true", **({"offset": str(len(found.entities))} if found.entities else {})}
            reply = await self._requests.send(call, msgspec.structs.replace(ask, params={**ask.params, **window}))
            page = _entities(reply, found)
            if page is None:
                return found
            kept = [part for entity in page if (part := limited(entity, ask.registration)) is not None]
            found.entities += kept
            total = reply.headers.get("ngsild-results-count", "")
            found.total = max(int(total) if total.isdigit() and len(total) < 15 else 0, len(found.entities))
            found.more = found.total > len(found.entities) or (not total and len(page) == limit)
            if len(page) < limit or len(found.entities) >= need or not kept:
                return found


def _entities(reply: Reply, found: _Found) -> list[Entity] | None:
    """The entities in a reply; None, and a warning, when there are none to be had."""
    if reply.error is not None or reply.document is None:
        found.warning = reply.warning
        return None
    try:
        return read_remotes(reply.document, reply.terms)
    except CityHubError:
        found.warning = REVALIDATION_FAILED
        return None
