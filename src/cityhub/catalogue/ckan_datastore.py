"""CKAN's datastore actions over the rows that the hub has.

Source: CKAN 2.11, `ckanext.datastore.logic.action`.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from cityhub.catalogue.ckan_errors import ValidationError
from cityhub.catalogue.ckan_form import has_rows as is_table
from cityhub.catalogue.ckan_read import Data, find_resource, flag, number, wanted
from cityhub.catalogue.model import Dataset, Field, local_name
from cityhub.catalogue.offers import sql_type
from cityhub.catalogue.seen import Seen
from cityhub.catalogue.tables import Row, Tables, entity_type
from cityhub.model.errors import NotFound

PAGE: Final = 100
MAX_PAGE: Final = 32_000
SEARCHED: Final = 50_000
"""So many rows at most are looked through for filters, words and orders."""
TYPES: Final = {
    "text": "text", "number": "float8", "integer": "int8", "boolean": "bool", "date": "date", "datetime": "timestamptz", "geometry": "json",
    "object": "json",
}  # fmt: skip
_QUOTED: Final = re.compile(r'"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"')


class CkanDatastore:
    """The datastore's reading actions.

    Args:
        tables: The rows of datasets.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def datastore_search(self, seen: Seen, data: Data) -> Any:
        """Rows of a resource, by filters and words, in pages."""
        id = wanted(data, "resource_id" if "resource_id" in data else "id")
        dataset = _table_of(seen, id)
        fields = _chosen(dataset, data)
        total: int | None
        limit, offset = number(data, "limit", PAGE, MAX_PAGE), number(data, "offset", 0)
        if any(data.get(name) for name in ("filters", "q", "sort")) or flag(data, "distinct"):
            rows, total = await self._searched(seen.tenant, dataset, data, fields, offset, limit)
        else:
            table = await self._tables.page(seen.tenant, dataset, offset, limit)
            rows, total = [{"_id": offset + place, **row} for place, row in enumerate(table.rows, 1)], table.total
        form = str(data.get("records_format") or "objects")
        told = (
            {"include_total": True, "total": total, "total_was_estimated": False}
            if str(data.get("include_total", True)).lower() != "false"
            else {}
        )
        names = ["_id"] * ("_id" in rows[0] if rows else not data.get("fields")) + [field.name for field in fields]
        return {
            "resource_id": id,
            "fields": [{"id": name, "type": "int" if name == "_id" else TYPES[_type(fields, name)]} for name in names],
            "records": _records(rows, names, form),
            "records_format": form,
            "limit": limit,
            "offset": offset,
            "_links": _links(data, id, offset, limit),
            **told,
        }

    async def datastore_info(self, seen: Seen, data: Data) -> Any:
        """The fields of a resource and how many rows it has."""
        id = wanted(data, "id" if "id" in data else "resource_id")
        dataset = _table_of(seen, id)
        table = await self._tables.page(seen.tenant, dataset, 0, 0)
        fields = [
            {"id": field.name, "type": TYPES[field.type], "info": {"label": field.title.get("zh", ""), "notes": field.unit}}
            for field in dataset.fields
        ]
        return {"meta": {"id": id, "count": table.total, "table_type": "BASE TABLE"}, "fields": fields}

    async def datastore_search_sql(self, seen: Seen, data: Data) -> Any:
        """The answer to a SELECT in which quoted ids of resources stand for their tables."""
        sql = wanted(data, "sql")
        statement = _QUOTED.sub(lambda match: _source(seen, match[1]), sql)
        columns, types, rows, truncated = await self._tables.select(seen.tenant, statement, MAX_PAGE, seen.principal)
        return {
            "sql": sql,
            "fields": [{"id": name, "type": TYPES[sql_type(kind)]} for name, kind in zip(columns, types, strict=True)],
            "records": [dict(zip(columns, row, strict=True)) for row in rows],
            **({"records_truncated": True} if truncated else {}),
        }

    async def _searched(
        self, tenant: str, dataset: Dataset, data: Data, fields: list[Field], offset: int, limit: int
    ) -> tuple[list[Row], int]:
        rows = await self._tables.all(tenant, dataset, SEARCHED)
        numbered = [{"_id": place, **row} for place, row in enumerate(rows, 1)]
        for name, values in _filters(dataset, data).items():
            numbered = [row for row in numbered if row[name] in values or str(row[name]) in values]
        text = data.get("q")
        if isinstance(text, str) and text:
            numbered = [row for row in numbered if any(text.lower() in str(value).lower() for value in row.values())]
        for name, descending in reversed(_orders(dataset, data)):
            numbered.sort(key=lambda row: (row[name] is None, _comparable(row[name])), reverse=descending)
        if flag(data, "distinct"):
            names = [field.name for field in fields]
            numbered = list({repr([row[name] for name in names]): {name: row[name] for name in names} for row in numbered}.values())
        return numbered[offset : offset + limit], len(numbered)


