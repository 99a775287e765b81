"""What the hub asks the historian about SQL, and what comes back; it travels as msgpack. Neither side's engine is imported here."""

from __future__ import annotations

from typing import Any

import msgspec

from cityhub.model.ports import Principal, ResultFormat


class Statement(msgspec.Struct, frozen=True):
    """A statement and who asks it.

    Attributes:
        tenant: Whose data.
        statement: SQL.
        parameters: Values for `?` and `$1`, or by name for `$name`.
        timeout_s: How long it may take.
        limit: Most rows; None: as many as there are.
        principal: Who asks.
        format: In which form the answer is wanted.
        excel: Whether a CSV is for a spreadsheet program: with a byte order mark, and no text that it would take for a formula.
    """

    tenant: str
    statement: str
    parameters: list[Any] | dict[str, Any] = []
    timeout_s: float = 30.0
    limit: int | None = None
    principal: Principal = Principal()
    format: ResultFormat = "arrow"
    excel: bool = False


class Tables(msgspec.Struct, frozen=True):
    """Which views a caller may read: answered by a `Schema`."""

    tenant: str
    principal: Principal = Principal()


class Column(msgspec.Struct, frozen=True):
    """A column of a view: its SQL type, the unit code of its values, the attribute (IRI) that it shows, and what it is."""

    name: str
    type: str
    unit: str = ""
    attribute: str = ""
    about: str = ""


class Table(msgspec.Struct, frozen=True):
    """A view: "history" (a row for each entity and time), "state" (for each entity) or "base" (the lake's own tables)."""

    name: str
    kind: str
    about: str
    columns: list[Column]


class Called(msgspec.Struct, frozen=True):
    """A function of the hub: how it is called, what it gives, an example, and whether it stands after FROM."""

    name: str
    call: str
    about: str
    example: str
    table: bool


class Schema(msgspec.Struct, frozen=True):
    """What statements can ask: views and the hub's own functions."""

    tables: list[Table]
    functions: list[Called]
