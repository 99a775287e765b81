"""`cityhub load`: entities from files into the hub, in batches; what is refused is reported and the rest loaded."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from typing import Any, Final

import httpx
import orjson

from cityhub.cli.connection import command, connect, failure, link
from cityhub.cli.items import Item, ItemFile
from cityhub.cli.progress import Progress
from cityhub.settings import SettingsRead

BATCH: Final = 1_000
BATCH_BYTES: Final = 5_000_000
WAITS_S: Final = (0.2, 0.6, 2.0, 5.0)
"""Pauses before a batch is sent again that the hub could not take at the moment."""
PATH: Final = "/ngsi-ld/v1/entityOperations/upsert"
REPORTED: Final = 200
"""So many refused items are reported one by one, further ones only counted."""

Batch = list[tuple[Item, bytes]]


def load(read: SettingsRead, files: list[str], url: str | None, tenant: str, context: str | None, update: bool) -> int:
    """Loads the files one after the other; returns 0, or 1 when an item was refused."""

    async def work() -> int:
        async with connect(read.settings, url, tenant, begin=True) as client:
            loads = [await Load(client, name, context, update).run() for name in files]
        return 0 if all(loads) else 1

    return command(work)


class Load:
    """The loading of one file."""

    def __init__(self, client: httpx.AsyncClient, name: str, context: str | None, update: bool) -> None:
        self._client = client
        self._name = name
        self._link = link(context)
        self._parameters = {"options": "update"} if update else {}
        self.loaded = 0
        self.refused = 0

    async def run(self) -> bool:
        """Whether every item was loaded."""
        with contextlib.closing(ItemFile(self._name)) as file:
            progress = Progress(file.total_bytes, "entities", self._name, sys.stderr)
            batches = self._batches(file)
            batch = await asyncio.to_thread(next, batches, None)
            while batch:
                # The next batch is read while the hub works on this one.
                following = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
                await self._send(batch)
                batch = await following
                progress.show(file.read_bytes, self.loaded, self.refused)
            progress.show(0, self.loaded, self.refused, last=True)
        return not self.refused

    def _batches(self, file: ItemFile) -> Iterator[Batch]:
        """Items that go together: with a context of their own or all without, bounded in number and size."""
        batch: Batch = []
        size = 0
        for item in file.items():
            if item.document is None:
                self._refuse(item.line, "", item.fault)
                continue
            encoded = orjson.dumps(item.document)
            full = len(batch) >= BATCH or size + len(encoded) > BATCH_BYTES
            if batch and (full or _own_context(batch[0][0]) != _own_context(item)):
                yield batch
                batch, size = [], 0
            batch.append((item, encoded))
            size += len(encoded)
        if batch:
            yield batch

    async def _send(self, batch: Batch) -> None:
        own = _own_context(batch[0][0])
        headers = {"Content-Type": "application/ld+json"} if own else {"Content-Type": "application/json", **self._link}
        body = b"[" + b",".join(encoded for _, encoded in batch) + b"]"
        response = await self._post(body, headers)
        if response.status_code in (201, 204):
            self.loaded += len(batch)
        elif response.status_code == 207:
            self._take_apart(batch, response.json())
        elif len(batch) == 1:
            self._refuse(batch[0][0].line, _id(batch[0][0]), failure(response))
        else:
            # The batch as a whole was refused: its halves show which item is to blame.
            middle = len(batch) // 2
            await self._send(batch[:middle])
            await self._send(batch[middle:])

    async def _post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        for wait_s in WAITS_S:
            with contextlib.suppress(httpx.ConnectError):
                response = await self._client.post(PATH, content=body, headers=headers, params=self._parameters)
                if response.status_code != 503:
                    return response
            await asyncio.sleep(wait_s)
        return await self._client.post(PATH, content=body, headers=headers, params=self._parameters)

    def _take_apart(self, batch: Batch, outcome: dict[str, Any]) -> None:
        """Counts and reports from a multi-status answer."""
        reasons = {error.get("entityId"): error.get("error", {}) for error in outcome.get("errors", [])}
        for item, _ in batch:
            problem = reasons.get(_id(item))
            if problem is None:
                self.loaded += 1
            else:
                text = problem if isinstance(problem, str) else problem.get("detail") or problem.get("title", "")
                self._refuse(item.line, _id(item), str(text))

    def _refuse(self, line: int, id: str, reason: str) -> None:
        self.refused += 1
        if self.refused <= REPORTED:
            print(f"{self._name}:{line}: {id + ': ' if id else ''}{reason}", file=sys.stderr)
        elif self.refused == REPORTED + 1:
            print(f"{self._name}: further refused items are only counted", file=sys.stderr)


def _own_context(item: Item) -> bool:
    return item.document is not None and "@context" in item.document


def _id(item: Item) -> str:
    return str((item.document or {}).get("id", ""))
