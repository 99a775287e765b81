"""Where a lake is kept and how it is tuned."""

from __future__ import annotations

import msgspec


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a lake is kept and how it is tuned.

    Attributes:
        warehouse: Folder of the tables, absolute, or `s3://bucket/prefix`.
        catalog: SQLAlchemy URI of the Iceberg catalogue; empty: `catalog.sqlite` in the warehouse, which must then be a folder.
        name: Name of the catalogue; other engines must use the same one.
        io: Further properties of the catalogue's file access, such as "s3.endpoint" (pyiceberg's names).
        data: The folder that paths of backfills are relative to; empty: backfills are refused.
        flush_rows: Rows in the tail at which it is laid down.
        flush_bytes: Bytes in the tail at which it is laid down.
        flush_age_s: Age of the oldest row in the tail at which it is laid down, in seconds.
        batch: Journal entries that are taken at once.
        memory: Memory for questions, in DuckDB's words.
        work_memory: Memory for flushes and upkeep, in DuckDB's words.
        threads: DuckDB's threads.
        target_bytes: Size up to which files are merged.
        keep_s: How long superseded snapshots can still be read by other engines, in seconds.
        count_reads: Whether what is read of each file is counted; `Lake.file_reads` must then be called now and then.
        grace_s: How long a file that no snapshot names is left alone, in seconds: another engine may be about to commit it.
    """

    warehouse: str
    catalog: str = ""
    name: str = "cityhub"
    io: dict[str, str] = {}
    data: str = ""
    flush_rows: int = 1_000_000
    flush_bytes: int = 512_000_000
    flush_age_s: float = 60.0
    batch: int = 10_000
    memory: str = "2GB"
    work_memory: str = "1GB"
    threads: int = 2
    target_bytes: int = 256_000_000
    keep_s: float = 3600.0
    grace_s: float = 3600.0
    count_reads: bool = False
