"""The `History` port on the lake: the historian answers, the journal takes what clients write."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from cityhub.history import questions
from cityhub.history.conditions import where
from cityhub.model import history_events as events
from cityhub.model.condition import Condition
from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import CityHubError, NotFound
from cityhub.model.ngsild.temporal import Aggregation
from cityhub.model.ports import HISTORY_EVENTS, Evolution, Figures, Store, Window, Write
from cityhub.web.logging import current_trace
from cityhub.web.wire_client import WireClient

_ANY_TIME: Final = (Window(limit=1), Window(property="deletedAt", limit=1))
_evolutions = msgspec.msgpack.Decoder(list[Evolution])
_attributes = msgspec.msgpack.Decoder(list[Attributes])
_figures = msgspec.msgpack.Decoder(list[Figures])


class LakeHistory:
    """See `cityhub.model.ports.History`."""

    def __init__(self, client: WireClient, store: Store) -> None:
        self._client = client
        self._store = store

    # -- Reading -------------------------------------------------------------------------------------------------

    async def entities(self, tenant: str, ids: Sequence[str]) -> list[Evolution]:
        """See `cityhub.model.ports.History.entities`."""
        return _evolutions.decode(await self._client.call("entities", questions.Entities(tenant, _once(ids)), again=True))

    async def scan(
        self, tenant: str, condition: Condition, window: Window | None = None, *, whole: bool = True
    ) -> AsyncGenerator[list[Evolution], None]:
        """See `cityhub.model.ports.History.scan`."""
        sql, values = where(condition, spanned=window is not None)
        async with aclosing(self._client.stream("scan", questions.Scan(tenant, sql, values, window, whole), again=True)) as blocks:
            async for block in blocks:
                yield _evolutions.decode(block)

    async def read(self, tenant: str, ids: Sequence[str], window: Window, *, page: int | None = None) -> list[Attributes]:
        """See `cityhub.model.ports.History.read`."""
        return await self._read(questions.Read(tenant, list(ids), window, page))

    async def aggregate(self, tenant: str, ids: Sequence[str], window: Window, aggregation: Aggregation) -> list[Figures]:
        """See `cityhub.model.ports.History.aggregate`."""
        period = aggregation.period
        question = questions.Aggregate(tenant, list(ids), window, aggregation.methods, period.months, period.seconds)
        found: list[Figures] = []
        async with aclosing(self._client.stream("aggregate", question, again=True)) as blocks:
            async for block in blocks:
                found.extend(_figures.decode(block))
        return found

    async def _read(self, question: questions.Read) -> list[Attributes]:
        ids = _once(question.ids)
        if len(ids) < len(question.ids):
            found = dict(zip(ids, await self._read(msgspec.structs.replace(question, ids=ids)), strict=True))
            return [found[id] for id in question.ids]
        return _attributes.decode(await self._client.call("read", question, again=True)) if ids else []

    # -- Writing: it is asked first whether it can be done, then the journal takes it ------------------------------

    async def put(self, tenant: str, id: str, types: Sequence[str], attributes: Attributes, *, create: bool) -> bool:
        """See `cityhub.model.ports.History.put`."""
        is_new = not await self.entities(tenant, [id])
        if is_new and not create:
            raise _no_entity(id)
        await self._journal(tenant, id, events.Put(id, list(types), attributes))
        return is_new

    async def modify(self, tenant: str, id: str, attribute: str, instance_id: str, change: Callable[[Instance], Instance]) -> None:
        """See `cityhub.model.ports.History.modify`."""
        instance = await self._instance(tenant, id, attribute, instance_id)
        after = {name: value for name, value in change(instance).items() if name not in ("instanceId", "createdAt", "modifiedAt")}
        await self._journal(tenant, id, events.Modify(id, attribute, instance_id, after))

    async def delete_instance(self, tenant: str, id: str, attribute: str, instance_id: str) -> None:
        """See `cityhub.model.ports.History.delete_instance`."""
        await self._instance(tenant, id, attribute, instance_id)
        await self._journal(tenant, id, events.DeleteInstance(id, attribute, instance_id))

    async def delete_attribute(self, tenant: str, id: str, attribute: str, dataset_id: str | None, delete_all: bool) -> None:
        """See `cityhub.model.ports.History.delete_attribute`."""
        datasets = None if delete_all else frozenset((dataset_id or "@none",))
        if not await self._has(tenant, id, attribute, datasets):
            await self._require(tenant, id, attribute)
            which = f"with the datasetId '{dataset_id}'" if dataset_id is not None else "without a datasetId"
            raise NotFound(f"The history of '{attribute}' of entity '{id}' has no instance {which}")
        await self._journal(tenant, id, events.DeleteAttribute(id, attribute, dataset_id, delete_all))

    async def delete_entity(self, tenant: str, id: str) -> None:
        """See `cityhub.model.ports.History.delete_entity`."""
        if not await self.entities(tenant, [id]):
            raise _no_entity(id)
        await self._journal(tenant, id, events.DeleteEntity(id))

    async def drop_tenant(self, tenant: str) -> None:
        """See `cityhub.model.ports.History.drop_tenant`."""
        await self._journal(tenant, tenant or "tenant", events.DropTenant())

    async def _journal(self, tenant: str, id: str, event: events.Event) -> None:
        document = events.document_of(event)

        def transition(before: dict[str, Any] | None, at: str) -> tuple[dict[str, Any], None]:
            return document, None

        [result] = await self._store.write(tenant, [Write(id, transition, HISTORY_EVENTS)], current_trace.get())
        if isinstance(result, CityHubError):
            raise result

    async def _instance(self, tenant: str, id: str, attribute: str, instance_id: str) -> Instance:
        window = Window(attributes=frozenset((attribute,)))
        [attrs] = await self._read(questions.Read(tenant, [id], window, instance=instance_id))
        if attribute in attrs:
            return attrs[attribute][0]
        await self._require(tenant, id, attribute)
        raise NotFound(f"The history of '{attribute}' of entity '{id}' has no instance '{instance_id}'")

    async def _require(self, tenant: str, id: str, attribute: str) -> None:
        """Raises NotFound for an entity, or an attribute of it, that the history does not know."""
        if not await self.entities(tenant, [id]):
            raise _no_entity(id)
        if not await self._has(tenant, id, attribute, None):
            raise NotFound(f"The history of entity '{id}' has no attribute '{attribute}'")

    async def _has(self, tenant: str, id: str, attribute: str, datasets: frozenset[str] | None) -> bool:
        for window in _ANY_TIME:
            asked = msgspec.structs.replace(window, attributes=frozenset((attribute,)), datasets=datasets)
            [attrs] = await self.read(tenant, [id], asked)
            if attrs:
                return True
        return False


def _once(ids: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(ids))


def _no_entity(id: str) -> NotFound:
    return NotFound(f"There is no history of entity '{id}'")
