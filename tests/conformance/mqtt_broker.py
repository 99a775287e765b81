"""The hub's broker alone, for suites: `python -m tests.conformance.mqtt_broker PORT`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from cityhub.ingest.broker.door import Account, Publication
from cityhub.ingest.broker.listener import listen

REFUSED = "test/nosubscribe"
"""The filter that Paho's tests want refused."""


class _Everybody(Account, frozen=True):
    def may_subscribe(self, filter: str) -> bool:
        return filter != REFUSED


class OpenDoor:
    """Admits everybody and keeps nothing."""

    async def admit(self, client_id: str, username: str, password: bytes, remote: str) -> Account | None:
        """An account that may do everything but one thing."""
        return _Everybody("everybody", ("#", "$TopicA/#", "$client_test5/#"), ("#",))

    def take(self, publication: Publication, settled: Callable[[bool], None]) -> bool:
        """Nothing is to be kept."""
        settled(True)
        return True

    def relays(self, topic: str) -> bool:
        """What all publish, all get."""
        return True

    async def room(self) -> None:
        """There always is."""


async def main(port: int) -> None:
    """Serves until the process is ended; prints a line when it listens."""
    await listen(OpenDoor(), "127.0.0.1", port)
    print("listening", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
