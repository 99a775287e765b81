"""The definitions in a district's folder, taken into a register when a file is new or has changed.

What an operator changed is not overwritten: a file that changed after that is left aside, with a warning and with "differs" at the
definition, until the operator's is replaced by the file's. Who only started or stopped something has not changed its definition: the
file is taken, and it stays started or stopped. What was deleted stays deleted until its file changes. A file that went away leaves
what it brought as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final, Generic

import msgspec

from cityhub.model.errors import CityHubError
from cityhub.model.ports import Document
from cityhub.registers.versioned import D, Deed, VersionedRegister

DISTRICT: Final = "district"
"""Who changed a definition that a file brought."""

log = logging.getLogger(__name__)


class DistrictFiles(Generic[D]):
    """The files of one kind in a district's folder.

    Attributes:
        differing: By id of a definition: the file that was left aside because an operator had changed it.
        faults: By file: why it could not be taken.

    Args:
        folder: The district's folder.
        pattern: Of the files in it: "feeds/*.yaml".
        read: A file's path and content to its definition; it may read files beside it. Raises CityHubError or OSError.
        register: The register.
        most_bytes: Of a file; what is longer is cut, and `read` says that it is too long.
    """

    def __init__(
        self, folder: Path, pattern: str, read: Callable[[Path, bytes], D], register: VersionedRegister[D], most_bytes: int
    ) -> None:
        self._folder = folder
        self._pattern = pattern
        self._read = read
        self._register = register
        self._most_bytes = most_bytes
        self.differing: dict[str, str] = {}
        self.faults: dict[str, str] = {}

    async def load(self) -> None:
        """Takes the files that are new or have changed. A file that cannot be taken is logged and told; the others are taken."""
        for path in sorted(self._folder.glob(self._pattern)):
            try:
                await self._load(path)
            except (CityHubError, OSError) as error:
                self.faults[path.name] = str(error)
                log.warning("the %s file %s was not taken: %s", self._register.kind.name, path.name, error)

    async def _load(self, path: Path) -> None:
        with path.open("rb") as file:
            definition = self._read(path, file.read(self._most_bytes + 1))
        digest = sha256(msgspec.json.encode(definition)).hexdigest()
        origin: Document = {"file": path.relative_to(self._folder).as_posix(), "digest": digest}
        record = self._register.record(definition.id)
        if record is not None and record["origin"].get("digest") == digest:
            return
        deed = Deed(DISTRICT, f"the file {origin['file']}")
        if record is None or "deleted" in record:
            await self._register.create(definition, deed, origin)
        elif record["touched"] == "definition" or not record["origin"]:
            self.differing[definition.id] = origin["file"]
            name = self._register.kind.name
            log.warning("%s %s was changed here; the file %s is other and was left aside", name, definition.id, origin["file"])
        else:
            await self._register.replace(_as_switched(definition, record), deed, origin=origin)


def _as_switched(definition: D, record: Document) -> D:
    """The file's definition, running or not as an operator wanted it."""
    if not record["touched"]:
        return definition
    switched: D = msgspec.structs.replace(definition, enabled=record["definition"]["enabled"])  # type: ignore[type-var]
    return switched
