"""Reads the CAP feeds of others again and again; what is wrong there becomes a dead letter with its reason, once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from hashlib import blake2b
from typing import Final

import msgspec
from cryptography import x509

from cityhub.model.dead_letter import letter_writes
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.ports import Answer, DeadLetter, Document, Outbound, Store, Write
from cityhub.model.time import Clock, to_text
from cityhub.rules.cap.atom import Link, is_message, links_of
from cityhub.rules.cap.message import Message
from cityhub.rules.cap.reading import read_message
from cityhub.rules.cap.safe_xml import read_tree
from cityhub.rules.cap.signing import verified_message
from cityhub.rules.warnings.received import Received
from cityhub.rules.warnings.sources import CapSource, SourceRegister, certificate_of

SEEN: Final = "warning_source_seen"
"""The collection of which messages of a source were dealt with; the id is the source's."""
MOST_SEEN: Final = 2_000
TIMEOUT_S: Final = 10.0
TICK_S: Final = 1.0
AT_ONCE: Final = 4
"""So many sources are read at one time."""
ACCEPT: Final = "application/cap+xml, application/atom+xml, application/rss+xml, application/xml, text/xml"

log = logging.getLogger(__name__)


class SourceState(msgspec.Struct, rename="camel"):
    """How a source stands: when it was read last (RFC 3339 UTC), what is wrong (""), and how many messages became what since the start."""

    read_at: str = ""
    trouble: str = ""
    taken: int = 0
    known: int = 0
    refused: int = 0
    etag: str = ""
    due: float = 0.0
    """Of the monotonic clock."""


class Polling:
    """Reads the sources.

    Attributes:
        states: How each source stands, by id.

    Args:
        sources: What is read.
        received: Takes the messages.
        store: Keeps what was seen, and dead letters.
        outbound: The door to other hosts, with its policy of addresses.
        clock: The present time.
    """

    def __init__(self, sources: SourceRegister, received: Received, store: Store, outbound: Outbound, clock: Clock) -> None:
        self._sources = sources
        self._received = received
        self._store = store
        self._outbound = outbound
        self._clock = clock
        self._room = asyncio.Semaphore(AT_ONCE)
        self.states: dict[str, SourceState] = {}

    async def run(self) -> None:
        """Reads what is due until it is cancelled."""
        running: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for source in self._sources.all():
                    state = self.states.setdefault(source.id, SourceState())
                    if source.enabled and time.monotonic() >= state.due and source.id not in running:
                        state.due = time.monotonic() + source.interval_s
                        running[source.id] = asyncio.create_task(self._guarded(source))
                running = {id: task for id, task in running.items() if not task.done()}
                await asyncio.sleep(TICK_S)
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    def troubles(self) -> list[str]:
        """What people must be told that does not work: the sources that cannot be read."""
        enabled = {source.id for source in self._sources.all() if source.enabled}
        return [f"The source '{id}' of warnings: {state.trouble}" for id, state in self.states.items() if state.trouble and id in enabled]

    def hurry(self, id: str) -> None:
        """Has a source read at once: its definition has changed."""
        self.states[id] = SourceState()

    async def _guarded(self, source: CapSource) -> None:
        async with self._room:
            try:
                await self.read(source)
            except StoreUnavailable as error:
                log.warning("the source %s of warnings waits for the store: %s", source.id, error.detail)
            except Exception:
                log.exception("the source %s of warnings could not be read", source.id)

    async def read(self, source: CapSource) -> None:
        """Reads a source once: the feed, and every message in it that was not dealt with yet. Raises StoreUnavailable."""
        state = self.states.setdefault(source.id, SourceState())
        answer = await self._get(source.url, state.etag)
        state.read_at = to_text(self._clock.now())
        state.trouble = _trouble(answer)
        if state.trouble or answer.status == 304:
            return
        seen = await self._seen(source)
        before = len(seen)
        try:
            root = read_tree(answer.body)
            links = [] if is_message(root) else links_of(root, source.url)
        except CityHubError as error:
            state.trouble = error.detail
            await self._refuse(source, seen, _key(source.url, answer.body), source.url, answer.body, error)
        else:
            if is_message(root):
                await self._take(source, seen, Link(source.url), answer.body)
            for link in links:
                await self._follow(source, seen, link)
            state.etag = answer.headers.get("etag", "") if not state.trouble else ""
        if len(seen) != before:
            await self._keep(source, seen)

    async def _follow(self, source: CapSource, seen: dict[str, None], link: Link) -> None:
        if link.updated and _key(link.href, link.updated.encode()) in seen:
            return
        answer = await self._get(link.href, "")
        if trouble := _trouble(answer):
            self.states[source.id].trouble = f"{link.href[:200]}: {trouble}"
            return
        await self._take(source, seen, link, answer.body)
        if link.updated:
            seen[_key(link.href, link.updated.encode())] = None

    async def _take(self, source: CapSource, seen: dict[str, None], link: Link, body: bytes) -> None:
        """Takes one message, which was signed as the source's must be."""
        key, state = _key(link.href, body), self.states[source.id]
        if key in seen:
            state.known += 1
            return
        certificate = certificate_of(source.certificate)
        try:
            message = await asyncio.to_thread(_read, body, certificate)  # what strangers send may take long to look through
        except CityHubError as error:
            await self._refuse(source, seen, key, link.href, body, error)
            return
        taken = await self._received.take(message, source, verified=certificate is not None)
        state.taken += taken == "new"
        state.known += taken != "new"
        seen[key] = None

    async def _refuse(self, source: CapSource, seen: dict[str, None], key: str, href: str, body: bytes, error: CityHubError) -> None:
        """Puts what is wrong among the dead letters, once."""
        if key in seen:
            return
        self.states[source.id].refused += 1
        about = {"address": href, "source": source.id}
        letter = DeadLetter(
            f"cap:{source.id}", error.detail, "decode", body, "xml", about, to_text(self._clock.now()), source.version
        )
        await self._store.write("", letter_writes(letter))
        seen[key] = None

    async def _get(self, url: str, etag: str) -> Answer:
        headers = {"Accept": ACCEPT, **({"If-None-Match": etag} if etag else {})}
        return await self._outbound.request("GET", url, headers, timeout_s=TIMEOUT_S)

    async def _seen(self, source: CapSource) -> dict[str, None]:
        record = await self._store.fetch("", source.id, SEEN)
        return dict.fromkeys(record["keys"] if record is not None and record["version"] == source.version else [])

    async def _keep(self, source: CapSource, seen: dict[str, None]) -> None:
        record: Document = {"id": source.id, "version": source.version, "keys": list(seen)[-MOST_SEEN:]}
        with contextlib.suppress(StoreUnavailable):  # then they are looked at again, which changes nothing
            await self._store.write("", [Write(source.id, lambda current, at: (record, None), SEEN)])


def _read(body: bytes, certificate: x509.Certificate | None) -> Message:
    return read_message(body) if certificate is None else verified_message(body, certificate)


def _trouble(answer: Answer) -> str:
    if answer.status in (200, 304):
        return ""
    return answer.reason or f"the source answered {answer.status}; right would be 200"


def _key(href: str, content: bytes) -> str:
    return blake2b(href.encode() + b"\0" + content, digest_size=8).hexdigest()
