"""The rows of a dataset as files: CSV, JSON, GeoJSON, Excel."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import orjson

from cityhub.catalogue.licences import find_licence
from cityhub.catalogue.model import Dataset, Field, in_language
from cityhub.catalogue.national import CYCLES, SHARES
from cityhub.catalogue.seen import ANY_PAGE
from cityhub.catalogue.tables import Row, Tables
from cityhub.catalogue.workers import Workers
from cityhub.model.errors import NotFound, StoreUnavailable
from cityhub.model.ports import ResultFormat
from cityhub.web.http import Response

FORMS: Final = {
    "csv": "text/csv; charset=utf-8", "json": "application/json", "geojson": "application/geo+json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "parquet": "application/vnd.apache.parquet",
}  # fmt: skip
_OF_STATEMENTS: Final[dict[str, ResultFormat]] = {"csv": "csv", "json": "json", "xlsx": "xlsx", "parquet": "parquet"}
AT_ONCE: Final = 8
"""So many downloads are made at the same time; more are asked to come again."""
XLSX_ROWS: Final = 50_000
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a text must not begin with in a file that is opened as a sheet: it would be run as a formula."""


class Downloads:
    """Makes files of rows.

    Args:
        tables: The rows.
        workers: Who makes workbooks.
    """

    def __init__(self, tables: Tables, workers: Workers) -> None:
        self._tables = tables
        self._workers = workers
        self._running = 0

    async def answer(self, tenant: str, dataset: Dataset, form: str, provider: str) -> Response:
        """The file as an answer, sent piece by piece.

        Raises:
            NotFound: There is no such form.
            NotImplementedHere: The hub has no rows of the dataset.
            StoreUnavailable: Too many downloads are running.
        """
        possible = _possible(dataset)
        if form not in possible:
            raise NotFound(f"'{dataset.name}' cannot be had as '{form[:20]}'; it can as {', '.join(possible)}")
        if self._running >= AT_ONCE:
            raise StoreUnavailable("Too many downloads are running now: try again in some seconds")
        headers = [
            ("content-disposition", f'attachment; filename="{dataset.name}.{form}"'),
            ("x-content-type-options", "nosniff"),
            ANY_PAGE,
        ]
        if dataset.statement:
            pieces = self._counted(self._tables.file(tenant, dataset, _OF_STATEMENTS[form]))
            return Response(200, headers=headers, media_type=FORMS[form], chunks=_joined(await anext(pieces, b""), pieces))
        if form == "xlsx":
            return Response(200, await self._workbook(tenant, dataset, provider), headers, FORMS[form])
        pieces = self._counted({"csv": self._csv, "json": self._json, "geojson": self._geojson}[form](tenant, dataset))
        first = await anext(pieces)  # so that what cannot be had is refused before the answer has begun
        return Response(200, headers=headers, media_type=FORMS[form], chunks=_joined(first, pieces))

    async def _counted(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._running += 1
        try:
            async for piece in pieces:
                yield piece
        finally:
            self._running -= 1

    async def _csv(self, tenant: str, dataset: Dataset) -> AsyncIterator[bytes]:
        """With a byte order mark, which Excel needs to read Chinese; a point has its longitude and latitude beside it."""
        geometry = _geometry(dataset)
        names = [field.name for field in dataset.fields]
        yield b"\xef\xbb\xbf" + _line([*names, *(["lon", "lat"] if geometry else [])])
        async for rows in self._tables.blocks(tenant, dataset):
            yield b"".join(_line([*(_cell(row.get(name)) for name in names), *(_point(row, geometry) if geometry else ())]) for row in rows)

    async def _json(self, tenant: str, dataset: Dataset) -> AsyncIterator[bytes]:
        first = True
        async for rows in self._tables.blocks(tenant, dataset):
            text = b",\n".join(map(orjson.dumps, rows))
            if text:
                yield (b"[" if first else b",\n") + text
                first = False
        yield b"[]\n" if first else b"]\n"

    async def _geojson(self, tenant: str, dataset: Dataset) -> AsyncIterator[bytes]:
        geometry = _geometry(dataset)
        yield b'{"type":"FeatureCollection","features":['
        first = True
        async for rows in self._tables.blocks(tenant, dataset):
            text = b",\n".join(orjson.dumps(_feature(row, geometry)) for row in rows)
            if text:
                yield (b"" if first else b",\n") + text
                first = False
        yield b"]}\n"

    async def _workbook(self, tenant: str, dataset: Dataset, provider: str) -> bytes:
        rows = await self._tables.all(tenant, dataset, XLSX_ROWS)
        geometry = _geometry(dataset)
        titles = [_title(field) for field in dataset.fields] + (["经度 (°)", "纬度 (°)"] if geometry else [])
        cells = [[*(row.get(field.name) for field in dataset.fields), *(_point(row, geometry) if geometry else ())] for row in rows]
        sheet = {"name": in_language(dataset.title) or dataset.name, "titles": titles, "rows": cells, "about": _about(dataset, provider)}
        return await self._workers.run("workbook", await asyncio.to_thread(msgspec.json.encode, sheet))


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _possible(dataset: Dataset) -> list[str]:
    if dataset.statement:
        return list(_OF_STATEMENTS)
    return [name for name in FORMS if name != "parquet" and (name != "geojson" or _geometry(dataset) is not None)]


def _geometry(dataset: Dataset) -> str | None:
    """The name of the dataset's geometry: its location, or else the first there is."""
    names = [field.name for field in dataset.fields if field.type == "geometry"]
    return "location" if "location" in names else names[0] if names else None


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_RISKY) else value
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _line(cells: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _point(row: Row, geometry: str | None) -> list[Any]:
    value = row.get(geometry or "")
    if isinstance(value, dict) and value.get("type") == "Point":
        return list(value["coordinates"][:2])
    return [None, None]


def _feature(row: Row, geometry: str | None) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": row.get("id"),
        "geometry": row.get(geometry or ""),
        "properties": {name: value for name, value in row.items() if name != geometry},
    }


def _title(field: Field) -> str:
    title = in_language(field.title) or field.name
    return f"{title} ({field.unit})" if field.unit else title


def _about(dataset: Dataset, provider: str) -> list[list[str]]:
    lines = [
        ["名称 Title", in_language(dataset.title)], ["摘要 Description", in_language(dataset.description)], ["提供方 Provider", provider],
        ["信息资源代码 Code", dataset.code], ["共享类型 Sharing", SHARES[dataset.share]], ["更新周期 Update cycle", CYCLES[dataset.cycle]],
        ["许可 Licence", in_language(find_licence(dataset.licence).title)], ["来源 Source", dataset.source],
    ]  # fmt: skip
    if dataset.simulated:
        lines.append(["模拟 Simulated", "含模拟数据，见 simulated 列。Holds simulated values, see the column 'simulated'."])
    return [line for line in lines if line[1]]
