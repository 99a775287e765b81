"""Entities that have a history but no current state: those whose history was given by clients.

Source: GS CIM 009 V1.9.1, clauses 4.5.6, 4.8 and 5.6.5.
"""

from __future__ import annotations

from cityhub.history.recording import deletion_mark
from cityhub.model.entity import Instance
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ports import History, Window
from cityhub.model.time import Clock, to_text

MAX_DATASETS = 1_000


class Past:
    """The `Past` port on a history."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def delete_attribute(self, tenant: str, id: str, attribute: str, dataset_id: str | None, delete_all: bool) -> bool:
        """See `cityhub.model.ports.Past.delete_attribute`."""
        known = await self._history.entities(tenant, [id])
        if not known or known[0].deleted_at is not None:
            return False
        datasets = None if delete_all else frozenset((dataset_id or "@none",))
        now = to_text(self._clock.now())
        marks = [_mark(attribute, instance, now) for instance in await self._present(tenant, id, attribute, datasets)]
        if marks:
            await self._history.put(tenant, id, [], {attribute: marks}, create=False)
        return bool(marks)

    async def _present(self, tenant: str, id: str, attribute: str, datasets: frozenset[str] | None) -> list[Instance]:
        """The newest instance of each dataset that was not deleted since."""
        limit = 1 if datasets is not None else MAX_DATASETS
        attributes = frozenset((attribute,))
        windows = [Window(name, attributes=attributes, datasets=datasets, latest=True, limit=limit) for name in ("modifiedAt", "deletedAt")]
        [given], [gone] = [await self._history.read(tenant, [id], window) for window in windows]
        newest = {instance.get("datasetId"): instance for instance in given.get(attribute, ())}
        for mark in gone.get(attribute, ()):
            instance = newest.get(mark.get("datasetId"))
            if instance is not None and instance["modifiedAt"] <= mark["deletedAt"]:
                del newest[mark.get("datasetId")]
        return list(newest.values())


def _mark(attribute: str, instance: Instance, at: str) -> Instance:
    return {"type": "Property", "value": [], "deletedAt": at} if attribute == SCOPE else deletion_mark(instance, at)
