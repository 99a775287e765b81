"""Requests to context sources: addressed, signed against loops, bounded in time, counted, and their answers kept for a while.

Source: GS CIM 009 V1.9.1, clauses 4.3.6.4 to 4.3.6.6, 5.2.34, 6.3.17 and 6.3.18.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import orjson

from cityhub.context.entities import Call
from cityhub.context.identity_api import alias_of
from cityhub.context.registered import Registration
from cityhub.context.source_answer import NO_ANSWER, Reply, alias_in, read_answer
from cityhub.context.source_state import SourceStates
from cityhub.model.errors import LoopDetected, SourceFailed
from cityhub.model.jsonld import CORE, CORE_URL, TermMap
from cityhub.model.ports import Answer, Outbound
from cityhub.web.negotiation import JSON, LD_JSON, ContextSource, context_member, link_header

API: Final = "/ngsi-ld/v1"
FROM_REQUEST: Final = "urn:ngsi-ld:request"
"""Value of a contextSourceInfo pair that is taken from the request that came in."""
MAX_CACHED: Final = 1_000
MAX_CACHED_BYTES: Final = 32 * 1024 * 1024
MAX_HOPS: Final = 32
"""A request that has passed more sources goes round in a circle that nobody signs."""
MAX_ALIASES: Final = 10_000
MAX_LEARNED: Final = 32
IDENTITY_TIMEOUT_S: Final = 2.0
KNOWN_S: Final = 3_600.0
UNKNOWN_S: Final = 60.0
_READING: Final = frozenset(("GET",))


T = TypeVar("T")


async def together(jobs: Iterable[Awaitable[T]]) -> list[T]:
    """The results of jobs that run at the same time, in their order."""
    return list(await asyncio.gather(*jobs))


class Ask(msgspec.Struct, frozen=True):
    """One request to one source.

    Attributes:
        registration: The source.
        method: Upper case.
        path: Below "/ngsi-ld/v1", segments percent-encoded.
        terms: The @context of the request and of its answer.
        params: Query parameters.
        body: A JSON value; None for no body.
    """

    registration: Registration
    method: str
    path: str
    terms: TermMap
    params: dict[str, str] = {}
    body: Any = None


class _Kept(msgspec.Struct, frozen=True):
    answer: Answer
    until_s: float


class SourceRequests:
    """Sends requests to context sources.

    Args:
        outbound: The door to other hosts.
        contexts: Where term maps come from.
        states: Is told of successes and failures.
        alias: The name by which loops are found.
        monotonic: Seconds on a clock that is never set.
    """

    def __init__(
        self, outbound: Outbound, contexts: ContextSource, states: SourceStates, alias: str, monotonic: Callable[[], float]
    ) -> None:
        self._outbound = outbound
        self._contexts = contexts
        self._states = states
        self._alias = alias
        self._monotonic = monotonic
        self._cache: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._cached_bytes = 0
        self._aliases: dict[tuple[str, str], tuple[str, float]] = {}

    async def learn(self, registrations: Iterable[Registration]) -> None:
        """Asks sources whose alias is not known who they are, so that a circle is seen before it is closed.

        At most `MAX_LEARNED` are asked at once; one that does not tell is asked again after a while.
        """
        unknown: dict[tuple[str, str], Registration] = {}
        now = self._monotonic()
        for registration in registrations:
            place = (registration.endpoint, registration.source_tenant)
            if not registration.alias and self._aliases.get(place, ("", 0.0))[1] <= now:
                unknown[place] = registration
                if len(unknown) == MAX_LEARNED:
                    break
        if len(self._aliases) > MAX_ALIASES:
            self._aliases.clear()
        await together(self._learn(place, registration) for place, registration in unknown.items())

    async def _learn(self, place: tuple[str, str], registration: Registration) -> None:
        headers = {"Accept": JSON, **({"NGSILD-Tenant": place[1]} if place[1] else {})}
        url = self._url(Ask(registration, "GET", "/info/sourceIdentity", CORE))
        answer = await self._outbound.request("GET", url.partition("?")[0], headers, b"", min(IDENTITY_TIMEOUT_S, registration.timeout_s))
        alias = alias_in(answer)
        self._aliases[place] = (alias, self._monotonic() + (KNOWN_S if alias else UNKNOWN_S))

    def _alias_at(self, registration: Registration) -> str:
        return registration.alias or self._aliases.get((registration.endpoint, registration.source_tenant), ("", 0.0))[0]

    def loops(self, call: Call, registration: Registration) -> bool:
        """Whether the request has been here, or at the source, before."""
        if not call.via:
            return False
        passed = {part.split()[-1] for part in call.via.split(",") if part.strip()}
        if len(passed) > MAX_HOPS:
            return True
        return alias_of(self._alias, call.tenant) in passed or self._alias_at(registration) in passed

    def refusal(self, call: Call, registration: Registration) -> LoopDetected | SourceFailed | None:
        """Why the source is not to be asked now; None when it may be."""
        if self.loops(call, registration):
            return LoopDetected(f"Registration '{registration.id}' leads to a source that the request has passed already")
        if self._states.rests(registration):
            return SourceFailed(f"The source of registration '{registration.id}' failed lately and is left alone for now")
        return None

    async def terms_for(self, call: Call, registration: Registration) -> TermMap:
        """The @context in which the source is spoken to.

        That of the registration (jsonldContext), else the caller's own if it is one URL, else the core @context, in
        which names that are not its own are whole IRIs.
        """
        url = registration.settings.get("jsonldContext")
        if url is not None:
            return self._contexts.known(url) or await self._contexts.resolve(url, registration.tenant)
        return call.terms if call.terms.link is not None else CORE

    async def send(self, call: Call, ask: Ask) -> Reply:
        """The answer of a source. Faults are part of it: nothing is raised."""
        registration = ask.registration
        url = self._url(ask)
        headers = self._headers(call, ask)
        body = self._body(ask, headers)
        kept = self._kept(registration, ask, url, headers)
        if kept is not None:
            return await read_answer(kept, ask.terms, self._contexts, registration)
        answer = await self._outbound.request(ask.method, url, headers, body, registration.timeout_s)
        if answer.status == NO_ANSWER:
            self._states.failed(registration)
        else:
            self._states.succeeded(registration)
            self._keep(registration, ask, url, headers, answer)
        return await read_answer(answer, ask.terms, self._contexts, registration)

    def _url(self, ask: Ask) -> str:
        base = ask.registration.endpoint
        if not base.endswith(API):
            base += API
        params = ask.params
        if ask.registration.local_only:
            params = {**params, "local": "true"}
        query = f"?{urlencode(params, quote_via=quote, safe=':,')}" if params else ""
        return f"{base}{ask.path}{query}"

    def _headers(self, call: Call, ask: Ask) -> dict[str, str]:
        registration = ask.registration
        headers: dict[str, str] = {}
        for key, value in registration.headers.items():
            if value == FROM_REQUEST:
                value = call.headers.get(key.lower(), "")
                if not value:
                    continue
            headers[key] = value
        signature = f"1.1 {alias_of(self._alias, call.tenant)}"
        headers["Via"] = f"{call.via}, {signature}" if call.via else signature
        headers["Accept"] = registration.settings.get("accept", JSON)
        if registration.source_tenant:
            headers["NGSILD-Tenant"] = registration.source_tenant
        return headers

    def _body(self, ask: Ask, headers: dict[str, str]) -> bytes:
        """The body, and the headers that speak of it and of its @context."""
        inline = ask.registration.settings.get("contentType") == LD_JSON and "jsonldContext" not in ask.registration.settings
        if ask.body is None or not inline or not _can_hold_context(ask.body):
            headers["Link"] = link_header(ask.terms.link or CORE_URL)
            if ask.body is None:
                return b""
            headers["Content-Type"] = JSON
            return orjson.dumps(ask.body)
        headers["Content-Type"] = LD_JSON
        context = context_member(ask.terms)
        if isinstance(ask.body, list):
            return orjson.dumps([{**item, "@context": context} for item in ask.body])
        return orjson.dumps({**ask.body, "@context": context})

    # -- Answers that may be used again ------------------------------------------------------------------------------

    def _key(self, registration: Registration, url: str, headers: dict[str, str]) -> tuple[str, ...]:
        return (registration.tenant, registration.id, url, *(f"{name}:{value}" for name, value in sorted(headers.items()) if name != "Via"))

    def _kept(self, registration: Registration, ask: Ask, url: str, headers: dict[str, str]) -> Answer | None:
        if not registration.cache_s or ask.method not in _READING:
            return None
        kept = self._cache.get(self._key(registration, url, headers))
        return kept.answer if kept is not None and kept.until_s > self._monotonic() else None

    def _keep(self, registration: Registration, ask: Ask, url: str, headers: dict[str, str], answer: Answer) -> None:
        if not registration.cache_s or ask.method not in _READING or answer.status != 200:
            return
        key = self._key(registration, url, headers)
        self._drop(key)
        self._cache[key] = _Kept(answer, self._monotonic() + registration.cache_s)
        self._cached_bytes += len(answer.body)
        while len(self._cache) > MAX_CACHED or self._cached_bytes > MAX_CACHED_BYTES:
            self._drop(next(iter(self._cache)))

    def _drop(self, key: tuple[str, ...]) -> None:
        old = self._cache.pop(key, None)
        if old is not None:
            self._cached_bytes -= len(old.answer.body)


def _can_hold_context(body: Any) -> bool:
    if isinstance(body, list):
        return all(isinstance(item, dict) for item in body)
    return isinstance(body, dict)
