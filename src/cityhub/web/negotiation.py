"""The protocol side of an NGSI-LD request: media types, @context, tenant, parameters, and the shape of answers.

Source: GS CIM 009 V1.9.1, clauses 6.3.4 to 6.3.7, 6.3.14, 6.3.20; RFC 9110 12.5.1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

import orjson

from cityhub.model.errors import BadRequestData, InvalidRequest, NoSuchTenant, NotAcceptable, UnsupportedMediaType
from cityhub.model.jsonld import CORE, CORE_URL, TermMap
from cityhub.model.ngsild.conformance import CURRENT, amended, read_version
from cityhub.model.ports import INTERNAL
from cityhub.web.http import Request, Response, parse_query

JSON: Final = "application/json"
LD_JSON: Final = "application/ld+json"
GEO_JSON: Final = "application/geo+json"
MERGE_PATCH: Final = "application/merge-patch+json"
PLAIN: Final = (JSON, LD_JSON)
GEO: Final = (JSON, LD_JSON, GEO_JSON)
CONTEXT_RELATION: Final = "http://www.w3.org/ns/json-ld#context"
MAX_LIMIT: Final = 1000
MAX_DEPTH: Final = 128
_REMEMBERED: Final = 128
"""Headers whose meaning is remembered: programs send few different ones, but a stranger's may be 64 KB each."""


class ContextSource(Protocol):
    """Where term maps come from (`cityhub.context.contexts.Contexts`)."""

    def known(self, context: Any) -> TermMap | None:
        """The term map of an @context that is in memory."""

    async def resolve(self, context: Any, tenant: str) -> TermMap:
        """The term map of an @context; fetches what is missing."""

    async def link_of(self, terms: TermMap, tenant: str, trace: str = "") -> str:
        """The URL for a Link header that stands for a term map."""


# -- Media types -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=_REMEMBERED)
def accepted(accept: str, offers: tuple[str, ...] = PLAIN) -> str:
    """The media type to answer with: the highest weight, then the order of the offers. Raises NotAcceptable."""
    if not accept:
        return offers[0]
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    best, best_weight = "", 0.0
    for offer in offers:
        weight = _weight(offer, ranges)
        if weight > best_weight:
            best, best_weight = offer, weight
    if not best:
        raise NotAcceptable(f"Accept '{accept[:200]}' names none of {', '.join(offers)}")
    return best


def _media_range(text: str) -> tuple[str, float]:
    name, *parameters = [part.strip() for part in text.split(";")]
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                weight = min(1.0, max(0.0, float(value)))
            except ValueError:
                weight = 1.0
    return name.lower(), weight


def _weight(offer: str, ranges: list[tuple[str, float]]) -> float:
    """The weight of the most specific range that covers the offer; 0 when none does."""
    group = offer.partition("/")[0] + "/*"
    for wanted in (offer, group, "*/*"):
        for name, weight in ranges:
            if name == wanted:
                return weight
    return 0.0


def content_type(request: Request, allowed: tuple[str, ...] = PLAIN) -> str:
    """The media type of the body.

    Raises InvalidRequest when the request does not say, UnsupportedMediaType when it is not one of the allowed ones
    (clause 6.3.4).
    """
    declared = request.headers.get("content-type")
    if declared is None:
        raise InvalidRequest(f"The request must say in a Content-Type header what its body is: {' or '.join(allowed)}")
    name = declared.partition(";")[0].strip().lower()
    if name not in allowed:
        raise UnsupportedMediaType(f"Content-Type must be {' or '.join(allowed)}, not '{name[:100]}'")
    return name


# -- @context --------------------------------------------------------------------------------------------------------

_LINK = re.compile(r"<([^<>]*)>\s*((?:;[^,<]*)*)")


@lru_cache(maxsize=_REMEMBERED)
def linked_context(link: str) -> str | None:
    """The URL of the JSON-LD @context in a Link header; None when there is none. Raises BadRequestData for several."""
    found = [match.group(1) for match in _LINK.finditer(link) if CONTEXT_RELATION in match.group(2)]
    if len(found) > 1:
        raise BadRequestData("The Link header must name at most one JSON-LD @context")
    return found[0] if found else None


async def terms_of(request: Request, contexts: ContextSource) -> TermMap:
    """The term map of a request without body: from its Link header, else the core @context."""
    link = request.headers.get("link")
    url = linked_context(link) if link else None
    if url is None:
        return CORE
    return contexts.known(url) or await contexts.resolve(url, tenant_of(request))


