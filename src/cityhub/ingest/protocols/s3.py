"""Objects of an S3 store under a prefix: each new or changed one is taken once, in the order of their times.

The bookmark is {"mark": time of the last object, "keys": the keys with that very time}: what is at or before it was taken.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from fnmatch import fnmatch
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from cityhub.ingest.feed import Feed
from cityhub.ingest.message import MAX_BODY, Message, Sink, Surroundings, TroubleAtSource
from cityhub.ingest.protocols.marks import time_text
from cityhub.ingest.protocols.reach import hand_over, reach
from cityhub.ingest.protocols.timetable import moment
from cityhub.model.errors import BadRequestData

CONNECT_S: Final = 10.0
MAX_OBJECTS: Final = 1_000_000


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the objects are.

    Attributes:
        endpoint: "https://objects.local:9000"; policy must allow its address.
        bucket: Name of the bucket.
        prefix: How the keys begin, whole levels ("rain/2026").
        names: Pattern of the last part of the keys, such as "*.json".
        access_key: "env:NAME" or "file:PATH".
        secret_key: "env:NAME" or "file:PATH".
        region: Of the store.
        every_s: Seconds between two looks.
        start: Objects before this time are left out, RFC 3339; "" takes all.
        max_bytes: Largest object; a larger one is passed over with a word, it belongs into an import.
        timeout_s: Of one request.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    prefix: str = ""
    names: str = "*"
    region: str = "us-east-1"
    every_s: Annotated[float, Meta(gt=0)] = 60.0
    start: str = ""
    max_bytes: Annotated[int, Meta(ge=1, le=MAX_BODY)] = MAX_BODY
    timeout_s: Annotated[float, Meta(gt=0)] = 30.0


class Found(msgspec.Struct, frozen=True, order=True):
    """An object: its time, key and size in bytes."""

    at: datetime
    key: str
    size: int


class Connector:
    """A bucket as a feed."""

    def __init__(self, feed: Feed, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around
        self._scheme, _, where = settings.endpoint.rstrip("/").partition("://")
        self._host, _, port = where.partition(":")
        if self._scheme not in ("http", "https") or not self._host or (port and not port.isdecimal()):
            raise BadRequestData("'endpoint' must be such as 'https://objects.local:9000'")
        self._port = int(port or (443 if self._scheme == "https" else 80))

    async def run(self, sink: Sink) -> None:
        """Looks at its times until it is cancelled. Raises TroubleAtSource when the store cannot be had."""
        kept = await self._around.bookmarks.last() or {}
        mark, keys = moment(kept.get("mark") or self._settings.start or "1970-01-01T00:00:00Z"), set(kept.get("keys", []))
        while True:
            store = await self._open()
            for found in await self._aside(self._new, store, mark, keys):
                keys = keys | {found.key} if found.at == mark else {found.key}
                mark = found.at
                await self._take(sink, store, found, {"mark": time_text(mark), "keys": sorted(keys)})
            self._around.notices.state("running")
            await asyncio.sleep(self._settings.every_s)

    async def _open(self) -> Any:
        """A store. Its address is looked at just before; the library looks the name up itself, so name and address are both checked."""
        from pyarrow import fs

        address = await reach(self._around, self._host, self._port)
        host = address if self._scheme == "http" and ":" not in address else self._host  # a certificate needs the name
        settings, secret = self._settings, self._around.secret
        return await asyncio.to_thread(
            fs.S3FileSystem, access_key=secret(settings.access_key), secret_key=secret(settings.secret_key), scheme=self._scheme,
            endpoint_override=f"{host}:{self._port}", region=settings.region, connect_timeout=CONNECT_S, request_timeout=settings.timeout_s,
            proxy_options=None,
        )  # fmt: skip

    async def _aside(self, function: Any, *arguments: Any) -> Any:
        try:
            return await asyncio.to_thread(function, *arguments)
        except OSError as error:
            raise TroubleAtSource(f"The store at {self._host}: {' '.join(str(error).split())[:300]}") from None

    def _new(self, store: Any, mark: datetime, keys: set[str]) -> list[Found]:
        from pyarrow import fs

        where = "/".join(filter(None, (self._settings.bucket, self._settings.prefix.strip("/"))))
        listed = store.get_file_info(fs.FileSelector(where, recursive=True, allow_not_found=bool(self._settings.prefix)))
        if len(listed) > MAX_OBJECTS:
            raise TroubleAtSource(f"More than {MAX_OBJECTS} objects are under '{where}'; give a longer 'prefix'")
        found = [
            Found(entry.mtime.astimezone(UTC), entry.path.partition("/")[2], entry.size)
            for entry in listed
            if entry.type == fs.FileType.File and fnmatch(entry.base_name, self._settings.names)
        ]
        return sorted(one for one in found if one.at > mark or (one.at == mark and one.key not in keys))

    async def _take(self, sink: Sink, store: Any, found: Found, bookmark: dict[str, Any]) -> None:
        about = {"path": found.key, "bucket": self._settings.bucket, "modified": time_text(found.at)}
        if found.size > self._settings.max_bytes:
            why = f"'{found.key}' is larger than {self._settings.max_bytes} bytes: bring it in as an import"
            self._around.notices.state("waiting", why)
            await hand_over(sink, Message(b"", about, self._around.now(), records=[], bookmark=bookmark))
            return
        body = await self._aside(_content, store, f"{self._settings.bucket}/{found.key}", self._settings.max_bytes)
        await hand_over(sink, Message(body, about, self._around.now(), bookmark=bookmark))


def _content(store: Any, path: str, bound: int) -> bytes:
    with store.open_input_stream(path, compression=None) as stream:
        body = bytes(stream.read(bound + 1))
    if len(body) > bound:
        raise OSError(f"'{path}' grew beyond {bound} bytes while it was read")
    return body


def connect(feed: Feed, settings: Settings, around: Surroundings) -> Connector:
    """The feed's connector. Raises BadRequestData for an endpoint that is none."""
    return Connector(feed, settings, around)
