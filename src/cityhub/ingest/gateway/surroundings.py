"""What connectors are given of the machine: secrets, addresses, the time."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway.words import BookmarkQuestion, Claim
from cityhub.ingest.message import Notices, SharedPart, Surroundings
from cityhub.model.errors import BadRequestData, Forbidden
from cityhub.model.time import SystemClock, to_text
from cityhub.settings import Settings
from cityhub.web.addresses import AddressPolicy
from cityhub.web.wire_client import WireClient

SECRET_NAMES: Final = "FEED_"
"""How the names of environment variables begin that a feed may ask for: it must not be able to send away the hub's own."""
SECRET_FOLDERS: Final = ("/run/secrets",)
"""Folders, beside `secrets` in the data folder, whose files a feed may ask for."""
MAX_SECRET: Final = 64 * 1024


class KeptBookmarks:
    """Where a feed was read up to, as the hub keeps it."""

    def __init__(self, hub: WireClient, feed: Feed) -> None:
        self._hub = hub
        self._question = BookmarkQuestion(feed.tenant, feed.id)

    async def last(self) -> dict[str, Any] | None:
        """See `cityhub.ingest.message.Bookmarks.last`."""
        answer = await self._hub.call("bookmark", self._question, fresh=False)
        return msgspec.msgpack.decode(answer, type=dict[str, Any] | None)


class Place:
    """The machine that the gateway runs on.

    Args:
        settings: The hub's.
        hub: The wire.
        secrets: What feeds may name beside the variables of the environment.
    """

    def __init__(self, settings: Settings, hub: WireClient, secrets: dict[str, str]) -> None:
        self._hub = hub
        self._secrets = secrets
        allowed = (*settings.outbound_allow, *settings.mqtt_allow)
        self._policy = AddressPolicy(allowed, loopback_allowed=settings.dev)
        self._folders = [Path(settings.data).absolute() / "secrets", *map(Path, SECRET_FOLDERS)]
        self._readable, self._doors = settings.feed_folders, settings.feed_doors
        self._now = SystemClock().now
        self._shared: dict[str, SharedPart] = {}

    def now(self) -> str:
        """The time, RFC 3339 UTC."""
        return to_text(self._now())

    def around(self, feed: Feed, notices: Notices) -> Surroundings:
        """The surroundings of a feed's connector."""
        return Surroundings(
            notices, KeptBookmarks(self._hub, feed), self.secret, self.allow, self.now, self._readable, self._doors, self._shared,
            self.identify, self._ask, self._follow,
        )  # fmt: skip

    async def identify(self, name: str, token: str) -> str:
        """See `cityhub.ingest.message.Surroundings.identify`."""
        return (await self._hub.call("identify", Claim(name, token), fresh=False)).decode()

    async def _ask(self, name: str, question: Any) -> bytes:
        return await self._hub.call(name, question, fresh=False)

    def _follow(self, name: str, question: Any, timeout_s: float) -> AsyncIterator[bytes]:
        return self._hub.stream(name, question, fresh=False, timeout_s=timeout_s)

    async def stop(self) -> None:
        """Ends what feeds shared."""
        for part in self._shared.values():
            await part.stop()

    def secret(self, text: str) -> str:
        """See `cityhub.ingest.message.Surroundings.secret`."""
        kind, colon, name = text.partition(":")
        find: Callable[[str], str] | None = {"env": self._variable, "file": self._file}.get(kind)
        return text if not colon or find is None else find(name)

    def _variable(self, name: str) -> str:
        if not name.startswith(SECRET_NAMES):
            raise BadRequestData(f"A feed may use the environment variables that begin with '{SECRET_NAMES}', not '{name[:100]}'")
        value = self._secrets.get(name) or os.environ.get(name)
        if value is None:
            raise BadRequestData(f"There is no environment variable '{name}'; it must be set where the hub is started")
        return value

    def _file(self, name: str) -> str:
        for folder in self._folders:
            path = (folder / name).resolve()
            if path.is_relative_to(folder.resolve()) and path.is_file():
                return path.read_bytes()[:MAX_SECRET].decode("utf-8", "replace").rstrip("\r\n")
        folders = " or ".join(str(folder) for folder in self._folders)
        raise BadRequestData(f"There is no secret '{name[:200]}'; right would be a file in {folders}")

    def allow(self, host: str, port: int) -> list[str]:
        """See `cityhub.ingest.message.Surroundings.allow`. Raises OSError for a host that is unknown."""
        infos: list[Any] = socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
        found = list(dict.fromkeys(str(info[4][0]) for info in infos if info[0] in (socket.AF_INET, socket.AF_INET6)))
        if self._policy.permits_host(host, port):
            return found
        allowed = [address for address in found if self._policy.permits(address, port)]
        if not allowed:
            raise Forbidden(
                f"{host}:{port} is not public and not on the list of allowed hosts; the operator may add it to 'outbound_allow'"
            )
        return allowed
