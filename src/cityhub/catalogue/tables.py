"""The rows of datasets: entities of a type as they are now, from the store; everything else by SQL, from the port `Analysis`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from cityhub.catalogue.model import Dataset, Field, local_name
from cityhub.model.condition import TypeIs
from cityhub.model.entity import Entity, Instance, value_of
from cityhub.model.errors import NotImplementedHere
from cityhub.model.ports import Analysis, Principal, ResultFormat, Store
from cityhub.model.vocabulary import SIMULATED

Row = dict[str, Any]
MAX_ROWS: Final = 100_000
"""Most rows that are looked through or downloaded at once."""
AT_ONCE: Final = 4
"""So many datasets are read as a whole at the same time."""
BLOCK: Final = 500
"""Rows that are made without letting other requests in between."""


class Table(msgspec.Struct, frozen=True):
    """Some rows of a dataset, and how many there are in all (None: not known)."""

    fields: list[Field]
    rows: list[Row]
    total: int | None


class Tables:
    """Reads rows.

    Args:
        store: For entity types.
        analysis: For everything else; None: there is no history to ask.
    """

    def __init__(self, store: Store, analysis: Analysis | None) -> None:
        self._store = store
        self._analysis = analysis
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def page(self, tenant: str, dataset: Dataset, offset: int, limit: int, language: str = "zh") -> Table:
        """Some rows, in the order of creation, with texts of a language where there are such.

        Raises NotImplementedHere when the hub has no rows of the dataset.
        """
        type = entity_type(dataset)
        if type is not None:
            page = await self._store.find(tenant, TypeIs(type), None, offset, limit, count=True)
            return Table(dataset.fields, [row_of(entity, dataset.fields, language) for entity in page.entities], page.count)
        analysis = self._asked(dataset)
        statement = f"SELECT * FROM ({dataset.statement}) LIMIT {int(limit)} OFFSET {int(offset)}"
        found = await analysis.rows(tenant, statement, limit=max(1, limit))
        return Table(dataset.fields, [dict(zip(found.columns, row, strict=True)) for row in found.rows], None)

    async def blocks(self, tenant: str, dataset: Dataset, limit: int = MAX_ROWS) -> AsyncIterator[list[Row]]:
        """All rows, in blocks, at most `limit`. Raises like `page`."""
        left = limit
        type = entity_type(dataset)
        if type is None:
            table = await self.page(tenant, dataset, 0, min(limit, 10_000))
            yield table.rows
            return
        async for entities in self._store.scan(tenant, TypeIs(type)):
            for at in range(0, len(entities), BLOCK):
                rows = [row_of(entity, dataset.fields) for entity in entities[at : at + BLOCK][:left]]
                left -= len(rows)
                yield rows
                if left <= 0:
                    return

    async def all(self, tenant: str, dataset: Dataset, limit: int = MAX_ROWS) -> list[Row]:
        """All rows, at most `limit`. Only some such readings go on at the same time; the others wait for their turn."""
        async with self._turns:
            return [row async for rows in self.blocks(tenant, dataset, limit) for row in rows]

    def file(self, tenant: str, dataset: Dataset, format: ResultFormat) -> AsyncIterator[bytes]:
        """The rows of a dataset that are had by a statement as a file, piece by piece. Raises NotImplementedHere when there is none."""
        return self._asked(dataset).stream(tenant, f"SELECT * FROM ({dataset.statement}) LIMIT {MAX_ROWS}", format=format)

    async def select(
        self, tenant: str, statement: str, limit: int, principal: Principal
    ) -> tuple[list[str], list[str], list[list[Any]], bool]:
        """Columns, types, rows and whether there were more, of somebody's SELECT. Raises NotImplementedHere without a history."""
        if self._analysis is None:
            raise NotImplementedHere("This hub answers no SQL now: it runs without its history")
        found = await self._analysis.rows(tenant, statement, limit=limit, principal=principal)
        return found.columns, found.types, found.rows, found.truncated

    def _asked(self, dataset: Dataset) -> Analysis:
        if not dataset.statement:
            raise NotImplementedHere(f"The hub has no rows of '{dataset.name}'; its distributions say where they are")
        if self._analysis is None:
            raise NotImplementedHere(f"The rows of '{dataset.name}' are in the history, which this hub runs without")
        return self._analysis


def entity_type(dataset: Dataset) -> str | None:
    """The type whose entities are the dataset's rows; None when its rows are not entities."""
    return dataset.origin.key if dataset.origin is not None and dataset.origin.kind == "entity type" else None


def has_rows(dataset: Dataset) -> bool:
    """Whether the hub has rows of the dataset, or can ask for them."""
    return dataset.available and (entity_type(dataset) is not None or bool(dataset.statement))


def row_of(entity: Entity, fields: list[Field], language: str = "zh") -> Row:
    """An entity as one flat row: the default instance of each attribute, texts of one language, a relationship as the id it points to.

    "observed_at" is the newest observedAt among them, "simulated" whether a model made any of them up.
    """
    row: Row = {}
    newest, simulated = "", False
    attributes = entity["attrs"]
    for field in fields:
        instances = attributes.get(field.iri) if field.iri else None
        if not instances:
            row[field.name] = entity["id"] if field.name == "id" else None
            continue
        instance = next((one for one in instances if "datasetId" not in one), instances[0])
        row[field.name] = plain(instance, language)
        newest = max(newest, instance.get("observedAt", ""))
        simulated = simulated or is_simulated(instance)
    if "observed_at" in row:
        row["observed_at"] = newest or None
    if "simulated" in row:
        row["simulated"] = simulated
    return row


def plain(instance: Instance, language: str = "zh") -> Any:
    """The value of an attribute for a table: IRIs of a vocabulary by their last part, of languages one (else Chinese, else any)."""
    value = value_of(instance)
    kind = instance["type"]
    if kind == "LanguageProperty" and isinstance(value, dict):
        return value.get(language) or value.get("zh") or next(iter(value.values()), None)
    if kind == "VocabProperty":
        return local_name(value) if isinstance(value, str) else [local_name(str(item)) for item in value]
    return value


def is_simulated(instance: Instance) -> bool:
    """Whether a model made an attribute's value up."""
    return any(value_of(item) is True for item in instance.get("attrs", {}).get(SIMULATED, ()))
