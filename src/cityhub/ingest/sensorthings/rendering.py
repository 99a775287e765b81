"""Entities as JSON: control information, properties, links, and what is expanded inside.

Source: OGC 18-088, 8.1 (common control information), 9.3.2 ($expand, $select), 12 (dataArray).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from urllib.parse import quote

from cityhub.ingest.sensorthings.derive import present
from cityhub.ingest.sensorthings.expression import Path
from cityhub.ingest.sensorthings.ids import link_id
from cityhub.ingest.sensorthings.kinds import KINDS
from cityhub.ingest.sensorthings.observed import row_of_instance
from cityhub.ingest.sensorthings.query import Query
from cityhub.ingest.sensorthings.rows import Row
from cityhub.ingest.sensorthings.scope import Found
from cityhub.ingest.sensorthings.search import Search
from cityhub.model.errors import TooManyResults

MAX_SHOWN: Final = 50_000
"""Most entities in one answer, with those that are expanded inside of others."""
_SAFE: Final = "/()':@.~-_!*$,"
_USUAL: Final = ("id", "phenomenonTime", "resultTime", "result")


class Rendering:
    """Makes the JSON of one answer.

    Args:
        search: Where entities that are expanded come from.
        root: Address of the service, without a slash at the end.
    """

    def __init__(self, search: Search, root: str) -> None:
        self._search = search
        self._root = root
        self._shown = 0

    def link_to(self, row: Row) -> str:
        """The address of an entity."""
        return address_of(row, self._root)

    async def entity(self, row: Row, query: Query) -> dict[str, Any]:
        """One entity. Raises TooManyResults when the answer would have too many."""
        self._shown += 1
        if self._shown > MAX_SHOWN:
            raise TooManyResults(f"The answer would have more than {MAX_SHOWN} entities; expand less, or with a smaller $top")
        shown = document_of(row, self._root, query.select, query.expand)
        await self._times(row, query, shown)
        for name in KINDS[row.kind].links:
            if name in query.expand:
                await self._expanded(row, name, query.expand[name], shown)
        return shown

    async def _times(self, row: Row, query: Query, shown: dict[str, Any]) -> None:
        """The span of a Datastream's observations, where it is asked for by name: it has to be looked up in the history."""
        if row.kind == "Datastream" and query.select and "phenomenonTime" in query.select and row.stream:
            span = await self._search.observed.spans(row.stream)
            if span:
                shown["phenomenonTime"] = f"{span[0]}/{span[1]}"

    async def _expanded(self, row: Row, name: str, query: Query, shown: dict[str, Any]) -> None:
        found = await self._inside(row, name, query)
        inner = [await self.entity(one, query) for one in found.rows]
        if not KINDS[row.kind].links[name].many:
            shown[name] = inner[0] if inner else None
            return
        if found.count is not None:
            shown[f"{name}@iot.count"] = found.count
        shown[name] = inner
        if found.more:
            shown[f"{name}@iot.nextLink"] = f"{self.link_to(row)}/{name}?{_next(query)}"

    async def _inside(self, row: Row, name: str, query: Query) -> Found:
        if row.kind == "Datastream" and name == "Observations" and row.stream and _is_latest(query):
            thing = await self._search.entity(row.stream.entity)  # the latest one is the present state: no history needed
            instance = present(row, thing) if thing else None
            if instance is not None and "observedAt" in instance:
                return Found([row_of_instance(row.stream, instance)], None, True)
        return await self._search.find(self._search.related(row, name), query)

    async def page(self, found: Found, query: Query, path: str) -> dict[str, Any]:
        """A page of a set, with the address of the next one."""
        document: dict[str, Any] = {}
        if found.count is not None:
            document["@iot.count"] = found.count
        if found.more and query.size:
            document["@iot.nextLink"] = f"{self._root}/{quote(path, safe=_SAFE)}?{_next(query)}"
        if query.format == "dataArray":
            document["value"] = self._arrays(found, query)
        else:
            document["value"] = [await self.entity(row, query) for row in found.rows]
        return document

    def _arrays(self, found: Found, query: Query) -> list[dict[str, Any]]:
        names = [name.removeprefix("@iot.") for name in query.select or _USUAL]
        groups: dict[str, list[list[Any]]] = {}
        for row in found.rows:
            groups.setdefault(row.links["Datastream"][0], []).append([_component(row, name) for name in names])
        return [
            {
                "Datastream@iot.navigationLink": f"{self._root}/Datastreams({link_id(stream)})",
                "components": names, "dataArray@iot.count": len(rows), "dataArray": rows,
            } for stream, rows in groups.items()
        ]  # fmt: skip


def _next(query: Query) -> str:
    """The options of the page behind one."""
    options = {**dict(query.given), "$skip": str(query.skip + query.size)}
    return "&".join(f"{name}={quote(value, safe='$,/:()')}" for name, value in options.items())


def address_of(row: Row, root: str) -> str:
    """The address of an entity."""
    return f"{root}/{KINDS[row.kind].plural}({link_id(row.id)})"


def document_of(row: Row, root: str, select: Collection[str] | None = None, expand: Collection[str] = ()) -> dict[str, Any]:
    """An entity as JSON, without what is expanded in it; `select` None: all of it."""
    own = address_of(row, root)
    shown: dict[str, Any] = {}
    if select is None or "id" in select or "@iot.id" in select:
        shown["@iot.id"] = row.id
    if select is None or "@iot.selfLink" in select:
        shown["@iot.selfLink"] = own
    for name in row.properties:
        if select is None or name in select:
            shown[name] = row.properties[name]
    for name in KINDS[row.kind].links:
        if name not in expand and (select is None or name in select):
            shown[f"{name}@iot.navigationLink"] = f"{own}/{name}"
    return shown


def _component(row: Row, name: str) -> Any:
    return row.id if name == "id" else row.properties.get(name)


def _is_latest(query: Query) -> bool:
    """Whether the latest observation alone is wanted."""
    newest = (Path(("phenomenonTime",)), True)
    return query.top == 1 and query.skip == 0 and not query.count and query.filter is None and query.order == (newest,)
