"""What DuckDB reads of which file, as it logs it itself: requests and bytes."""

from __future__ import annotations

import duckdb


def count_reads(database: duckdb.DuckDBPyConnection) -> None:
    """Begins to count. The counts stay in memory until `taken_reads` takes them, so it must be called now and then."""
    database.execute("CALL enable_logging('FileSystem', storage = 'memory')")


def taken_reads(database: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int]]:
    """Requests and bytes by path since the last time. A read that ends between the two statements is lost: it is a statistic."""
    connection = database.cursor()
    try:
        rows = connection.execute(
            "SELECT path, count(*), sum(bytes) FROM duckdb_logs_parsed('FileSystem') WHERE op IN ('READ', 'GET') GROUP BY path"
        ).fetchall()
        connection.execute("CALL truncate_duckdb_logs()")
    finally:
        connection.close()
    return {path: (int(requests), int(size or 0)) for path, requests, size in rows}
