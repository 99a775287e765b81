"""`cityhub backfill`: a table in a file into the history of a hub, once; refused rows are listed, the rest comes in."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import orjson

from cityhub.cli.connection import Failed, command, connect, context_of, failure
from cityhub.cli.presence import find
from cityhub.cli.progress import Progress
from cityhub.history.exchange.backfill_api import PATH, staged_path
from cityhub.history.exchange.mapping import Mapping, read_mapping
from cityhub.model.jsonld import CORE, TermMap, remote_urls, term_map
from cityhub.settings import SettingsRead

WAIT_S: Final = 600.0
"""So long it is waited for a running hub's history."""


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        file: The table.
        mapping: The file that says which column is what.
        rejects: Where refused rows go; None: beside the file, with the ending `.rejected.csv`.
        preview: Only show what would come of the first rows.
        context: @context of the names in the mapping; None is the district's.
    """

    file: str
    mapping: str
    rejects: str | None = None
    preview: bool = False
    context: str | None = None


def backfill(read: SettingsRead, url: str | None, tenant: str, wanted: Wanted) -> int:
    """Fills back one file; returns 0, or 1 when rows were refused or nothing came in."""

    async def work() -> int:
        path, mapping = Path(wanted.file), read_mapping(Path(wanted.mapping))
        if not path.is_file():
            raise Failed(f"'{path}' is no file")
        async with connect(read.settings, url, tenant) as client:
            terms = await _terms(client, wanted.context or await context_of(client))
            if wanted.preview:
                return _preview(path, mapping, terms.expand)
            job = _Job(client, Path(read.settings.data), path, mapping, tenant, terms.expand)
            rejects = Path(wanted.rejects) if wanted.rejects else path.with_name(f"{path.name}.rejected.csv")
            return await job.run(rejects, is_running=bool(url) or find(read.settings.data) is not None)

    return command(work)


class _Job:
    """The backfill of one file."""

    def __init__(
        self, client: httpx.AsyncClient, data: Path, path: Path, mapping: Mapping, tenant: str, expand: Callable[[str], str]
    ) -> None:  # fmt: skip
        self._client, self._data, self._path = client, data, path
        self._mapping, self._tenant, self._expand = mapping, tenant, expand

    async def run(self, rejects: Path, is_running: bool) -> int:
        from cityhub.history.exchange.staging import backfill_id, stage

        id = await asyncio.to_thread(backfill_id, self._path, self._mapping, self._tenant)
        before = await self._client.get(f"{PATH}/{id}")
        if before.status_code == 200:
            print(f"{self._path}: was filled back on {before.json()['at']} with this mapping; nothing is done")
            return 0
        progress = Progress(0, "rows", str(self._path), sys.stderr)
        target = staged_path(self._data, id)
        show = functools.partial(_show, progress)
        made = await asyncio.to_thread(stage, self._path, self._mapping, self._expand, target, rejects, show)
        progress.show(0, made.read - made.refused, made.refused, last=True)
        if made.refused:
            print(f"{self._path}: {made.refused} values or rows were refused: {rejects} says why", file=sys.stderr)
        if not made.rows:
            target.unlink()
            raise Failed(f"{self._path}: there is no observation in its {made.read} rows")
        record = {
            "id": id, "rows": made.rows, "source": self._path.name, "read": made.read, "refused": made.refused,
            "mapping": msgspec.to_builtins(self._mapping),
        }  # fmt: skip
        response = await self._client.post(PATH, content=orjson.dumps(record), headers={"Content-Type": "application/json"})
        if response.status_code not in (200, 201):
            raise Failed(failure(response))
        await self._follow(id, made.rows, is_running)
        return 1 if made.refused else 0

    async def _follow(self, id: str, rows: int, is_running: bool) -> None:
        """Waits until the history has the file, where a hub runs that brings it in."""
        if not is_running:
            print(f"{self._path}: {rows} observations are journalled; they come into the history when the hub runs")
            return
        end = asyncio.get_running_loop().time() + WAIT_S
        while asyncio.get_running_loop().time() < end:
            state = (await self._client.get(f"{PATH}/{id}")).json().get("state")
            if state == "done":
                print(f"{self._path}: {rows} observations are in the history")
                return
            await asyncio.sleep(0.5)
        print(f"{self._path}: {rows} observations are journalled; the history has not taken them yet")


def _show(progress: Progress, read: int, refused: int) -> None:
    progress.show(0, read - refused, refused)


def _preview(path: Path, mapping: Mapping, expand: Callable[[str], str]) -> int:
    from cityhub.history.exchange.staging import preview

    found = preview(path, mapping, expand)
    for row in found.rows:
        print(orjson.dumps({name: value for name, value in row.items() if value is not None}, option=orjson.OPT_UTC_Z).decode())
    for fault in found.faults:
        print(f"{path}:{fault.line}: {fault.reason}", file=sys.stderr)
    return 1 if found.faults else 0


async def _terms(client: httpx.AsyncClient, url: str | None) -> TermMap:
    """The terms of a @context, with all that it refers to."""
    if url is None:
        return CORE
    documents: dict[str, Any] = {}

    async def get(address: str) -> Any:
        response = await client.get(address, headers={"Accept": "application/ld+json"})
        if response.status_code != 200:
            raise Failed(f"The @context {address} cannot be read: {failure(response)}")
        return response.json()

    waiting = [url]
    while waiting:
        address = waiting.pop()
        if address not in documents and len(documents) < 50:
            documents[address] = await get(address)
            waiting += [other for other in remote_urls(documents[address].get("@context")) if other not in documents]
    return term_map(url, documents)
