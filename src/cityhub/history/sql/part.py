"""SQL as a part of the historian: its limits from the settings, its folders from the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cityhub.history.sql.limits import Limits
from cityhub.settings import Settings

SPILL: Final = "sql-spill"
"""The folder within the data folder for what does not fit into memory."""


def limits_of(settings: Settings) -> Limits:
    """What statements may take."""
    return Limits(
        memory_mb=settings.sql_memory_mb, spill_mb=settings.sql_spill_mb, timeout_s=settings.sql_timeout_s, concurrent=settings.sql_concurrent
    )


def spill_of(settings: Settings) -> Path:
    """Where statements lay down what does not fit into memory; what an earlier process left is removed."""
    folder = Path(settings.data).absolute() / SPILL
    if folder.is_dir():
        for file in folder.glob("duckdb_temp*"):
            file.unlink(missing_ok=True)
    return folder
