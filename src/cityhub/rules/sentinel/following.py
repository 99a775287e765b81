"""The sentinel's work: it reads the journal, evaluates, tells the hub, and only then writes down how far it is.

What it told and did not write down before it was killed it tells again, word for word: the same entries give the same signals. Which
rules run and what they were shown does not come from the journal, and is written down, with what follows from it, before that is told.

While nothing comes, what falls due is told by the time of the store: a moment before which nothing can be committed any more. So
the time never overtakes an entry, and what falls due is told at the same place as when the journal is read again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Final, Protocol

import orjson

from cityhub.model.change import Entry
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.time import Clock, to_text
from cityhub.rules.engine.compiling import CompiledRule, compile_rule
from cityhub.rules.engine.engine import Engine
from cityhub.rules.engine.models import Models
from cityhub.rules.engine.moments import SECOND, micros
from cityhub.rules.engine.state import frozen, thaw
from cityhub.rules.engine.subject import NEVER
from cityhub.rules.sentinel import words
from cityhub.rules.sentinel.checkpoint import Checkpoint, Memory
from cityhub.rules.sentinel_port import Signal
from cityhub.web.wire_client import WireClient

BLOCK: Final = 2_000
"""Entries that are read at once."""
POLL_S: Final = 0.03
"""How often the journal is looked at while nothing comes."""
CHECKPOINT_S: Final = 5.0
SHARE: Final = 20
"""A checkpoint that takes long is written seldom: at most this part of the time goes into it."""
TOLD_AT_ONCE: Final = 500
PAUSE_S: Final = 0.5
FORGOTTEN: Final = -1
"""In place of a position: what stands in the checkpoint is not what is there any more."""
HEAR_S: Final = 60.0

log = logging.getLogger(__name__)


class JournalSource(Protocol):
    """The journal, as another process reads it."""

    def read(self, after: int, limit: int) -> list[Entry]:
        """Up to `limit` entries behind a position, in order; fewer when they are large, none at the end."""

    def last(self) -> int:
        """Position of the newest entry; 0 when there is none."""


class Following:
    """Follows the journal with an engine.

    Attributes:
        engine: The engine.
        refused: Rules that cannot run, and why.
        lag_s: How far behind the journal it is.
        news: Set when a rule begins to fail, or rules have changed.

    Args:
        journal: The journal.
        hub: The wire.
        memory: The files.
        clock: The present time.
        models: For anomalies and forecasts.
    """

    def __init__(self, journal: JournalSource, hub: WireClient, memory: Memory, clock: Clock, models: Models | None = None) -> None:
        self._journal = journal
        self._hub = hub
        self._memory = memory
        self._clock = clock
        self.engine = Engine(models)
        self.refused: dict[str, str] = {}
        self.lag_s = 0.0
        self.news = asyncio.Event()
        self._orders: list[words.RuleOrder] = []
        self._zone = "UTC"
        self._wanted: words.Arrange | None = None
        self._ordered = asyncio.Event()
        self._kept = FORGOTTEN
        self._kept_now = -1
        self._next_checkpoint = 0.0
        self._writing: asyncio.Task[bool] | None = None
        self._failing: frozenset[str] = frozenset()
        self._unshown: set[str] = set()
        self._unsaid: list[Signal] = []

    def order(self, arrange: words.Arrange) -> None:
        """Runs these rules as soon as what was read is done."""
        self._wanted = arrange
        self._ordered.set()

    async def run(self) -> None:
        """Follows until it is cancelled."""
        await self._ordered.wait()
        is_resumed = False
        while True:
            try:
                if not is_resumed:
                    assert self._wanted is not None
                    await self._resume(self._wanted)
                    is_resumed = True
                await self._turn()
            except StoreUnavailable as error:
                log.warning("the rules wait: %s", error.detail)
                await asyncio.sleep(PAUSE_S)

    async def _turn(self) -> None:
        if self._ordered.is_set():
            assert self._wanted is not None
            await self._arrange(self._wanted)
        await self._step()

    # -- Beginning -----------------------------------------------------------------------------------------------

    async def _resume(self, arrange: words.Arrange) -> None:
        """Goes on where the checkpoint was, as far as the journal goes, before other rules are heard of."""
        last = await asyncio.to_thread(self._journal.last)
        kept = await asyncio.to_thread(self._memory.read)
        if kept is not None and kept.state.position > last:
            log.error("the checkpoint of the rules is of another journal, and is passed over: all rules begin anew")
            kept = None
        if kept is None:
            self.engine.position = arrange.position
            async for piece in self._hub.stream("models", None, fresh=False):
                for tenant, id, document in orjson.loads(piece):
                    self.engine.take_model(tenant, id, document)
            return
        self._take_orders(kept.orders, kept.zone)
        self.engine.arrange(self._compiled())
        thaw(self.engine, kept.state)
        self._kept = self.engine.position
        await self._tell(kept.unsaid)
        while self.engine.position < last and (entries := await asyncio.to_thread(self._journal.read, self.engine.position, BLOCK)):
            await self._tell(self.engine.take(entries))

    # -- Rules ---------------------------------------------------------------------------------------------------

    async def _arrange(self, arrange: words.Arrange) -> None:
        """Runs other rules; what follows from that is written down before it is told. Whatever fails on the way is tried again."""
        is_again = bool(self._unshown or self._unsaid)
        now = self.engine.now if is_again else await self._moment()  # what comes before is for the former rules
        if self._kept < 0 or arrange.rules != self._orders or arrange.zone != self._zone:
            self._take_orders(arrange.rules, arrange.zone)
            anew, signals = self.engine.arrange(self._compiled())
            self._unshown |= set(anew)
            self._unsaid += signals
            self._kept = FORGOTTEN
        anew = sorted(self._unshown & self.engine.rules.keys())
        for tenant in sorted({self.engine.rules[id].compiled.rule.tenant for id in anew}):
            await self._show(tenant, anew, now)
        self._unshown = set()
        self._unsaid += self.engine.shown(anew, now)
        await self._look_up(now)
        await self._say_unsaid()
        if self._wanted is arrange:
            self._ordered.clear()
        self.news.set()

    async def _say_unsaid(self) -> None:
        """Tells what does not follow from the journal, after it was written down."""
        if self._kept == FORGOTTEN or self._unsaid:
            self._kept = FORGOTTEN
            if not await self._keep(at_once=True):
                raise StoreUnavailable("the checkpoint cannot be written, so new rules have nothing to say yet")
            await self._tell(self._unsaid)
            self._unsaid = []

    def _take_orders(self, orders: Sequence[words.RuleOrder], zone: str) -> None:
        self._orders, self._zone, self.refused = list(orders), zone, {}

    def _compiled(self) -> list[CompiledRule]:
        compiled: list[CompiledRule] = []
        for order in self._orders:
            try:
                compiled.append(compile_rule(order.rule, order.terms(), self._zone))
            except CityHubError as error:
                self.refused[order.rule.id] = error.detail
                log.warning("the rule '%s' cannot run: %s", order.rule.id, error.detail)
        return compiled

    async def _show(self, tenant: str, anew: list[str], now: int) -> None:
        """Shows rules the present state of all entities that concern them."""
        types: set[str] = set()
        for id in anew:
            compiled = self.engine.rules[id].compiled
            if compiled.rule.tenant == tenant:
                types |= compiled.watch.types
                types |= {name for figure in compiled.figures if figure.near is not None for name in figure.near.watch.types}
        async for piece in self._hub.stream("present", words.Present(tenant, sorted(types)), fresh=False):
            self.engine.show(tenant, orjson.loads(piece), anew, now)

    async def _look_up(self, now: int) -> None:
        """Asks for the entities that queries follow links to and that nobody knows."""
        for _ in range(4):  # links may lead further
            missing = self.engine.missing()
            for tenant in sorted({tenant for tenant, _ in missing}):
                ids = [id for one, id in missing if one == tenant]
                found: dict[str, Any] = {}
                async for piece in self._hub.stream("present", words.Present(tenant, ids=ids), fresh=False):
                    found |= {document["id"]: document for document in orjson.loads(piece)}
                for id in ids:
                    self._unsaid += self.engine.learn(tenant, id, found.get(id), now)
                    self._kept = FORGOTTEN

    # -- Following -----------------------------------------------------------------------------------------------

    async def _step(self) -> None:
        engine = self.engine
        entries = await asyncio.to_thread(self._journal.read, engine.position, BLOCK)
        if entries:
            signals = engine.take(entries)
            self.lag_s = max(0, self._present() - engine.now) / SECOND
            await self._tell(signals)
        else:
            self.lag_s = 0.0
            await self._fall_due()
        if any(room.missing for room in engine.rooms.values()):
            await self._look_up(engine.now)
            await self._say_unsaid()
        self._notice()
        if time.monotonic() >= self._next_checkpoint:
            await self._keep()
        if len(entries) < BLOCK:
            await asyncio.sleep(POLL_S)

    async def _fall_due(self) -> None:
        """Tells what falls due while nothing comes."""
        due = self.engine.due()
        if due == NEVER or due > self._present():
            return
        moment = await self._moment()
        await self._tell(self.engine.tick(moment))

    async def _moment(self) -> int:
        """A moment before which nothing comes any more, after all that came was taken."""
        moment = micros((await self._hub.call("moment", None, fresh=False)).decode())
        while entries := await asyncio.to_thread(self._journal.read, self.engine.position, BLOCK):
            await self._tell(self.engine.take(entries))
        return moment

    def _present(self) -> int:
        return micros(to_text(self._clock.now()))

    async def _tell(self, signals: Sequence[Signal]) -> None:
        """Tells the hub, again and again until it has them."""
        for start in range(0, len(signals), TOLD_AT_ONCE):
            heard = words.Heard(list(signals[start : start + TOLD_AT_ONCE]), max(0, self._kept))
            while True:
                try:
                    await self._hub.call("hear", heard, fresh=False, timeout_s=HEAR_S)
                    break
                except CityHubError as error:
                    log.warning("signals wait until the hub takes them: %s", error.detail)
                    self.lag_s = max(0, self._present() - self.engine.now) / SECOND
                    await asyncio.sleep(PAUSE_S)

    async def _keep(self, *, at_once: bool = False) -> bool:
        """Writes a checkpoint beside the work, or `at_once` before it goes on: then returns whether it is written; the disk may be full."""
        engine = self.engine
        if not at_once and (self._is_writing() or (engine.position, engine.now) == (self._kept, self._kept_now)):
            return False
        if self._writing is not None:
            await self._writing  # an older one must not take the place of this one
        began = time.monotonic()
        content = self._memory.encoded(Checkpoint(self._orders, self._zone, frozen(engine), self._unsaid))
        self._next_checkpoint = began + max(CHECKPOINT_S, SHARE * (time.monotonic() - began))
        self._writing = asyncio.create_task(self._write(content, engine.position, engine.now))
        return await self._writing if at_once else False

    def _is_writing(self) -> bool:
        return self._writing is not None and not self._writing.done()

    async def _write(self, content: bytes, position: int, now: int) -> bool:
        """Writes it down; then the hub hears how far the journal is not needed any more."""
        try:
            await asyncio.to_thread(self._memory.write, content)
        except OSError as error:
            log.error("the checkpoint of the rules cannot be written: %s", error)
            return False
        self._kept, self._kept_now = position, now
        try:
            await self._hub.call("kept", position, fresh=False)
        except CityHubError as error:
            log.debug("the hub does not hear of the checkpoint: %s", error.detail)
        return True

    def _notice(self) -> None:
        failing = frozenset(id for id, running in self.engine.rules.items() if running.trouble)
        if failing - self._failing:
            self.news.set()
        self._failing = failing
