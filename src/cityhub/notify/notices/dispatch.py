"""Sends what is due: each message by its channel, the urgent first, a bounded number at a time.

A message is "sending" durably before its channel is asked, and what came of it is durable after. Where the hub ends in between, a
message on a channel that knows repeated messages by their id is sent again; any other is doubtful from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.time import Clock, to_text
from cityhub.notify.notices.channels.channel import Outcome, Parcel
from cityhub.notify.notices.contacts import masked
from cityhub.notify.notices.expansion import Surroundings, instead
from cityhub.notify.notices.ledger import Ledger, Line, is_open
from cityhub.notify.notices.message import Message
from cityhub.notify.notices.quota import Quotas

AT_ONCE: Final = 16
"""So many messages are under way on a channel at a time."""
PAUSES_S: Final = (10, 30, 60, 300, 900, 1_800, 3_600, 3_600, 7_200)
"""How long after the first, second, ... failure a message is tried again; after one more it is dead."""
ESCALATE_AFTER: Final = 3
"""After so many failures an urgent message goes by the next channel too."""
ATTEMPT_S: Final = 90.0
"""No attempt lasts longer."""
CENTRE: Final = "/centre"
"""Where the operations centre is; links of notices are paths in it, with or without this."""
LOOK_S: Final = 1.0
STORE_S: Final = 2.0
ENDED_IN_BETWEEN: Final = Outcome("unknown", "the hub ended while the message was on its way")

log = logging.getLogger(__name__)


class Dispatch:
    """The sending of messages.

    Args:
        ledger: The messages.
        quotas: How much is too much.
        around: People, channels, policy; asked anew each time.
        clock: The present time.
        base: Address of the hub, for links.
    """

    def __init__(self, ledger: Ledger, quotas: Quotas, around: Callable[[], Surroundings], clock: Clock, base: str) -> None:
        self._ledger = ledger
        self._quotas = quotas
        self._around = around
        self._clock = clock
        self._base = base
        self._waiting: dict[str, list[tuple[bool, str, str]]] = {}
        self._later: list[tuple[str, str]] = []
        self._under_way: dict[str, dict[str, asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()
        self._stopped = False

    def changed(self, id: str, line: Line) -> None:
        """Hears that a message was written; one that is to be sent is taken into the queue."""
        if is_open(line.state):
            heapq.heappush(self._later, (line.due_at, id))
            self._wake.set()

    async def settle(self) -> None:
        """Deals with what was on its way when the hub ended; to be called at the start, after the ledger was loaded."""
        for id, line in list(self._ledger.lines()):
            if line.state == "sending":
                await self._end(await self._ledger.read(id), ENDED_IN_BETWEEN)

    async def run(self) -> None:
        """Sends until it is cancelled."""
        while True:
            self._wake.clear()
            self.step()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()

    async def stop(self) -> None:
        """Takes nothing up any more, and gives what is under way a moment to end."""
        self._stopped = True
        tasks = [task for under_way in self._under_way.values() for task in under_way.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=5.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def step(self) -> None:
        """Takes up what is due now, as far as there is room."""
        now = to_text(self._clock.now())
        while self._later and self._later[0][0] <= now:
            _, id = heapq.heappop(self._later)
            line = self._ledger.line(id)
            if line is not None and is_open(line.state) and line.due_at <= now:
                heapq.heappush(self._waiting.setdefault(line.channel, []), (not line.urgent, line.created_at, id))
        for channel, waiting in self._waiting.items():
            under_way = self._under_way.setdefault(channel, {})
            while waiting and len(under_way) < AT_ONCE and not self._stopped:
                _, _, id = heapq.heappop(waiting)
                if id not in under_way:
                    task = under_way[id] = asyncio.create_task(self._deliver(id))
                    task.add_done_callback(lambda _, id=id, under_way=under_way: self._done(id, under_way))  # type: ignore[misc]

    def waiting(self) -> int:
        """How many messages are not sent yet, as far as they are known to be due."""
        return sum(map(len, self._waiting.values())) + sum(map(len, self._under_way.values()))

    def _done(self, id: str, under_way: dict[str, asyncio.Task[None]]) -> None:
        under_way.pop(id, None)
        self._wake.set()

    async def _deliver(self, id: str) -> None:
        """One attempt, with everything that is durable about it; while the store cannot be asked, the message waits."""
        while not self._stopped:
            try:
                await self._attempt(id)
                return
            except StoreUnavailable as error:
                log.warning("messages wait for the store: %s", error.detail)
                await asyncio.sleep(STORE_S)
            except CityHubError as error:
                log.error("message %s was not sent: %s", id, error.detail)
                return

    async def _attempt(self, id: str) -> None:
        line = self._ledger.line(id)
        if line is None or not is_open(line.state):
            return
        if line.state == "queued" and await self._quotas.hold_back(id, line):
            return
        message = await self._ledger.change(id, self._begun)
        if message.state != "sending":
            return
        if message.gathers:
            message = await self._quotas.worded(message)
        outcome = await self._send(message)
        await self._keep(message, outcome)

    async def _keep(self, message: Message, outcome: Outcome) -> None:
        """Writes down what came of an attempt; as long as that cannot be written, nothing else may happen to the message."""
        while True:
            try:
                await self._end(message, outcome)
                return
            except StoreUnavailable as error:
                log.warning("what came of message %s waits for the store: %s", message.id, error.detail)
                await asyncio.sleep(STORE_S)

    def _begun(self, message: Message, at: str) -> Message | None:
        if not is_open(message.state):
            return None
        return msgspec.structs.replace(message, state="sending", attempts=message.attempts + 1, to=self._target(message)[1])

    def _target(self, message: Message) -> tuple[str, str]:
        """Where a message goes, and that masked; "" when its person cannot be reached by the channel."""
        around = self._around()
        person, channel = around.people.person(message.person), around.channels.get(message.channel)
        if person is None or not person.active or channel is None:
            return "", ""
        address = channel.address(person)
        return address, "" if message.channel == "screen" else masked(address)

    async def _send(self, message: Message) -> Outcome:
        around = self._around()
        channel, person = around.channels.get(message.channel), around.people.person(message.person)
        address, _ = self._target(message)
        if channel is None or person is None or not address:
            return Outcome("failed", f"'{message.channel}' does not reach the person: no such channel, no address, or they have left")
        parcel = Parcel(
            message.id, address, person.id, person.name, message.language, message.subject, message.text, message.urgent, message.key,
            message.why, self._link(message), message.created_at,
        )  # fmt: skip
        try:
            async with asyncio.timeout(ATTEMPT_S):
                return await channel.send(parcel)
        except TimeoutError:
            return Outcome("unknown", f"no answer within {ATTEMPT_S:g} s", again=True)
        except Exception as error:  # a fault of a channel must not leave the message without an end
            log.error("the channel %s failed: %s", message.channel, type(error).__name__)
            return Outcome("unknown", f"the channel failed: {type(error).__name__}", again=True)

    def _link(self, message: Message) -> str:
        """Where a message leads: a path on the screen, which is in the operations centre already, and an address elsewhere."""
        if message.channel == "screen" or not message.link:
            return message.link
        return f"{self._base}{CENTRE}{message.link.removeprefix(CENTRE)}"

    async def _end(self, message: Message, outcome: Outcome) -> None:
        channel = self._around().channels.get(message.channel)
        if outcome.end == "unknown" and channel is not None and channel.repeatable:
            outcome = Outcome("failed", outcome.reason, again=True)
        now = self._clock.now()
        also = await self._instead(message, outcome, now)
        await self._ledger.change(message.id, lambda current, at: _ended(current, message, outcome, now), also)

    async def not_arrived(self, id: str, reason: str) -> None:
        """Hears from the other side that a message which was sent did not arrive: it is dead, and an urgent one goes by another way."""
        message = await self._ledger.read(id)
        also = await self._instead(message, Outcome("failed", reason), self._clock.now())

        def dead(current: Message, at: str) -> Message | None:
            if current.state not in ("sent", "sending", "doubtful"):
                return None
            return msgspec.structs.replace(current, state="dead", detail=reason[:500])

        await self._ledger.change(id, dead, also)

    async def _instead(self, message: Message, outcome: Outcome, now: datetime) -> list[Message]:
        """The message by another channel that an urgent one needs which did not surely arrive, or has failed too often."""
        is_hopeless = outcome.end == "unknown" or (outcome.end == "failed" and (not outcome.again or message.attempts >= ESCALATE_AFTER))
        if not (message.urgent and is_hopeless):
            return []
        around = self._around()
        person = around.people.person(message.person)
        notice = await self._ledger.notice(message.tenant, message.key)
        if person is None or notice is None:
            return []
        made = instead(message, person, self._ledger.channels_of(message.key, message.person), notice, now, around)
        return [made] if made is not None else []


def _ended(current: Message, tried: Message, outcome: Outcome, now: datetime) -> Message | None:
    """The message after an attempt, with the words that were sent."""
    if current.state != "sending":
        return None
    at = to_text(now)
    message = msgspec.structs.replace(current, subject=tried.subject, text=tried.text)
    change = msgspec.structs.replace
    if outcome.end == "sent":
        reached = at if outcome.delivered else ""
        return change(
            message, state="delivered" if outcome.delivered else "sent", sent_at=at, delivered_at=reached, receipt=outcome.receipt,
        )  # fmt: skip
    if outcome.end == "unknown":
        return change(message, state="doubtful", detail=outcome.reason[:500])
    if outcome.again and message.attempts <= len(PAUSES_S):
        due_at = to_text(now + timedelta(seconds=PAUSES_S[message.attempts - 1]))
        return change(message, state="failed", due_at=due_at, detail=outcome.reason[:500])
    return change(message, state="dead", detail=outcome.reason[:500])
