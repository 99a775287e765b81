"""Quality profiles of datasets: when they are made, and their history."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any, Final

import msgspec

from cityhub.catalogue.model import Dataset
from cityhub.catalogue.register import Register
from cityhub.catalogue.tables import Tables, has_rows
from cityhub.catalogue.workers import Workers
from cityhub.model.errors import CityHubError, NotImplementedHere
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text

log = logging.getLogger(__name__)

PROFILES: Final = "catalogue-profile"
MAX_ROWS: Final = 20_000
"""So many rows of a dataset are looked at."""
KEPT: Final = 100
"""So many profiles of a dataset are kept, the newest."""
RENEW_S: Final = 21_600.0
"""How old a profile is when the next one is made by itself, in seconds."""
BATCH_ROWS: Final = 60_000
"""So many rows are given to one process."""

Profile = dict[str, Any]


class Quality:
    """Makes profiles and keeps them.

    Args:
        store: Where they are kept.
        register: The catalogue.
        tables: The rows of datasets.
        workers: Who runs the rules.
        clock: The present time.
    """

    def __init__(self, store: Store, register: Register, tables: Tables, workers: Workers, clock: Clock) -> None:
        self._store = store
        self._register = register
        self._tables = tables
        self._workers = workers
        self._clock = clock
        self._latest: dict[str, dict[str, Profile]] = {}

    async def history(self, tenant: str, dataset: Dataset) -> list[Profile]:
        """The dataset's profiles, the oldest first; empty when none was made yet."""
        document = await self._store.fetch(tenant, dataset.id, PROFILES)
        return document["profiles"] if document else []

    async def latest(self, tenant: str) -> dict[str, Profile]:
        """The newest profile of each dataset that has one, by the dataset's id."""
        if tenant not in self._latest:
            records = await self._store.records(tenant, PROFILES)
            self._latest[tenant] = {document["id"]: document["profiles"][-1] for _, document in records if document["profiles"]}
        return self._latest[tenant]

    async def measure(self, tenant: str, dataset: Dataset) -> Profile:
        """A new profile of the dataset, kept. Raises NotImplementedHere when the hub has no rows of it."""
        job = await self._job(tenant, dataset)
        (found,) = await self._run([job])
        return await self._keep(tenant, dataset, found)

    async def renew(self) -> int:
        """Makes the profiles that are missing or too old, in all tenants; returns how many."""
        made = 0
        for tenant in sorted(self._store.tenants()):
            contents = await self._register.contents(tenant)
            known = await self.latest(tenant)
            # Of the past only the tables themselves: the views show the same values again.
            due = [one for one in contents.datasets.all if one.state == "active" and has_rows(one) and not _is_view(one)]
            due = [one for one in due if self._is_due(known.get(one.id))]
            batch: list[tuple[Dataset, Document]] = []
            for dataset in due:
                try:
                    batch.append((dataset, await self._job(tenant, dataset)))
                except CityHubError as error:
                    log.info("no profile of '%s': %s", dataset.name, error.detail)
                if sum(len(job["rows"]) for _, job in batch) >= BATCH_ROWS:
                    made += await self._finish(tenant, batch)
                    batch = []
            made += await self._finish(tenant, batch)
        return made

    async def _finish(self, tenant: str, batch: list[tuple[Dataset, Document]]) -> int:
        if not batch:
            return 0
        for (dataset, _), found in zip(batch, await self._run([job for _, job in batch]), strict=True):
            await self._keep(tenant, dataset, found)
        return len(batch)

    def _is_due(self, profile: Profile | None) -> bool:
        if profile is None:
            return True
        return (self._clock.now() - datetime.fromisoformat(profile["at"])).total_seconds() > RENEW_S

    async def _job(self, tenant: str, dataset: Dataset) -> Document:
        if not has_rows(dataset):
            raise NotImplementedHere(f"The hub has no rows of '{dataset.name}', so their quality cannot be measured")
        rows = await self._tables.all(tenant, dataset, MAX_ROWS)
        fields = [msgspec.to_builtins(field) for field in dataset.fields]
        return {
            "fields": fields, "rows": [[row.get(field.name) for field in dataset.fields] for row in rows],
            "rules": msgspec.to_builtins(dataset.rules), "now": to_text(self._clock.now()),
        }  # fmt: skip

    async def _run(self, jobs: list[Document]) -> list[Profile]:
        content = await asyncio.to_thread(msgspec.json.encode, jobs)
        found: list[Profile] = msgspec.json.decode(await self._workers.run("profile", content))
        return found

    async def _keep(self, tenant: str, dataset: Dataset, found: Profile) -> Profile:
        profile = {"at": to_text(self._clock.now()), **found}

        def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
            before = current["profiles"] if current else []
            # Of older profiles only the figures are kept.
            return {"id": dataset.id, "profiles": [*map(_figures, before[1 - KEPT :]), profile]}, None

        await self._store.write(tenant, [Write(dataset.id, transition, PROFILES)])
        self._latest.setdefault(tenant, {})[dataset.id] = profile
        return profile


def _is_view(dataset: Dataset) -> bool:
    return dataset.origin is not None and dataset.origin.kind == "view"


def _figures(profile: Profile) -> Profile:
    return {name: value for name, value in profile.items() if name != "fields"}
