"""Takes running cases over to another version of their process, on purpose: the port `Migrations`."""

from __future__ import annotations

import msgspec

from cityhub.cases.desk.deed import Deed
from cityhub.cases.desk.desk import CaseDesk
from cityhub.cases.desk.record import Case, Entry
from cityhub.cases.desk.rest import noted, rested
from cityhub.cases.process_port import Migrated, ProcessFiles
from cityhub.model.errors import CityHubError, Conflict


class CaseMigrations:
    """Takes cases over.

    Args:
        desk: The desk.
    """

    def __init__(self, desk: CaseDesk) -> None:
        self._desk = desk

    async def migrate_cases(self, to: ProcessFiles, cases: list[str] | None, version: int | None, by: str) -> Migrated:
        """See `cityhub.cases.process_port.Migrations.migrate_cases`; a case that cannot be taken over stays as it is."""
        open_ids = [row.shown["id"] for row in self._desk.around.index] if cases is None else cases
        done: list[str] = []
        refused: list[dict[str, str]] = []
        for id in open_ids:
            try:
                if await self._migrate(id, to, cases is not None, version, by):
                    done.append(id)
            except CityHubError as error:
                refused.append({"case": id, "reason": error.detail})
        return Migrated(done, refused)

    async def _migrate(self, id: str, to: ProcessFiles, named: bool, version: int | None, by: str) -> bool:
        taken = False

        async def work(case: Case, now: str) -> Case:
            nonlocal taken
            taken = False
            if case.process != to.id or case.process_version == to.version or (version is not None and case.process_version != version):
                if named:
                    raise Conflict(f"The case runs version {case.process_version} of '{case.process}'; it is not one that is taken over")
                return case
            if case.state != "open" or case.position is None:
                raise Conflict(f"Only an open case is taken over; this one is {case.state}")
            around, taken = self._desk.around, True
            files = await around.processes.version(case.process, case.process_version)
            position = await around.engine.migrate(files, to, case.position, now)
            entry = Entry(now, by, "migrated", data={"from": case.process_version, "to": to.version})
            case = msgspec.structs.replace(noted(case, entry), process_version=to.version)
            return rested(case, position, now, around.district)

        await self._desk.change(id, Deed(by), f"migrate {to.version}", work)
        return taken
