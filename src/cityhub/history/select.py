"""Reads of the history file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import orjson

from cityhub.history.rows import micros, read_instance, time_text
from cityhub.model.condition import AllOf, AnyOf, Condition, IdIn, IdPrefix, TypeIs
from cityhub.model.entity import Attributes
from cityhub.model.ports import Evolution, Window

BLOCK: Final = 200
"""Entities of one block of a scan."""
_COLUMNS: Final = {"observedAt": "observed", "createdAt": "created", "modifiedAt": "modified", "deletedAt": "deleted"}
_ENTITY = "SELECT number, id, types, created, modified, deleted FROM entity"


def entity(connection: apsw.Connection, tenant: str, id: str) -> Evolution | None:
    """One entity."""
    row = connection.execute(f"{_ENTITY} WHERE tenant = ? AND id = ?", (tenant, id)).fetchone()
    return _evolution(row) if row else None


def block(tenant: str, condition: Condition, after: int, connection: apsw.Connection) -> tuple[list[Evolution], int]:
    """The next entities after a number that satisfy the condition as far as ids and types go, and the number to go on from."""
    where, bindings = _where(condition, connection)
    rows: list[Any] = connection.execute(
        f"{_ENTITY} WHERE tenant = ? AND number > ? AND {where} ORDER BY number LIMIT {BLOCK}", (tenant, after, *bindings)
    ).fetchall()
    return [_evolution(row) for row in rows], rows[-1][0] if rows else after


def _evolution(row: tuple[Any, ...]) -> Evolution:
    _, id, types, created, modified, deleted = row
    return Evolution(id, orjson.loads(types), time_text(created), time_text(modified), None if deleted is None else time_text(deleted))


def _where(condition: Condition, connection: apsw.Connection) -> tuple[str, list[Any]]:
    if isinstance(condition, IdIn):
        return "id IN (SELECT value FROM json_each(?))", [orjson.dumps(condition.ids).decode()]
    if isinstance(condition, IdPrefix):
        return "id >= ? AND id < ?", [condition.prefix, f"{condition.prefix}\U0010ffff"]
    if isinstance(condition, TypeIs):
        return "number IN (SELECT entity FROM entity_type WHERE type = (SELECT number FROM name WHERE text = ?))", [condition.type]
    if isinstance(condition, AllOf | AnyOf):
        parts = [_where(part, connection) for part in condition.conditions]
        word, empty = (" AND ", "1") if isinstance(condition, AllOf) else (" OR ", "0")
        return f"({word.join(where for where, _ in parts) or empty})", [value for _, bindings in parts for value in bindings]
    return "1", []


def instances(
    connection: apsw.Connection, seed: str, tenant: str, ids: Sequence[str], window: Window, now: int
) -> list[Attributes]:
    """The wanted instances of each entity; an attribute without any is left out."""
    found = []
    for id in ids:
        number = connection.execute("SELECT number FROM entity WHERE tenant = ? AND id = ?", (tenant, id)).get
        found.append({} if number is None else _of_entity(connection, seed, number, window, now))
    return found


def _of_entity(connection: apsw.Connection, seed: str, entity: int, window: Window, now: int) -> Attributes:
    where, bindings = _span(window)
    if window.datasets is not None:
        where += " AND dataset IN (SELECT number FROM name JOIN json_each(?) ON text = value"
        where += " UNION SELECT 0)" if "@none" in window.datasets else ")"
        bindings.append(orjson.dumps(sorted(window.datasets)).decode())
    time = _COLUMNS[window.property]
    order = f"coalesce({time}, modified)" if not window.bounded and time == "observed" else time
    direction = "DESC" if window.latest else "ASC"
    limit = "" if window.limit is None else f" LIMIT {window.limit}"
    statement = (
        "SELECT number, created, modified, deleted, body FROM instance "
        f"WHERE entity = ? AND attribute = ?{where} AND (expires IS NULL OR expires > ?) "
        f"ORDER BY {order} {direction}, modified {direction}, number {direction}{limit}"
    )
    found: Attributes = {}
    for number, name in _attributes(connection, entity):
        if window.attributes is not None and name not in window.attributes:
            continue
        rows: list[Any] = connection.execute(statement, (entity, number, *bindings, now)).fetchall()
        if rows:
            if window.latest:
                rows.reverse()
            found[name] = [read_instance(seed, *row) for row in rows]
    return found


def _span(window: Window) -> tuple[str, list[Any]]:
    """The condition on the time asked about."""
    time = _COLUMNS[window.property]
    if not window.bounded:
        if time == "observed":
            return " AND (deleted IS NULL OR observed IS NOT NULL)", []
        return (" AND deleted IS NOT NULL" if time == "deleted" else " AND (deleted IS NULL OR observed IS NOT NULL)"), []
    where, bindings = f" AND {time} IS NOT NULL", []
    if time in ("created", "modified"):
        where += " AND (deleted IS NULL OR observed IS NOT NULL)"
    if window.start is not None:
        where += f" AND {time} >= ?"
        bindings.append(micros(window.start))
    if window.end is not None:
        where += f" AND {time} < ?"
        bindings.append(micros(window.end))
    return where, bindings


def _attributes(connection: apsw.Connection, entity: int) -> list[tuple[int, str]]:
    """Numbers and names of the attributes of an entity, found by leaps through the index, however many instances there are."""
    found: list[tuple[int, str]] = []
    after = -1
    while True:
        row = connection.execute(
            "SELECT attribute FROM instance WHERE entity = ? AND attribute > ? ORDER BY attribute LIMIT 1", (entity, after)
        ).fetchone()
        if row is None:
            break
        after = row[0]
        found.append((after, str(connection.execute("SELECT text FROM name WHERE number = ?", (after,)).get)))
    return found
