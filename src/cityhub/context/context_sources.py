"""The documents that @contexts draw on: the hub's own, preloaded ones, and copies of remote ones.

Source: GS CIM 009 V1.9.1, clause 5.13.1.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from cityhub.context.context_cache import Usage
from cityhub.context.context_fetch import fetch_context
from cityhub.context.context_preload import Preloaded
from cityhub.context.context_store import CACHED, ContextStore
from cityhub.context.single_flight import SingleFlight
from cityhub.model.errors import BadRequestData, CityHubError, ContextUnavailable
from cityhub.model.jsonld import remote_urls
from cityhub.model.jsonld.sources import MAX_DOCUMENTS
from cityhub.model.ports import Document, Outbound
from cityhub.model.time import Clock

PATH: Final = "/ngsi-ld/v1/jsonldContexts/"
RETRY_S: Final = 60.0
"""How long an outdated copy is used before its download is tried again."""
FAILED_S: Final = 5.0
"""How long a URL that could not be downloaded is not asked again."""
MAX_FAILED: Final = 1_000
_NEVER: Final = ContextUnavailable("It has not been asked for yet")

log = logging.getLogger(__name__)


class Source(msgspec.Struct, frozen=True):
    """One document that an @context draws on."""

    context: Any
    usage: Usage
    expires: float = math.inf
    private: bool = False


class ContextSources:
    """Finds the documents of @contexts, and counts how often stored ones are used."""

    def __init__(
        self, records: ContextStore, outbound: Outbound, clock: Clock, preloaded: Preloaded, base_url: Callable[[], str]
    ) -> None:
        """Makes it; nothing is read or downloaded."""
        self._records = records
        self._outbound = outbound
        self._clock = clock
        self._preloaded = preloaded
        self._base_url = base_url
        self._failed: dict[str, tuple[float, CityHubError]] = {}
        self._downloads = SingleFlight()
        self._usage: dict[tuple[str, str], Usage] = {}

    async def collect(self, context: Any, tenant: str) -> dict[str, Source]:
        """Every document that an @context draws on, directly or not, by URL.

        Raises:
            BadRequestData: When there are too many, a URL in one of them is none, or what is there is no @context.
            ContextUnavailable: When one cannot be had.
        """
        sources: dict[str, Source] = {}
        wanted = remote_urls(context)
        while wanted:
            if len(sources) + len(wanted) > MAX_DOCUMENTS:
                raise BadRequestData(f"The @context draws on more than {MAX_DOCUMENTS} documents")
            # All are waited for, also after a failure, so that what could be had is kept for the next time.
            found = await asyncio.gather(*(self._source(url, tenant) for url in wanted), return_exceptions=True)
            for url, source in zip(wanted, found, strict=True):
                if isinstance(source, BaseException):
                    raise source
                sources[url] = source
            named = [url for source in wanted for url in remote_urls(sources[source].context, source)]
            wanted = [url for url in dict.fromkeys(named) if url not in sources]
        return sources

    async def _source(self, url: str, tenant: str) -> Source:
        own = self.own_id(url)
        if own is not None:
            record = self._records.get(own, tenant)
            if record is not None and record["kind"] != CACHED:
                return Source(record["context"], self.usage_of(record, tenant), private=True)
            if self._is_ours(url):
                raise ContextUnavailable(f"This hub has no @context {url}")
        if url in self._preloaded:
            return Source(self._preloaded.context(url), self._usage.setdefault(("", url), Usage()))
        return await self._remote(url)

    async def _remote(self, url: str) -> Source:
        now = self._clock.now().timestamp()
        record = self._records.copy_of(url)
        if record is not None and _seconds(record["expiresAt"]) > now:
            return self._of_copy(record, _seconds(record["expiresAt"]))
        until, failure = self._failed.get(url, (0.0, _NEVER))
        if until <= now:
            try:
                record = await self._downloads.run(url, lambda: self._download(url))
                return self._of_copy(record, max(_seconds(record["expiresAt"]), now + 1))
            except (BadRequestData, ContextUnavailable) as error:
                failure = error
                self._note_failure(url, error)
        if record is None:
            raise type(failure)(failure.detail)
        log.warning("An outdated copy of %s is used: %s", url, failure.detail)
        return self._of_copy(record, self._clock.now().timestamp() + RETRY_S)

    def _of_copy(self, record: Document, expires: float) -> Source:
        return Source(record["context"], self.usage_of(record, ""), expires)

    async def _download(self, url: str) -> Document:
        now = self._clock.now()
        record = await self._records.keep_copy(url, await fetch_context(self._outbound, url, now), now)
        self._failed.pop(url, None)
        return record

    def _note_failure(self, url: str, failure: CityHubError) -> None:
        if len(self._failed) >= MAX_FAILED:
            self._failed.clear()
        # From now, not from the beginning: a server that never answers takes as long as its failure is remembered.
        self._failed[url] = (self._clock.now().timestamp() + FAILED_S, failure)

    def own_id(self, url: str) -> str | None:
        """The local id in a URL that has the form of ours, under whatever name of this host a client knows us."""
        try:
            path = urlsplit(url).path
        except ValueError:
            return None
        return unquote(path[len(PATH) :]) if path.startswith(PATH) else None

    def _is_ours(self, url: str) -> bool:
        base = self._base_url()
        return bool(base) and url.startswith(base + PATH)

    def usage_of(self, record: Document, tenant: str) -> Usage:
        """How often a stored @context was used."""
        place = _place(record, tenant)
        usage = self._usage.get(place)
        if usage is None:
            usage = self._usage[place] = Usage(record.get("numberOfHits", 0))
        return usage

    def forget(self, record: Document, tenant: str) -> None:
        """Lets go of what is known about a stored @context that was removed."""
        self._usage.pop(_place(record, tenant), None)
        self._failed.pop(record.get("url", ""), None)

    async def refresh(self, url: str) -> None:
        """Downloads a document again and replaces its copy. Raises ContextUnavailable, and then the old copy stays."""
        try:
            await self._downloads.run(url, lambda: self._download(url))
        except BadRequestData as error:
            raise ContextUnavailable(error.detail) from None

    async def save_usage(self) -> None:
        """Stores the counters that changed since the last time."""
        for (tenant, id), usage in list(self._usage.items()):
            if usage.hits != usage.saved and id not in self._preloaded:
                usage.saved = usage.hits
                try:
                    await self._records.count(id, tenant, usage.hits, usage.last)
                except CityHubError as error:
                    log.warning("The usage of the @context %s was not stored: %s", id, error.detail)


def _place(record: Document, tenant: str) -> tuple[str, str]:
    return ("" if record["kind"] == CACHED else tenant, record["id"])


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
