"""The live stream: server-sent events of changes by query, with resume from a position.

One tail reads the journal for all clients. Clients with equal selections form a group, so a change is matched once per
group and written out once per form; a further client costs one reference in a list. A client that does not take its
events in time is cut with an event that says so, and may come back with the position that it had reached.

    id: 42
    data: {"position":42,"id":"urn:...","type":["RainGauge"],"kind":"updated","at":"...","entity":{...}}

Events of their own names: `ready` (the position from which changes follow), `gap` (changes before `to` are no longer kept:
read the state anew), `cut` (the client was too slow, or the hub stops).

Source: WHATWG HTML, section 9.2, server-sent events.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import msgspec

from cityhub.model.change import Change
from cityhub.model.errors import InvalidRequest
from cityhub.model.ports import ENTITIES, Journal
from cityhub.web.events import Kind, Selection, event_of, kind_of, named_event, written_once
from cityhub.web.http import Request, Response, Route, json_response

log = logging.getLogger(__name__)

READ_BLOCK = 500
PAUSE_AFTER_ERROR_S = 1.0
HEARTBEAT = b": still here\n\n"


class Bounds(msgspec.Struct, frozen=True):
    """What the live stream allows.

    Attributes:
        clients: Open streams; further ones are refused with 503.
        waiting_events: Events that may wait for one client; one more, and it is cut.
        waiting_bytes: The same in bytes.
        heartbeat_s: A comment is sent after so long a silence, so that proxies keep the connection.
    """

    clients: int = 1_000
    waiting_events: int = 2_000
    waiting_bytes: int = 4_000_000
    heartbeat_s: float = 15.0


Select = Callable[[Request], Awaitable[Selection]]
"""Reads a request's query (`type`, `id`, `q`, `scopeQ`, geo) into a selection; raises CityHubError for one that is wrong."""


class _Group:
    """Clients with equal selections."""

    __slots__ = ("clients", "selection")

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.clients: set[Client] = set()


class LiveStream:
    """The shared tail of the journal and its clients.

    Args:
        journal: What is followed.
        select: Reads a request's query.
        oldest: Position of the oldest change that the journal still keeps; None when it keeps all that matter.
        bounds: What is allowed.
    """

    def __init__(
        self, journal: Journal, select: Select, oldest: Callable[[], Awaitable[int]] | None = None, bounds: Bounds | None = None
    ) -> None:
        self._journal = journal
        self._select = select
        self._oldest = oldest
        self.bounds = bounds or Bounds()
        self._groups: dict[tuple[str, str], _Group] = {}
        self._tail: asyncio.Task[None] | None = None
        self._position = 0
        self._closed = False
        self.clients = 0
        self.sent = 0
        """Events handed to clients since the start."""
        self.cut = 0
        """Clients cut because they were too slow, since the start."""

    @property
    def position(self) -> int:
        """How far the tail has read."""
        return self._position

    async def open(self, request: Request) -> Response:
        """Answers a client with its stream. Raises CityHubError for a query or a position that is wrong."""
        selection = await self._select(request)
        after = _asked_position(request)
        headers = [("cache-control", "no-store"), ("x-accel-buffering", "no")]
        if self._closed or self.clients >= self.bounds.clients:
            why = "the hub stops" if self._closed else f"{self.clients} streams are open, which is as many as this hub serves"
            return json_response({"title": "No more live streams", "status": 503, "detail": why}, 503, [*headers, ("retry-after", "5")])
        client = Client(self, selection, self._journal.last() if after is None else min(after, self._journal.last()))
        if after is not None:
            await self.tell_gap(client)
        self.clients += 1
        return Response(200, headers=headers, media_type="text/event-stream; charset=utf-8", chunks=client)

    async def close(self) -> None:
        """Ends all streams with a `cut` event, and the tail."""
        self._closed = True
        for group in list(self._groups.values()):
            for client in list(group.clients):
                client.cut("the hub stops")
        await self._stop_tail()

    def join(self, client: Client) -> bool:
        """Lets a client that has read up to the tail's position follow it from there; False when it has not."""
        if self._tail is None or self._tail.done():
            self._position = client.position
            self._tail = asyncio.create_task(self._follow(), name="live stream")
        elif client.position < self._position:
            return False
        selection = client.selection
        key = (selection.tenant, selection.key)
        group = self._groups.setdefault(key, _Group(selection))
        group.clients.add(client)
        return True

    def leave(self, client: Client) -> None:
        """Forgets a client."""
        key = (client.selection.tenant, client.selection.key)
        group = self._groups.get(key)
        if group is not None:
            group.clients.discard(client)
            if not group.clients:
                del self._groups[key]

    async def released(self) -> None:
        """Called when a client has gone: the tail ends with the last one."""
        self.clients -= 1
        if not self._groups:
            await self._stop_tail()

    async def read(self, after: int) -> list[Change]:
        """A block of the journal, for a client that catches up."""
        return await self._journal.read(after, READ_BLOCK)

    async def tell_gap(self, client: Client) -> None:
        """Tells a client when changes behind its position are no longer kept, and lets it go on with the oldest that is."""
        oldest = 0 if self._oldest is None else await self._oldest()
        if client.position < oldest - 1:
            client.say(named_event("gap", {"from": client.position, "to": oldest}))
            client.position = oldest - 1

    async def _stop_tail(self) -> None:
        tail, self._tail = self._tail, None
        if tail is not None:
            tail.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tail

    async def _follow(self) -> None:
        while True:
            try:
                await self._journal.wait(self._position)
                for change in await self._journal.read(self._position, READ_BLOCK):
                    self._spread(change)
                    self._position = change.position
            except Exception:
                log.exception("the live stream could not read the journal; it is tried again")
                await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            await asyncio.sleep(0)

    def _spread(self, change: Change) -> None:
        if change.collection != ENTITIES:
            return
        written: dict[tuple[str, Kind], bytes] = {}
        for group in list(self._groups.values()):
            if group.selection.tenant != change.tenant:
                continue
            try:
                event = written_once(change, group.selection, written)
            except Exception:
                log.exception("a live query failed on the change at %d", change.position)
                for client in list(group.clients):
                    client.cut("the query failed on a change; the hub's log says why")
                continue
            if event is not None:
                self._hand(event, change.position, group)

    def _hand(self, event: bytes, position: int, group: _Group) -> None:
        for client in list(group.clients):
            if position > client.position:
                client.take(event, position)
                self.sent += 1


