"""Files of the lake that are on the disk when they are named: what a commit refers to must survive a power failure with it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

IMPLEMENTATION = f"{__name__}.DurableFileIO"
"""What a catalogue's property "py-io-impl" says to use it."""


class _Synced(io.FileIO):
    def close(self) -> None:
        if not self.closed:
            os.fsync(self.fileno())
        super().close()


class _DurableFile(PyArrowFile):
    """A local file that is on the disk when it is closed."""

    def create(self, overwrite: bool = False) -> Any:
        """A stream to write it."""
        path = Path(self._path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return io.BufferedWriter(_Synced(path, "wb" if overwrite else "xb"), 1 << 20)


class DurableFileIO(PyArrowFileIO):
    """pyiceberg's access to files, which also waits for the disk where files are local."""

    def new_output(self, location: str) -> PyArrowFile:
        """See `pyiceberg.io.FileIO.new_output`."""
        scheme, netloc, path = self.parse_location(location, self.properties)
        kind = _DurableFile if scheme == "file" else PyArrowFile
        return kind(fs=self.fs_by_scheme(scheme, netloc), location=location, path=path, buffer_size=1 << 20)
