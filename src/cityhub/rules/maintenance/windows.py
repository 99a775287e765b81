"""The maintenance windows of the hub, and their doors under `/api/maintenance`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.model.ports import Store
from cityhub.model.time import Clock, to_text
from cityhub.registers.versioned import Kind, VersionedRegister, present
from cityhub.registers.versioned_api import VersionedDoors
from cityhub.rules.maintenance.window import Maintenance, read_window
from cityhub.web.http import Request, Route

WINDOWS: Final = "maintenance"
MOST_WINDOWS: Final = 2_000
PREFIX: Final = "/api/maintenance"


class MaintenanceRegister(VersionedRegister[Maintenance]):
    """The maintenance windows.

    Args:
        store: Where the records are kept.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(Kind("maintenance", WINDOWS, Maintenance, MOST_WINDOWS), store)


class MaintenanceApi:
    """The doors of maintenance windows; who may change rules may keep them quiet.

    Args:
        register: The windows.
        clock: The present time.
    """

    def __init__(self, register: MaintenanceRegister, clock: Clock) -> None:
        self._register = register
        self._clock = clock
        self._doors: VersionedDoors[Maintenance] = VersionedDoors(PREFIX, register, read_window, self._one, self._all, can_stop=False)

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [
            msgspec.structs.replace(
                door, permission=door.permission.replace("maintenance.", "rule."), operation=f"{door.operation.removesuffix('s')} Window",
            )
            for door in self._doors.routes()
        ]  # fmt: skip

    async def _one(self, id: str) -> dict[str, Any]:
        return self._shown(self._register.get(id))

    async def _all(self, request: Request) -> list[dict[str, Any]]:
        shown = [self._shown(window) for window in self._register.all()]
        return sorted(shown, key=lambda one: one["from"], reverse=True)

    def _shown(self, window: Maintenance) -> dict[str, Any]:
        record = self._register.record(window.id) or {}
        now = to_text(self._clock.now())
        state = "planned" if now < window.start else "running" if now < window.end else "over"
        return {**present(record), "by": record["by"], "state": state}
