"""Looking into a file: what it is, which tables it has, and what is in one of them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from cityhub.ingest.files.found import Looked, Standing
from cityhub.ingest.files.plan import Reading, key_of
from cityhub.ingest.files.profile import profile
from cityhub.ingest.files.proposal import propose
from cityhub.ingest.files.source import open_source, read_table
from cityhub.model.errors import BadRequestData

TOLD: Final = 50
"""So many lines that cannot be read are told in a preview."""


def look(folder: Path, reading: Reading, key: str, most: int) -> Looked:
    """Reads a table of the file in a folder, keeps it there, and says what is in it.

    Raises:
        BadRequestData: It cannot be read; says why.
    """
    content, scratch, target = folder / "content", folder / "scratch" / key, folder / "tables" / f"{key}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(content, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    source = open_source(content, scratch, most, reading.table)
    table = read_table(source, reading, target, scratch)
    if not table.rows:
        raise BadRequestData("There are no rows below the heads")
    found = profile(target, table)
    faults = [(fault.row, fault.column, fault.reason, fault.content[:300]) for fault in table.faults[:TOLD]]
    looked = Looked(
        source.kind, digest, source.tables, table.reading, table.rows, table.first, len(table.faults), faults, table.crs, found,
        propose(found.columns, table.rows, table.reading),
    )  # fmt: skip
    fresh = target.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(Standing(looked, table)))
    os.replace(fresh, target.with_suffix(".json"))
    _known_as(target, key_of(table.reading))
    return looked


def _known_as(target: Path, key: str) -> None:
    """The table also by the key of all that was found out, which is how a plan asks for it: it need not be read again."""
    for file in (target, target.with_suffix(".json")):
        other = file.with_name(key + file.suffix)
        if not other.exists():
            os.link(file, other)
