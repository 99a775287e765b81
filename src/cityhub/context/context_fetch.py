"""Downloading one @context document, bounded in time, size and hops.

Source: W3C JSON-LD 1.1 API, section 9.4 (remote documents); RFC 9111 (freshness); GS CIM 009 clause 5.13.1.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urljoin

import msgspec
import orjson

from cityhub.model.errors import BadRequestData, ContextUnavailable
from cityhub.model.jsonld import absolute_context, check_form
from cityhub.model.ports import Answer, Outbound

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_HOPS: Final = 5
TIMEOUT_S: Final = 5.0
DEFAULT_AGE_S: Final = 86_400
MIN_AGE_S: Final = 60
"""A document is not asked for more often than this, whatever its server says."""
MAX_AGE_S: Final = 30 * 86_400

_ACCEPT: Final = {"accept": "application/ld+json, application/json;q=0.9, */*;q=0.1"}
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)
_NO_CACHE: Final = re.compile(r"(?:^|[\s,])no-(?:cache|store)", re.IGNORECASE)
_LINK: Final = re.compile(r"<([^<>]*)>\s*((?:;[^,<]*)*)")


class Fetched(msgspec.Struct, frozen=True):
    """A downloaded @context (without its document, URLs in it made absolute) and how long it is fresh, in seconds."""

    context: Any
    age_s: int


async def fetch_context(outbound: Outbound, url: str, now: datetime) -> Fetched:
    """Downloads the @context of a URL.

    Raises:
        BadRequestData: What is there is no valid @context (clause 5.5.6).
        ContextUnavailable: It cannot be had.
    """
    try:
        async with asyncio.timeout(2 * TIMEOUT_S):
            place, answer = await _get(outbound, url)
    except TimeoutError:
        raise ContextUnavailable(f"The @context {url} did not arrive within {2 * TIMEOUT_S:g} s") from None
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"The document at {url} is not valid JSON: {error}") from None
    if not isinstance(document, dict) or "@context" not in document:
        raise BadRequestData(f"The document at {url} is not a JSON-LD @context: an object with a member '@context' is needed")
    try:
        context = absolute_context(document["@context"], place)
        check_form(context)
    except BadRequestData as error:
        raise BadRequestData(f"The @context at {url} is invalid: {error.detail}") from None
    return Fetched(context, freshness_s(answer.headers, now))


async def _get(outbound: Outbound, url: str) -> tuple[str, Answer]:
    place = url
    for _ in range(MAX_HOPS):
        answer = await outbound.request("GET", place, _ACCEPT, timeout_s=TIMEOUT_S)
        if answer.status == 0:
            raise ContextUnavailable(f"The @context {url} cannot be had: {answer.reason}")
        following = _next_place(answer, place)
        if following is None:
            break
        place = following
    else:
        raise ContextUnavailable(f"The @context {url} is redirected more than {MAX_HOPS} times")
    if answer.status != 200:
        raise ContextUnavailable(f"The server of the @context {url} answered with status {answer.status}")
    if len(answer.body) > MAX_BYTES:
        raise ContextUnavailable(f"The @context {url} is larger than {MAX_BYTES} bytes")
    return place, answer


def _next_place(answer: Answer, place: str) -> str | None:
    if answer.status in (301, 302, 303, 307, 308) and "location" in answer.headers:
        return urljoin(place, answer.headers["location"])
    media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status == 200 and media and not media.endswith("json"):
        for match in _LINK.finditer(answer.headers.get("link", "")):
            if "alternate" in match[2] and "application/ld+json" in match[2]:
                return urljoin(place, str(match[1]))
    return None


def freshness_s(headers: dict[str, str], now: datetime) -> int:
    """How long an answer is fresh, in seconds: by Cache-Control, else by Expires, else a day; between a minute and 30 days."""
    control = headers.get("cache-control", "")
    match = _MAX_AGE.search(control)
    if _NO_CACHE.search(control):
        age = MIN_AGE_S
    elif match:
        age = int(match[1])
    else:
        age = _until(headers.get("expires", ""), now)
    return max(MIN_AGE_S, min(age, MAX_AGE_S))


def _until(expires: str, now: datetime) -> int:
    try:
        moment = parsedate_to_datetime(expires)
    except ValueError:
        return DEFAULT_AGE_S
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((aware - now).total_seconds())
