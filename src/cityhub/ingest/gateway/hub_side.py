"""The hub's side of the gateway: it starts the process, gives it its orders, and takes what it brings."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway import words
from cityhub.ingest.gateway.trial import trial_of
from cityhub.ingest.gateway_port import CommandResult, Described, FeedState, Score, Trial
from cityhub.ingest.message import Command, Message, Settled
from cityhub.model.errors import CityHubError, Conflict, NotFound, StoreUnavailable, TooBusy
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import BOOKMARKS, EntityUpdate, Intake, Store
from cityhub.settings import Settings
from cityhub.web.child import Child
from cityhub.web.wire import Answering, WireServer, socket_path

GRACE_S: Final = 5.0
"""How long the process may take to end."""
PUSH_S: Final = 30.0
"""How long a message that was pushed may take until it is durable."""
TRIAL_S: Final = 20.0
ASK_S: Final = 20.0
MARGIN_S: Final = 2.0
MOST_JOBS: Final = 10_000
MOST_BYTES: Final = 128 * 1024 * 1024
"""So many jobs may wait for the gateway, and so many bytes of messages in them."""
TermsOf = Callable[[Feed], Awaitable[TermMap]]
"""The term map of a feed's @context. Raises BadRequestData or ContextUnavailable."""

log = logging.getLogger(__name__)
_MARKS: Final = {"written": words.WRITTEN, "late": words.LATE, "same": words.SAME}


class GatewayOrders(msgspec.Struct, frozen=True):
    """What the gateway's process is told at its start: where the hub answers, the hub's own settings, and secrets that it made itself."""

    socket: str
    settings: Settings
    secrets: dict[str, str] = {}


