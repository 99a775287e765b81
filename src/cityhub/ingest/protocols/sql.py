"""A database as a source: a query asked again and again, rows that are new since the last time.

The bookmark is {"mark": [watermark, key]} of the last row that was kept. Rows that were deleted are not noticed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from cityhub.ingest.feed import Feed
from cityhub.ingest.message import Message, Sink, Surroundings
from cityhub.ingest.protocols.reach import hand_over, reach, readable
from cityhub.ingest.protocols.sql_databases import Database, MySql, Portion, Portions, Postgres, Sqlite, place_of
from cityhub.ingest.protocols.timetable import Timetable, moment
from cityhub.ingest.protocols.values import earlier, given, json_value, kept

T = TypeVar("T")
LEAVE_S: Final = 2.0
_COLUMN: Final = re.compile(r"\w{1,128}")
_SELECT: Final = re.compile(r"\s*(select|with|values|table)\b", re.IGNORECASE)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a database is asked. Its account should be allowed to read and nothing else.

    Attributes:
        url: "postgresql://reader@db.local/water", "mysql://reader@db.local/water" or "sqlite:/data/water.db", without a password.
        query: One SELECT; condition, order and bound are put around it. Where that is too slow, `:watermark` may stand in it
            ("... WHERE changed >= :watermark"); it then needs a `start`.
        password: "env:NAME" or "file:PATH".
        watermark: Column that grows with each change (a time, a number); "" reads all rows each time.
        key: Column that tells rows with the same watermark apart; "" only when no two rows have the same.
        start: Watermark of the very first reading; None reads everything there is.
        overlap: How far the watermark is set back at each reading, for rows that were committed late: seconds of a time, or so much of
            a number.
        batch: Rows in one message.
        every_s: Seconds from one reading to the next.
        times: Instead: times as in a crontab.
        time_zone: Of `times`, and of times in the database that have no offset.
        statement_s: Seconds that one statement may take.
        tls: Whether the server must show a certificate that holds.
        ca_file: Certificates of authorities (PEM); "" are those of the system.
    """

    url: str
    query: str
    password: str = ""
    watermark: str = ""
    key: str = ""
    start: str | int | float | None = None
    overlap: Annotated[float, Meta(ge=0)] = 0.0
    batch: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    every_s: float = 60.0
    times: str = ""
    time_zone: str = "Asia/Shanghai"
    statement_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    tls: bool = False
    ca_file: str = ""

    def __post_init__(self) -> None:
        if not _SELECT.match(self.query):
            raise ValueError("'query' must be one SELECT")
        for name in filter(None, (self.watermark, self.key)):
            if not _COLUMN.fullmatch(name):
                raise ValueError(f"'watermark' and 'key' must be names of columns of the query, not '{name[:100]}'")
        if ":watermark" in self.query and self.start is None:
            raise ValueError("':watermark' in 'query' needs a 'start', its value at the very first reading")
        if self.key and not self.watermark:
            raise ValueError("'key' needs a 'watermark'")