class Client:
    """One client's stream: an asynchronous iterator of bytes for `Response.chunks`."""

    def __init__(self, stream: LiveStream, selection: Selection, position: int) -> None:
        self.selection = selection
        self.position = position
        self._stream = stream
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._joined = False
        self._over = False
        self._released = False
        self.say(b"retry: 2000\n" + named_event("ready", {"position": position}, position))

    def say(self, event: bytes) -> None:
        """Puts an event into the client's buffer, whatever its size."""
        self._waiting.append(event)
        self._waiting_bytes += len(event)
        self._arrived.set()

    def take(self, event: bytes, position: int) -> None:
        """Puts a change into the client's buffer, or cuts the client when that is full."""
        bounds = self._stream.bounds
        if len(self._waiting) >= bounds.waiting_events or self._waiting_bytes + len(event) > bounds.waiting_bytes:
            self._stream.cut += 1
            self.cut("the client takes its events too slowly; resume after 'position'")
            return
        self.position = position
        self.say(event)

    def cut(self, reason: str) -> None:
        """Ends the stream after what waits already, with an event that says why."""
        if not self._over:
            self._over = True
            self._stream.leave(self)
            self.say(named_event("cut", {"reason": reason, "position": self.position}))

    def __aiter__(self) -> Client:
        return self

    async def __anext__(self) -> bytes:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            if not self._joined:
                await self._catch_up()
                continue
            self._arrived.clear()
            try:
                async with asyncio.timeout(self._stream.bounds.heartbeat_s):
                    await self._arrived.wait()
            except TimeoutError:
                return HEARTBEAT
        events, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return events[0] if len(events) == 1 else b"".join(events)

    async def aclose(self) -> None:
        """Ends the stream; may be called at any time and again."""
        self._over = True
        self._stream.leave(self)
        if not self._released:
            self._released = True
            await self._stream.released()

    async def _catch_up(self) -> None:
        """Reads one block of what came after the client's position, or joins the tail when there is no more."""
        changes = await self._stream.read(self.position)
        if changes and changes[0].position > self.position + 1:  # it may have been removed since the client came
            await self._stream.tell_gap(self)
        selection = self.selection
        for change in changes:
            if change.collection == ENTITIES and change.tenant == selection.tenant:
                kind = kind_of(change, selection.matches)
                if kind is not None:
                    self.say(event_of(change, kind, selection))
            self.position = change.position
        if not changes:
            self._joined = self._stream.join(self)


def _asked_position(request: Request) -> int | None:
    """The position after which the client wants changes; None when it asks for what is new from now on.

    `Last-Event-ID`, which a browser sends when it comes back, wins over `after`.
    """
    text = request.headers.get("last-event-id") or request.query.get("after")
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidRequest(f"'after' and 'Last-Event-ID' must be a journal position such as 42, not {text!r:.100}")
    return int(text)


def stream_routes(stream: LiveStream) -> list[Route]:
    """The door of the live stream."""
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string"}, "description": text}
        for name, text in (
            ("type", "Entity types, as in Query Entities."),
            ("id", "Entity ids, separated by commas."),
            ("q", "Query on attributes, as in Query Entities."),
            ("scopeQ", "Query on scopes, as in Query Entities."),
            ("after", "Journal position after which changes are wanted; without it, those from now on."),
        )
    ]
    answer = {"200": {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}}
    return [
        Route(
            "GET", "/api/stream", stream.open, "entity.read", "Stream changes", tag="hub",
            describe={"parameters": parameters, "responses": answer},
        )
    ]