class GatewayLink:
    """The port `cityhub.ingest.gateway_port.Gateway`: a process that runs as soon as there is a feed to run.

    Args:
        settings: The hub's.
        intake: Where updates go.
        store: Where bookmarks are.
        terms_of: The names of a feed.
        identify: The id of the device that has a name and a token; "" when there is none.
        handlers: What others in the hub answer the gateway, by name.
        secrets: What feeds may name as "env:NAME" beside the variables of the environment.
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        store: Store,
        terms_of: TermsOf,
        identify: Callable[[str, str], str],
        secrets: dict[str, str],
        handlers: Mapping[str, Answering],
    ) -> None:
        self._intake = intake
        self._store = store
        self._terms_of = terms_of
        self._device_of = identify
        self._socket = socket_path(Path(settings.data), words.SOCKET)
        orders = msgspec.json.encode(GatewayOrders(str(self._socket), settings, secrets), enc_hook=str) + b"\n"
        self._child = Child("gateway", "cityhub.gateway", orders, GRACE_S)
        self._server = WireServer(
            "hub",
            {
                "take": self._take, "orders": self._orders, "answer": self._answer, "report": self._report,
                "bookmark": self._bookmark, "identify": self._identify,
                **handlers,
            },
        )  # fmt: skip
        self._watch: asyncio.Task[None] | None = None
        self._listening = asyncio.Lock()
        self._feeds: dict[str, Feed] = {}
        self._arranged = words.Arrange([])
        self._unresolved: dict[str, str] = {}
        self._outgoing: asyncio.Queue[words.Order] = asyncio.Queue()
        self._jobs: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count(1)
        self._states: Mapping[str, FeedState] = {}
        self._given: dict[int, asyncio.Future[bytes]] = {}
        self._listener = 0
        self._waiting_bytes = 0
        self._encode = msgspec.msgpack.Encoder().encode
        self._batch = msgspec.msgpack.Decoder(words.Batch).decode

    @property
    def pid(self) -> int | None:
        """The process that runs now; None when none does."""
        return self._child.pid

    @property
    def starts(self) -> int:
        """How often the process was started."""
        return self._child.starts

    @property
    def trouble(self) -> str:
        """Why feeds do not come in; "" when they do, and when there are none."""
        if self._watch is None:
            return ""
        return "" if self._child.pid is not None else "The gateway does not run, so feeds do not come in; the log says why"

    async def stop(self) -> None:
        """Ends the process and hangs up."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            await self._child.stop()
            await self._server.stop()

    # -- The port ------------------------------------------------------------------------------------------------

    async def arrange(self, feeds: Sequence[Feed]) -> None:
        """See `cityhub.ingest.gateway_port.Gateway.arrange`."""
        self._feeds = {feed.id: feed for feed in feeds}
        self._unresolved = {}
        # At once, since the hub's start waits for it: servers of @contexts that do not answer cost the time of one.
        found = await asyncio.gather(*(self._order_if_it_can_run(feed) for feed in feeds if feed.enabled))
        orders = [order for order in found if order is not None]
        self._arranged = words.Arrange(orders)
        if orders or self._watch is not None:
            await self._begin()
            self._outgoing.put_nowait(self._arranged)

    async def push(self, feed: str, message: Message, *, keep: bool = True) -> Settled:
        """See `cityhub.ingest.gateway_port.Gateway.push`."""
        known = self._feeds.get(feed)
        if known is None:
            raise NotFound(f"There is no feed '{feed}'")
        if not known.enabled or feed in self._unresolved:
            raise Conflict(f"The feed '{feed}' does not run: {self._unresolved.get(feed, 'start it first')}")
        answer = await self._job(lambda job: words.Push(job, feed, message, keep), PUSH_S, len(message.body))
        return msgspec.msgpack.decode(answer, type=Settled)

    async def trial(self, feed: Feed, message: Message) -> Trial:
        """See `cityhub.ingest.gateway_port.Gateway.trial`."""
        order = await self._order(feed)
        answer = await self._job(lambda job: words.Try(job, order, message), TRIAL_S, len(message.body))
        return trial_of(msgspec.msgpack.decode(answer, type=words.Tried), order.terms())

    async def command(self, feed: str, command: Command) -> CommandResult:
        """See `cityhub.ingest.gateway_port.Gateway.command`."""
        if feed not in self._feeds:
            raise NotFound(f"There is no feed '{feed}'")
        answer = await self._job(lambda job: words.Instruct(job, feed, command), command.timeout_s)
        return msgspec.msgpack.decode(answer, type=CommandResult)

    async def scores(self, feed: str, things: Sequence[str], most: int) -> list[Score]:
        """See `cityhub.ingest.gateway_port.Gateway.scores`."""
        known = self._feeds.get(feed)
        if known is None or not known.enabled or self.pid is None:
            raise Conflict(f"The feed '{feed}' does not run")
        answer = await self._job(lambda job: words.Rate(job, feed, list(things), most), ASK_S)
        return msgspec.msgpack.decode(answer, type=list[Score])

    async def protocols(self) -> list[Described]:
        """See `cityhub.ingest.gateway_port.Gateway.protocols`."""
        answer = await self._job(lambda job: words.Describe(job, "protocols"), ASK_S)
        return msgspec.msgpack.decode(answer, type=list[Described])

    async def formats(self) -> list[Described]:
        """See `cityhub.ingest.gateway_port.Gateway.formats`."""
        answer = await self._job(lambda job: words.Describe(job, "formats"), ASK_S)
        return msgspec.msgpack.decode(answer, type=list[Described])

    def states(self) -> Mapping[str, FeedState]:
        """See `cityhub.ingest.gateway_port.Gateway.states`."""
        states = dict(self._states) if self.pid is not None else {id: FeedState("waiting", self.trouble) for id in self._states}
        return {**states, **{id: FeedState("waiting", why) for id, why in self._unresolved.items()}}

    async def _order_if_it_can_run(self, feed: Feed) -> words.FeedOrder | None:
        try:
            return await self._order(feed)
        except CityHubError as error:
            log.warning("feed '%s' cannot run: its @context cannot be had: %s", feed.id, error.detail)
            self._unresolved[feed.id] = f"Its @context cannot be had: {error.detail}"
            return None

    async def _order(self, feed: Feed) -> words.FeedOrder:
        terms = await self._terms_of(feed)
        return words.FeedOrder(feed, *terms.definitions)

    async def _begin(self) -> None:
        """Starts the process if there is none yet."""
        async with self._listening:
            if self._watch is None:
                await self._server.start(self._socket)
                self._watch = asyncio.create_task(self._child.watch(), name="gateway")

    async def _job(self, job_of: Callable[[int], words.Job], timeout_s: float, size: int = 0) -> bytes:
        await self._begin()
        if len(self._jobs) >= MOST_JOBS or self._waiting_bytes + size > MOST_BYTES:
            raise TooBusy("Too much waits for the gateway; try again later")
        self._waiting_bytes += size
        number = next(self._numbers)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._jobs[number] = future
        self._outgoing.put_nowait(job_of(number))
        try:
            async with asyncio.timeout(timeout_s + MARGIN_S):
                return await future
        except TimeoutError:
            raise StoreUnavailable(f"The gateway had no answer within {timeout_s:.0f} s; try again later") from None
        finally:
            self._waiting_bytes -= size
            self._jobs.pop(number, None)
            self._given.pop(number, None)

    # -- What the process asks -----------------------------------------------------------------------------------

    async def _take(self, body: bytes) -> bytes:
        batch = self._batch(body)
        updates: list[EntityUpdate] = list(itertools.chain.from_iterable(batch.updates))
        results = await self._intake.take(
            batch.tenant, updates, batch.letters, batch.bookmarks, redelivered=batch.redelivered, trace=batch.trace
        )
        reasons = {place: result.detail for place, result in enumerate(results) if isinstance(result, CityHubError)}
        marks = bytes([_MARKS.get(result, words.REFUSED) if isinstance(result, str) else words.REFUSED for result in results])
        return self._encode(words.Outcome(marks, reasons))

    async def _orders(self, body: bytes) -> AsyncIterator[bytes]:
        """Everything that is ordered, beginning with what is arranged. One process listens at a time; the last one that asked."""
        for future in self._given.values():  # to a process that has ended
            if not future.done():
                future.set_exception(StoreUnavailable("The gateway ended meanwhile; it is being started again, try again later"))
        self._given = {}
        self._listener += 1
        listener = self._listener
        yield self._encode(self._arranged)
        while True:
            order = await self._outgoing.get()
            if listener != self._listener:
                self._outgoing.put_nowait(order)
                return
            if not isinstance(order, words.Arrange) and order.job in self._jobs:
                self._given[order.job] = self._jobs[order.job]
            yield self._encode(order)

    async def _answer(self, body: bytes) -> bytes:
        answer = msgspec.msgpack.decode(body, type=words.Answer)
        future = self._jobs.get(answer.job)
        if future is not None and not future.done():
            if answer.problem is not None:
                future.set_exception(answer.problem.error())
            else:
                future.set_result(answer.result)
        return b""

    async def _report(self, body: bytes) -> bytes:
        self._states = msgspec.msgpack.decode(body, type=dict[str, FeedState])
        return b""

    async def _bookmark(self, body: bytes) -> bytes:
        question = msgspec.msgpack.decode(body, type=words.BookmarkQuestion)
        found: dict[str, Any] | None = await self._store.fetch(question.tenant, question.feed, BOOKMARKS)
        return self._encode({name: value for name, value in found.items() if name != "id"} if found is not None else None)

    async def _identify(self, body: bytes) -> bytes:
        claim = msgspec.msgpack.decode(body, type=words.Claim)
        return self._device_of(claim.name, claim.token).encode()
