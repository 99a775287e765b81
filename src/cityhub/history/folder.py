"""The history's part of a data folder: where the tables are, and the lock of the one process that keeps them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LAKE: Final = "lake"
"""The folder of the tables within the data folder."""
LOCK: Final = "historian.lock"
_LOOK_S: Final = 0.05


@contextlib.contextmanager
def alone(data: Path, patience_s: float = 0.0) -> Iterator[bool]:
    """Holds the lock for as long as the block runs; says whether it could be had within `patience_s`."""
    descriptor = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _locked(descriptor, time.monotonic() + patience_s)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, end: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK_S)
        else:
            return True
