"""A table as an Excel workbook of one sheet."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from cityhub.history.exchange.plain import json_text
from cityhub.model.errors import TooManyResults

MAX_ROWS: Final = 1_048_575
"""Rows of a sheet without its heads. Source: Excel specifications and limits."""
MAX_COLUMNS: Final = 16_384
MAX_TEXT: Final = 32_767
EXACT: Final = 10**15
"""Whole numbers from here on are written as text: a cell has 15 digits."""
_EARLIEST: Final = dt.datetime(1900, 3, 1, tzinfo=dt.UTC)
_WIDTH: Final = 19


def write_excel(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path, time_zone: str) -> None:
    """Writes the batches; moments are shown in the time zone. Raises TooManyResults for what a sheet does not hold."""
    if len(schema) > MAX_COLUMNS:
        raise TooManyResults(f"A sheet of Excel holds {MAX_COLUMNS} columns, not {len(schema)}: take fewer, or CSV or Parquet")
    zone = ZoneInfo(time_zone)
    # Texts are never taken for formulas or links: they come from outside.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet()
        moment, head = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}), book.add_format({"bold": True})
        for column, field in enumerate(schema):
            sheet.set_column(column, column, _WIDTH if pa.types.is_timestamp(field.type) else max(10, min(len(field.name) + 2, 40)))
            sheet.write_string(0, column, field.name, head)
        sheet.freeze_panes(1, 0)
        row = 0
        for batch in batches:
            if row + batch.num_rows > MAX_ROWS:
                raise TooManyResults(f"A sheet of Excel holds {MAX_ROWS} rows, and there are more: take CSV or Parquet")
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                row += 1
                for column, value in enumerate(values):
                    if value is not None:
                        _write(sheet, row, column, value, zone, moment)


def _write(sheet: Worksheet, row: int, column: int, value: Any, zone: ZoneInfo, moment: Any) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float) and math.isfinite(value) and (isinstance(value, float) or abs(value) < EXACT):
        sheet.write_number(row, column, value)
    elif isinstance(value, dt.datetime) and _sortable(value) >= _EARLIEST:
        local = value.astimezone(zone).replace(tzinfo=None) if value.tzinfo else value
        sheet.write_datetime(row, column, local, moment)
    else:
        text = value if isinstance(value, str) else json_text(value) if isinstance(value, list | dict) else str(value)
        if len(text) > MAX_TEXT:
            raise TooManyResults(
                f"Row {row}, column {column + 1} has a text of {len(text)} characters, a cell holds {MAX_TEXT}: take CSV or Parquet"
            )
        sheet.write_string(row, column, text)


def _sortable(value: dt.datetime) -> dt.datetime:
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
