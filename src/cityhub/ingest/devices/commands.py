"""Commands down to devices: kept before they are sent, sent until they have left or expired, and never lost by a restart.

    queued -> sent -> acknowledged | failed | expired
    queued -> failed | expired

A command is sent at least once: when the hub ends while one is on its way, it is sent again with the same id. Commands to one device
go one after the other, in the order in which they were given.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from cityhub.ingest.devices.device import Device
from cityhub.ingest.devices.index import Key
from cityhub.ingest.devices.register import DeviceRegister
from cityhub.ingest.gateway_port import Gateway
from cityhub.ingest.message import Command
from cityhub.model.errors import CityHubError, Conflict, NotFound, StoreUnavailable, TooBusy
from cityhub.model.ports import Document, Store, Write
from cityhub.model.time import Clock, to_text

COMMANDS: Final = "device_command"
OPEN: Final = ("queued", "sent")
MOST_KEPT: Final = 100
"""So many commands are kept of one device; those that have ended go first."""
MOST_OPEN: Final = 50
"""So many commands may wait for one device."""
AT_ONCE: Final = 50
"""So many devices are sent to at a time."""
AGAIN_S: Final = 2.0
LONGEST_S: Final = 60.0
State = Literal["queued", "sent", "acknowledged", "failed", "expired"]

log = logging.getLogger(__name__)


class Order(msgspec.Struct, frozen=True):
    """A command that somebody gives.

    Attributes:
        name: What the device is to do, a name of its own protocol.
        parameters: JSON values.
        timeout_s: How long it may take to acknowledge, once it is sent.
        valid_s: How long the command is worth sending; then it expires.
        by: Who gives it.
    """

    name: str
    parameters: Any = None
    timeout_s: float = 30.0
    valid_s: float = 3_600.0
    by: str = ""


class Commands:
    """The commands of all devices.

    Args:
        store: Where they are kept.
        register: The devices.
        gateway: Sends them.
        clock: The present time.
    """

    def __init__(self, store: Store, register: DeviceRegister, gateway: Gateway, clock: Clock) -> None:
        self._store = store
        self._register = register
        self._gateway = gateway
        self._clock = clock
        self._of: dict[Key, dict[str, State]] = {}
        self._senders: dict[Key, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def load(self) -> None:
        """Reads which commands there are."""
        for tenant, document in sorted(await self._store.records(None, COMMANDS), key=lambda found: str(found[1]["id"])):
            self._of.setdefault((tenant, document["device"]), {})[document["id"]] = document["state"]

    def start(self) -> None:
        """Sends what waits."""
        for key in list(self._of):
            self._wake(key)

    async def stop(self) -> None:
        """Ends the sending; what waits is sent after the next start."""
        tasks = list(self._senders.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- Giving and reading ----------------------------------------------------------------------------------------

    async def give(self, key: Key, order: Order, trace: str = "") -> Document:
        """Keeps a command and sends it. Raises NotFound, and Conflict when too many wait or the device cannot be reached at all."""
        device, _ = await self._register.read(key)
        if not device.feed and not polls(device):
            raise Conflict("The device has no 'feed' by whose protocol a command could reach it, and its 'address' has no \"poll\": true")
        known = self._of.setdefault(key, {})
        if sum(state in OPEN for state in known.values()) >= MOST_OPEN:
            raise Conflict(f"{MOST_OPEN} commands wait for the device already; wait until some have been sent or have expired")
        now = self._clock.now()
        at = to_text(now)
        document: Document = {
            "id": f"{at}-{secrets.token_hex(4)}", "device": key[1], "name": order.name, "parameters": order.parameters, "state": "queued",
            "detail": "", "value": None, "by": order.by, "createdAt": at, "expiresAt": to_text(now + timedelta(seconds=order.valid_s)),
            "timeoutS": order.timeout_s, "attempts": 0, "sentAt": "", "endedAt": "",
        }  # fmt: skip
        surplus = [id for id, state in known.items() if state not in OPEN][: max(0, len(known) + 1 - MOST_KEPT)]
        writes = [Write(document["id"], lambda current, at: (document, None), COMMANDS)]
        writes += [Write(id, lambda current, at: (None, None), COMMANDS) for id in surplus]
        await self._store.write(key[0], writes, trace)
        for id in surplus:
            del known[id]
        known[document["id"]] = "queued"
        self._wake(key)
        return document

    async def page(self, key: Key, limit: int, offset: int) -> tuple[list[Document], int]:
        """Commands of a device, the newest first, and how many there are."""
        ids = sorted(self._of.get(key, {}), reverse=True)
        found = [await self._store.fetch(key[0], id, COMMANDS) for id in ids[offset : offset + limit]]
        return [document for document in found if document is not None], len(ids)

    async def read(self, key: Key, id: str) -> Document:
        """One command. Raises NotFound."""
        document = await self._store.fetch(key[0], id, COMMANDS) if id in self._of.get(key, {}) else None
        if document is None:
            raise NotFound(f"The device has no command '{id[:100]}'")
        return document

    # -- Devices that ask for their commands -------------------------------------------------------------------------

    async def fetch(self, key: Key) -> list[Document]:
        """The commands that wait for a device, which asks for them: they are sent with this answer."""
        taken = []
        for id, state in sorted(self._of.get(key, {}).items()):
            if state in OPEN:
                document = await self._move(key, id, "sent", "The device asked for it")
                if document["state"] == "sent":
                    taken.append(document)
        self._wake(key)
        return taken

    async def answer(self, key: Key, id: str, ok: bool, detail: str, value: Any) -> Document:
        """Keeps what a device says to a command. Raises NotFound, and Conflict when the command has ended already."""
        document = await self.read(key, id)
        if document["state"] not in OPEN:
            raise Conflict(f"The command is '{document['state']}' already; nothing more is awaited")
        return await self._move(key, id, "acknowledged" if ok else "failed", detail, value)

    # -- Sending -------------------------------------------------------------------------------------------------

    def _wake(self, key: Key) -> None:
        task = self._senders.get(key)
        if (task is None or task.done()) and self._next(key):
            task = self._senders[key] = asyncio.create_task(self._send_all(key))
            task.add_done_callback(lambda done: self._asleep(key, done))

    def _asleep(self, key: Key, done: asyncio.Task[None]) -> None:
        if self._senders.get(key) is done:
            del self._senders[key]
        if not done.cancelled() and done.exception() is not None:
            log.error("commands to %s are not sent until the next one is given", key[1], exc_info=done.exception())

    def _next(self, key: Key) -> str:
        """The oldest command of a device that has not ended; "" when there is none."""
        return min((id for id, state in self._of.get(key, {}).items() if state in OPEN), default="")

    async def _send_all(self, key: Key) -> None:
        pause = AGAIN_S
        while id := self._next(key):
            try:
                async with self._room:
                    ended = await self._send(key, id)
            except (StoreUnavailable, TooBusy) as error:
                log.warning("a command to %s waits: %s", key[1], error.detail)
                ended = False
            if ended:
                pause = AGAIN_S
                continue
            await asyncio.sleep(min(pause, await self._left_s(key, id)))
            pause = min(LONGEST_S, 2 * pause)

    async def _send(self, key: Key, id: str) -> bool:
        """Takes a command one step on; whether it has ended."""
        document = await self.read(key, id)
        now = self._clock.now()
        if document["state"] == "sent" or now >= datetime.fromisoformat(document["expiresAt"]):
            return await self._expire(key, document, now)
        device, _ = await self._register.read(key)
        if polls(device):
            return False  # it comes for its commands
        address = device.address
        order = Command(id, device.id, document["name"], document["parameters"], address, document["timeoutS"])
        try:
            result = await self._gateway.command(device.feed, order)
        except (StoreUnavailable, TooBusy) as error:
            await self._note(key, id, error.detail)
            return False
        except CityHubError as error:
            await self._move(key, id, "failed", error.detail)
            return True
        await self._move(key, id, result.state, result.detail, result.value, to_text(now))
        return result.state != "sent"

    async def _expire(self, key: Key, document: Document, now: datetime) -> bool:
        """Ends a command that nobody answered in time, or that could not be sent in time; whether it did."""
        if now < _deadline(document):
            return False
        if document["state"] == "sent":
            why = f"Sent at {document['sentAt']}, and not acknowledged within {document['timeoutS']:g} s"
        else:
            why = f"Not sent until {document['expiresAt']}" + (f": {document['detail']}" if document["detail"] else "")
        await self._move(key, document["id"], "expired", why)
        return True

    async def _left_s(self, key: Key, id: str) -> float:
        if self._of.get(key, {}).get(id) not in OPEN:
            return 0.0
        document = await self.read(key, id)
        return max(0.01, (_deadline(document) - self._clock.now()).total_seconds())

    async def _note(self, key: Key, id: str, detail: str) -> None:
        """Says why a command still waits."""

        def noted(current: Document | None, at: str) -> tuple[Document | None, None]:
            if current is None or current["state"] != "queued" or current["detail"] == detail:
                return current, None
            return {**current, "detail": detail, "attempts": current["attempts"] + 1}, None

        await self._store.write(key[0], [Write(id, noted, COMMANDS)])

    async def _move(self, key: Key, id: str, state: State, detail: str, value: Any = None, sent_at: str = "") -> Document:
        """Takes a command into another state, unless it has ended; the command as it is then. It was sent now, if nothing else is said."""
        results: list[Any] = await self._store.write(key[0], [Write(id, _moved(state, detail, value, sent_at), COMMANDS)])
        if isinstance(results[0], CityHubError):
            raise results[0]
        document: Document = results[0]
        self._of.setdefault(key, {})[id] = document["state"]
        return document

    async def forget(self, key: Key) -> None:
        """Takes away the commands of a device that is gone."""
        known = self._of.pop(key, {})
        task = self._senders.pop(key, None)
        if task is not None:
            task.cancel()
        if known:
            await self._store.write(key[0], [Write(id, lambda current, at: (None, None), COMMANDS) for id in known])

    def waiting(self) -> int:
        """How many commands have not ended."""
        return sum(state in OPEN for known in self._of.values() for state in known.values())


def polls(device: Device) -> bool:
    """Whether a device asks for its commands itself."""
    return device.address.get("poll") is True


def _deadline(document: Document) -> datetime:
    """When a command that has not ended expires: when it was not acknowledged in time, or not sent in time."""
    if document["state"] == "sent":
        return datetime.fromisoformat(document["sentAt"]) + timedelta(seconds=document["timeoutS"])
    return datetime.fromisoformat(document["expiresAt"])


def _moved(state: State, detail: str, value: Any, sent_at: str) -> Callable[[Document | None, str], tuple[Document | None, Any]]:
    def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
        if current is None:
            raise NotFound("The command is gone")
        if current["state"] not in OPEN or (state == "sent" and current["state"] == "sent"):
            return current, current
        sent = {"sentAt": sent_at or at, "attempts": current["attempts"] + 1} if not current["sentAt"] and state != "expired" else {}
        ended = {} if state in OPEN else {"endedAt": at}
        new = {**current, **sent, **ended, "state": state, "detail": detail[:1000], "value": value}
        return new, new

    return transition