def _table_of(seen: Seen, id: str) -> Dataset:
    dataset, position = find_resource(seen, id)
    if not is_table(dataset, dataset.distributions[position]):
        raise NotFound(f"Resource '{id}' was not found in the datastore.")
    return dataset


def _source(seen: Seen, id: str) -> str:
    dataset = _table_of(seen, id)
    type = entity_type(dataset)
    if dataset.statement:
        return f"({dataset.statement})"
    return f'"{local_name(type)}_now"' if type else f'"{id}"'


def _chosen(dataset: Dataset, data: Data) -> list[Field]:
    given = data.get("fields")
    if not given:
        return dataset.fields
    names = given.split(",") if isinstance(given, str) else given
    return [_field(dataset, str(name).strip(), "fields") for name in names]


def _field(dataset: Dataset, name: str, where: str) -> Field:
    if name == "_id":
        return Field("_id", "integer")
    field = next((field for field in dataset.fields if field.name == name), None)
    if field is None:
        raise ValidationError({where: [f'field "{name[:100]}" not in table']})
    return field


def _filters(dataset: Dataset, data: Data) -> dict[str, list[Any]]:
    given = data.get("filters") or {}
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError:
            raise ValidationError({"filters": ["Cannot parse JSON"]}) from None
    if not isinstance(given, dict):
        raise ValidationError({"filters": ["Must be an object of field and value"]})
    return {_field(dataset, str(name), "filters").name: value if isinstance(value, list) else [value] for name, value in given.items()}


def _orders(dataset: Dataset, data: Data) -> list[tuple[str, bool]]:
    given = data.get("sort")
    parts = given.split(",") if isinstance(given, str) else given or []
    orders = []
    for part in map(str, parts):
        name, _, order = part.strip().rpartition(" ") if part.strip().lower().endswith((" asc", " desc")) else (part.strip(), "", "")
        orders.append((_field(dataset, name.strip().strip('"'), "sort").name, order.lower() == "desc"))
    return orders


def _comparable(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool | int | float):
        return 0, float(value)
    return 1, str(value)


def _records(rows: list[Row], names: list[str], form: str) -> Any:
    if form == "objects":
        return [{name: row[name] for name in names} for row in rows]
    lists = [[row[name] for name in names] for row in rows]
    if form == "lists":
        return lists
    if form not in ("csv", "tsv"):
        raise ValidationError({"records_format": ["Must be one of objects, lists, csv, tsv"]})
    text = io.StringIO()
    csv.writer(text, delimiter="," if form == "csv" else "\t", lineterminator="\n").writerows(lists)
    return text.getvalue()


def _type(fields: list[Field], name: str) -> str:
    return next(field.type for field in fields if field.name == name)


def _links(data: Data, id: str, offset: int, limit: int) -> Data:
    known = {name: value for name, value in data.items() if isinstance(value, str | int) and name not in ("offset", "limit", "resource_id")}
    start = "/api/3/action/datastore_search?" + urlencode({"resource_id": id, **known, "limit": limit})
    return {
        "start": start,
        "next": f"{start}&offset={offset + limit}",
        **({"prev": f"{start}&offset={max(0, offset - limit)}"} if offset else {}),
    }
