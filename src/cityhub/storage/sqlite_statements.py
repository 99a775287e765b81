"""Statements on many rows at once, in as few steps of SQLite as there can be.

Each step gives up the interpreter's lock and has to get it back from threads that are busy, so that a step for each row
costs more than the row. There is one statement for each of a few numbers of rows, so that all of them stay prepared.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import apsw

SIZES: Final = (256, 64, 16, 4, 1)
"""How many rows one statement has."""


@lru_cache(maxsize=256)
def _text(head: str, width: int, rows: int, tail: str) -> str:
    row = f"({','.join('?' * width)})"
    return f"{head} {','.join([row] * rows)}{tail}"


def with_rows(connection: apsw.Connection, head: str, width: int, values: list[Any], tail: str = "") -> None:
    """Runs a statement on rows: `head` is what stands before them, `tail` what stands behind.

    Args:
        connection: Where.
        head: Such as "INSERT INTO entity_type VALUES".
        width: Columns of a row.
        values: The values of all rows, one after the other.
        tail: Such as ")" or " ON CONFLICT DO NOTHING".
    """
    end = len(values)
    if not end:
        return
    start = 0
    for size in SIZES:
        step = size * width
        while end - start >= step:
            connection.execute(_text(head, width, size, tail), values if step == end else values[start : start + step])
            start += step
