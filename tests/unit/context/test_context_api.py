"""The doors of stored @contexts, through the whole application. Source: clauses 6.29 and 6.30."""

from urllib.parse import quote

import httpx
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.context.context_api import context_routes
from cityhub.context.context_sources import PATH
from cityhub.context.contexts import Contexts
from cityhub.model.jsonld import CORE_URL
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import open_sqlite
from cityhub.web.addresses import AddressPolicy
from cityhub.web.application import Application
from cityhub.web.outbound import HttpOutbound
from tests.unit.context.context_site import open_site

COLLECTION = PATH.rstrip("/")
DOCUMENT = {"@context": {"speed": "https://ex.org/speed"}}
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


@pytest.fixture
async def site():
    async with open_site() as site:
        site.documents["/a"] = DOCUMENT
        yield site


@pytest.fixture
async def contexts(tmp_path):
    store = await open_sqlite(tmp_path, SystemClock())
    outbound = HttpOutbound(AddressPolicy(loopback_allowed=True))
    yield Contexts(store, outbound, SystemClock(), base_url=lambda: "http://localhost")
    await outbound.close()
    await store.close()


@pytest.fixture
async def client(contexts):
    application = Application(context_routes(contexts), LoopbackAccess(), 100_000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://localhost") as client:
        yield client


async def test_add_list_serve_delete(client):
    added = await client.post(COLLECTION, json=DOCUMENT | {"ignored": 1})
    assert (added.status_code, added.content) == (201, b"")
    place = added.headers["location"]
    assert place.startswith(PATH + "urn:")
    assert (await client.get(place)).json() == DOCUMENT
    assert (await client.get(COLLECTION, params={"kind": "Hosted"})).json() == ["http://localhost" + place]
    [details] = (await client.get(COLLECTION, params={"kind": "Hosted", "details": "true"})).json()
    assert details["localId"] == place.removeprefix(PATH)
    assert (await client.get(place, params={"details": "true"})).json()["kind"] == "Hosted"
    assert (await client.delete(place)).status_code == 204
    assert (await client.get(place)).status_code == 404
    assert (await client.delete(place)).status_code == 404


async def test_a_cached_context_goes_by_its_url(client, contexts, site):
    await contexts.resolve(site.url + "/a")
    place = PATH + quote(site.url + "/a", safe="")
    assert (await client.get(place, params={"details": "true"})).json()["URL"] == site.url + "/a"
    unsupported = await client.get(place)
    assert (unsupported.status_code, unsupported.json()["type"]) == (422, ERRORS + "OperationNotSupported")
    assert (await client.delete(place, params={"reload": "true"})).status_code == 204
    site.documents.clear()
    failed = await client.delete(place, params={"reload": "true"})
    assert (failed.status_code, failed.json()["type"]) == (504, ERRORS + "LdContextNotAvailable")
    assert (await client.delete(place)).status_code == 204


async def test_core(client):
    place = PATH + quote(CORE_URL, safe="")
    assert CORE_URL in (await client.get(COLLECTION)).json()
    assert (await client.get(place, params={"details": "true"})).json()["kind"] == "Cached"
    assert (await client.delete(place)).status_code == 400
    assert (await client.delete(place, params={"reload": "true"})).status_code == 204


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "InvalidRequest"),
        (b"{", "InvalidRequest"),
        (b"[]", "InvalidRequest"),
        (b'{"a": 1}', "InvalidRequest"),
        (b'{"@context": 7}', "BadRequestData"),
        (b'{"@context": ["https://ex.org/", 7]}', "BadRequestData"),
        (b'{"@context": {"a": {"@id": "https://ex.org/a", "@context": {}}}}', "BadRequestData"),
    ],
)
async def test_what_cannot_be_added(client, body, kind):
    answer = await client.post(COLLECTION, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, ERRORS + kind)
    assert "location" not in answer.headers
    assert (await client.post(COLLECTION, content=body, headers={"content-type": "text/plain"})).status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", COLLECTION + "?kind=other", 400),
        ("GET", COLLECTION + "?details=other", 400),
        ("GET", COLLECTION + "?odd=1", 400),
        ("GET", PATH + "x?details=1", 400),
        ("GET", PATH + "x", 404),
        ("GET", PATH + "x?details=true", 404),
        ("DELETE", PATH + "x", 404),
        ("DELETE", PATH + "x?reload=true", 400),
        ("DELETE", PATH + "urn:x?reload=true", 404),
        ("DELETE", PATH + "x?reload=xxx", 400),
        ("GET", PATH + "http%3A%2F%2F%5B", 404),
        ("DELETE", PATH + "http%3A%2F%2F%5B?reload=true", 404),
        ("GET", PATH + "%FF%00", 404),
        ("PUT", COLLECTION, 405),
    ],
)
async def test_other_errors(client, method, path, status):
    assert (await client.request(method, path)).status_code == status


async def test_tenants_do_not_see_each_other(client):
    place = (await client.post(COLLECTION, json=DOCUMENT, headers={"NGSILD-Tenant": "one"})).headers["location"]
    for headers in ({}, {"NGSILD-Tenant": "two"}):
        assert (await client.get(place, headers=headers)).status_code == 404
        assert (await client.delete(place, headers=headers)).status_code == 404
        assert place not in (await client.get(COLLECTION, headers=headers)).text
    served = await client.get(place, headers={"NGSILD-Tenant": "one"})
    assert served.json() == DOCUMENT
    assert served.headers.get_list("ngsild-tenant") == ["one"]