def read_json(request: Request) -> Any:
    """The body as JSON. Raises InvalidRequest when it is no JSON, BadRequestData when it is empty."""
    if not request.body:
        raise InvalidRequest("A JSON body is needed")
    return request.json()


async def body_and_terms(
    request: Request, contexts: ContextSource, allowed: tuple[str, ...] = PLAIN
) -> tuple[Any, TermMap]:
    """The body without its "@context", and the term map that holds for it.

    Raises:
        BadRequestData: The @context stands where the media type does not allow it (clause 6.3.5).
        InvalidRequest: The body is no JSON.
        UnsupportedMediaType: The body's media type is none of the allowed ones.
    """
    media = content_type(request, allowed)
    document = read_json(request)
    if isinstance(document, dict):
        context = document.pop("@context", None)
        return document, await body_terms(request, contexts, media, context)
    return document, await terms_of(request, contexts)


async def body_terms(request: Request, contexts: ContextSource, media: str, context: Any) -> TermMap:
    """The term map for one JSON object of a body, whose "@context" member was `context` (None: it had none)."""
    link = request.headers.get("link")
    url = linked_context(link) if link else None
    if media == LD_JSON:
        if url is not None:
            raise BadRequestData("With application/ld+json the @context stands in the body, not in a Link header")
        if context is None:
            raise BadRequestData("With application/ld+json the body must have an '@context'")
        return contexts.known(context) or await contexts.resolve(context, tenant_of(request))
    if context is not None and media == JSON:
        raise BadRequestData("With application/json the @context stands in a Link header, not in the body")
    chosen = url if url is not None else context
    if chosen is None:
        return CORE
    return contexts.known(chosen) or await contexts.resolve(chosen, tenant_of(request))


async def linked_terms(terms: TermMap, request: Request, contexts: ContextSource, media: str) -> TermMap:
    """The term map with a URL that an answer of this media type can name in its Link header, also where the @context has none."""
    if media == LD_JSON or terms.link is not None:
        return terms
    return terms.with_link(await contexts.link_of(terms, tenant_of(request), request.trace))


@lru_cache(maxsize=_REMEMBERED)
def link_header(url: str) -> str:
    """The Link header that names an @context."""
    return f'<{url}>; rel="{CONTEXT_RELATION}"; type="application/ld+json"'


def context_member(terms: TermMap) -> Any:
    """The "@context" of an answer: the caller's own, or the core @context when there was none."""
    return CORE_URL if terms.source is None else terms.source


# -- Tenant and parameters -------------------------------------------------------------------------------------------


def tenant_of(request: Request) -> str:
    """The tenant of a request; "" is the default one. Raises BadRequestData for a name that cannot be one."""
    if request.tenant is not None:
        return request.tenant
    tenant = request.headers.get("ngsild-tenant", "")
    if tenant and not _TENANT.fullmatch(tenant):
        raise BadRequestData("NGSILD-Tenant must be 1 to 256 visible characters without '/' and ','")
    return tenant


_TENANT = re.compile(r"[!-+\-.0-~]{1,256}")


def check_tenant(tenants: set[str], tenant: str) -> None:
    """Raises NoSuchTenant unless the tenant exists (the default one always does)."""
    if tenant and tenant not in tenants and not tenant.startswith(INTERNAL):
        raise NoSuchTenant(f"Tenant '{tenant}' does not exist")


def check_parameters(request: Request, allowed: frozenset[str]) -> dict[str, str]:
    """The query parameters. Raises InvalidRequest naming the first one that the operation does not know (clause 6.3.20)."""
    query = request.query
    if not query:
        return query
    for name in query:
        if name not in allowed:
            raise InvalidRequest(f"'{name[:100]}' is no parameter of this operation; known: {', '.join(sorted(allowed))}")
    return query


def flag(query: dict[str, str], name: str) -> bool:
    """A parameter that is 'true' or 'false' (absent: false). Raises BadRequestData for anything else."""
    value = query.get(name)
    if value is None or value == "false":
        return False
    if value == "true":
        return True
    raise BadRequestData(f"'{name}' must be true or false, not '{value[:50]}'")


def option_set(query: dict[str, str], known: frozenset[str]) -> frozenset[str]:
    """The items of the `options` parameter. Raises InvalidRequest for one that the operation does not know."""
    text = query.get("options")
    if not text:
        return frozenset()
    options = frozenset(part.strip() for part in text.split(",") if part.strip())
    unknown = options - known
    if unknown:
        raise InvalidRequest(f"options: '{min(unknown)[:50]}' is not known here; known: {', '.join(sorted(known))}")
    return options


