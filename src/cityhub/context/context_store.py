"""Stored @contexts: the records of the collection "context".

    {"id", "kind": "Cached" | "Hosted" | "ImplicitlyCreated", "url"? (Cached), "context", "createdAt", "expiresAt"? (Cached),
     "numberOfHits", "lastUsage"?}

A cached @context is a copy of a public document and stands in the default tenant for all; hosted and implicitly
created ones belong to the tenant in which they were made.

Source: GS CIM 009 V1.9.1, clause 5.13.1.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid4

import orjson

from cityhub.context.context_fetch import Fetched
from cityhub.model.errors import CityHubError, NotFound
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import to_text

COLLECTION: Final = "context"
CACHED: Final = "Cached"
HOSTED: Final = "Hosted"
IMPLICIT: Final = "ImplicitlyCreated"
KINDS: Final = (CACHED, HOSTED, IMPLICIT)


def cached_id(url: str) -> str:
    """The local id of the copy of a URL."""
    return _urn(b"cached:" + url.encode())


def implicit_id(context: Any) -> str:
    """The local id of an implicitly created @context: the same content has the same id."""
    return _urn(b"implicit:" + orjson.dumps(context))


def _urn(content: bytes) -> str:
    return f"urn:uuid:{UUID(bytes=sha256(content).digest()[:16], version=5)}"


class ContextStore:
    """Reads and writes the records of stored @contexts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, id: str, tenant: str) -> Document | None:
        """The record with a local id that the tenant may see."""
        record = self._store.get(tenant, id, COLLECTION)
        if record is None and tenant:
            shared = self._store.get("", id, COLLECTION)
            record = shared if shared is not None and shared["kind"] == CACHED else None
        return record

    def copy_of(self, url: str) -> Document | None:
        """The record of the downloaded copy of a URL."""
        return self._store.get("", cached_id(url), COLLECTION)

    async def all(self, tenant: str) -> list[Document]:
        """Every record that the tenant may see, in order of creation, shared ones first."""
        shared = [record for _, record in await self._store.records("", COLLECTION) if not tenant or record["kind"] == CACHED]
        return shared + ([record for _, record in await self._store.records(tenant, COLLECTION)] if tenant else [])

    async def keep_copy(self, url: str, fetched: Fetched, now: datetime) -> Document:
        """Stores or replaces the copy of a URL."""
        document = {
            "id": cached_id(url),
            "kind": CACHED,
            "url": url,
            "context": fetched.context,
            "createdAt": to_text(now),
            "expiresAt": to_text(now + timedelta(seconds=fetched.age_s)),
        }

        def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
            counted = {} if current is None else {name: current[name] for name in ("numberOfHits", "lastUsage") if name in current}
            return document | counted, None

        await self._write("", document["id"], transition)
        return document

    async def add(self, context: Any, kind: str, tenant: str, trace: str) -> str:
        """Stores an @context of a client's; returns its local id."""
        id = implicit_id(context) if kind == IMPLICIT else f"urn:uuid:{uuid4()}"

        def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
            return current or {"id": id, "kind": kind, "context": context, "createdAt": at, "numberOfHits": 0}, None

        await self._write(tenant, id, transition, trace)
        return id

    async def remove(self, record: Document, tenant: str, trace: str) -> None:
        """Removes a record. Raises NotFound when somebody else just did."""

        def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
            if current is None:
                raise NotFound(f"The @context '{record['id']}' does not exist")
            return None, None

        await self._write("" if record["kind"] == CACHED else tenant, record["id"], transition, trace)

    async def count(self, id: str, tenant: str, hits: int, last: datetime | None) -> None:
        """Stores how often an @context was used, if it still exists."""

        def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
            if current is None:
                return None, None
            return current | {"numberOfHits": hits} | ({"lastUsage": to_text(last)} if last else {}), None

        await self._write(tenant, id, transition)

    async def _write(
        self, tenant: str, id: str, transition: Callable[[Document | None, str], tuple[Document | None, Any]], trace: str = ""
    ) -> None:
        [result] = await self._store.write(tenant, [Write(id, transition, COLLECTION)], trace)
        if isinstance(result, CityHubError):
            raise result
