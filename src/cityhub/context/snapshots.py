"""Snapshots: frozen copies of what queries found, each a tenant of the store of its own.

Source: GS CIM 009 V1.9.1, clauses 4.3.7, 5.5.15 and 5.16.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol
from uuid import uuid4

import orjson

from cityhub.context.entities import Call, EntityOperations
from cityhub.context.snapshot import (
    COLLECTION,
    new_record,
    notification,
    purge_filter,
    status_of,
    updated_record,
)
from cityhub.model.condition import Anything
from cityhub.model.entity import Entity
from cityhub.model.errors import AlreadyExists, CityHubError, Conflict, NotFound, OperationNotSupported, TooManyResults
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import query_from_document
from cityhub.model.ngsild.view import NORMALIZED
from cityhub.model.ports import Delivery, Document, Receiver, Store, Write
from cityhub.model.snapshot import snapshot_tenant
from cityhub.model.time import Clock, to_text
from cityhub.web.negotiation import ContextSource
from cityhub.web.problem import problem_document

MAX_ENTITIES: Final = 50_000
"""Most entities of one query of a snapshot."""
MAX_SNAPSHOTS: Final = 50
"""Most snapshots of one tenant; a further one takes the place of one with the same or a lower priority."""
AT_ONCE: Final = 500

log = logging.getLogger(__name__)


class SnapshotHistory(Protocol):
    """Copies histories into snapshots; the history room has it."""

    async def check(self, query: dict[str, Any], terms: TermMap) -> None:
        """Raises BadRequestData for a temporal query that cannot be."""

    async def copy(self, tenant: str, query: dict[str, Any], terms: TermMap, target: str) -> int:
        """Copies what a temporal query finds to another tenant; how many entities."""

    async def copy_all(self, tenant: str, target: str) -> int:
        """Copies the whole history of a tenant to another one; how many entities."""

    async def drop(self, tenant: str) -> None:
        """Removes the whole history of a tenant."""


class Snapshots:
    """The snapshots of all tenants.

    Args:
        store: Where they are kept.
        operations: Finds the entities of a query.
        contexts: Where term maps come from.
        clock: Where the time comes from.
        delivery: Sends notifications about them.
        history: Copies histories; None: snapshots have none.
    """

    def __init__(
        self, store: Store, operations: EntityOperations, contexts: ContextSource, clock: Clock, delivery: Delivery,
        history: SnapshotHistory | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._operations = operations
        self._contexts = contexts
        self._clock = clock
        self._delivery = delivery
        self._history = history
        self._ends: dict[tuple[str, str], str] = {}
        self._used: dict[tuple[str, str], str] = {}
        self._work: set[asyncio.Task[None]] = set()

    # -- Life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Learns which snapshots there are and goes on with those that were being prepared when the hub stopped."""
        for tenant, record in await self._store.records(None, COLLECTION):
            self._ends[tenant, record["id"]] = record["expiresAt"]
            if record["snapshotStatus"] == "preparing":
                self._begin(tenant, record)

    async def stop(self) -> None:
        """Stops preparing; it begins anew after the next start."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._save_use()

    async def sweep(self) -> None:
        """Deletes the snapshots whose time has passed and stores when the others were used."""
        now = to_text(self._clock.now())
        for tenant, id in [key for key, ends in self._ends.items() if ends <= now]:
            record = self._store.get(tenant, id, COLLECTION)
            if record is not None:
                await self._remove(tenant, record)
        await self._save_use()

    # -- Operations --------------------------------------------------------------------------------------------------

    async def create(self, tenant: str, members: dict[str, Any], terms: TermMap, trace: str = "") -> str:
        """Create Snapshot (5.16.1); returns its id. It is filled in the background.

        Raises AlreadyExists, BadRequestData (a query cannot be), TooManyResults (there are too many snapshots that matter more).
        """
        for query in members.get("snapshotQueries", ()):
            query_from_document(query, terms)
        for query in members.get("snapshotTemporalQueries", ()):
            if self._history is None:
                raise OperationNotSupported("Snapshots of histories are not offered here")
            await self._history.check(query, terms)
        return await self._add(tenant, members, terms.source, None, trace)

    async def clone(self, tenant: str, id: str, members: dict[str, Any], trace: str = "") -> str:
        """Clone Snapshot (5.16.2); returns the id of the clone. Raises NotFound, Conflict (it is not ready), AlreadyExists."""
        source = self.ready(tenant, id)
        kept = {name: value for name, value in source.items() if name.startswith("snapshot") and name not in ("snapshotLifetime",)}
        return await self._add(tenant, {**kept, **members}, source["context"], source["copy"], trace)

    def get(self, tenant: str, id: str) -> Document:
        """Retrieve Snapshot Status (5.16.3): the record. Raises NotFound."""
        record = self._store.get(tenant, id, COLLECTION)
        if record is None or record["expiresAt"] <= to_text(self._clock.now()):
            raise NotFound(f"Snapshot '{id}' does not exist, or has expired")
        used = self._used.get((tenant, id))
        return record if used is None else {**record, "lastUsedAt": used}

    def ready(self, tenant: str, id: str) -> Document:
        """The record of a snapshot that can be used, which counts as a use. Raises NotFound, Conflict."""
        record = self.get(tenant, id)
        if record["snapshotStatus"] == "preparing":
            raise Conflict(f"Snapshot '{id}' is still being prepared; try again when its 'snapshotStatus' is another one")
        self._used[tenant, id] = to_text(self._clock.now())
        return record

    async def update(self, tenant: str, id: str, members: dict[str, Any], trace: str = "") -> Document:
        """Update Snapshot Status (5.16.4): the new record. Raises NotFound."""
        self.get(tenant, id)

        def transition(current: Document | None, now: str) -> tuple[Document, None]:
            if current is None:
                raise NotFound(f"Snapshot '{id}' does not exist")
            return updated_record(current, members, now), None

        await self._write(tenant, id, transition, trace)
        record = self.get(tenant, id)
        self._ends[tenant, id] = record["expiresAt"]
        self._notify(tenant, record)
        return record

    async def delete(self, tenant: str, id: str, trace: str = "") -> None:
        """Delete Snapshot (5.16.5). Raises NotFound."""
        await self._remove(tenant, self.get(tenant, id), trace)

    async def purge(self, tenant: str, q: str | None, trace: str = "") -> list[str]:
        """Purge Snapshots (5.16.7): deletes those that match; their ids. Raises BadRequestData, NotFound when none does."""
        matches = purge_filter(q)
        found = [record for _, record in await self._store.records(tenant, COLLECTION) if matches(record)]
        if not found:
            raise NotFound("No snapshot matches 'q'")
        for record in found:
            await self._remove(tenant, record, trace)
        return [record["id"] for record in found]

    # -- Coming and going --------------------------------------------------------------------------------------------

    async def _add(self, tenant: str, members: dict[str, Any], context: Any, source: str | None, trace: str) -> str:
        id = members.get("id") or f"urn:ngsi-ld:Snapshot:{uuid4()}"
        record = new_record(id, members, context, snapshot_tenant(uuid4().hex[:12], tenant, id), self._clock.now())
        if source is not None:
            record["source"] = source
        await self._make_room(tenant, record["snapshotPriority"])

        def transition(current: Document | None, now: str) -> tuple[Document, None]:
            if current is not None:
                raise AlreadyExists(f"Snapshot '{id}' exists already")
            return record, None

        await self._write(tenant, id, transition, trace)
        self._ends[tenant, id] = record["expiresAt"]
        self._begin(tenant, record)
        return id

    async def _make_room(self, tenant: str, priority: int) -> None:
        if sum(key[0] == tenant for key in self._ends) < MAX_SNAPSHOTS:
            return
        records = [record for _, record in await self._store.records(tenant, COLLECTION)]
        least = min(records, key=lambda record: (record["snapshotPriority"], record["expiresAt"]))
        if least["snapshotPriority"] > priority:
            raise TooManyResults(f"There are {MAX_SNAPSHOTS} snapshots, all of a higher 'snapshotPriority'; delete one first")
        await self._remove(tenant, least)

    async def _remove(self, tenant: str, record: Document, trace: str = "") -> None:
        key = (tenant, record["id"])
        self._ends.pop(key, None)
        self._used.pop(key, None)
        await self._write(*key, lambda current, now: (None, None), trace)
        await self._drop_copy(record["copy"])
        self._notify(tenant, {**record, "expiresAt": min(record["expiresAt"], to_text(self._clock.now()))})

    async def _drop_copy(self, copy: str) -> None:
        await self._store.drop_tenant(copy)
        if self._history is not None:
            await self._history.drop(copy)

    # -- Filling -----------------------------------------------------------------------------------------------------

    def _begin(self, tenant: str, record: Document) -> None:
        task = asyncio.create_task(self._fill(tenant, record))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _fill(self, tenant: str, record: Document) -> None:
        details: dict[str, Any] = {}
        try:
            await self._drop_copy(record["copy"])  # what an earlier attempt left
            if "source" in record:
                status = await self._fill_clone(record)
            else:
                details = await self._fill_by_queries(tenant, record)
                status = status_of([one for part in details.values() for one in part])
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("snapshot %s could not be filled", record["id"])
            status = "failure"
        await self._finish(tenant, record, status, details)

    async def _finish(self, tenant: str, record: Document, status: str, details: dict[str, Any]) -> None:
        def transition(current: Document | None, now: str) -> tuple[Document | None, bool]:
            if current is None or current["copy"] != record["copy"]:
                return current, False
            return {**current, **details, "snapshotStatus": status, "modifiedAt": now}, True

        if await self._write(tenant, record["id"], transition):
            self._notify(tenant, self.get(tenant, record["id"]))
        else:
            await self._drop_copy(record["copy"])  # it was deleted meanwhile

    async def _fill_clone(self, record: Document) -> str:
        source, copied = record["source"], 0
        async for block in self._store.scan(source, Anything()):
            await self._put(record["copy"], block)
            copied += len(block)
        if self._history is not None:
            copied += await self._history.copy_all(source, record["copy"])
        return str(record["snapshotStatus"]) if record["snapshotStatus"] != "preparing" else ("success" if copied else "empty")

    async def _fill_by_queries(self, tenant: str, record: Document) -> dict[str, Any]:
        details: dict[str, Any] = {}
        parts: tuple[tuple[str, str, Callable[..., Any]], ...] = (
            ("snapshotQueries", "snapshotQueriesDetails", self._copy_entities),
            ("snapshotTemporalQueries", "snapshotTemporalQueriesDetails", self._copy_history),
        )
        for queries, name, copy in parts:
            if queries in record:
                details[name] = [await self._result(copy, tenant, query, record) for query in record[queries]]
        return details

    async def _result(self, copy: Callable[..., Any], tenant: str, query: dict[str, Any], record: Document) -> dict[str, Any]:
        """What came of one query (5.2.42)."""
        try:
            terms = await self._contexts.resolve(record["context"], tenant)
            copied = await copy(tenant, query, terms, record["copy"])
        except CityHubError as error:
            return {"resultStatus": "failure", "problemDetails": problem_document(error)}
        return {"resultStatus": "success" if copied else "empty"}

    async def _copy_entities(self, tenant: str, query: dict[str, Any], terms: TermMap, target: str) -> int:
        wanted = query_from_document(query, terms)
        call = Call(tenant, terms)
        # What one question can bring is asked for once, so that it is of one moment at every source.
        page = await self._operations.query(call, wanted, NORMALIZED, 0, AT_ONCE + 1, False, None)
        if len(page.entities) <= AT_ONCE:
            await self._put(target, page.entities)
            return len(page.entities)
        ids = await self._operations.identifiers(call, wanted, NORMALIZED, None, MAX_ENTITIES)
        copied = 0
        for at in range(0, len(ids), AT_ONCE):
            chunk = ids[at : at + AT_ONCE]
            among = wanted.among(chunk)
            if among is not None:
                page = await self._operations.query(call, among, NORMALIZED, 0, len(chunk), False, None)
                await self._put(target, page.entities)
                copied += len(page.entities)
        return copied

    async def _copy_history(self, tenant: str, query: dict[str, Any], terms: TermMap, target: str) -> int:
        if self._history is None:
            raise OperationNotSupported("Snapshots of histories are not offered here")
        return await self._history.copy(tenant, query, terms, target)

    async def _put(self, target: str, entities: Sequence[Entity]) -> None:
        now = to_text(self._clock.now())
        writes = [Write(entity["id"], _as_it_is({"createdAt": now, "modifiedAt": now, **entity})) for entity in entities]
        for result in await self._store.write(target, writes):
            if isinstance(result, CityHubError):
                raise result

    # -- Small things ------------------------------------------------------------------------------------------------

    async def _save_use(self) -> None:
        used, self._used = self._used, {}
        for (tenant, id), at in used.items():
            await self._write(tenant, id, lambda current, now, at=at: (current and {**current, "lastUsedAt": at}, None))

    def _notify(self, tenant: str, record: Document) -> None:
        """Tells the endpoint, if there is one (5.16.6)."""
        uri = record.get("endpoint")
        if uri is None:
            return
        headers = [("Content-Type", "application/json")]
        if tenant:
            headers.append(("NGSILD-Tenant", tenant))
        headers += [(pair["key"], pair["value"]) for pair in record.get("receiverInfo", ())]
        document = notification(record, f"urn:ngsi-ld:SnapshotNotification:{uuid4()}", to_text(self._clock.now()))
        closing = _Closing()
        closing.lane = self._delivery.open(Receiver(uri, tuple(headers)), closing)
        closing.lane.put(orjson.dumps(document), None)

    async def _write(self, tenant: str, id: str, transition: Any, trace: str = "") -> Any:
        [result] = await self._store.write(tenant, [Write(id, transition, COLLECTION)], trace)
        if isinstance(result, CityHubError):
            raise result
        return result


class _Closing:
    """Closes a lane when its only message is dealt with."""

    def __init__(self) -> None:
        self.lane: Any = None

    def attempted(self, token: Any, first: bool) -> None:
        pass

    def answered(self, token: Any, reason: str, first: bool) -> None:
        if reason:
            log.info("a snapshot notification was not delivered: %s", reason)

    def finished(self, token: Any) -> None:
        asyncio.get_running_loop().call_soon(self.lane.close)

    def ready(self) -> None:
        pass


def _as_it_is(entity: Entity) -> Callable[[Document | None, str], tuple[Document, None]]:
    return lambda current, now: (entity, None)
