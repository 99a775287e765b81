"""The public doors of warnings: the feed of those in force, and each signed message. Only what was released to the public is there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from cityhub.model.errors import InvalidRequest, NotFound
from cityhub.model.ports import Document
from cityhub.model.time import Clock, to_text
from cityhub.rules.cap.atom import CAP_TYPE, Entry, write_feed
from cityhub.rules.cap.times import moment_of
from cityhub.rules.warnings.composing import moment
from cityhub.rules.warnings.register import WarningRegister
from cityhub.rules.warnings.warning import LANGUAGES, Warning
from cityhub.web.conditional import entity_tag, is_unmodified
from cityhub.web.http import Request, Response, Route

FEED: Final = "/cap/feed"
FEED_AGE_S: Final = 15
MOST_ENTRIES: Final = 500
KEPT: Final = timedelta(seconds=5)
"""So long the feed may be given as it was made."""
_NAMES: Final = {"zh": "预警信息", "en": "Warnings"}
FOREVER: Final = "public, max-age=31536000, immutable"


class PublicApi:
    """The public doors.

    Args:
        register: The warnings.
        clock: The present time.
        base: Address under which others reach the hub.
    """

    def __init__(self, register: WarningRegister, clock: Clock, base: Callable[[], str]) -> None:
        self._register = register
        self._clock = clock
        self._base = base
        self._made: dict[str, tuple[int, datetime, bytes]] = {}

    def routes(self) -> list[Route]:
        """Both doors, for the hub."""
        clause = "OASIS CAP 1.2"
        return [
            Route("GET", FEED, self._feed, "public", "Feed of Warnings", "RFC 4287", tag="warnings"),
            Route("GET", "/cap/{identifier}", self._message, "public", "Show Signed Warning", clause, tag="warnings"),
        ]

    async def _feed(self, request: Request) -> Response:
        language = request.query.get("lang", "zh")
        if language not in LANGUAGES or request.query.keys() - {"lang"}:
            raise InvalidRequest("The only parameter is 'lang', which is zh or en")
        body = await self._kept(language)
        return _cached(request, body, "application/atom+xml; charset=utf-8", f"public, max-age={FEED_AGE_S}")

    async def _kept(self, language: str) -> bytes:
        """The feed, made again when a warning has changed or some seconds have passed: strangers may ask often."""
        moment_now = self._clock.now()
        revision, made_at, body = self._made.get(language, (-1, moment_now, b""))
        if revision != self._register.revision or not timedelta(0) <= moment_now - made_at < KEPT:
            revision = self._register.revision
            body = await self._make(language, to_text(moment_now))
            self._made[language] = (revision, moment_now, body)
        return body

    async def _make(self, language: str, now: str) -> bytes:
        listed = [one for one in self._register.in_force(now) if one.content.scope == "Public"]
        ended = [one for one in self._register.all() if one.cancelled_by and one.content.scope == "Public" and _is_fresh(one, now)]
        entries = [await self._entry(one, language) for one in (*listed, *ended)[:MOST_ENTRIES]]
        found = sorted((one for one in entries if one is not None), key=lambda one: moment_of(one.updated, "sent"), reverse=True)
        updated = found[0].updated if found else "1970-01-01T00:00:00Z"
        address = f"{self._base()}{FEED}?lang={language}"
        return write_feed(address, _NAMES[language], address, updated, found, LANGUAGES[language])

    async def _entry(self, warning: Warning, language: str) -> Entry | None:
        record = await self._register.message(warning.cancelled_by or warning.identifier)
        if record is None:
            return None
        tag = LANGUAGES[language]
        address = f"{self._base()}/cap/{record['id']}"
        terms = [record["msgType"], record["status"], warning.content.event, warning.content.grade]
        return Entry(
            address, record["headlines"].get(tag, ""), address, record["sent"], record["senders"].get(tag, ""),
            warning.content.description.get(language, ""), terms, tag,
        )  # fmt: skip

    async def _message(self, request: Request) -> Response:
        identifier = request.parameters["identifier"]
        record: Document | None = await self._register.message(identifier) if len(identifier) <= 500 else None
        if record is None or record["scope"] != "Public":
            raise NotFound(f"There is no public warning '{identifier[:100]}'")
        return _cached(request, record["xml"].encode(), f"{CAP_TYPE}; charset=utf-8", FOREVER)


def _is_fresh(warning: Warning, now: str) -> bool:
    """Whether who has seen the warning still has to hear that it was taken back: until it would have ended."""
    expires = warning.content.expires
    return bool(expires) and to_text(moment(expires, "expires")) > now


def _cached(request: Request, body: bytes, media_type: str, cache: str) -> Response:
    """A body with its tag; 304 where the caller has it."""
    tag = entity_tag(sha256(body).hexdigest()[:32])
    headers = [("etag", tag), ("cache-control", cache)]
    if is_unmodified(request.headers.get("if-none-match", ""), tag):
        return Response(304, b"", headers)
    return Response(200, body, headers, media_type)
