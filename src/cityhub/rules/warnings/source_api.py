"""The doors under `/api/warnings/sources`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.registers.versioned import present
from cityhub.registers.versioned_api import VersionedDoors
from cityhub.rules.warnings.polling import Polling, SourceState
from cityhub.rules.warnings.sources import SourceRegister, read_source
from cityhub.web.http import Request, Route

PREFIX: Final = "/api/warnings/sources"


class SourceApi:
    """The doors of sources.

    Args:
        register: The sources.
        polling: What reads them.
    """

    def __init__(self, register: SourceRegister, polling: Polling) -> None:
        self._register = register
        self._polling = polling

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        doors = VersionedDoors(PREFIX, self._register, read_source, self._show, self._all)
        return [
            msgspec.structs.replace(door, permission=f"warning.{door.permission.rpartition('.')[2]}", tag="warnings")
            for door in doors.routes()
        ]

    async def _show(self, id: str) -> dict[str, Any]:
        source = self._register.get(id)
        record = self._register.record(id)
        state = msgspec.to_builtins(self._polling.states.get(id, SourceState()))
        del state["due"], state["etag"]
        shown = present(record) if record is not None else msgspec.to_builtins(source)
        return {**shown, "signatureChecked": bool(source.certificate), "status": state}

    async def _all(self, request: Request) -> list[dict[str, Any]]:
        return [await self._show(source.id) for source in self._register.all()]
