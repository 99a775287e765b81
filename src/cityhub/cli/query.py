"""`cityhub query`: the entities that match, from the hub, page by page."""

from __future__ import annotations

import sys
from typing import Any, Final

import httpx
import msgspec
import orjson

from cityhub.cli.connection import Failed, command, connect, context_of, failure, link
from cityhub.settings import SettingsRead

PAGE: Final = 500
PATH: Final = "/ngsi-ld/v1/entities"


class Query(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        parameters: Query parameters of the standard; None is "not given".
        form: "normalized", "concise" or "simplified".
        lines: One entity a line instead of one array.
        limit: Print at most so many; 0 is all.
        count: Print only how many match.
        context: @context for names in query and answer; None is the district's.
    """

    parameters: dict[str, str | None]
    form: str = "normalized"
    lines: bool = False
    limit: int = 100
    count: bool = False
    context: str | None = None


def query(read: SettingsRead, url: str | None, tenant: str, asked: Query) -> int:
    """Prints the entities that match, or how many there are; returns 0, or 1 when the hub refused."""
    parameters = {name: value for name, value in asked.parameters.items() if value is not None}
    if not parameters:
        # The standard wants a condition, unless only this hub's own entities are meant.
        parameters["local"] = "true"
    if asked.form != "normalized":
        parameters["options"] = asked.form

    async def work() -> int:
        async with connect(read.settings, url, tenant) as client:
            client.headers.update(link(asked.context or await context_of(client)))
            if asked.count:
                response = await _page(client, parameters | {"count": "true", "limit": "0"})
                print(response.headers["NGSILD-Results-Count"])
            else:
                await _print(client, parameters, asked.lines, asked.limit)
        return 0

    return command(work)


async def _page(client: httpx.AsyncClient, parameters: dict[str, str]) -> httpx.Response:
    response = await client.get(PATH, params=parameters)
    if response.status_code != 200:
        raise Failed(failure(response))
    return response


async def _print(client: httpx.AsyncClient, parameters: dict[str, str], lines: bool, limit: int) -> None:
    out = sys.stdout.buffer
    printed = 0
    while True:
        size = min(PAGE, limit - printed) if limit else PAGE
        page: list[Any] = (await _page(client, parameters | {"limit": str(size), "offset": str(printed)})).json()
        for entity in page:
            if lines:
                out.write(orjson.dumps(entity, option=orjson.OPT_APPEND_NEWLINE))
            else:
                out.write(b"[\n" if not printed else b",\n")
                out.write(orjson.dumps(entity, option=orjson.OPT_INDENT_2))
            printed += 1
        if len(page) < size or printed == limit:
            break
    if not lines:
        out.write(b"\n]\n" if printed else b"[]\n")
    out.flush()
