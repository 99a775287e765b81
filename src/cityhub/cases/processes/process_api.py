"""The doors under `/api/processes`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.cases.process_port import Finding, Migrations, ProcessEngine
from cityhub.cases.processes.definition import Process, process_of, read_definition
from cityhub.cases.processes.library import ProcessRegister
from cityhub.model.errors import BadRequestData, InvalidRequest, NotImplementedHere
from cityhub.registers.district_files import DistrictFiles
from cityhub.registers.questions import object_of
from cityhub.registers.versioned import present
from cityhub.registers.versioned_api import VersionedDoors
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/processes"
READ: Final = "process.read"
WRITE: Final = "process.write"
MOST_SAID: Final = 20
MOST_CASES: Final = 1_000
BPMN_TYPE: Final = "application/xml; charset=utf-8"


class ProcessApi:
    """The doors of processes.

    Args:
        register: The processes.
        engine: What checks them.
        files: The district's; None: none.
        migrations: What takes running cases over; None: nothing does.
    """

    def __init__(
        self, register: ProcessRegister, engine: ProcessEngine, files: DistrictFiles[Process] | None, migrations: Migrations | None
    ) -> None:
        self._register = register
        self._engine = engine
        self._files = files
        self._migrations = migrations
        self._doors: VersionedDoors[Process] = VersionedDoors(
            PREFIX, register, read_definition, self._one, self._all, can_stop=False, check=self._refuse
        )

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        version = f"{PREFIX}/{{id}}/versions/{{version}}"
        return [
            Route("POST", f"{PREFIX}/check", self._check, READ, "Check Process", tag="processes"),
            Route("GET", f"{PREFIX}/{{id}}/bpmn", self._document, READ, "Download BPMN of Process", tag="processes"),
            Route("GET", version, self._version, READ, "Show Version of Process", tag="processes"),
            Route("POST", f"{PREFIX}/{{id}}/migrate", self._migrate, WRITE, "Migrate Cases to Process", tag="processes"),
            *self._doors.routes(),
        ]

    async def _refuse(self, id: str, process: Process | None) -> None:
        if process is None:
            return
        grave = [finding for finding in await self._engine.check(process.files()) if finding.grave]
        if grave:
            said = "; ".join(_said(finding) for finding in grave[:MOST_SAID])
            raise BadRequestData(f"The process cannot run: {said}", findings=msgspec.to_builtins(grave[:MOST_SAID]))

    async def _check(self, request: Request) -> Response:
        process = process_of({"id": "unnamed", **object_of(request)})  # also one as it was shown, with more members
        findings = await self._engine.check(process.files())
        return json_response({"findings": msgspec.to_builtins(findings), "grave": any(finding.grave for finding in findings)})

    async def _document(self, request: Request) -> Response:
        process = self._register.get(request.parameters["id"])
        name = f'attachment; filename="{process.id}.bpmn"'
        return Response(200, process.bpmn.encode(), [("content-disposition", name)], BPMN_TYPE)

    async def _version(self, request: Request) -> Response:
        number = request.parameters["version"]
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise InvalidRequest("The version must be a whole number")
        found = await self._register.version(request.parameters["id"], int(number))
        return json_response(msgspec.to_builtins(found))

    async def _migrate(self, request: Request) -> Response:
        body = object_of(request, ("cases", "from"))
        cases, version = body.get("cases"), body.get("from")
        if cases != "all" and not (isinstance(cases, list) and len(cases) <= MOST_CASES and all(isinstance(case, str) for case in cases)):
            raise BadRequestData(f"'cases' must be \"all\" or a list of at most {MOST_CASES} ids of cases")
        if version is not None and not (type(version) is int and version > 0):
            raise BadRequestData("'from' must be the number of a version; without it cases of every other version are taken over")
        to = self._register.get(request.parameters["id"]).files()
        if self._migrations is None:
            raise NotImplementedHere("This hub keeps no cases that could be taken over to another version")
        done = await self._migrations.migrate_cases(to, None if cases == "all" else cases, version, request.principal.id)
        return json_response({"version": to.version, **msgspec.to_builtins(done)})

    async def _all(self, request: Request) -> list[dict[str, Any]]:
        return [self._summary(process) for process in self._register.all()]

    def _summary(self, process: Process) -> dict[str, Any]:
        shown = {**self._shown(process.id), "decisions": sorted(process.decisions)}
        del shown["bpmn"]
        return shown

    async def _one(self, id: str) -> dict[str, Any]:
        self._register.get(id)
        return self._shown(id)

    def _shown(self, id: str) -> dict[str, Any]:
        record = self._register.record(id) or {}
        shown = present(record)
        if record["origin"]:
            differs = self._files is not None and id in self._files.differing
            shown["district"] = {"file": record["origin"]["file"], "touched": record["touched"], "differs": differs}
        return shown


def _said(finding: Finding) -> str:
    place = f"'{finding.element}': " if finding.element else ""
    return f"{place}{finding.text}" if finding.file == "process" else f"{finding.file}: {place}{finding.text}"
