"""Subscriptions to registrations, on the real store and with a real receiver. Source: GS CIM 009 clause 5.11."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cityhub.context.contexts import Contexts
from cityhub.context.notifier import Notifier
from cityhub.context.registration import COLLECTION, parse_registration
from cityhub.context.registration_notifier import RegistrationNotifier
from cityhub.context.subscription import REGISTRATIONS, new_record, patched, read_fragment
from cityhub.context.subscription_state import Tallies
from cityhub.model.jsonld import CORE
from cityhub.model.ports import Write
from cityhub.model.time import SystemClock
from cityhub.notify.delivery import MessageDelivery
from cityhub.storage.sqlite import open_sqlite
from cityhub.web.addresses import AddressPolicy
from cityhub.web.outbound import HttpOutbound
from tests.unit.notify.receiver import Receiver

POLICY = AddressPolicy((), loopback_allowed=True)
NOW = "2026-11-23T06:05:00.000000Z"


class Hub:
    """Store and notifiers, as `cityhub.hub` wires them."""

    def __init__(self, store: Any) -> None:
        clock = SystemClock()
        self.store = store
        self.outbound = HttpOutbound(POLICY)
        self.delivery = MessageDelivery(POLICY, POLICY)
        tallies = Tallies(store, clock)
        contexts = Contexts(store, self.outbound, clock)
        self.notifier = Notifier(store, store, self.delivery, contexts, clock, tallies)
        RegistrationNotifier(store, self.delivery, contexts, clock, tallies, self.notifier)

    async def close(self) -> None:
        await self.notifier.stop()
        await self.delivery.close()
        await self.outbound.close()
        await self.store.close()

    async def register(self, *types: str, id: str = "urn:r:1", **members: Any) -> None:
        information = [{"entities": [{"type": name}]} for name in types]
        document = {"id": id, "type": "ContextSourceRegistration", "endpoint": "http://source.example", "information": information, **members}
        record = parse_registration(document, CORE, NOW)
        await self.store.write("", [Write(id, lambda current, now: ({**record, "createdAt": now, "modifiedAt": now}, None), COLLECTION)])

    async def deregister(self, id: str = "urn:r:1") -> None:
        await self.store.write("", [Write(id, lambda current, now: (None, None), COLLECTION)])

    async def subscribe(self, uri: str, **members: Any) -> None:
        notification = {"endpoint": {"uri": uri}, **members.pop("notification", {})}
        fragment = read_fragment({"type": "Subscription", "entities": [{"type": "T"}], "notification": notification, **members}, CORE)
        await self.store.write("", [
            Write("urn:s:1", lambda current, now: (new_record("urn:s:1", fragment, None, "http://c", now, registrations=True), None), REGISTRATIONS)
        ])  # fmt: skip

    async def patch(self, fragment: dict[str, Any]) -> None:
        read = read_fragment(fragment, CORE)
        [result] = await self.store.write("", [
            Write("urn:s:1", lambda current, now: (patched(current, read, None, now, registrations=True), None), REGISTRATIONS)
        ])  # fmt: skip
        assert result is None, result


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    made = Hub(await open_sqlite(tmp_path, SystemClock()))
    await made.notifier.start()
    yield made
    await made.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


def told(bodies: list[Any]) -> list[tuple[str, list[str]]]:
    return [(body["triggerReason"], [one["id"] for one in body["data"]]) for body in bodies]


async def test_the_life_of_a_registration(hub: Hub, receiver: Receiver) -> None:
    await hub.register("T", "U")
    await hub.register("U", id="urn:r:2")
    await hub.subscribe(receiver.url())
    await receiver.wait(1)
    await hub.register("T")
    await hub.register("U")
    await hub.register("T")
    await hub.deregister()
    bodies = await receiver.wait(5)
    assert told(bodies) == [
        ("newlyMatching", ["urn:r:1"]),
        ("updated", ["urn:r:1"]),
        ("noLongerMatching", ["urn:r:1"]),
        ("newlyMatching", ["urn:r:1"]),
        ("noLongerMatching", ["urn:r:1"]),
    ]
    assert bodies[0]["type"] == "ContextSourceNotification" and bodies[0]["subscriptionId"] == "urn:s:1"
    assert bodies[0]["data"][0]["information"] == [{"entities": [{"type": ["T"]}]}]


async def test_after_an_update_everything_that_matches_is_told(hub: Hub, receiver: Receiver) -> None:
    await hub.register("U", id="urn:r:1")
    await hub.register("V", id="urn:r:2")
    await hub.subscribe(receiver.url())
    await hub.patch({"entities": [{"type": "U,V"}]})
    assert told(await receiver.wait(1)) == [("newlyMatching", ["urn:r:1", "urn:r:2"])]
    await hub.patch({"isActive": False})
    await hub.deregister()
    await hub.patch({"isActive": True})
    assert told(await receiver.wait(2))[1:] == [("newlyMatching", ["urn:r:2"])]


async def test_attributes_filters_and_times(hub: Hub, receiver: Receiver) -> None:
    one = {"entities": [{"type": "T"}], "propertyNames": ["level"]}
    other = {"entities": [{"type": "T"}], "propertyNames": ["name"]}
    await hub.register(information=[one, other], vendor="a")
    await hub.register("T", id="urn:r:2", vendor="b")
    await hub.register("T", id="urn:r:3", vendor="a", observationInterval={"startAt": "2020-01-01T00:00:00Z"})
    await hub.subscribe(receiver.url(), watchedAttributes=["level"], csf='vendor=="a"')
    [body] = await receiver.wait(1)
    assert told([body]) == [("newlyMatching", ["urn:r:1"])]
    assert body["data"][0]["information"] == [{"entities": [{"type": ["T"]}], "propertyNames": ["level"]}]
    await hub.patch({"watchedAttributes": None, "csf": None, "temporalQ": {"timerel": "after", "timeAt": "2021-01-01T00:00:00Z"}})
    assert told(await receiver.wait(2))[1:] == [("newlyMatching", ["urn:r:3"])]


async def test_periodic_notifications_begin_with_the_subscription(hub: Hub, receiver: Receiver) -> None:
    await hub.register("T")
    await hub.subscribe(receiver.url(), timeInterval=0.2)
    assert [reason for reason, _ in told(await receiver.wait(3))] == ["newlyMatching", "updated", "updated"]


async def test_nothing_is_told_twice_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    hub = Hub(await open_sqlite(tmp_path, SystemClock()))
    await hub.notifier.start()
    await hub.register("T")
    await hub.subscribe(receiver.url())
    await receiver.wait(1)
    await hub.close()
    hub = Hub(await open_sqlite(tmp_path, SystemClock()))
    await hub.register("T", "U")
    await hub.notifier.start()
    assert told(await receiver.wait(2)) == [("newlyMatching", ["urn:r:1"]), ("updated", ["urn:r:1"])]
    await hub.close()
