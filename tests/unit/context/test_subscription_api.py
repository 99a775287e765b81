"""The doors of subscriptions, through the whole application. Source: GS CIM 009 clauses 6.10 to 6.13."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.context.contexts import Contexts
from cityhub.context.subscription_api import SubscriptionApi
from cityhub.context.subscription_state import Tallies
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import open_sqlite
from cityhub.web.addresses import AddressPolicy
from cityhub.web.application import Application
from cityhub.web.outbound import HttpOutbound

PATH = "/ngsi-ld/v1/subscriptions"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
LEAST = {"type": "Subscription", "entities": [{"type": "T"}], "notification": {"endpoint": {"uri": "http://receiver.example/"}}}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    clock = SystemClock()
    store = await open_sqlite(tmp_path, clock)
    outbound = HttpOutbound(AddressPolicy(loopback_allowed=True))
    contexts = Contexts(store, outbound, clock, base_url=lambda: "http://localhost")
    tallies = Tallies(store, clock)
    routes = [route for kind in (False, True) for route in SubscriptionApi(store, contexts, clock, tallies, registrations=kind).routes()]
    application = Application(routes, LoopbackAccess(), 100_000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://localhost") as made:
        yield made
    await outbound.close()
    await store.close()


async def create(client: httpx.AsyncClient, path: str = PATH, **members: Any) -> str:
    answer = await client.post(path, json={**LEAST, **members})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def test_create_retrieve_patch_delete(client: httpx.AsyncClient) -> None:
    place = await create(client, id="urn:ngsi-ld:Subscription:1", q="level>5")
    assert place == f"{PATH}/urn:ngsi-ld:Subscription:1"
    assert (await client.post(PATH, json={**LEAST, "id": "urn:ngsi-ld:Subscription:1"})).status_code == 409
    answer = await client.get(place)
    assert answer.json() == {
        **LEAST,
        "id": "urn:ngsi-ld:Subscription:1",
        "q": "level>5",
        "notificationTrigger": ["attributeCreated", "attributeUpdated"],
        "jsonldContext": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld",
        "status": "active",
    }
    assert "json-ld#context" in answer.headers["link"]
    assert (await client.patch(place, json={"isActive": False, "q": None})).status_code == 204
    document = (await client.get(place, params={"options": "sysAttrs"})).json()
    assert document["status"] == "paused" and "q" not in document
    assert document["createdAt"] <= document["modifiedAt"]
    assert (await client.delete(place)).status_code == 204
    for answer in (await client.get(place), await client.patch(place, json={"isActive": True}), await client.delete(place)):
        assert (answer.status_code, answer.json()["type"]) == (404, ERRORS + "ResourceNotFound")


async def test_an_inline_context_gets_a_url_of_its_own(client: httpx.AsyncClient) -> None:
    context = {"Building": "https://city.example/Building"}
    answer = await client.post(PATH, json={**LEAST, "@context": context}, headers={"content-type": "application/ld+json"})
    document = (await client.get(answer.headers["location"])).json()
    assert document["jsonldContext"].startswith("http://localhost/ngsi-ld/v1/jsonldContexts/")


async def test_lists_page_by_page(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await create(client, id=f"urn:s:{number}")
    answer = await client.get(PATH, params={"limit": 2, "offset": 2, "count": "true"})
    assert [document["id"] for document in answer.json()] == ["urn:s:2", "urn:s:3"]
    assert answer.headers["ngsild-results-count"] == "5"
    assert 'rel="next"' in answer.headers["link"] and 'rel="prev"' in answer.headers["link"]
    assert (await client.get(PATH, headers={"ngsild-tenant": "nobody"})).status_code == 404
    assert (await client.get(PATH, params={"limit": -1})).status_code == 400
    assert (await client.get(PATH, headers={"accept": "text/html"})).status_code == 406


@pytest.mark.parametrize(
    ("body", "headers", "status", "kind"),
    [
        (b"{,}", {}, 400, "InvalidRequest"),
        (b"{}", {}, 400, "BadRequestData"),
        (b"[]", {}, 400, "BadRequestData"),
        (b'{"type":"Subscription"}', {}, 400, "BadRequestData"),
        (b"{}", {"content-type": "text/plain"}, 415, None),
    ],
)
async def test_bad_bodies(client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int, kind: str | None) -> None:
    answer = await client.post(PATH, content=body, headers={"content-type": "application/json", **headers})
    assert answer.status_code == status
    if kind:
        assert answer.json()["type"] == ERRORS + kind


async def test_a_context_that_cannot_be_had_is_said_so(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json={**LEAST, "jsonldContext": "http://127.0.0.1:1/none.jsonld"})
    assert answer.json()["type"] == ERRORS + "LdContextNotAvailable"


async def test_both_kinds_of_subscriptions_stand_apart(client: httpx.AsyncClient) -> None:
    path = "/ngsi-ld/v1/csourceSubscriptions"
    await create(client, path, id="urn:s:1", temporalQ={"timerel": "after", "timeAt": "2020-01-01T00:00:00Z"})
    assert (await client.get(PATH)).json() == []
    [document] = (await client.get(path)).json()
    assert document.keys() == {"id", "type", "entities", "notification", "temporalQ", "status"}


async def test_the_preferred_version_is_confirmed(client: httpx.AsyncClient) -> None:
    place = await create(client)
    answer = await client.get(place, headers={"prefer": 'respond-async, NGSI-LD="1.6";q=0.1'})
    assert answer.headers["preference-applied"] == "ngsi-ld=1.6"
    assert "preference-applied" not in (await client.get(place, headers={"prefer": "respond-async"})).headers
