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
        number = connection.execute("SELECT number FROM name WHERE text = ?", (condition.type,)).get
        # Asked of each entity, not as a list of all numbers, which would be made anew for every block.
        return "EXISTS (SELECT 1 FROM entity_type WHERE type = ? AND entity = entity.number)", [number]
    if isinstance(condition, AllOf | AnyOf):
        parts = [_where(part, connection) for part in condition.conditions]
        word, empty = (" AND ", "1") if isinstance(condition, AllOf) else (" OR ", "0")
        return f"({word.join(where for where, _ in parts) or empty})", [value for _, bindings in parts for value in bindings]
    return "1", []


def instances(
    connection: apsw.Connection, seed: str, tenant: str, ids: Sequence[str], window: Window, now: int
) -> list[Attributes]:
    """The wanted instances of each entity; an attribute without any is left out."""
    statement, bindings = _statement(window)
    names: dict[int, str] = {}
    wanted = None if window.attributes is None else _numbers(connection, window.attributes)
    found: list[Attributes] = []
    for id in ids:
        attrs: Attributes = {}
        entity = connection.execute("SELECT number FROM entity WHERE tenant = ? AND id = ?", (tenant, id)).get
        for number, name in wanted if wanted is not None else _attributes(connection, entity, names):
            rows: list[Any] = connection.execute(statement, (entity, number, *bindings, now)).fetchall()
            if rows:
                if window.latest:
                    rows.reverse()
                attrs[name] = [read_instance(seed, *row) for row in rows]
        found.append(attrs)
    return found


def _statement(window: Window) -> tuple[str, list[Any]]:
    """The query for one attribute of one entity: entity, attribute, these bindings and the present time go into it."""
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
    return statement, bindings


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


def _numbers(connection: apsw.Connection, names: frozenset[str]) -> list[tuple[int, str]]:
    """Numbers and names of the attributes that were ever recorded among these, in the order in which they first were."""
    text = orjson.dumps(sorted(names)).decode()
    return list(connection.execute("SELECT number, text FROM name WHERE text IN (SELECT value FROM json_each(?)) ORDER BY number", (text,)))


def _attributes(connection: apsw.Connection, entity: Any, names: dict[int, str]) -> list[tuple[int, str]]:
    """Numbers and names of the attributes of an entity, found by leaps through the index, however many instances there are.

    `names` remembers what was looked up.
    """
    found: list[tuple[int, str]] = []
    after = -1
    while True:
        row = connection.execute(
            "SELECT attribute FROM instance WHERE entity = ? AND attribute > ? ORDER BY attribute LIMIT 1", (entity, after)
        ).fetchone()
        if row is None:
            return found
        after = int(row[0])
        if after not in names:
            names[after] = str(connection.execute("SELECT text FROM name WHERE number = ?", (after,)).get)
        found.append((after, names[after]))
