"""What is written into the history file: the statements behind each operation, each inside a transaction of the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw
import orjson

from cityhub.history.rows import Row, digest, instance_number, instance_row, micros, read_instance
from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import NotFound
from cityhub.model.ports import Happening

KNOWN = 200_000
"""Most entities whose numbers are kept in memory."""

_INSERT = (
    "INSERT INTO instance (number, entity, attribute, dataset, observed, created, modified, deleted, expires, digest, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (entity, attribute, observed, digest) DO UPDATE SET modified = excluded.modified"
)


class _Known:
    """What the writer remembers of an entity."""

    __slots__ = ("number", "types")

    def __init__(self, number: int, types: list[str]) -> None:
        self.number = number
        self.types = types


class Writing:
    """The statements on the writer's connection, and what it remembers between them.

    Attributes:
        seed: What the instance ids of this file begin with.
        position: The journal position that is committed; None before the first.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Reads everything anew, as after a transaction that was rolled back."""
        about = dict(self._connection.execute("SELECT name, value FROM about"))
        self.seed = str(about["seed"])
        self.position: int | None = about.get("position")
        self._position = self.position
        self._names = {str(text): int(number) for text, number in self._connection.execute("SELECT text, number FROM name")}
        self._entities: dict[tuple[str, str], _Known] = {}
        highest = int(self._connection.execute("SELECT coalesce(max(number), 0) FROM instance").get)
        # A number is never given out twice: the ids of removed instances must not come back.
        self._next = max(highest, int(about.get("last_instance", 0))) + 1

    def settled(self) -> None:
        """To be called when the transaction is committed."""
        self.position = self._position
        if len(self._entities) > KNOWN:
            self._entities.clear()

    # -- From the journal ----------------------------------------------------------------------------------------

    def append(self, happenings: Sequence[Happening], position: int) -> None:
        """See `cityhub.model.ports.History.append`."""
        if self._position is not None and position <= self._position:
            return
        rows: list[Row] = []
        touched: dict[int, Row] = {}
        number_of = self._number_of
        number = self._next
        for happening in happenings:
            at = micros(happening.at)
            entity = self._entity(happening.tenant, happening.id, happening.types, at, replace=True)
            touched[entity.number] = (at, at if happening.deleted else None, entity.number)
            for attribute, instance in happening.instances:
                dataset = number_of(instance["datasetId"]) if "datasetId" in instance else 0
                rows.append(instance_row(number, entity.number, number_of(attribute), dataset, instance, at))
                number += 1
        self._connection.executemany("UPDATE entity SET modified = ?, deleted = ? WHERE number = ?", touched.values())
        self._connection.executemany(_INSERT, rows)
        self._next = number
        self._remember("position", position)
        self._remember("last_instance", number - 1)
        self._position = position

    def follow(self, position: int) -> None:
        """See `cityhub.model.ports.History.follow`."""
        self._remember("position", position)
        self._position = position

    # -- From clients --------------------------------------------------------------------------------------------

    def put(self, tenant: str, id: str, types: Sequence[str], attributes: Attributes, now: str, *, create: bool) -> bool:
        """See `cityhub.model.ports.History.put`."""
        at = micros(now)
        known = self._find(tenant, id)
        if known is None and not create:
            raise _no_entity(id)
        merged = list(dict.fromkeys([*(known.types if known else ()), *types]))
        entity = self._entity(tenant, id, merged, at, replace=True)
        for attribute, instances in attributes.items():
            for instance in instances:
                self._put_one(entity.number, self._number_of(attribute), instance, at)
        self._connection.execute("UPDATE entity SET modified = ? WHERE number = ?", (at, entity.number))
        self._remember("last_instance", self._next - 1)
        return known is None

    def _put_one(self, entity: int, attribute: int, instance: Instance, at: int) -> None:
        dataset = self._number_of(instance["datasetId"]) if "datasetId" in instance else 0
        row = instance_row(self._next, entity, attribute, dataset, instance, at)
        observed = row[4]
        if observed is not None:
            old = self._connection.execute(
                "SELECT max(number) FROM instance WHERE entity = ? AND attribute = ? AND observed = ? AND dataset = ?",
                (entity, attribute, observed, dataset),
            ).get
            if old is not None:
                self._replace(int(old), entity, attribute, observed, dataset, row)
                return
        self._connection.execute(_INSERT, row)
        self._next += 1

    def _replace(self, number: int, entity: int, attribute: int, observed: int, dataset: int, row: Row) -> None:
        """Puts a row in the place of all that were observed at the same time, under the number of the newest of them."""
        self._connection.execute(
            "DELETE FROM instance WHERE entity = ? AND attribute = ? AND observed = ? AND dataset = ? AND number <> ?",
            (entity, attribute, observed, dataset, number),
        )
        self._connection.execute(
            "UPDATE instance SET modified = ?, deleted = ?, expires = ?, digest = ?, body = ? WHERE number = ?", (*row[6:], number)
        )

    def modify(
        self, tenant: str, id: str, attribute: str, instance_id: str, change: Callable[[Instance], Instance], now: str
    ) -> None:
        """See `cityhub.model.ports.History.modify`."""
        number, dataset, created, modified, deleted, body = self._instance(tenant, id, attribute, instance_id)
        after = change(read_instance(self.seed, number, created, modified, deleted, body))
        row = instance_row(number, 0, 0, dataset, after, micros(now))
        # Another instance may have been observed at the new time with the very same content; then they become one.
        entity, name = self._connection.execute("SELECT entity, attribute FROM instance WHERE number = ?", (number,)).get
        self._connection.execute(
            "DELETE FROM instance WHERE entity = ? AND attribute = ? AND observed = ? AND digest = ? AND number <> ?",
            (entity, name, row[4], digest(row[10]), number),
        )
        self._connection.execute(
            "UPDATE instance SET observed = ?, modified = ?, deleted = ?, expires = ?, digest = ?, body = ? WHERE number = ?",
            (row[4], *row[6:], number),
        )

    def delete_instance(self, tenant: str, id: str, attribute: str, instance_id: str) -> None:
        """See `cityhub.model.ports.History.delete_instance`."""
        number = self._instance(tenant, id, attribute, instance_id)[0]
        self._connection.execute("DELETE FROM instance WHERE number = ?", (number,))

    def delete_attribute(self, tenant: str, id: str, attribute: str, dataset_id: str | None, delete_all: bool) -> None:
        """See `cityhub.model.ports.History.delete_attribute`."""
        entity, name = self._attribute(tenant, id, attribute)
        where, bindings = "entity = ? AND attribute = ?", [entity, name]
        if not delete_all:
            where += " AND dataset = ?"
            bindings.append(self._names.get(dataset_id, -1) if dataset_id is not None else 0)
        self._connection.execute(f"DELETE FROM instance WHERE {where}", bindings)
        if not self._connection.changes():
            which = f"with the datasetId '{dataset_id}'" if dataset_id is not None else "without a datasetId"
            raise NotFound(f"The history of '{attribute}' of entity '{id}' has no instance {which}")

    def delete_entity(self, tenant: str, id: str) -> None:
        """See `cityhub.model.ports.History.delete_entity`."""
        known = self._find(tenant, id)
        if known is None:
            raise _no_entity(id)
        for table, column in (("instance", "entity"), ("entity_type", "entity"), ("entity", "number")):
            self._connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (known.number,))
        del self._entities[(tenant, id)]

    def expire(self, now: int) -> int:
        """See `cityhub.model.ports.History.expire`."""
        self._connection.execute("DELETE FROM instance WHERE expires <= ?", (now,))
        return self._connection.changes()

    # -- Names and numbers ---------------------------------------------------------------------------------------

    def _number_of(self, text: str) -> int:
        number = self._names.get(text)
        if number is None:
            self._connection.execute("INSERT INTO name (text) VALUES (?)", (text,))
            number = self._names[text] = self._connection.last_insert_rowid()
        return number

    def _find(self, tenant: str, id: str) -> _Known | None:
        known = self._entities.get((tenant, id))
        if known is None:
            row = self._connection.execute("SELECT number, types FROM entity WHERE tenant = ? AND id = ?", (tenant, id)).fetchone()
            if row is None:
                return None
            known = self._entities[(tenant, id)] = _Known(row[0], orjson.loads(row[1]))
        return known

    def _entity(self, tenant: str, id: str, types: list[str], at: int, *, replace: bool) -> _Known:
        known = self._find(tenant, id)
        if known is None:
            self._connection.execute(
                "INSERT INTO entity (tenant, id, types, created, modified) VALUES (?, ?, ?, ?, ?)",
                (tenant, id, orjson.dumps(types).decode(), at, at),
            )
            known = self._entities[(tenant, id)] = _Known(self._connection.last_insert_rowid(), types)
            self._add_types(known.number, types)
        elif replace and known.types != types:
            self._connection.execute("UPDATE entity SET types = ? WHERE number = ?", (orjson.dumps(types).decode(), known.number))
            self._connection.execute("DELETE FROM entity_type WHERE entity = ?", (known.number,))
            self._add_types(known.number, types)
            known.types = types
        return known

    def _add_types(self, entity: int, types: Sequence[str]) -> None:
        rows = [(self._number_of(name), entity) for name in types]
        self._connection.executemany("INSERT INTO entity_type VALUES (?, ?) ON CONFLICT DO NOTHING", rows)

    def _attribute(self, tenant: str, id: str, attribute: str) -> tuple[int, int]:
        """The numbers of an entity and of an attribute that it has instances of."""
        known = self._find(tenant, id)
        if known is None:
            raise _no_entity(id)
        name = self._names.get(attribute, -1)
        if self._connection.execute("SELECT 1 FROM instance WHERE entity = ? AND attribute = ?", (known.number, name)).get is None:
            raise NotFound(f"The history of entity '{id}' has no attribute '{attribute}'")
        return known.number, name

    def _instance(self, tenant: str, id: str, attribute: str, instance_id: str) -> tuple[Any, ...]:
        entity, name = self._attribute(tenant, id, attribute)
        row: tuple[Any, ...] | None = self._connection.execute(
            "SELECT number, dataset, created, modified, deleted, body FROM instance WHERE number = ? AND entity = ? AND attribute = ?",
            (instance_number(self.seed, instance_id), entity, name),
        ).fetchone()
        if row is None:
            raise NotFound(f"The history of '{attribute}' of entity '{id}' has no instance '{instance_id}'")
        return row

    def _remember(self, name: str, value: int) -> None:
        self._connection.execute("INSERT INTO about VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))


def _no_entity(id: str) -> NotFound:
    return NotFound(f"There is no history of entity '{id}'")
