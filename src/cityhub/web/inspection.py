"""Looking into a running hub: how far the journal's readers are, an item's way through them, and who reads what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol

import msgspec

from cityhub.model.change import Change
from cityhub.model.ports import Journal, Store
from cityhub.web.http import Request, Response, Route, json_response

LOOK_BACK: Final = 200_000
"""How many of the newest journal entries are searched for an item."""
SHOWN: Final = 1_000
"""At most so many entries of an item are shown, the newest."""
BLOCK: Final = 2_000


class WatchedJournal(Journal, Protocol):
    """A journal that names its readers."""

    async def readers(self) -> dict[str, int]:
        """Every durable reader and how far it has come."""

    async def forget_reader(self, name: str) -> None:
        """Lets go of a reader. Raises NotFound when there is none, Conflict for one that is at work."""


class Flow(msgspec.Struct, frozen=True):
    """One line of the routing table: `reader` gets `what` from `source`.

    Attributes:
        source: Who gives: "journal", a feed's name, a context source.
        what: Which data: entity types, "every change", a query.
        reader: Who takes: a room of the hub, an endpoint's address (without secrets), a screen.
        state: How it goes: "up to date", "12 behind", "paused: 5 failures".
    """

    source: str
    what: str
    reader: str
    state: str = ""


Flows = Callable[[], Awaitable[list[Flow]]]


class Inspection:
    """The doors for looking into the hub.

    Args:
        journal: Store and journal of the hub.
        store: The current state.
        flows: What each room adds to the routing table.
    """

    def __init__(self, journal: WatchedJournal, store: Store, flows: Iterable[Flows] = ()) -> None:
        self._journal = journal
        self._store = store
        self._flows = tuple(flows)

    def routes(self) -> list[Route]:
        """All doors."""
        return [
            Route("GET", "/api/hub/journal", self.journal, "hub.observe", "Read Journal Positions", tag="hub"),
            Route("DELETE", "/api/hub/readers/{name:path}", self.forget, "hub.manage", "Forget Journal Reader", tag="hub"),
            Route("GET", "/api/hub/flow", self.flow, "hub.observe", "Read Flow", tag="hub"),
            Route("GET", "/api/hub/trace/{id:path}", self.trace, "hub.observe", "Trace Item", tag="hub"),
        ]

    async def positions(self) -> dict[str, Any]:
        """The newest position, and each reader's position and lag (changes that it has not dealt with)."""
        last = self._journal.last()
        readers = await self._journal.readers()
        return {"last": last, "readers": {name: {"position": at, "lag": max(0, last - at)} for name, at in sorted(readers.items())}}

    async def journal(self, request: Request) -> Response:
        """Answers with `positions`."""
        return json_response(await self.positions())

    async def forget(self, request: Request) -> Response:
        """Lets go of a durable reader that is not coming back. The journal's entries that only it needed go with the next compaction."""
        await self._journal.forget_reader(request.parameters["name"])
        return Response(204)

    async def flow(self, request: Request) -> Response:
        """Answers with the routing table: the journal's readers, then what the rooms add."""
        positions = await self.positions()
        table = [
            Flow("journal", "every change", name, "up to date" if reader["lag"] == 0 else f"{reader['lag']} behind")
            for name, reader in positions["readers"].items()
        ]
        for flows in self._flows:
            table += await flows()
        return json_response([msgspec.to_builtins(line) for line in table])

    async def trace(self, request: Request) -> Response:
        """Answers with the item's state and its newest journal entries, each with the readers that have dealt with it.

        The id may also be a trace id from the log; then the entries are those that the request wrote.
        """
        id, tenant = request.parameters["id"], request.headers.get("ngsild-tenant", "")
        positions = await self.positions()
        begin = max(0, positions["last"] - LOOK_BACK)
        changes = await self._changes(begin, id, tenant)
        return json_response(
            {
                "id": id,
                "exists": self._store.get(tenant, id) is not None,
                "searched": {"after": begin, "to": positions["last"]},
                "changes": [_shown(change, positions["readers"]) for change in changes],
                "readers": positions["readers"],
            }
        )

    async def _changes(self, after: int, id: str, tenant: str) -> list[Change]:
        found: list[Change] = []
        while block := await self._journal.read(after, BLOCK):
            found += [change for change in block if change.tenant == tenant and id in (change.id, change.trace)]
            del found[:-SHOWN]
            after = block[-1].position
            # A long journal must not keep the loop from its other work.
            await asyncio.sleep(0)
        return found


def _shown(change: Change, readers: dict[str, Any]) -> dict[str, Any]:
    return {
        "position": change.position,
        "at": change.at,
        "id": change.id,
        "collection": change.collection,
        "kind": change.kind,
        "attributes": change.attributes,
        "trace": change.trace,
        "passed": {name: reader["position"] >= change.position for name, reader in readers.items()},
    }
