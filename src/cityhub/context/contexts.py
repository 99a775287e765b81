"""The @contexts of the hub: from what a request names to a term map, and the storage behind it.

Source: GS CIM 009 V1.9.1, clauses 5.5.5, 5.5.7 and 5.13.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cityhub.context.context_cache import CachedMap, MapCache, cache_key
from cityhub.context.context_preload import Preloaded
from cityhub.context.context_sources import PATH, ContextSources
from cityhub.context.context_store import CACHED, HOSTED, IMPLICIT, ContextStore
from cityhub.context.single_flight import SingleFlight
from cityhub.model.errors import BadRequestData, ContextUnavailable, NotFound, OperationNotSupported
from cityhub.model.jsonld import CORE, CORE_URL, TermMap, check_form, core_document, is_core_url, term_map
from cityhub.model.ports import Document, Outbound, Store
from cityhub.model.time import Clock, to_text

_BIG: Final = 1_000
"""From this many definitions on a term map is made in a thread, so that other requests go on."""

log = logging.getLogger(__name__)


class Contexts:
    """Gives term maps for @contexts, and stores, caches and serves @contexts."""

    def __init__(
        self,
        store: Store,
        outbound: Outbound,
        clock: Clock,
        preload: Path | None = None,
        own: Mapping[str, Path] | None = None,
        base_url: Callable[[], str] = lambda: "",
    ) -> None:
        """Makes the storage; nothing is downloaded.

        Args:
            store: Where @contexts are kept (collection "context").
            outbound: The door to other hosts.
            clock: Where the time comes from.
            preload: Folder with documents that need no network; see `cityhub.context.context_preload`.
            own: Further such documents by URL.
            base_url: Gives the hub's own address ("https://hub.example", no final slash), of which hosted @contexts have theirs.

        Raises:
            ValueError: When the preload folder is not as it should be.
        """
        self._records = ContextStore(store)
        self._clock = clock
        self._preloaded = Preloaded(preload, own)
        self._sources = ContextSources(self._records, outbound, clock, self._preloaded, base_url)
        self._base_url = base_url
        self._started = to_text(clock.now())
        self._maps = MapCache()
        self._resolutions = SingleFlight()

    # -- Term maps ---------------------------------------------------------------------------------------------------

    def known(self, context: Any, tenant: str | None = None) -> TermMap | None:
        """The term map of an @context if it is in memory and fresh; None asks for `resolve`.

        @contexts that draw on a tenant's own ones are only found when the tenant is given. Each success counts as
        one use of the @contexts behind it, so it should be asked once per request.
        """
        if context is None:
            return CORE
        entry = self._maps.get(cache_key(context))
        if entry is None and tenant is not None:
            entry = self._maps.get(cache_key(context, tenant))
        if entry is None:
            return None
        now = self._clock.now()
        if entry.expires <= now.timestamp():
            return None
        for usage in entry.uses:
            usage.count(now)
        return entry.terms

    async def resolve(self, context: Any | None, tenant: str = "") -> TermMap:
        """The term map of an @context; documents that are missing are downloaded. None is the core @context.

        Raises:
            BadRequestData: When the @context is invalid.
            ContextUnavailable: When a document cannot be had.
        """
        found = self.known(context, tenant)
        if found is not None:
            return found
        entry: CachedMap = await self._resolutions.run(cache_key(context, tenant), lambda: self._make(context, tenant))
        now = self._clock.now()
        for usage in entry.uses:
            usage.count(now)
        return entry.terms

    async def _make(self, context: Any, tenant: str) -> CachedMap:
        check_form(context)
        sources = await self._sources.collect(context, tenant)
        documents = {url: {"@context": source.context} for url, source in sources.items()}
        if _definitions(context) + sum(_definitions(source.context) for source in sources.values()) > _BIG:
            terms = await asyncio.to_thread(term_map, context, documents)
        else:
            terms = term_map(context, documents)
        expires = min((source.expires for source in sources.values()), default=math.inf)
        entry = CachedMap(terms, expires, tuple(source.usage for source in sources.values()))
        private = any(source.private for source in sources.values())
        self._maps.put(cache_key(context, tenant if private else None), entry)
        return entry

    # -- Storing and serving -----------------------------------------------------------------------------------------

    def url_of(self, id: str) -> str:
        """The URL under which a hosted or implicitly created @context is served."""
        return f"{self._base_url()}{PATH}{quote(id, safe=':')}"

    async def add(self, context: Any, tenant: str, trace: str = "") -> str:
        """Stores an @context of kind Hosted; returns its local id. Documents that it names are cached if they can be had.

        Raises:
            BadRequestData: When the @context is invalid.
        """
        await self._check(context, tenant)
        return await self._records.add(context, HOSTED, tenant, trace)

    async def implicit(self, context: Any, tenant: str, trace: str = "") -> str:
        """The URL of an @context that has none of its own, stored as ImplicitlyCreated if it is new."""
        return self.url_of(await self._records.add(context, IMPLICIT, tenant, trace))

    async def link_of(self, terms: TermMap, tenant: str, trace: str = "") -> str:
        """The URL for a Link header that stands for a term map; an implicit @context is created where it has no URL."""
        return terms.link or await self.implicit(terms.source, tenant, trace)

    async def _check(self, context: Any, tenant: str) -> None:
        check_form(context)
        if context is not None:
            try:
                await self._make(context, tenant)
            except ContextUnavailable as error:
                log.info("A hosted @context could not be checked in full: %s", error.detail)

    async def listing(self, tenant: str, kind: str | None = None) -> list[dict[str, Any]]:
        """Details of every stored @context that the tenant may see, of one kind or of all; the core @context comes first."""
        described = [self._describe_fixed(url) for url in (CORE_URL, *self._preloaded.urls())]
        described += [self._describe(record, tenant) for record in await self._records.all(tenant)]
        return [details for details in described if kind in (None, details["kind"])]

    def details(self, id: str, tenant: str) -> dict[str, Any]:
        """Details of one @context, by local id or (Cached) by URL; counts as a use. Raises NotFound."""
        if self._is_fixed(id):
            return self._describe_fixed(id)
        record = self._find(id, tenant)
        details = self._describe(record, tenant)
        self._sources.usage_of(record, tenant).count(self._clock.now())
        return details

    def content(self, id: str, tenant: str) -> dict[str, Any]:
        """The document of a Hosted or ImplicitlyCreated @context; counts as a use.

        Raises:
            NotFound: When there is none with this id.
            OperationNotSupported: When it is of kind Cached (clause 5.13.4.4).
        """
        record = None if self._is_fixed(id) else self._find(id, tenant)
        if record is None or record["kind"] == CACHED:
            raise OperationNotSupported(f"The @context '{id}' is of kind Cached and not served; download it from its own URL")
        self._sources.usage_of(record, tenant).count(self._clock.now())
        return {"@context": record["context"]}

    async def delete(self, id: str, tenant: str, trace: str = "") -> None:
        """Removes an @context. Raises NotFound, or BadRequestData for the core @context and preloaded ones."""
        if self._is_fixed(id):
            raise BadRequestData(f"The @context '{id}' belongs to the hub and cannot be deleted")
        record = self._find(id, tenant)
        await self._records.remove(record, tenant, trace)
        self._maps.forget(self._sources.usage_of(record, tenant))
        self._sources.forget(record, tenant)

    async def reload(self, id: str, tenant: str) -> None:
        """Downloads a Cached @context again and replaces it; after a failure the old one stays.

        Raises:
            BadRequestData: When it is not of kind Cached.
            ContextUnavailable: When it cannot be downloaded or is invalid.
            NotFound: When there is none.
        """
        if is_core_url(id):
            return
        if id in self._preloaded:
            raise BadRequestData(f"The @context '{id}' comes from the preload folder and cannot be reloaded")
        if ":" not in id:
            raise BadRequestData(f"'{id}' is no @context of kind Cached; only such can be reloaded")
        record = self._find(id, tenant)
        if record["kind"] != CACHED:
            raise BadRequestData(f"The @context '{id}' is of kind {record['kind']}; only @contexts of kind Cached can be reloaded")
        await self._sources.refresh(record["url"])
        self._maps.forget(self._sources.usage_of(record, tenant))

    async def save_usage(self) -> None:
        """Stores the counters of uses that changed. To be called now and then, and at the end."""
        await self._sources.save_usage()

    def _find(self, id: str, tenant: str) -> Document:
        own = self._sources.own_id(id) if "://" in id else None
        record = self._records.get(own or id, tenant)
        if record is None and "://" in id:
            record = self._records.copy_of(id)
        if record is None:
            raise NotFound(f"The @context '{id}' does not exist")
        return record

    def _is_fixed(self, id: str) -> bool:
        return is_core_url(id) or id in self._preloaded

    def _describe_fixed(self, url: str) -> dict[str, Any]:
        core = core_document(url) is not None
        return {
            "URL": url,
            "localId": url,
            "kind": CACHED,
            "createdAt": self._started,
            "extraInfo": "built in" if core else "from the preload folder",
        }

    def _describe(self, record: Document, tenant: str) -> dict[str, Any]:
        usage = self._sources.usage_of(record, tenant)
        details = {
            "URL": record.get("url") or self.url_of(record["id"]),
            "localId": record["id"],
            "kind": record["kind"],
            "createdAt": record["createdAt"],
            "numberOfHits": usage.hits,
        }
        if "expiresAt" in record:
            details["expiresAt"] = record["expiresAt"]
        last = to_text(usage.last) if usage.last else record.get("lastUsage")
        return details if last is None else details | {"lastUsage": last}


def _definitions(context: Any) -> int:
    if isinstance(context, list):
        return sum(_definitions(item) for item in context)
    return len(context) if isinstance(context, dict) else 1
