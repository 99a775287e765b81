from datetime import UTC, datetime

import pytest

from cityhub.context.context_fetch import fetch_context, freshness_s
from cityhub.model.errors import BadRequestData, ContextUnavailable
from cityhub.web.addresses import AddressPolicy
from cityhub.web.outbound import HttpOutbound
from tests.unit.context.context_site import open_site

NOW = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)
TERMS = {"speed": "https://ex.org/speed"}


@pytest.fixture
async def site():
    async with open_site() as site:
        yield site


@pytest.fixture
async def outbound():
    door = HttpOutbound(AddressPolicy(loopback_allowed=True))
    yield door
    await door.close()


async def test_the_context_is_taken_and_the_rest_dropped(site, outbound):
    site.documents["/a"] = {"@context": TERMS, "more": 1}
    fetched = await fetch_context(outbound, site.url + "/a", NOW)
    assert (fetched.context, fetched.age_s) == (TERMS, 86_400)


async def test_redirects_are_followed_and_urls_made_absolute(site, outbound):
    site.documents["/a"] = (302, {"Location": "/sub/b"}, b"")
    site.documents["/sub/b"] = {"@context": ["c", {"@import": "d"}, TERMS]}
    fetched = await fetch_context(outbound, site.url + "/a", NOW)
    assert fetched.context == [site.url + "/sub/c", {"@import": site.url + "/sub/d"}, TERMS]


async def test_a_page_may_name_its_context(site, outbound):
    site.documents["/"] = (200, {"Content-Type": "text/html", "Link": '</c>; rel="alternate"; type="application/ld+json"'}, b"<html>")
    site.documents["/c"] = {"@context": TERMS}
    assert (await fetch_context(outbound, site.url + "/", NOW)).context == TERMS


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ((200, {}, b"{not json"), "not valid JSON"),
        ((200, {}, b"\xff\xfe"), "not valid JSON"),
        ((200, {}, b"[" * 5000), "not valid JSON"),
        ([1], "not a JSON-LD @context"),
        ({"a": 1}, "not a JSON-LD @context"),
        ({"@context": 7}, "invalid"),
        ({"@context": {"a": 7}}, "invalid"),
        ({"@context": ["ftp://ex.org/"]}, "invalid"),
    ],
)
async def test_what_is_no_context_is_bad_data(site, outbound, document, message):
    site.documents["/a"] = document
    with pytest.raises(BadRequestData, match=message):
        await fetch_context(outbound, site.url + "/a", NOW)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ((500, {}, b""), "status 500"),
        ((302, {"Location": "/a"}, b""), "redirected more than"),
        ((302, {"Location": "http://10.0.0.1/"}, b""), "not public"),
        ((200, {}, b" " * (2 * 1024 * 1024) + b"{}"), "larger than"),
    ],
)
async def test_what_cannot_be_had_is_unavailable(site, outbound, document, message):
    site.documents["/a"] = document
    with pytest.raises(ContextUnavailable, match=message):
        await fetch_context(outbound, site.url + "/a", NOW)


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/a", "http://127.0.0.1:1/a", "http://192.168.0.1/a"])
async def test_unreachable(outbound, url):
    with pytest.raises(ContextUnavailable, match="cannot be had"):
        await fetch_context(outbound, url, NOW)


@pytest.mark.parametrize(
    ("headers", "age_s"),
    [
        ({}, 86_400),
        ({"cache-control": "public, max-age=3600"}, 3600),
        ({"cache-control": 'Max-Age="7200"'}, 7200),
        ({"cache-control": "max-age=0"}, 60),
        ({"cache-control": "no-store, max-age=900"}, 60),
        ({"cache-control": "max-age=9999999999"}, 30 * 86_400),
        ({"cache-control": "s-max-age=5", "expires": "Mon, 23 Nov 2026 07:05:00 GMT"}, 3600),
        ({"expires": "0"}, 86_400),
        ({"expires": "Mon, 23 Nov 2020 07:05:00 GMT"}, 60),
        ({"cache-control": "max-age=x", "expires": "Mon, 23 Nov 2026 07:05:00"}, 3600),
    ],
)
def test_freshness(headers, age_s):
    assert freshness_s(headers, NOW) == age_s
