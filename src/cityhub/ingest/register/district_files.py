"""The feeds of a district's folder: `feeds/*.yaml`, taken into the register when a file is new or has changed.

What an operator changed is not overwritten: a file that changed after that is left aside, with a warning and with "differs" at the
feed, until the operator's definition is replaced by the file's (`cityhub ingest add FILE`). Who only started or stopped a feed has not
changed its definition: the file is taken, and the feed stays started or stopped. A feed that was deleted stays deleted until its file
changes. A file that went away leaves its feed as it is.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from cityhub.ingest.feed import Feed
from cityhub.ingest.register.definition import MOST_BYTES, read_definition
from cityhub.ingest.register.feeds import Deed, FeedRegister
from cityhub.model.errors import CityHubError
from cityhub.model.ports import Document

FOLDER: Final = "feeds"
DISTRICT: Final = "district"
"""Who changed a feed that a file brought."""

log = logging.getLogger(__name__)


class DistrictFiles:
    """The feed files of a district folder.

    Attributes:
        differing: By id of a feed: the file that was left aside because an operator had changed the feed.
        faults: By file: why it could not be taken.

    Args:
        folder: The district's folder.
        register: The register.
    """

    def __init__(self, folder: Path, register: FeedRegister) -> None:
        self._folder = folder / FOLDER
        self._register = register
        self.differing: dict[str, str] = {}
        self.faults: dict[str, str] = {}

    async def load(self) -> None:
        """Takes the files that are new or have changed. A file that cannot be taken is logged and told; the others are taken."""
        for path in sorted(self._folder.glob("*.yaml")):
            try:
                await self._load(path)
            except (CityHubError, OSError) as error:
                self.faults[path.name] = str(error)
                log.warning("the feed file %s was not taken: %s", path.name, error)

    async def _load(self, path: Path) -> None:
        content = path.read_bytes()[: MOST_BYTES + 1]
        feed = read_definition(content)
        origin: Document = {"file": f"{FOLDER}/{path.name}", "digest": sha256(content).hexdigest()}
        record = self._register.record(feed.id)
        if record is not None and record["origin"].get("digest") == origin["digest"]:
            return
        deed = Deed(DISTRICT, f"the file {origin['file']}")
        if record is None or "deleted" in record:
            await self._register.create(feed, deed, origin)
        elif record["touched"] == "definition" or not record["origin"]:
            self.differing[feed.id] = origin["file"]
            log.warning("feed %s was changed here; the file %s is other and was left aside", feed.id, origin["file"])
        else:
            await self._register.replace(_as_switched(feed, record), deed, origin=origin)


def _as_switched(feed: Feed, record: Document) -> Feed:
    """The file's definition, running or not as an operator wanted it."""
    return msgspec.structs.replace(feed, enabled=record["definition"]["enabled"]) if record["touched"] else feed
