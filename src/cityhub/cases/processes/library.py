"""The processes in their versions: the register, and how others ask it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Final

from cityhub.cases.process_port import ProcessFiles
from cityhub.cases.processes.definition import MOST_BPMN, Process, read_file
from cityhub.model.ports import Store
from cityhub.registers.district_files import DistrictFiles
from cityhub.registers.versioned import Kind, VersionedRegister

PROCESSES: Final = "process"
MOST: Final = 500
FILES: Final = "processes/*.bpmn"
REMEMBERED: Final = 64
"""So many versions are kept in memory: each step of a case asks for its own."""


class ProcessRegister(VersionedRegister[Process]):
    """The register of processes."""

    def __init__(self, store: Store) -> None:
        super().__init__(Kind("process", PROCESSES, Process, MOST), store)


class Library:
    """What cases ask for: the port `cityhub.cases.desk.desk.Processes`."""

    def __init__(self, register: ProcessRegister) -> None:
        self._register = register
        self._earlier: OrderedDict[tuple[str, int], ProcessFiles] = OrderedDict()
        self._reading = asyncio.Lock()

    def latest(self, id: str) -> ProcessFiles:
        """The present version of a process. Raises NotFound."""
        return self._register.get(id).files()

    async def version(self, id: str, version: int) -> ProcessFiles:
        """A version of it, also of one that was deleted since. Raises NotFound."""
        record = self._register.record(id)
        if record is not None and record["version"] == version and "deleted" not in record:
            return self.latest(id)
        key = (id, version)
        async with self._reading:
            if key not in self._earlier:
                self._earlier[key] = (await self._register.version(id, version)).files()
                while len(self._earlier) > REMEMBERED:
                    self._earlier.popitem(last=False)
            self._earlier.move_to_end(key)
            return self._earlier[key]


def process_files(folder: Path, register: ProcessRegister) -> DistrictFiles[Process]:
    """The process files of a district's folder."""
    return DistrictFiles(folder, FILES, read_file, register, MOST_BPMN)
