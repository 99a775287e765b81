"""The notifier on the real store, with real receivers: each test is something that users of other brokers suffered from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from cityhub.context.contexts import Contexts
from cityhub.context.entities import Call, EntityOperations
from cityhub.context.entity_change import entity_change
from cityhub.context.laggards import groups
from cityhub.context.notifier import READER, Notifier
from cityhub.context.subscription import COLLECTION, new_record, patched, read_fragment
from cityhub.context.subscription_state import Tallies
from cityhub.model.change import Change
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild.parse import Fragment, parse_entity, parse_fragment
from cityhub.model.ports import Write
from cityhub.model.time import SystemClock
from cityhub.notify import lane as lanes
from cityhub.notify.delivery import MessageDelivery
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.addresses import AddressPolicy
from cityhub.web.outbound import HttpOutbound
from tests.unit.notify.receiver import Receiver

POLICY = AddressPolicy((), loopback_allowed=True)


class Hub:
    """Store, operations and notifier, as `cityhub.hub` wires them."""

    def __init__(self, store: SqliteStore) -> None:
        self.clock = SystemClock()
        self.store = store
        self.operations = EntityOperations(store)
        self.outbound = HttpOutbound(POLICY)
        self.delivery = MessageDelivery(POLICY, POLICY)
        self.tallies = Tallies(store, self.clock)
        contexts = Contexts(store, self.outbound, self.clock)
        self.notifier = Notifier(store, store, self.delivery, contexts, self.clock, self.tallies)

    async def close(self) -> None:
        await self.notifier.stop()
        await self.delivery.close()
        await self.outbound.close()
        await self.store.close()

    async def kill(self) -> None:
        """Ends without saying good-bye: nothing is stored that was not stored before."""
        for task in self.notifier._tasks:
            task.cancel()
        await asyncio.gather(*self.notifier._tasks, return_exceptions=True)
        await self.delivery.close()
        await self.outbound.close()
        await self.store.close()

    async def subscribe(self, uri: str, id: str = "urn:s:1", endpoint: dict[str, Any] | None = None, **members: Any) -> None:
        notification = {**members.pop("notification", {}), "endpoint": {"uri": uri, **(endpoint or {})}}
        document = {"type": "Subscription", "entities": [{"type": "T"}], "notification": notification, **members}
        fragment = read_fragment({name: value for name, value in document.items() if value is not None}, CORE)
        [result] = await self.store.write("", [
            Write(id, lambda current, now: (new_record(id, fragment, None, "http://c", now, registrations=False), None), COLLECTION)
        ])  # fmt: skip
        assert result is None, result

    async def patch(self, fragment: dict[str, Any], id: str = "urn:s:1") -> None:
        read = read_fragment(fragment, CORE)
        await self.store.write("", [Write(id, lambda now, at: (patched(now, read, None, at, registrations=False), None), COLLECTION)])  # type: ignore[arg-type]

    async def create(self, number: int = 1, type: str = "T", value: Any = 0) -> None:
        document = {"id": f"urn:e:{number}", "type": type, "level": {"type": "Property", "value": value}}
        await self.operations.create(Call(), parse_entity(document, CORE))

    async def set(self, value: Any, number: int = 1) -> None:
        await self.operations.update_attributes(Call(), f"urn:e:{number}", level(value))


def level(value: Any) -> Fragment:
    return parse_fragment({"level": {"type": "Property", "value": value}}, CORE, nulls=True)


def levels(bodies: list[Any]) -> list[Any]:
    return [body["data"][0]["level"]["value"] for body in bodies]


async def open_hub(folder: Path) -> Hub:
    hub = Hub(await open_sqlite(folder, SystemClock()))
    await hub.notifier.start()
    return hub


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    made = await open_hub(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BACKOFF_S", (0.05, 0.1))
    monkeypatch.setattr("cityhub.context.notifier.SAVE_S", 0.05)


async def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def shown(hub: Hub, id: str = "urn:s:1") -> dict[str, Any]:
    record = hub.store.get("", id, COLLECTION)
    assert record is not None
    return hub.tallies.shown((COLLECTION, "", id), record)


async def test_a_notification(hub: Hub, receiver: Receiver) -> None:
    await hub.subscribe(receiver.url(), endpoint={"receiverInfo": [{"key": "X-Key", "value": "v"}]})
    await hub.create(value=7)
    [body] = await receiver.wait(1)
    assert body["type"] == "Notification" and body["subscriptionId"] == "urn:s:1"
    assert body["id"].startswith("urn:ngsi-ld:Notification:")
    assert body["notifiedAt"].endswith("Z")
    assert body["data"] == [{"id": "urn:e:1", "type": "T", "level": {"type": "Property", "value": 7}}]
    headers = receiver.got[0][1]
    assert headers["content-type"] == "application/json" and headers["x-key"] == "v"
    assert headers["link"] == '<http://c>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    await until(lambda: "lastSuccess" in shown(hub))
    counters = shown(hub)
    assert counters["timesSent"] == 1 and counters["status"] == "ok" and "timesFailed" not in counters


async def test_notifications_go_on_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    hub = await open_hub(tmp_path)
    await hub.subscribe(receiver.url())
    await hub.create()
    for value in range(1, 50):
        await hub.set(value)
    await receiver.wait(50)
    await receiver.stop()
    for value in range(50, 60):
        await hub.set(value)
    await hub.kill()
    await receiver.start()
    hub = await open_hub(tmp_path)
    for value in range(60, 70):
        await hub.set(value)
    await until(lambda: levels([body for _, _, body in receiver.got])[-1] == 69)
    # At least once, in order; a repeated notification has the id of the first one.
    got = {body["id"]: body["data"][0]["level"]["value"] for _, _, body in receiver.got}
    assert list(got.values()) == list(range(70))
    assert shown(hub)["timesSent"] >= 20
    await hub.close()


async def test_what_was_delivered_is_not_sent_again_after_an_orderly_restart(tmp_path: Path, receiver: Receiver) -> None:
    hub = await open_hub(tmp_path)
    dead = Receiver()
    await dead.start()
    await dead.stop()
    await hub.subscribe(receiver.url())
    await hub.subscribe(dead.url(), "urn:s:dead")
    await hub.create()
    await receiver.wait(1)
    await hub.close()
    hub = await open_hub(tmp_path)
    # The dead receiver's subscription holds the reader back; nobody else may notice.
    assert await hub.store.position(READER) < hub.store.last()
    await hub.set(1)
    await receiver.wait(2)
    assert levels([body for _, _, body in receiver.got]) == [0, 1]
    assert shown(hub)["timesSent"] == 2
    await dead.start()
    assert levels(await dead.wait(2)) == [0, 1]
    await hub.close()
    await dead.stop()


async def test_none_is_lost_when_an_endpoint_is_dead_for_long(hub: Hub, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_WAITING", 20)
    await hub.subscribe(receiver.url())
    await hub.create()
    await receiver.wait(1)
    await receiver.stop()
    for value in range(1, 300):
        await hub.set(value)
    await until(lambda: shown(hub).get("status") == "failed")
    assert shown(hub)["timesFailed"] == 1
    await receiver.start()
    await until(lambda: len(receiver.got) >= 300)
    await hub.set(300)
    await until(lambda: len(receiver.got) >= 301)
    assert levels([body for _, _, body in receiver.got]) == list(range(301))
    assert len({body["id"] for _, _, body in receiver.got}) == 301
    await until(lambda: shown(hub)["status"] == "ok")


async def test_one_dead_endpoint_does_not_delay_others(hub: Hub, receiver: Receiver) -> None:
    silent = Receiver()
    await silent.start()
    silent.answer = lambda number: None
    for number in range(20):
        await hub.subscribe(silent.url(), f"urn:s:silent{number}", endpoint={"timeout": 200_000})
    await hub.subscribe(receiver.url())
    await hub.create()
    began = time.monotonic()
    for value in range(1, 100):
        await hub.set(value)
    await receiver.wait(100)
    assert time.monotonic() - began < 60
    await silent.stop()


async def test_a_thousand_subscriptions_do_not_touch_an_unrelated_write(hub: Hub, receiver: Receiver) -> None:
    for number in range(1000):
        selector = {"type": f"Other{number % 10}"} if number % 2 else {"type": "T", "id": f"urn:other:{number}"}
        watched = ["elsewhere"] if number % 3 else None
        await hub.subscribe(receiver.url(), f"urn:s:{number}", entities=[selector], watchedAttributes=watched)
    await hub.subscribe(receiver.url("/mine"), "urn:s:mine", entities=None, watchedAttributes=["level"])
    await hub.create()
    assert [body["subscriptionId"] for body in await receiver.wait(1)] == ["urn:s:mine"]
    index = hub.notifier._indexes[""]
    assert len(index) == 1001
    entity: Any = hub.store.get("", "urn:e:1")
    asked = index.concerned(entity_change(Change(1, "entity", "", "urn:e:1", "created", "", entity)))
    assert [subscriber.key[2] for subscriber in asked] == ["urn:s:mine"]


async def test_notifications_do_not_stop_after_thousands(hub: Hub, receiver: Receiver) -> None:
    for number in range(3):
        await hub.subscribe(receiver.url(f"/{number}"), f"urn:s:{number}")
    await hub.create()
    for start in range(1, 2001, 200):
        await asyncio.gather(*(hub.set(value) for value in range(start, start + 200)))
    await receiver.wait(3 * 2001, 60)
    for number in range(3):
        assert levels([body for path, _, body in receiver.got if path == f"/{number}"]) == list(range(2001))
    await until(lambda: shown(hub, "urn:s:0")["timesSent"] == 2001)
    assert receiver.connections <= 6


async def test_entities_of_one_batch_come_in_one_notification(hub: Hub, receiver: Receiver) -> None:
    await hub.subscribe(receiver.url())
    documents = [{"id": f"urn:e:{n}", "type": "T" if n % 2 else "U", "level": {"type": "Property", "value": n}} for n in range(10)]
    call = Call(trace="ab" * 16)
    await hub.operations.batch_create(call, [parse_entity(document, CORE) for document in documents])
    await hub.set(1, 2)
    await hub.set(0, 1)
    first, second = await receiver.wait(2)
    assert [entity["id"] for entity in first["data"]] == [f"urn:e:{n}" for n in range(1, 10, 2)]
    assert [entity["id"] for entity in second["data"]] == ["urn:e:1"]


async def test_throttling_delivers_the_newest_state_when_the_time_is_over(hub: Hub, receiver: Receiver) -> None:
    await hub.subscribe(receiver.url(), throttling=1.5, notification={"showChanges": True})
    await hub.create()
    await receiver.wait(1)
    began = time.monotonic()
    for value in range(1, 6):
        await hub.set(value)
    bodies = await receiver.wait(2)
    assert time.monotonic() - began > 0.5
    assert levels(bodies) == [0, 5]
    assert bodies[1]["data"][0]["level"]["previousValue"] == 0
    await asyncio.sleep(1.6)
    assert len(receiver.got) == 2


async def test_a_paused_subscription_is_silent_and_does_not_catch_up(hub: Hub, receiver: Receiver) -> None:
    await hub.subscribe(receiver.url())
    await hub.create()
    await receiver.wait(1)
    await hub.patch({"isActive": False})
    await hub.set(1)
    await hub.patch({"isActive": True})
    await hub.set(2)
    assert levels(await receiver.wait(2)) == [0, 2]


async def test_a_deleted_subscription_is_silent(hub: Hub, receiver: Receiver) -> None:
    await hub.subscribe(receiver.url())
    await hub.subscribe(receiver.url("/other"), "urn:s:2")
    await hub.create()
    await receiver.wait(2)
    await hub.store.write("", [Write("urn:s:1", lambda current, now: (None, None), COLLECTION)])
    await hub.tallies.remove((COLLECTION, "", "urn:s:1"))
    await hub.set(1)
    await until(lambda: len(receiver.got) == 3)
    await asyncio.sleep(0.1)
    assert [path for path, _, _ in receiver.got[2:]] == ["/other"]


async def test_what_waits_for_a_dead_endpoint_goes_to_its_new_address(hub: Hub, receiver: Receiver) -> None:
    dead = Receiver()
    await dead.start()
    await dead.stop()
    await hub.subscribe(dead.url())
    await hub.create()
    await hub.set(1)
    await until(lambda: shown(hub).get("status") == "failed")
    await hub.patch({"notification": {"endpoint": {"uri": receiver.url()}}})
    await hub.set(2)
    assert levels(await receiver.wait(3)) == [0, 1, 2]


async def test_triggers_and_filters(hub: Hub, receiver: Receiver) -> None:
    await hub.subscribe(receiver.url("/created"), "urn:s:c", notificationTrigger=["entityCreated"])
    await hub.subscribe(receiver.url("/updated"), "urn:s:u", notificationTrigger=["entityUpdated"])
    await hub.subscribe(receiver.url("/deleted"), "urn:s:d", notificationTrigger=["entityDeleted"])
    await hub.subscribe(receiver.url("/high"), "urn:s:h", q="level>5")
    await hub.create()
    await hub.set(3)
    await hub.set(3)  # the same again is no change
    await hub.set(9)
    await hub.operations.delete(Call(), "urn:e:1")
    await receiver.wait(5)
    await asyncio.sleep(0.1)
    got = sorted((path, body["data"][0].get("level", {}).get("value")) for path, _, body in receiver.got)
    assert got == [("/created", 0), ("/deleted", None), ("/high", 9), ("/updated", 3), ("/updated", 9)]
    gone = next(body["data"][0] for path, _, body in receiver.got if path == "/deleted")
    assert gone.keys() == {"id", "type", "deletedAt"}


async def test_periodic_notifications(hub: Hub, receiver: Receiver) -> None:
    for number in range(3):
        await hub.create(number, value=number)
    await hub.subscribe(receiver.url(), timeInterval=0.2, q="level>0")
    first, second = await receiver.wait(2)
    assert [entity["id"] for entity in first["data"]] == ["urn:e:1", "urn:e:2"]
    assert first["id"] != second["id"]
    await hub.set(0, 1)
    await hub.set(0, 2)
    await asyncio.sleep(0.3)
    count = len(receiver.got)
    await asyncio.sleep(0.5)
    assert len(receiver.got) <= count + 1  # without a match nothing is sent


async def test_json_ld_and_geojson(hub: Hub, receiver: Receiver) -> None:
    await hub.subscribe(receiver.url("/ld"), "urn:s:ld", endpoint={"accept": "application/ld+json"})
    await hub.subscribe(receiver.url("/geo"), "urn:s:geo", endpoint={"accept": "application/geo+json"})
    await hub.subscribe(receiver.url("/old"), "urn:s:old", ngsildConformance="1.3", notification={"format": "concise"})
    document = {"id": "urn:e:1", "type": "T", "location": {"type": "Point", "coordinates": [1, 2]}, "name": {"languageMap": {"en": "x"}}}
    await hub.operations.create(Call(), parse_entity(document, CORE))
    await receiver.wait(3)
    got = {path: (headers, body) for path, headers, body in receiver.got}
    headers, body = got["/ld"]
    assert headers["content-type"] == "application/ld+json" and "link" not in headers
    assert body["@context"] == body["data"][0]["@context"] == "http://c"
    headers, body = got["/geo"]
    assert headers["content-type"] == "application/geo+json" and "link" not in headers
    assert body["data"]["type"] == "FeatureCollection" and body["data"]["@context"] == "http://c"
    assert body["data"]["features"][0]["geometry"] == {"type": "Point", "coordinates": [1, 2]}
    assert got["/old"][1]["data"][0]["name"] == {"value": {"en": "x"}} or got["/old"][1]["data"][0]["name"] == {"en": "x"}


async def test_the_stored_position_never_passes_what_is_not_delivered(hub: Hub, receiver: Receiver) -> None:
    receiver.answer = lambda number: None
    await hub.subscribe(receiver.url(), endpoint={"timeout": 60_000})
    await hub.create()
    await receiver.wait(1)
    created = hub.store.last()
    await asyncio.sleep(0.3)
    assert await hub.store.position(READER) < created
    assert await hub.store.compact() >= 0
    assert [change.id for change in await hub.store.read(await hub.store.position(READER))][:1] == ["urn:e:1"]


def test_changes_of_one_request_stand_together() -> None:
    def change(position: int, trace: str, at: str = "t", tenant: str = "") -> Change:
        return Change(position, "entity", tenant, "urn:e:1", "updated", at, trace=trace)

    changes = [change(1, "a"), change(2, "a"), change(3, "b"), change(4, ""), change(5, ""), change(6, "b"), change(7, "b", "u")]
    assert [[one.position for one in group] for group in groups(changes)] == [[1, 2], [3], [4], [5], [6], [7]]
    assert [one.position for one in groups(changes, whole=False)[-1]] == [6]
    assert len(groups(changes[:2], whole=False)) == 1