def window(query: dict[str, str], default: int = 20) -> tuple[int, int]:
    """limit and offset. Raises BadRequestData when they are no natural numbers, or limit is over MAX_LIMIT (TooManyResults)."""
    limit, offset = _natural(query, "limit", default), _natural(query, "offset", 0)
    if limit > MAX_LIMIT:
        raise BadRequestData(f"'limit' may be at most {MAX_LIMIT}")
    if limit == 0 and not flag(query, "count"):
        raise BadRequestData("'limit' may be 0 only with count=true")
    return limit, offset


def _natural(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadRequestData(f"'{name}' must be a natural number, not '{text[:50]}'")
    return int(text)


# -- Answers ---------------------------------------------------------------------------------------------------------


def document_response(
    document: Any, terms: TermMap, media: str, *, status: int = 200, headers: list[tuple[str, str]] | None = None
) -> Response:
    """An answer with an NGSI-LD document or a list of them; its @context in the body (ld+json) or as a Link header."""
    headers = headers or []
    if media == LD_JSON:
        context = context_member(terms)
        if isinstance(document, list):
            document = [{"@context": context, **item} if isinstance(item, dict) else item for item in document]
        elif isinstance(document, dict):
            document = {"@context": context, **document}
    else:
        headers.append(("link", link_header(terms.link or CORE_URL)))
    return Response(status, orjson.dumps(document), headers, media)


_PREFERENCE = re.compile(r'\s*ngsi-ld\s*=\s*"?(\d{1,3}\.\d{1,3})"?\s*', re.IGNORECASE)


@lru_cache(maxsize=_REMEMBERED)
def preferred_version(prefer: str) -> str | None:
    """The version of the standard that a Prefer header asks for ("1.6"), or None. Source: clauses 4.3.6.8 and 6.3.6; RFC 7240."""
    for preference in prefer.split(","):
        found = _PREFERENCE.fullmatch(preference.partition(";")[0])
        if found:
            return found[1]
    return None


def preference_headers(request: Request) -> list[tuple[str, str]]:
    """What says which version of the standard an answer follows, if the request prefers one."""
    version = preferred_version(request.headers.get("prefer", ""))
    return [("preference-applied", f"ngsi-ld={version}")] if version else []


def entity_response(
    request: Request, document: Any, terms: TermMap, media: str, *, status: int = 200, headers: list[tuple[str, str]] | None = None
) -> Response:
    """An answer with an entity or a list of them, in the version of the standard that the request prefers.

    It is 203 where the documents had to be amended for it. Source: clauses 4.3.6.8, 5.7.1.4 and 6.3.6.
    """
    version = preferred_version(request.headers.get("prefer", ""))
    if version is None:
        return document_response(document, terms, media, status=status, headers=headers)
    older = min(read_version(version), CURRENT)
    shown = [amended(one, older) for one in document] if isinstance(document, list) else amended(document, older)
    applied = ("preference-applied", f"ngsi-ld={older[0]}.{older[1]}")
    return document_response(shown, terms, media, status=status if shown == document else 203, headers=[*(headers or ()), applied])


def no_content(headers: list[tuple[str, str]] | None = None) -> Response:
    """204."""
    return Response(204, b"", headers)


def page_headers(
    request: Request, media: str, found: int, total: int | None, limit: int, offset: int, *, more: bool | None = None
) -> list[tuple[str, str]]:
    """The headers of one page: the result count when it was asked for, and links to the next and previous pages.

    Args:
        request: Its parameters are repeated in the links, in the order of their names.
        media: The media type of the answer.
        found: How many results the page has.
        total: How many there are in all; None when that was not counted.
        limit: The size of a page.
        offset: Where the page begins.
        more: Whether there are further results; None when that is to be told from the numbers.

    Source: GS CIM 009 clauses 4.12, 5.5.9, 6.3.10 and 6.3.13.
    """
    headers = [] if total is None else [("ngsild-results-count", str(total))]
    if more is None:
        more = found == limit if total is None else total > offset + limit
    if offset and limit:
        headers.append(("link", _page_link(request.path, request.query_string, media, max(0, offset - limit), limit, "prev")))
    if more and limit:
        headers.append(("link", _page_link(request.path, request.query_string, media, offset + limit, limit, "next")))
    return headers


@lru_cache(maxsize=_REMEMBERED)
def _page_link(path: str, query_string: str, media: str, offset: int, limit: int, relation: str) -> str:
    query = sorted({**parse_query(query_string), "limit": str(limit), "offset": str(offset)}.items())
    return f'<{path.rstrip("/")}?{urlencode(query, quote_via=quote, safe=":,*/")}>; rel="{relation}"; type="{media}"'
