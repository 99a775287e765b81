"""Sheets of workbooks as tables. Formulas are read as the values they had, macros are not looked at."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, load_workbook

from cityhub.ingest.files.found import Table
from cityhub.ingest.files.heads import LOOK, find_heads, join_heads
from cityhub.ingest.files.plan import Reading
from cityhub.ingest.files.table import heads_of, text_of, write_rows
from cityhub.model.errors import BadRequestData

MERGED: Final = 1_000_000
"""Cells that merged ranges are spread over; beyond, they stay empty but for the first."""


def sheets_of(path: Path) -> list[str]:
    """Names of the sheets. Raises BadRequestData for a workbook that cannot be read."""
    return list(_opened(path).sheet_names)


def excel_table(path: Path, reading: Reading, target: Path) -> Table:
    """Reads a sheet. Merged cells have their value in each of their cells.

    Raises BadRequestData when there is no such sheet or nothing in it.
    """
    book = _opened(path)
    if reading.table and reading.table not in book.sheet_names:
        raise BadRequestData(f"There is no sheet '{reading.table[:100]}'; there are {', '.join(book.sheet_names[:50])}")
    for name in [reading.table] if reading.table else book.sheet_names:
        rows = _rows(book, name)
        if rows:
            return _table(rows, msgspec.structs.replace(reading, table=name), target)
    raise BadRequestData("There is nothing in the workbook")


def _table(rows: list[list[Any]], reading: Reading, target: Path) -> Table:
    texts = [[text_of(_plain(cell)) or "" for cell in row] for row in rows[:LOOK]]
    if reading.header is None:
        first, height = find_heads(texts)
    else:
        first, height = (reading.header - 1, 1) if 0 < reading.header <= len(texts) else (0, 0)
    width = max(len(row) for row in rows[: LOOK * 10])
    heads = heads_of(join_heads(texts[first : first + height], width))
    begin = first + height
    count = write_rows(([_plain(cell) for cell in row] for row in rows[begin:]), heads, target)
    return Table(heads, count, begin + 1, reading=msgspec.structs.replace(reading, header=first + 1 if height else 0))


def _opened(path: Path) -> CalamineWorkbook:
    try:
        return load_workbook(str(path))
    except (CalamineError, OSError) as error:
        raise BadRequestData(f"The workbook cannot be read; it may be cut short or locked with a password: {str(error)[:200]}") from None


def _rows(book: CalamineWorkbook, name: str) -> list[list[Any]]:
    try:
        sheet = book.get_sheet_by_name(name)
        rows = sheet.to_python(skip_empty_area=False)
    except CalamineError as error:
        raise BadRequestData(f"The sheet '{name[:100]}' cannot be read: {str(error)[:200]}") from None
    for top, left, bottom, right in _merged(sheet):
        value = rows[top][left] if top < len(rows) and left < len(rows[top]) else ""
        for row in rows[top : bottom + 1]:
            row[left : right + 1] = [value] * len(row[left : right + 1])
    while rows and not any(cell != "" for cell in rows[-1]):
        rows.pop()
    return rows


def _merged(sheet: CalamineSheet) -> Iterator[tuple[int, int, int, int]]:
    """Rows and columns of merged ranges, the first being 0; none where the format does not tell."""
    left = MERGED
    ranges: Sequence[Any] | None = sheet.merged_cell_ranges
    for (top, first), (bottom, last) in ranges or ():
        left -= (bottom - top + 1) * (last - first + 1)
        if left < 0:
            return
        yield top, first, bottom, last


def _plain(value: Any) -> Any:
    """A cell's value as text would have it: a day without hours is a date."""
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else value
