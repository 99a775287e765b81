"""A web service that is asked again and again: pages, watermarks, backfill after an outage.

The bookmark of a feed is {"mark": highest watermark that is complete, "high": highest seen in the walk that is going on,
"place": the page where it goes on}. It moves with the data: what was not kept is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec
import orjson
from yarl import URL

from cityhub.ingest.decoding import decoder
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command, Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.http_calls import Call, HttpCalls, Reply
from cityhub.ingest.protocols.marks import fill, finder, highest, order, set_back, time_text
from cityhub.ingest.protocols.paging import Pages, Place
from cityhub.ingest.protocols.reach import hand_over
from cityhub.ingest.protocols.timetable import Timetable, moment
from cityhub.ingest.protocols.web_settings import Settings
from cityhub.model.errors import BadRequestData, CityHubError

LONGEST_RETRY_AFTER_S: Final = 3600.0
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_GONE: Final = frozenset({400, 404, 410})


class Bookmark(msgspec.Struct, omit_defaults=True):
    """Where reading stands; see the module."""

    mark: Any = None
    high: Any = None
    place: dict[str, Any] = {}


class Connector:
    """A web service as a feed."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around, self._format = settings, around, feed.format
        self._records = finder(settings.records or feed.records)
        self._watermark = finder(settings.watermark)
        self._pages = Pages(settings.paging)
        self._timetable = Timetable(settings.every_s, settings.times, settings.time_zone)
        needed = settings.watermark or settings.paging.kind in ("page", "offset", "cursor", "next")
        self._read: Callable[[bytes], Any] | None = orjson.loads if feed.format == "json" else None
        if needed and self._read is None:
            self._read = decoder(feed.format, feed.decoder)
        self._seen: dict[str, str] = {}  # validators of the last answer to an unpaged request (RFC 9110, 13.1)
        self._free_at = 0.0

    async def run(self, sink: Sink) -> None:
        """Walks through the service at its times until it is cancelled. Raises TroubleAtSource when it cannot be had."""
        settings, notices = self._settings, self._around.notices
        notices.state("connecting")
        async with HttpCalls(self._around, settings.access, settings.timeout_s, settings.max_bytes, settings.ca_file) as calls:
            while True:
                begun = self._now()
                await self._walk(calls, sink, begun)
                notices.state("running")
                await self._timetable.wait(begun, self._around.now)

    async def command(self, command: Command) -> CommandResult:
        """Sends the request that `commands` has under the command's name, with the parameters as its JSON body; the device's answer."""
        what = self._settings.commands.get(command.name)
        if what is None:
            there = ", ".join(sorted(self._settings.commands)) or "none"
            return CommandResult("failed", f"The feed has no command '{command.name}'; there are: {there}")
        call = Call(what.url, what.method, headers=what.headers, body=what.body if what.body is not None else command.parameters)
        try:
            async with HttpCalls(self._around, self._settings.access, command.timeout_s, 1 << 20, self._settings.ca_file) as calls:
                reply = await calls.send(call)
        except (TroubleAtSource, CityHubError) as error:
            return CommandResult("failed", str(error))
        if reply.status >= 400:
            return CommandResult("failed", f"The device answered {reply.status}: {reply.body[:200].decode('utf-8', 'replace')}")
        return CommandResult("acknowledged", str(reply.status), _answer_value(reply.body))

    async def _walk(self, calls: HttpCalls, sink: Sink, begun: datetime) -> None:
        kept = msgspec.convert(await self._around.bookmarks.last() or {}, Bookmark)
        mark = kept.mark if kept.mark is not None else self._settings.start
        while True:
            low = set_back(mark, self._settings.overlap)
            end = self._window_end(low, mark, begun)
            at = Bookmark(mark, kept.high, kept.place)
            mark, complete = await self._window(calls, sink, at, {"watermark": low, "from": low, "to": end})
            if end is None or not complete or moment(end) >= begun:
                return
            kept = Bookmark()

    def _window_end(self, low: Any, mark: Any, begun: datetime) -> str | None:
        if not self._settings.window_s:
            return None
        latest = moment(str(mark)) + timedelta(seconds=self._settings.window_s)
        return time_text(min(max(latest, moment(str(low))), begun))

    async def _window(self, calls: HttpCalls, sink: Sink, at: Bookmark, bounds: dict[str, Any]) -> tuple[Any, bool]:
        """Reads the pages between the bounds; the watermark behind them, and whether that were all."""
        place, high = at.place, at.high
        for _ in range(self._settings.paging.most):
            reply = await self._ask(calls, bounds, place)
            if reply.status in _GONE:  # the page that a broken walk stood on is no more: begin the walk again
                place = {}
                continue
            if reply.status == 304:
                return at.mark, True
            records, following = self._look(reply, place)
            high = highest([high, *map(self._watermark, records)] if self._settings.watermark else [])
            if not following:
                mark = self._behind(at.mark, high, bounds)
                await self._keep(sink, reply, Bookmark(mark), changed=bool(records or place) or mark != at.mark, empty=not records)
                return mark, True
            await self._keep(sink, reply, Bookmark(at.mark, high, following), changed=True, empty=not records)
            place = following
        return at.mark, False

    def _behind(self, mark: Any, high: Any, bounds: dict[str, Any]) -> Any:
        """The watermark after a complete walk: never lower than before; a window in the past ends where it ends."""
        end = bounds.get("to")
        if end is not None and moment(end) < self._now() - timedelta(seconds=self._settings.overlap):
            return highest([mark, end])
        return mark if high is None else high if mark is None or order(high) > order(mark) else mark

    async def _keep(self, sink: Sink, reply: Reply, bookmark: Bookmark, *, changed: bool, empty: bool) -> None:
        if not changed:
            return
        about = {"url": reply.url, "path": URL(reply.url).path, "headers": reply.headers}
        kept = msgspec.to_builtins(bookmark) if self._settings.watermark or self._settings.paging.kind != "none" else None
        if empty:  # nothing to take, but the bookmark moves on
            await hand_over(sink, Message(b"", about, self._around.now(), records=[], bookmark=kept))
        else:
            await hand_over(sink, Message(reply.body, about, self._around.now(), bookmark=kept))

    def _look(self, reply: Reply, place: Place) -> tuple[list[Any], Place]:
        if self._read is None:
            return [reply], self._pages.following(place, reply, None, 1)
        try:
            answer = self._read(reply.body)
        except ValueError as error:
            raise TroubleAtSource(f"The answer of {reply.url[:200]} is no {self._format}: {str(error)[:200]}") from None
        found = self._records(answer)
        records = found if isinstance(found, list) else [] if found is None else [found]
        return records, self._pages.following(place, reply, answer, len(records))

    async def _ask(self, calls: HttpCalls, bounds: dict[str, Any], place: Place) -> Reply:
        settings = self._settings
        values = {**bounds, **self._pages.values(place)}
        if "url" in place:
            call = Call(place["url"], settings.method, {}, dict(settings.headers), fill(settings.body, values))
        else:
            url = fill(settings.url, values)
            if url is None:
                raise BadRequestData("A placeholder in 'url' has no value yet; give a 'start' or put it into 'query'")
            call = Call(url, settings.method, fill(settings.query, values), dict(settings.headers), fill(settings.body, values))
        unpaged = settings.paging.kind == "none"
        if unpaged:
            call.headers.update(self._seen)
        reply = await self._insist(calls, call, bool(place))
        if unpaged and reply.status == 200:
            validators = {"If-None-Match": reply.headers.get("etag"), "If-Modified-Since": reply.headers.get("last-modified")}
            self._seen = {name: value for name, value in validators.items() if value}
        return reply

    async def _insist(self, calls: HttpCalls, call: Call, may_be_gone: bool) -> Reply:
        """Repeats a request that failed in passing, more and more slowly, or as late as the service asks for."""
        for attempt in range(self._settings.retries + 1):
            await self._pace()
            last = attempt == self._settings.retries
            try:
                reply = await calls.send(call)
            except TroubleAtSource:
                if last:
                    raise
                pause = 2.0**attempt
            else:
                if reply.status < 300 or reply.status == 304 or (may_be_gone and reply.status in _GONE):
                    return reply
                said = retry_after(reply, self._now())
                if last or reply.status not in _PASSING:
                    raise TroubleAtSource(f"{call.url[:200]} answered {reply.status}: {reply.body[:200].decode('utf-8', 'replace')}")
                pause = 2.0**attempt if said is None else min(said, LONGEST_RETRY_AFTER_S)
            self._around.notices.state("waiting", f"{URL(call.url).host} is asked again in {pause:g} s")
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        begin = max(loop.time(), self._free_at)
        self._free_at = begin + 1 / self._settings.per_second
        await asyncio.sleep(begin - loop.time())

    def _now(self) -> datetime:
        return moment(self._around.now())


def retry_after(reply: Reply, now: datetime) -> float | None:
    """Seconds that the service asks to wait (RFC 9110, 10.2.3), None when it does not say."""
    text = reply.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _answer_value(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises BadRequestData for settings that cannot work."""
    return Connector(feed, settings, around)
