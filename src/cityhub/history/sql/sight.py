"""Which views and columns a caller gets: the one place where SQL is narrowed to what somebody may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cityhub.history.lake.schema import ENTITY_VERSIONS, ENTITY_VERSIONS_SCHEMA, OBSERVATIONS, OBSERVATIONS_SCHEMA
from cityhub.history.sql.questions import Column
from cityhub.history.sql.shape import Facts
from cityhub.history.sql.views import View, literal, type_views
from cityhub.history.sql.walk import CATALOGUE, LISTING
from cityhub.model.ports import Principal

COLUMNS_LISTING: Final = "hub_columns"
"""The view that lists the columns of the caller's views, with their units."""
_SQL_TYPES: Final = {
    "string": "VARCHAR", "timestamptz": "TIMESTAMP WITH TIME ZONE", "double": "DOUBLE", "long": "BIGINT", "int": "INTEGER",
}  # fmt: skip
_NAMES: Final = (LISTING, COLUMNS_LISTING, OBSERVATIONS, ENTITY_VERSIONS, *CATALOGUE.values())


def views_for(principal: Principal, facts: Sequence[Facts]) -> list[View]:
    """The views that a caller may read, with the columns that the caller may see, in the order in which they are listed.

    The rows are those of one tenant already. Whoever holds `sql.query` in a tenant sees all of it for now: a rule about types,
    attributes or masking belongs here, as a change of the views' columns and SQL (of the base views too).
    """
    return [
        _base(OBSERVATIONS, "Every instance that an attribute ever had, one row each", OBSERVATIONS_SCHEMA),
        _base(ENTITY_VERSIONS, "Whole entities, whenever they were created, changed in structure or deleted", ENTITY_VERSIONS_SCHEMA),
        *type_views(facts, _NAMES),
    ]


def _base(name: str, about: str, schema: Any) -> View:
    columns = tuple(
        Column(field.name, _SQL_TYPES[str(field.field_type)], "DD" if field.name in ("lon", "lat") else "", about=field.doc or "")
        for field in schema.fields
    )
    return View(name, "base", about, columns)


def catalogue_views(views: Sequence[View]) -> list[View]:
    """The views that tell of the caller's views: SHOW TABLES, `hub_columns` and information_schema."""
    tables = [(view.name, view.kind, len(view.columns), view.about) for view in views]
    columns = [
        (view.name, number, column.name, column.type, column.unit, column.attribute, column.about)
        for view in views
        for number, column in enumerate(view.columns, 1)
    ]
    standard_tables = [("hub", "main", view.name, "VIEW") for view in views]
    standard_columns = [("hub", "main", row[0], row[2], row[1], "YES", row[3]) for row in columns]
    return [
        _listing(LISTING, "The views there are", ("name", "kind", "columns", "about"), tables),
        _listing(
            COLUMNS_LISTING, "Their columns", ("table_name", "position", "name", "type", "unit", "attribute", "about"), columns
        ),
        _listing(CATALOGUE["tables"], "", ("table_catalog", "table_schema", "table_name", "table_type"), standard_tables),
        _listing(
            CATALOGUE["columns"], "",
            ("table_catalog", "table_schema", "table_name", "column_name", "ordinal_position", "is_nullable", "data_type"),
            standard_columns,
        ),
        _listing(CATALOGUE["schemata"], "", ("catalog_name", "schema_name"), [("hub", "main")]),
    ]  # fmt: skip


def _listing(name: str, about: str, header: Sequence[str], rows: Sequence[tuple[str | int, ...]]) -> View:
    values = ", ".join("(" + ", ".join(str(cell) if isinstance(cell, int) else literal(cell) for cell in row) + ")" for row in rows)
    kinds = ["INTEGER" if rows and isinstance(rows[0][n], int) else "VARCHAR" for n in range(len(header))]
    columns = tuple(Column(column, kind) for column, kind in zip(header, kinds, strict=True))
    return View(name, "catalogue", about, columns, f"SELECT * FROM (VALUES {values}) AS listed({', '.join(header)})")
