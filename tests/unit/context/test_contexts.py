"""@contexts over the real store and a real web site."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from cityhub.context.context_sources import PATH
from cityhub.context.context_store import cached_id
from cityhub.context.contexts import Contexts
from cityhub.model.errors import BadRequestData, ContextUnavailable, NotFound, OperationNotSupported
from cityhub.model.jsonld import CORE, CORE_URL
from cityhub.storage.sqlite import open_sqlite
from cityhub.web.addresses import AddressPolicy
from cityhub.web.outbound import HttpOutbound
from tests.unit.context.context_site import open_site

BASE = "http://hub.example"
CONTEXT = {"speed": "https://ex.org/speed"}


class StoppedClock:
    def __init__(self):
        self.moment = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)

    def now(self):
        return self.moment

    def forward(self, **duration):
        self.moment += timedelta(**duration)


@pytest.fixture
def clock():
    return StoppedClock()


@pytest.fixture
async def site():
    async with open_site() as site:
        site.documents["/a"] = {"@context": CONTEXT}
        site.documents["/both"] = {"@context": ["a", CORE_URL, {"brand": "https://ex.org/brand"}]}
        yield site


@pytest.fixture
async def store(tmp_path, clock):
    store = await open_sqlite(tmp_path, clock)
    yield store
    await store.close()


@pytest.fixture
async def contexts(store, clock):
    outbound = HttpOutbound(AddressPolicy(loopback_allowed=True))
    yield Contexts(store, outbound, clock, base_url=lambda: BASE)
    await outbound.close()


async def test_core_needs_nothing(contexts):
    assert contexts.known(None) is CORE
    assert await contexts.resolve(None) is CORE
    assert await contexts.resolve(CORE_URL) is CORE
    assert contexts.known(CORE_URL) is CORE
    assert await contexts.resolve([CORE_URL]) is CORE


async def test_a_url_is_downloaded_once(contexts, site):
    url = site.url + "/both"
    assert contexts.known(url) is None
    terms = await contexts.resolve(url)
    assert terms.expand("speed") == "https://ex.org/speed"
    assert terms.expand("brand") == "https://ex.org/brand"
    assert terms.link == url
    assert contexts.known(url) is terms
    assert (await contexts.resolve([site.url + "/a"])).expand("speed") == "https://ex.org/speed"
    assert site.requests == {"/both": 1, "/a": 1}


async def test_the_copy_outlives_the_process(contexts, site, store, clock):
    await contexts.resolve(site.url + "/a")
    outbound = HttpOutbound(AddressPolicy())  # may not call loopback
    assert (await Contexts(store, outbound, clock).resolve(site.url + "/a")).expand("speed") == "https://ex.org/speed"
    await outbound.close()


async def test_many_at_once_share_one_download(contexts, site):
    site.delay_s = 0.05
    url = site.url + "/a"
    found = await asyncio.gather(*(contexts.resolve(url) for _ in range(20)), *(contexts.resolve([url, {"x": "https://x.org/"}]) for _ in range(5)))
    assert site.requests == {"/a": 1}
    assert all(terms.expand("speed") == "https://ex.org/speed" for terms in found)


async def test_a_slow_download_holds_nobody_else_up(contexts, site):
    site.delay_s = 3
    slow = asyncio.ensure_future(contexts.resolve(site.url + "/a"))
    await asyncio.sleep(0)
    assert (await asyncio.wait_for(contexts.resolve({"a": "https://ex.org/a"}), 3)).expand("a") == "https://ex.org/a"
    assert not slow.done()
    await slow


async def test_outdated_copies_are_downloaded_again(contexts, site, clock):
    url = site.url + "/a"
    await contexts.resolve(url)
    clock.forward(days=1, seconds=1)
    assert contexts.known(url) is None
    site.documents["/a"] = {"@context": {"speed": "https://new.org/speed"}}
    assert (await contexts.resolve(url)).expand("speed") == "https://new.org/speed"
    assert site.requests["/a"] == 2


async def test_an_outdated_copy_serves_while_its_server_is_away(contexts, site, clock):
    url = site.url + "/a"
    await contexts.resolve(url)
    site.documents["/a"] = (500, {}, b"")
    clock.forward(days=1, seconds=1)
    assert (await contexts.resolve(url)).expand("speed") == "https://ex.org/speed"
    assert contexts.known(url) is not None
    assert site.requests["/a"] == 2
    clock.forward(seconds=61)
    assert contexts.known(url) is None
    site.documents["/a"] = {"@context": {"speed": "https://new.org/speed"}}
    assert (await contexts.resolve(url)).expand("speed") == "https://new.org/speed"


async def test_failures_are_remembered_for_a_moment(contexts, site, clock):
    for _ in range(3):
        with pytest.raises(ContextUnavailable, match="status 404"):
            await contexts.resolve(site.url + "/none")
    assert site.requests["/none"] == 1
    clock.forward(seconds=6)
    site.documents["/none"] = {"@context": CONTEXT}
    assert (await contexts.resolve(site.url + "/none")).expand("speed") == "https://ex.org/speed"


async def test_invalid_contexts(contexts, site):
    site.documents["/loop"] = {"@context": ["/loop2"]}
    site.documents["/loop2"] = {"@context": "/loop"}
    for context in (7, [True], "nonsense", site.url + "/loop", {"a": {"@id": "https://ex.org/", "@context": {}}}):
        with pytest.raises(BadRequestData):
            await contexts.resolve(context)


async def test_too_many_documents_end(contexts, site):
    for number in range(80):
        site.documents[f"/n{number}"] = {"@context": f"/n{number + 1}"}
    with pytest.raises(BadRequestData):
        await contexts.resolve(site.url + "/n0")
    assert sum(site.requests.values()) <= 64


async def test_inline_contexts_are_kept_too(contexts):
    terms = await contexts.resolve(CONTEXT)
    assert contexts.known(dict(CONTEXT)) is terms
    big = {f"t{number}": f"https://ex.org/{number}" for number in range(3000)}
    assert contexts.known(big) is None
    terms = await contexts.resolve(big)
    assert contexts.known(dict(big)) is terms


async def test_memory_is_bounded(contexts):
    for number in range(600):
        await contexts.resolve({f"a{number}": "https://ex.org/a"})
    assert contexts.known({"a0": "https://ex.org/a"}) is None
    assert contexts.known({"a599": "https://ex.org/a"}) is not None


async def test_hosted_contexts_belong_to_their_tenant(contexts):
    id = await contexts.add(CONTEXT, "one")
    url = contexts.url_of(id)
    assert url.startswith(BASE + PATH)
    assert contexts.content(id, "one") == {"@context": CONTEXT}
    assert (await contexts.resolve(url, "one")).link == url
    assert contexts.known(url) is None
    assert contexts.known(url, "two") is None
    assert contexts.known(url, "one") is not None
    for tenant in ("", "two"):
        with pytest.raises(NotFound):
            contexts.content(id, tenant)
        with pytest.raises(NotFound):
            await contexts.delete(id, tenant)
        with pytest.raises(ContextUnavailable):
            await contexts.resolve(url, tenant)
        assert id not in str(await contexts.listing(tenant))
    assert (await contexts.resolve(["https://other.name" + PATH + id], "one")).expand("speed") == "https://ex.org/speed"
    await contexts.delete(id, "one")
    assert contexts.known(url, "one") is None
    with pytest.raises(NotFound):
        contexts.details(id, "one")


async def test_adding_caches_what_is_named_and_refuses_what_is_invalid(contexts, site):
    await contexts.add([site.url + "/a", "http://127.0.0.1:1/none"], "")
    assert contexts.details(site.url + "/a", "")["kind"] == "Cached"
    for context in (7, True, ["http://127.0.0.1:1/none", 7], {"a": 7}, {"a": "b", "b": "a"}):
        with pytest.raises(BadRequestData):
            await contexts.add(context, "")


async def test_implicit_contexts_are_made_once(contexts, site):
    context = [site.url + "/a", {"brand": "https://ex.org/brand"}]
    url = await contexts.implicit(context, "one")
    assert await contexts.implicit(context, "one") == url
    terms = await contexts.resolve(context, "one")
    assert await contexts.link_of(terms, "one") == url
    assert await contexts.link_of(CORE, "one") == CORE_URL
    assert (await contexts.resolve(url, "one")).expand("brand") == "https://ex.org/brand"
    [details] = await contexts.listing("one", "ImplicitlyCreated")
    assert details["URL"] == url


async def test_uses_are_counted(contexts, site, store, clock):
    url = site.url + "/a"
    await contexts.resolve(url)
    assert contexts.details(url, "")["numberOfHits"] == 1
    assert contexts.known(url)
    details = contexts.details(url, "")
    assert details["numberOfHits"] == 3
    assert details["lastUsage"] == "2026-11-23T06:05:00.000000Z"
    assert details["expiresAt"] == "2026-11-24T06:05:00.000000Z"
    await contexts.save_usage()
    assert store.get("", cached_id(url), "context")["numberOfHits"] == 4
    again = Contexts(store, HttpOutbound(AddressPolicy()), clock)
    assert again.details(url, "")["numberOfHits"] == 4


async def test_listing(contexts, site):
    await contexts.resolve(site.url + "/a")
    id = await contexts.add(CONTEXT, "")
    everything = await contexts.listing("")
    assert [(details["URL"], details["kind"]) for details in everything] == [
        (CORE_URL, "Cached"),
        (site.url + "/a", "Cached"),
        (contexts.url_of(id), "Hosted"),
    ]
    assert len(await contexts.listing("", "Hosted")) == 1
    assert len(await contexts.listing("other")) == 2


async def test_reload(contexts, site):
    url = site.url + "/a"
    terms = await contexts.resolve(url)
    site.documents["/a"] = {"@context": {"speed": "https://new.org/speed"}}
    await contexts.reload(url, "")
    assert contexts.known(url) is None
    assert (await contexts.resolve(url)).expand("speed") == "https://new.org/speed" != terms.expand("speed")
    for bad in ((500, {}, b""), {"@context": 7}):
        site.documents["/a"] = bad
        with pytest.raises(ContextUnavailable):
            await contexts.reload(contexts.details(url, "")["localId"], "")
        assert contexts.known(url).expand("speed") == "https://new.org/speed"
    site.documents["/a"] = {"@context": CONTEXT}
    await contexts.delete(url, "")
    assert contexts.known(url) is None
    assert (await contexts.resolve(url)).expand("speed") == "https://ex.org/speed"


async def test_what_cannot_be_reloaded_deleted_or_served(contexts, site):
    await contexts.resolve(site.url + "/a")
    id = await contexts.add(CONTEXT, "")
    for wrong in (id, "wrong_id"):
        with pytest.raises(BadRequestData, match="Cached"):
            await contexts.reload(wrong, "")
    with pytest.raises(NotFound):
        await contexts.reload("https://nowhere.example/", "")
    with pytest.raises(BadRequestData, match="belongs to the hub"):
        await contexts.delete(CORE_URL, "")
    await contexts.reload(CORE_URL, "")
    for cached in (CORE_URL, site.url + "/a"):
        with pytest.raises(OperationNotSupported):
            contexts.content(cached, "")


async def test_preload_folder(store, clock, tmp_path):
    folder = tmp_path / "contexts"
    folder.mkdir()
    url = "https://models.example/context.jsonld"
    (folder / "a.jsonld").write_text(json.dumps({"@context": ["b.jsonld", CONTEXT]}))
    (folder / "b.jsonld").write_text(json.dumps({"@context": {"brand": "https://ex.org/brand"}}))
    (folder / "index.json").write_text(json.dumps({url: "a.jsonld", "https://models.example/b.jsonld": "b.jsonld"}))
    outbound = HttpOutbound(AddressPolicy())
    contexts = Contexts(store, outbound, clock, folder)
    terms = await contexts.resolve(url)
    assert terms.expand("speed") == "https://ex.org/speed"
    assert terms.expand("brand") == "https://ex.org/brand"
    clock.forward(days=1000)
    assert contexts.known(url) is terms
    assert contexts.details(url, "")["extraInfo"] == "from the preload folder"
    for change in (contexts.delete, contexts.reload):
        with pytest.raises(BadRequestData):
            await change(url, "")
    await contexts.save_usage()
    (folder / "b.jsonld").unlink()
    with pytest.raises(ValueError, match=r"b\.jsonld"):
        Contexts(store, outbound, clock, folder)
    (folder / "index.json").write_text("[")
    with pytest.raises(ValueError, match=r"index\.json"):
        Contexts(store, outbound, clock, folder)
    (folder / "index.json").write_text(json.dumps({url: "a.jsonld"}))
    (folder / "a.jsonld").write_text("{}")
    with pytest.raises(ContextUnavailable, match=r"a\.jsonld"):
        await Contexts(store, outbound, clock, folder).resolve(url)
