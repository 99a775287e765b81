"""Subscriptions over several hubs: forwarded by registrations, their notifications passed on, loops, changes, dead sources."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.context.federation import Broker, broker, vehicle
from tests.unit.notify.receiver import Receiver

V1 = "/entities/urn:ngsi-ld:Vehicle:1"
SUBSCRIPTION = "urn:ngsi-ld:Subscription:1"


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Broker, Broker, Receiver]]:
    async with broker(tmp_path / "a") as a, broker(tmp_path / "b") as b, listening() as receiver:
        yield a, b, receiver


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()


def bodies(receiver: Receiver) -> list[Any]:
    return [body for _, _, body in receiver.got]


async def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


async def subscribe(hub: Broker, receiver: Receiver, **members: Any) -> None:
    notification = {"endpoint": {"uri": receiver.url()}, **members.pop("notification", {})}
    document = {"id": SUBSCRIPTION, "type": "Subscription", "entities": [{"type": "Vehicle"}], "notification": notification, **members}
    status, answer = await hub("POST", "/subscriptions", document)
    assert status == 201, answer


async def copies(hub: Broker, count: int = 1) -> list[dict[str, Any]]:
    """The subscriptions of a hub, as soon as it has so many."""
    end = time.monotonic() + 60
    while True:
        _, found = await hub("GET", "/subscriptions?options=sysAttrs")
        if len(found) == count:
            return list(found)
        assert time.monotonic() < end, found
        await asyncio.sleep(0.01)


async def test_a_change_at_the_source_reaches_the_subscriber_under_the_subscription_here(pair: tuple[Broker, Broker, Receiver]) -> None:
    a, b, receiver = pair
    await a.register(b.url)
    await subscribe(a, receiver, q="speed>50", notification={"format": "keyValues"})
    [copy] = await copies(b)
    assert copy["q"] == "speed>50"
    assert copy["notification"]["endpoint"]["uri"].startswith(a.url)
    await b("POST", "/entities", vehicle(1, speed=40))
    await b("POST", "/entities", vehicle(2, speed=60))
    await until(lambda: bodies(receiver))
    [body] = bodies(receiver)
    assert body["subscriptionId"] == SUBSCRIPTION
    assert body["data"] == [{"id": "urn:ngsi-ld:Vehicle:2", "type": "Vehicle", "speed": 60}]
    await b("DELETE", "/entities/urn:ngsi-ld:Vehicle:2")
    assert (await a("GET", f"/subscriptions/{SUBSCRIPTION}"))[1]["notification"]["timesSent"] == 1


async def test_only_registered_attributes_are_asked_for_and_passed_on(pair: tuple[Broker, Broker, Receiver]) -> None:
    a, b, receiver = pair
    await a.register(b.url, information=[{"entities": [{"type": "Vehicle"}], "propertyNames": ["speed"]}])
    await subscribe(a, receiver)
    [copy] = await copies(b)
    assert copy["watchedAttributes"] == ["speed"] == copy["notification"]["attributes"]
    await b("POST", "/entities", vehicle(1, speed=40, secret=7))
    await until(lambda: bodies(receiver))
    assert "secret" not in bodies(receiver)[0]["data"][0]
    # What a source sends against the registration stays out as well.
    forged = {"type": "Notification", "subscriptionId": copy["id"], "data": [vehicle(2, secret=1, speed=1)]}
    assert await post(a, forged) == 200
    await until(lambda: len(bodies(receiver)) == 2)
    assert "secret" not in bodies(receiver)[1]["data"][0]


async def post(hub: Broker, notification: dict[str, Any]) -> int:
    async with hub._session.post(f"{hub.url}/ngsi-ld/ex/remote-notify", json=notification) as response:
        return response.status


async def test_update_and_delete_follow(pair: tuple[Broker, Broker, Receiver]) -> None:
    a, b, receiver = pair
    await a.register(b.url)
    await subscribe(a, receiver, q="speed>50")
    [copy] = await copies(b)
    assert (await a("PATCH", f"/subscriptions/{SUBSCRIPTION}", {"q": "speed>70", "throttling": 3}))[0] == 204
    end = time.monotonic() + 60
    while (await b("GET", f"/subscriptions/{copy['id']}"))[1].get("q") != "speed>70":
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    assert (await a("PATCH", f"/subscriptions/{SUBSCRIPTION}", {"q": None}))[0] == 204
    while "q" in (await b("GET", f"/subscriptions/{copy['id']}"))[1]:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    [mirror] = (await a("GET", "/csourceSubscriptions"))[1]
    assert (await a("DELETE", f"/csourceSubscriptions/{mirror['id']}"))[0] == 409
    assert (await a("DELETE", f"/subscriptions/{SUBSCRIPTION}"))[0] == 204
    await copies(b, 0)
    assert (await a("GET", "/csourceSubscriptions"))[1] == []
    assert await post(a, {"type": "Notification", "subscriptionId": copy["id"], "data": [vehicle(2, speed=1)]}) == 404


async def test_registrations_that_come_and_go_are_followed(pair: tuple[Broker, Broker, Receiver]) -> None:
    a, b, receiver = pair
    await subscribe(a, receiver)
    await a.register(b.url, information=[{"entities": [{"type": "Boat"}]}])
    await a.register(b.url, number=2, operations=["retrieveEntity"])
    await a.register(b.url, number=3, mode="auxiliary", operations=["retrieveOps"])
    await asyncio.sleep(0.3)
    await copies(b, 0)
    path = "/csourceRegistrations/urn:ngsi-ld:ContextSourceRegistration:1"
    await a("PATCH", path, {"information": [{"entities": [{"type": "Vehicle"}]}]})
    await copies(b, 1)
    await a("DELETE", path)
    await copies(b, 0)


async def test_what_is_local_only_stays_here(pair: tuple[Broker, Broker, Receiver]) -> None:
    a, b, receiver = pair
    await a.register(b.url)
    await subscribe(a, receiver, localOnly=True)
    await asyncio.sleep(0.3)
    await copies(b, 0)
    assert (await a("GET", "/csourceSubscriptions"))[1] == []


async def test_two_hubs_that_know_each_other_tell_everything_once(pair: tuple[Broker, Broker, Receiver]) -> None:
    a, b, receiver = pair
    await a.register(b.url)
    await b.register(a.url)
    await subscribe(a, receiver)
    await copies(b, 1)
    await asyncio.sleep(0.5)
    await copies(a, 1)
    await a("POST", "/entities?local=true", vehicle(1, speed=1))
    await b("POST", "/entities?local=true", vehicle(2, speed=2))
    await until(lambda: len(bodies(receiver)) >= 2)
    await asyncio.sleep(0.3)
    assert sorted(body["data"][0]["id"] for body in bodies(receiver)) == ["urn:ngsi-ld:Vehicle:1", "urn:ngsi-ld:Vehicle:2"]


async def test_a_subscription_that_comes_back_is_refused(pair: tuple[Broker, Broker, Receiver]) -> None:
    a, _, receiver = pair
    alias = (await a("GET", "/info/sourceIdentity"))[1]["contextSourceAlias"]
    document = {"type": "Subscription", "entities": [{"type": "T"}], "notification": {"endpoint": {"uri": receiver.url()}}}
    assert (await a("POST", "/subscriptions", document, Via=f"1.1 other, 1.1 {alias}"))[0] == 508


async def test_parts_of_split_entities_are_put_together_before_the_filter(pair: tuple[Broker, Broker, Receiver]) -> None:
    a, b, receiver = pair
    await a.register(b.url)
    await subscribe(a, receiver, q='speed>50;brand=="Tesla"', splitEntities=True)
    [copy] = await copies(b)
    assert "q" not in copy
    await a("POST", "/entities?local=true", vehicle(1, brand="Tesla"))
    await b("POST", "/entities", vehicle(1, speed=10))
    await b("PATCH", f"{V1}/attrs/speed", {"value": 99})
    await until(lambda: bodies(receiver))
    await asyncio.sleep(0.2)
    [body] = bodies(receiver)
    assert body["data"][0]["brand"]["value"] == "Tesla"
    assert body["data"][0]["speed"]["value"] == 99


async def test_deletions_and_previous_values_come_through(pair: tuple[Broker, Broker, Receiver]) -> None:
    a, b, receiver = pair
    await a.register(b.url)
    triggers = ["attributeCreated", "attributeUpdated", "attributeDeleted", "entityDeleted"]
    await subscribe(a, receiver, notificationTrigger=triggers, notification={"showChanges": True})
    await copies(b)
    await b("POST", "/entities", vehicle(1, speed=1, fuel=2))
    await b("PATCH", f"{V1}/attrs/speed", {"value": 3})
    await b("DELETE", f"{V1}/attrs/fuel")
    await b("DELETE", V1)
    await until(lambda: len(bodies(receiver)) == 4)
    changed, without, gone = (body["data"][0] for body in bodies(receiver)[1:])
    assert (changed["speed"]["value"], changed["speed"]["previousValue"]) == (3, 1)
    assert without["fuel"]["value"] == "urn:ngsi-ld:null"
    assert without["fuel"]["previousValue"] == 2
    assert gone["deletedAt"]


async def test_a_source_that_is_down_is_asked_again_and_the_subscription_says_so(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        a = await stack.enter_async_context(broker(tmp_path / "a"))
        receiver = await stack.enter_async_context(listening())
        async with broker(tmp_path / "b") as gone:
            port = int(gone.url.rpartition(":")[2])
        await a.register(gone.url)
        await subscribe(a, receiver)
        end = time.monotonic() + 60
        while "ngsild-warning" not in a.headers:
            await a("GET", f"/subscriptions/{SUBSCRIPTION}")
            assert time.monotonic() < end
        b = await stack.enter_async_context(broker(tmp_path / "b", port))
        await copies(b)
        await b("POST", "/entities", vehicle(1, speed=1))
        await until(lambda: bodies(receiver))
        await a("GET", f"/subscriptions/{SUBSCRIPTION}")
        assert "ngsild-warning" not in a.headers


async def test_copies_survive_a_restart(tmp_path: Path) -> None:
    async with broker(tmp_path / "b") as b, listening() as receiver:
        async with broker(tmp_path / "a") as a:
            port = int(a.url.rpartition(":")[2])
            await a.register(b.url)
            await subscribe(a, receiver)
            await copies(b)
        await b("POST", "/entities", vehicle(1, speed=1))
        async with broker(tmp_path / "a", port) as a:
            await until(lambda: bodies(receiver))
            assert bodies(receiver)[0]["subscriptionId"] == SUBSCRIPTION
            await a("DELETE", f"/subscriptions/{SUBSCRIPTION}")
            await copies(b, 0)