class Connector:
    """A database as a feed."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        self._place = place_of(settings.url)
        self._timetable = Timetable(settings.every_s, settings.times, settings.time_zone)
        self._zone = ZoneInfo(settings.time_zone)
        self._database: Database | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"cityhub-sql-{feed.id}")

    async def run(self, sink: Sink) -> None:
        """Reads at its times until it is cancelled. Raises TroubleAtSource when the database cannot be had."""
        try:
            await self._read_on(sink)
        finally:
            ended = asyncio.wrap_future(self._thread.submit(self._close))
            self._thread.shutdown(wait=False)
            await asyncio.wait([ended], timeout=LEAVE_S)  # a statement that goes on longer ends by its own bound

    async def _read_on(self, sink: Sink) -> None:
        notices = self._around.notices
        notices.state("connecting")
        while True:
            begun = moment(self._around.now())
            try:
                database = await self._open()
                await (self._changes(database, sink) if self._settings.watermark else self._everything(database, sink))
            finally:
                self._thread.submit(self._close)
            notices.state("running")
            await self._timetable.wait(begun, self._around.now)

    async def _open(self) -> Database:
        settings, place = self._settings, self._place
        if place.kind == "sqlite":
            path = readable(self._around, place.database)
            return await self._aside(self._opened, Sqlite, path, settings.statement_s)
        address = await reach(self._around, "127.0.0.1" if place.socket else place.host, place.port)
        password = self._around.secret(settings.password) if settings.password else ""
        kind = Postgres if place.kind == "postgresql" else MySql
        ca_file = settings.ca_file if settings.tls else None
        return await self._aside(self._opened, kind, place, address, password, settings.statement_s, ca_file)

    def _opened(self, kind: Callable[..., Database], *arguments: Any) -> Database:
        """A connection, noted in the thread that opens it: whoever waited for it may be gone."""
        self._database = kind(*arguments)
        return self._database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None

    async def _aside(self, function: Callable[..., T], *arguments: Any) -> T:
        """What a function gives in the feed's own thread, the only one that touches the connection."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *arguments))

    async def _everything(self, database: Database, sink: Sink) -> None:
        portions = database.portions(_wrapped(self._settings.query, ""), {"most": 2**62}, self._settings.batch)
        try:
            while (portion := await self._aside(_next, portions)) is not None:
                await self._keep(sink, portion, None)
        finally:
            self._thread.submit(portions.close)

    async def _changes(self, database: Database, sink: Sink) -> None:
        """Reads on behind the last row that was kept, batch by batch; each is a short transaction of its own."""
        settings = self._settings
        mark = [given(part) for part in (await self._around.bookmarks.last() or {}).get("mark", [])]
        if mark and settings.overlap:
            mark = [earlier(mark[0], settings.overlap)]
        inclusive = bool(settings.overlap) or not mark
        while True:
            sql, values = self._after(database.quote, mark, inclusive)
            portion = await self._aside(_only, database.portions(sql, values, settings.batch))
            if portion is None:
                return
            columns, rows = portion
            mark, inclusive = self._mark(columns, rows[-1]), False
            await self._keep(sink, portion, {"mark": [kept(part) for part in mark]})
            if len(rows) < settings.batch:
                return

    def _after(self, quote: str, mark: list[Any], inclusive: bool) -> tuple[str, dict[str, Any]]:
        """The statement for the rows behind a mark: [], [watermark] or [watermark, key]; an `inclusive` one begins with its own rows."""
        watermark, key = (f"{quote}{name}{quote}" if name else "" for name in (self._settings.watermark, self._settings.key))
        values: dict[str, Any] = {"most": self._settings.batch, "watermark": mark[0] if mark else self._settings.start}
        where = f"{watermark} IS NOT NULL"
        if len(mark) == 2 and key:
            values["key"] = mark[1]
            where = f"{watermark} > :watermark OR ({watermark} = :watermark AND {key} > :key)"
        elif values["watermark"] is not None:
            where += f" AND {watermark} {'>=' if inclusive else '>'} :watermark"
        return _wrapped(self._settings.query, f"WHERE {where} ORDER BY {watermark}" + (f", {key}" if key else "")), values

    def _mark(self, columns: list[str], row: tuple[Any, ...]) -> list[Any]:
        found = dict(zip(columns, row, strict=True))
        return [found[name] for name in (self._settings.watermark, self._settings.key) if name]

    async def _keep(self, sink: Sink, portion: Portion, bookmark: dict[str, Any] | None) -> None:
        columns, rows = portion
        records = [{name: json_value(value, self._zone) for name, value in zip(columns, row, strict=True)} for row in rows]
        about = {"database": self._place.database}
        await hand_over(sink, Message(b"", about, self._around.now(), records=records, bookmark=bookmark))


def _wrapped(query: str, rest: str) -> str:
    return f"SELECT * FROM (\n{query.strip().rstrip(';')}\n) AS cityhub_rows {rest} LIMIT :most"


def _next(portions: Portions) -> Portion | None:
    return next(portions, None)


def _only(portions: Portions) -> Portion | None:
    """All rows of a bounded statement, which is at its end afterwards."""
    found = list(portions)
    return found[0] if found else None


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises BadRequestData for settings that cannot work."""
    return Connector(feed, settings, around)
