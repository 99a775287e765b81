"""SNMP: values and tables of network devices, asked in turn, and the traps that they send by themselves.

A reading is one record with the tags by their names (and `problems`, where the device has no such object), and one for each row of a
table: `table`, `index` and the columns. A trap is a record with `trap` (its OID), `uptime` and `values` by OID, and known tags by name.
Source: RFC 3416 (operations), RFC 3414 (users), RFC 3417 (transport).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import CommandResult
from cityhub.ingest.message import Command, Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.doors import Passage, Senders
from cityhub.ingest.protocols.reach import door, hand_over
from cityhub.ingest.protocols.timetable import Timetable, moment
from cityhub.model.errors import BadRequestData, CityHubError

Oid = Annotated[str, Meta(pattern=r"^\.?[0-2](\.\d{1,10}){1,127}$")]
MAX_ROWS: Final = 100_000


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table to walk.

    Attributes:
        columns: OIDs of its columns by the name that they have in records.
        most: Rows at most.
    """

    columns: dict[str, Oid]
    most: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 1000

    def __post_init__(self) -> None:
        if not self.columns or {"table", "index"} & self.columns.keys():
            raise ValueError("'columns' must not be empty, and none may be called 'table' or 'index'")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which device is asked for what, or where traps come in, or both.

    Attributes:
        host: Name or address of the device; "" asks none.
        port: UDP port of the device.
        version: "2c" with a community, or "3" with a user.
        community: "env:NAME" or "file:PATH"; of traps as well.
        user: User of version 3.
        authentication: How the user is proved; "none" proves nothing.
        authentication_key: Its pass phrase of 8 characters or more, "env:NAME" or "file:PATH".
        privacy: How messages are encrypted.
        privacy_key: Its pass phrase, "env:NAME" or "file:PATH".
        tags: OIDs of single values by the name that they have in records ("1.3.6.1.2.1.1.3.0").
        tables: Tables by name.
        every_s: Seconds from one reading to the next.
        times: Instead: times as in a crontab.
        time_zone: Of `times`.
        timeout_s: Of one request.
        retries: How often a request is repeated.
        writable: Names of tags that commands may set.
        trap_port: UDP port on which traps and informs of version 2c come in; 0: none. 162 by custom.
        listen: Address of that port; other than loopback it must be among the setting `feed_doors`.
        senders: Addresses and networks that may send traps; empty: all.
    """

    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] = 161
    version: Literal["2c", "3"] = "2c"
    community: str = ""
    user: str = ""
    authentication: Literal["none", "sha1", "sha256", "sha512"] = "none"
    authentication_key: str = ""
    privacy: Literal["none", "aes128", "aes256"] = "none"
    privacy_key: str = ""
    tags: dict[str, Oid] = {}
    tables: dict[str, Table] = {}
    every_s: Annotated[float, Meta(gt=0)] = 60.0
    times: str = ""
    time_zone: str = "Asia/Shanghai"
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0
    retries: Annotated[int, Meta(ge=0, le=10)] = 2
    writable: tuple[str, ...] = ()
    trap_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    listen: str = "127.0.0.1"
    senders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.host) != bool(self.tags or self.tables) or not (self.host or self.trap_port):
            raise ValueError("an SNMP feed needs a 'host' with 'tags' or 'tables', or a 'trap_port', or both")
        if self.version == "3" and not self.user:
            raise ValueError("version 3 needs a 'user'")
        if (self.version == "2c" or self.trap_port) and not self.community:
            raise ValueError("version 2c and traps need a 'community', written 'env:NAME'")
        if self.privacy != "none" and self.authentication == "none":
            raise ValueError("'privacy' needs an 'authentication'")
        if not set(self.writable) <= self.tags.keys() or "problems" in self.tags:
            raise ValueError("'writable' must be names of 'tags', and no tag may be called 'problems'")


class Connector:
    """A device that speaks SNMP as a feed."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        self._timetable = Timetable(settings.every_s, settings.times, settings.time_zone)
        self._listen = door(around, settings.listen) if settings.trap_port else ""
        self._senders = Senders(settings.senders)

    async def run(self, sink: Sink) -> None:
        """Asks and listens until it is cancelled. Raises TroubleAtSource when the device does not answer."""
        self._around.notices.state("connecting")
        works = [self._ask(sink)] if self._settings.host else []
        works += [self._hear(sink)] if self._settings.trap_port else []
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, sink: Sink) -> None:
        from cityhub.ingest.protocols.snmp_session import Session

        session = await Session.open(self._settings, self._around)
        try:
            while True:
                begun = moment(self._around.now())
                records = await self._reading(session)
                await hand_over(sink, Message(b"", {"remote": self._settings.host}, self._around.now(), records=records))
                self._around.notices.state("running")
                await self._timetable.wait(begun, self._around.now)
        finally:
            session.close()

    async def _reading(self, session: Any) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        if self._settings.tags:
            found: dict[str, Any] = await session.get(self._settings.tags)
            missing = {name: "the device has no such object" for name, value in found.items() if value is None}
            records.append(found | {"problems": missing} if missing else found)
        for name, table in self._settings.tables.items():
            for index, row in (await session.walk(table)).items():
                records.append({"table": name, "index": index, **row})
        return records

    async def _hear(self, sink: Sink) -> None:
        from cityhub.ingest.protocols.snmp_traps import TrapDoor

        passage, lost = Passage(sink), 0
        names = {oid.lstrip("."): name for name, oid in self._settings.tags.items()}

        def take(record: dict[str, Any], remote: str) -> None:
            nonlocal lost
            if not self._senders.may(remote):
                return
            known = {names[oid]: value for oid, value in record["values"].items() if oid in names}
            if not passage.offer(Message(b"", {"remote": remote}, self._around.now(), records=[known | record])):
                lost += 1

        community = self._around.secret(self._settings.community)
        with TrapDoor(self._listen, self._settings.trap_port, community, take):
            self._around.notices.state("running")
            while not passage.failed.done():
                await asyncio.wait([passage.failed], timeout=1.0)
                if lost:
                    self._around.notices.state("running", f"{lost} traps came while there was no room and are lost")
            passage.failed.result()

    async def command(self, command: Command) -> CommandResult:
        """Sets a tag that is `writable`: the command's name is the tag, its parameters the value (whole number or text)."""
        from cityhub.ingest.protocols.snmp_session import Session

        settings = self._settings
        if command.name not in settings.writable:
            allowed = ", ".join(sorted(settings.writable)) or "none"
            return CommandResult("failed", f"'{command.name}' is no tag that may be set; those are: {allowed}")
        if isinstance(command.parameters, bool) or not isinstance(command.parameters, (int, str)):
            return CommandResult("failed", "The value must be a whole number or a text")
        try:
            async with asyncio.timeout(command.timeout_s):
                session = await Session.open(settings, self._around)
                try:
                    await session.set(settings.tags[command.name], command.parameters)
                finally:
                    with suppress(Exception):
                        session.close()
        except TimeoutError:
            return CommandResult("failed", f"No answer within {command.timeout_s:g} s")
        except (TroubleAtSource, CityHubError) as error:
            return CommandResult("failed", str(error))
        return CommandResult("acknowledged", "", command.parameters)


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises BadRequestData for times that are none, Forbidden when feeds may not listen on the address."""
    if len(settings.tags) > 10_000:
        raise BadRequestData("'tags' must name at most 10000 objects")
    return Connector(feed, settings, around)
