"""The processes that a district's folder ships, as they lie there: `processes/*.bpmn` with the decisions of `processes/*.dmn`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cityhub.cases.process_port import ProcessFiles
from cityhub.model.errors import NotFound

FOLDER: Final = "processes"


class ShippedProcesses:
    """The processes of a folder, each in one version.

    Args:
        folder: The district's folder; None: there are none.
    """

    def __init__(self, folder: Path | None) -> None:
        inside = folder / FOLDER if folder is not None else None
        decisions = {path.stem: path.read_text(encoding="utf-8") for path in sorted(inside.glob("*.dmn"))} if inside else {}
        paths = sorted(inside.glob("*.bpmn")) if inside else []
        self._files = {path.stem: ProcessFiles(path.stem, 1, path.read_text(encoding="utf-8"), decisions) for path in paths}

    def latest(self, id: str) -> ProcessFiles:
        """A process. Raises NotFound."""
        if id not in self._files:
            raise NotFound(f"There is no process '{id[:100]}'; these are: {', '.join(self._files) or 'none'}")
        return self._files[id]

    async def version(self, id: str, version: int) -> ProcessFiles:
        """The same. Raises NotFound."""
        return self.latest(id)
