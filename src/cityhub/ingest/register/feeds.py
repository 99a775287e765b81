"""The feeds of the hub: the current definition of each, and every earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import Gateway
from cityhub.ingest.register.definition import MOST_BYTES, read_definition
from cityhub.model.ports import Store
from cityhub.registers.district_files import DistrictFiles
from cityhub.registers.versioned import Kind, VersionedRegister

FEEDS: Final = "feed"
MOST_FEEDS: Final = 2_000
FILES: Final = "feeds/*.yaml"


class FeedRegister(VersionedRegister[Feed]):
    """The register of feeds.

    Args:
        store: Where the records are kept.
        gateway: What runs the feeds; it hears of every change.
    """

    def __init__(self, store: Store, gateway: Gateway) -> None:
        super().__init__(Kind("feed", FEEDS, Feed, MOST_FEEDS), store, gateway.arrange)
        self._gateway = gateway

    def listening(self, protocol: str) -> str:
        """Where a running feed of a protocol listens, "host:port"; "" when none does."""
        states = self._gateway.states()
        found = (states[feed.id].address for feed in self.all() if feed.protocol == protocol and feed.id in states)
        return next(filter(None, found), "")


def feed_files(folder: Path, register: FeedRegister) -> DistrictFiles[Feed]:
    """The feed files of a district's folder."""
    return DistrictFiles(folder, FILES, lambda _, content: read_definition(content), register, MOST_BYTES)
