"""The hub's side of the sentinel: it starts the process, tells it which rules there are, and hears what they have to say."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import orjson

from cityhub.model.condition import TypeIs
from cityhub.model.entity import Entity
from cityhub.model.errors import CityHubError, StoreUnavailable, TooBusy
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.q_condition import any_of
from cityhub.model.ports import Journal, Store, Write
from cityhub.rules.engine.compiling import problems
from cityhub.rules.engine.models import MODELS
from cityhub.rules.rule import Rule
from cityhub.rules.sentinel import words
from cityhub.rules.sentinel.checkpoint import STATE
from cityhub.rules.sentinel_port import Hearing, RuleState, Trace, Trial
from cityhub.settings import Settings
from cityhub.web.child import Child
from cityhub.web.wire import WireServer, socket_path

READER: Final = "sentinel"
"""The sentinel's name among the journal's readers: what its checkpoint does not have yet stays in the journal."""
PROBE: Final = "sentinel"
"""A collection in which nothing is kept."""
GRACE_S: Final = 5.0
"""How long the process may take to end."""
ASK_S: Final = 10.0
MOST_JOBS: Final = 1_000
BLOCK: Final = 200
MOST_RULES: Final = 2_000
TermsOf = Callable[[str, str], Awaitable[TermMap]]
"""The term map of an @context ("" is the district's) for a tenant. Raises BadRequestData or ContextUnavailable."""
Trying = Callable[[Rule, str, str], Awaitable[Trial]]
"""What tries a rule on the history between two moments."""

log = logging.getLogger(__name__)


class SentinelLink:
    """The port `cityhub.rules.sentinel_port.Sentinel`: a process that runs as soon as there is a rule to run.

    Args:
        settings: The hub's.
        store: Where the entities are.
        journal: Keeps what the process has not read.
        terms_of: The names that rules use.
        hearing: Takes the signals; it can be set later, before rules are arranged.
        zone: The district's time zone.
        trying: Tries rules on the history.
    """

    def __init__(
        self, settings: Settings, store: Store, journal: Journal, terms_of: TermsOf, zone: str, trying: Trying,
        hearing: Hearing | None = None,
    ) -> None:  # fmt: skip
        self.hearing = hearing
        self._store = store
        self._journal = journal
        self._terms_of = terms_of
        self._zone = zone
        self._trying = trying
        self._remembers = Path(settings.data) / STATE
        self._socket = socket_path(Path(settings.data), words.SOCKET)
        orders = msgspec.json.encode(words.SentinelOrders(str(self._socket), settings), enc_hook=str) + b"\n"
        self._child = Child("sentinel", "cityhub.sentinel", orders, GRACE_S)
        self._server = WireServer(
            "hub",
            {
                "orders": self._orders, "hear": self._hear, "kept": self._keep, "report": self._report,
                "present": self._present, "models": self._models, "moment": self._moment, "answer": self._answer,
            },
        )  # fmt: skip
        self._watch: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()
        self._arranged = words.Arrange([], zone, 0)
        self._known: dict[str, Rule] = {}
        self._unresolved: dict[str, str] = {}
        self._outgoing: asyncio.Queue[words.Order] = asyncio.Queue()
        self._jobs: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count(1)
        self._states: dict[str, RuleState] = {}
        self._listener = 0
        self._encode = msgspec.msgpack.Encoder().encode

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
        """Why rules are not evaluated; "" when they are, and when there are none."""
        if self._watch is None or self._child.pid is not None:
            return ""
        return "The sentinel does not run, so no rule is evaluated; the log says why"

    async def stop(self) -> None:
        """Ends the process and hangs up."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            await self._child.stop()
            await self._server.stop()

    # -- The port ------------------------------------------------------------------------------------------------

    async def arrange(self, rules: Sequence[Rule]) -> None:
        """See `cityhub.rules.sentinel_port.Sentinel.arrange`."""
        self._known = {rule.id: rule for rule in rules}
        self._unresolved = {}
        orders: list[words.RuleOrder] = []
        for rule in rules:
            if rule.enabled:
                try:
                    terms = await self._terms_of(rule.context, rule.tenant)
                    orders.append(words.RuleOrder(rule, *terms.definitions))
                except CityHubError as error:
                    self._unresolved[rule.id] = f"Its @context cannot be had: {error.detail}"
        for rule in [order.rule for order in orders[MOST_RULES:]]:
            self._unresolved[rule.id] = f"There are more than {MOST_RULES} rules; right would be one rule for many entities"
        if orders or self._watch is not None or self._remembers.exists():
            await self._begin(orders[:MOST_RULES])

    async def check(self, rule: Rule) -> list[str]:
        """See `cityhub.rules.sentinel_port.Sentinel.check`."""
        try:
            terms = await self._terms_of(rule.context, rule.tenant)
        except CityHubError as error:
            return [f"'context': {error.detail}"]
        return await asyncio.to_thread(problems, rule, terms, self._zone)

    async def trial(self, rule: Rule, start: str, end: str) -> Trial:
        """See `cityhub.rules.sentinel_port.Sentinel.trial`."""
        return await self._trying(rule, start, end)

    async def trace(self, rule: str, entity: str) -> Trace:
        """See `cityhub.rules.sentinel_port.Sentinel.trace`."""
        if len(self._jobs) >= MOST_JOBS:
            raise TooBusy("Too much waits for the sentinel; try again later")
        number = next(self._numbers)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._jobs[number] = future
        self._outgoing.put_nowait(words.Follow(number, rule, entity))
        try:
            async with asyncio.timeout(ASK_S):
                return msgspec.msgpack.decode(await future, type=Trace)
        except TimeoutError:
            raise StoreUnavailable(f"The sentinel had no answer within {ASK_S:.0f} s; try again later") from None
        finally:
            self._jobs.pop(number, None)

    def states(self) -> Mapping[str, RuleState]:
        """See `cityhub.rules.sentinel_port.Sentinel.states`."""
        return {id: self._state(rule) for id, rule in self._known.items()}

    def _state(self, rule: Rule) -> RuleState:
        if not rule.enabled:
            return RuleState("stopped")
        if rule.id in self._unresolved:
            return RuleState("refused", self._unresolved[rule.id])
        if self.pid is None:
            return RuleState("waiting", self.trouble)
        return self._states.get(rule.id) or RuleState("waiting", "The sentinel has not told of it yet")

    async def _begin(self, orders: list[words.RuleOrder]) -> None:
        """Tells the process which rules there are, and starts it if there is none yet."""
        async with self._beginning:
            position = await self._journal.position(READER)
            self._arranged = words.Arrange(orders, self._zone, position)
            if self._watch is None:
                await self._server.start(self._socket)
                self._watch = asyncio.create_task(self._child.watch(), name="sentinel")
            self._outgoing.put_nowait(self._arranged)

    # -- What the process asks -----------------------------------------------------------------------------------

    async def _orders(self, body: bytes) -> AsyncIterator[bytes]:
        """Everything that is ordered, beginning with what is arranged. One process listens at a time; the last one that asked."""
        self._listener += 1
        listener = self._listener
        yield self._encode(self._arranged)
        while True:
            order = await self._outgoing.get()
            if listener != self._listener:
                self._outgoing.put_nowait(order)
                return
            yield self._encode(order)

    async def _hear(self, body: bytes) -> bytes:
        heard = msgspec.msgpack.decode(body, type=words.Heard)
        if self.hearing is None:
            raise StoreUnavailable("Nobody hears signals yet; try again later")
        await self.hearing(heard.signals, heard.kept)
        return b""

    async def _keep(self, body: bytes) -> bytes:
        await self._journal.advance(READER, msgspec.msgpack.decode(body, type=int))
        return b""

    async def _report(self, body: bytes) -> bytes:
        self._states = msgspec.msgpack.decode(body, type=dict[str, RuleState])
        return b""

    async def _present(self, body: bytes) -> AsyncIterator[bytes]:
        question = msgspec.msgpack.decode(body, type=words.Present)
        if question.types:
            async for block in self._store.scan(question.tenant, any_of([TypeIs(name) for name in question.types])):
                for start in range(0, len(block), BLOCK):
                    yield orjson.dumps(block[start : start + BLOCK])
        for start in range(0, len(question.ids), BLOCK):
            yield orjson.dumps(await self._found(question.tenant, question.ids[start : start + BLOCK]))

    async def _found(self, tenant: str, ids: Sequence[str]) -> list[Entity]:
        found = [await self._store.fetch(tenant, id) for id in ids]
        return [document for document in found if document is not None]

    async def _models(self, body: bytes) -> AsyncIterator[bytes]:
        found = await self._store.records(None, MODELS)
        for start in range(0, len(found), BLOCK):
            yield orjson.dumps([(tenant, document["id"], document) for tenant, document in found[start : start + BLOCK]])

    async def _moment(self, body: bytes) -> bytes:
        """A write that changes nothing waits for all before it, and hears what time it is for those that follow."""
        [moment] = await self._store.write("", [Write(READER, lambda current, now: (current, now), PROBE)])
        return str(moment).encode()

    async def _answer(self, body: bytes) -> bytes:
        answer = msgspec.msgpack.decode(body, type=words.Answer)
        future = self._jobs.get(answer.job)
        if future is not None and not future.done():
            if answer.problem is not None:
                future.set_exception(answer.problem.error())
            else:
                future.set_result(answer.result)
        return b""
