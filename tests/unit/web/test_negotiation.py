"""Media types, contexts, tenants, parameters, pages."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.errors import BadRequestData, InvalidRequest, NoSuchTenant, NotAcceptable, UnsupportedMediaType
from cityhub.model.jsonld import CORE, TermMap
from cityhub.web import negotiation
from cityhub.web.http import Request
from cityhub.web.negotiation import GEO, GEO_JSON, JSON, LD_JSON

CONTEXT = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'


def request(query: str = "", body: bytes = b"", **headers: str) -> Request:
    return Request("POST", "/x", query, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class Named:
    """Contexts by what they are named, to see which one was asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def known(self, context: Any) -> TermMap | None:
        self.asked.append(context)
        return None

    async def resolve(self, context: Any, tenant: str) -> TermMap:
        self.asked.append((context, tenant))
        return CORE


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", JSON), ("*/*", JSON), ("application/*", JSON), (JSON, JSON), (LD_JSON, LD_JSON), (GEO_JSON, GEO_JSON),
        ("application/json;q=0.5, application/ld+json;q=0.9", LD_JSON),
        ("application/ld+json;q=0, */*", JSON),
        ("application/json;q=0, */*;q=0.1", LD_JSON),
        ("text/html, application/geo+json;q=0.3", GEO_JSON),
        ("Application/LD+JSON", LD_JSON),
        ("application/json;q=nonsense", JSON),
        ("application/json;q=nan, application/ld+json;q=0.1", LD_JSON),
        (", ,application/json", JSON),
    ],
)  # fmt: skip
def test_accept(accept: str, media: str) -> None:
    assert negotiation.accepted(accept, GEO) == media


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "application/geo+json", "nonsense", ","])
def test_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiation.accepted(accept)


@pytest.mark.parametrize("declared", ["", "text/plain", "application/jsonx", "application"])
def test_content_types_that_are_not_read(declared: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        negotiation.content_type(request(content_type=declared))


def test_content_type_with_parameters() -> None:
    assert negotiation.content_type(request(content_type="Application/JSON; charset=utf-8")) == JSON


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (f"<https://x.example/c>; {CONTEXT}", "https://x.example/c"),
        (f'<https://x.example/a>; rel="next", <https://x.example/c>; {CONTEXT}', "https://x.example/c"),
        ('<https://x.example/a>; rel="next"', None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_context_of_a_link(link: str, url: str | None) -> None:
    assert negotiation.linked_context(link) == url


def test_two_contexts_are_one_too_many() -> None:
    with pytest.raises(BadRequestData):
        negotiation.linked_context(f"<https://x.example/a>; {CONTEXT}, <https://x.example/b>; {CONTEXT}")


async def test_where_the_context_of_a_body_stands() -> None:
    link = f"<https://x.example/c>; {CONTEXT}"
    contexts = Named()
    document, _ = await negotiation.body_and_terms(request(body=b'{"a": 1}', content_type=JSON, link=link), contexts)
    assert document == {"a": 1}
    assert contexts.asked[-1] == ("https://x.example/c", "")
    body = b'{"a": 1, "@context": "https://x.example/d"}'
    document, _ = await negotiation.body_and_terms(request(body=body, content_type=LD_JSON, ngsild_tenant="t"), contexts)
    assert document == {"a": 1}
    assert contexts.asked[-1] == ("https://x.example/d", "t")
    for wrong in (
        request(body=body, content_type=JSON),
        request(body=body, content_type=LD_JSON, link=link),
        request(body=b"{}", content_type=LD_JSON),
    ):
        with pytest.raises(BadRequestData):
            await negotiation.body_and_terms(wrong, contexts)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": 1}}', b"[" * 5000, b'"\\ud800"'])
async def test_bodies_that_are_no_json(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        await negotiation.body_and_terms(request(body=body, content_type=JSON), Named())


@pytest.mark.parametrize("tenant", ["a b", "a,b", "a/b", "é", "x" * 257])
def test_names_that_no_tenant_has(tenant: str) -> None:
    with pytest.raises(BadRequestData):
        negotiation.tenant_of(request(ngsild_tenant=tenant))


def test_tenants_exist_or_not() -> None:
    negotiation.check_tenant({""}, "")
    negotiation.check_tenant({"", "a"}, "a")
    with pytest.raises(NoSuchTenant):
        negotiation.check_tenant({""}, "a")


def test_unknown_parameters_are_named() -> None:
    with pytest.raises(InvalidRequest, match=r"'b'.*known: a, c"):
        negotiation.check_parameters(request("a=1&b=2"), frozenset(("a", "c")))


@pytest.mark.parametrize(("query", "wanted"), [("", (20, 0)), ("limit=1000&offset=5", (1000, 5)), ("limit=0&count=true", (0, 0))])
def test_windows(query: str, wanted: tuple[int, int]) -> None:
    assert negotiation.window(request(query).query) == wanted


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "limit=1001", "limit=0", "limit=1.0", "offset=-1", "offset=" + "9" * 16, "limit=²"])
def test_windows_that_are_none(query: str) -> None:
    with pytest.raises(BadRequestData):
        negotiation.window(request(query).query)


def test_pages_before_and_behind() -> None:
    asked = request("type=A&limit=10&offset=10")
    headers = negotiation.page_headers(asked, JSON, 10, 35, 10, 10)
    assert ("ngsild-results-count", "35") in headers
    links = [value for name, value in headers if name == "link"]
    assert [link.partition(">")[0] for link in links] == ["</x?limit=10&offset=0&type=A", "</x?limit=10&offset=20&type=A"]
    assert negotiation.page_headers(request(), JSON, 3, None, 20, 0) == []
    assert negotiation.page_headers(request(), JSON, 0, 7, 0, 0) == [("ngsild-results-count", "7")]


@pytest.mark.parametrize("header", ["ngsi-ld=1.6", ' NGSI-LD="1.6" ', "respond-async, ngsi-ld=1.6;x=1"])
def test_the_version_that_is_preferred(header: str) -> None:
    assert negotiation.preference_headers(request(prefer=header)) == [("preference-applied", "ngsi-ld=1.6")]
    assert negotiation.preference_headers(request(prefer="respond-async")) == []
