"""Excel workbooks, made in the worker's process by XlsxWriter."""

from __future__ import annotations

import io
from typing import Any, Final

import msgspec
import xlsxwriter

MAX_ROWS: Final = 1_048_570
MAX_TEXT: Final = 32_000
MAX_NAME: Final = 31


class Sheet(msgspec.Struct, frozen=True):
    """A table: its name, the titles of its columns, its rows, and lines of what must be known about it."""

    name: str
    titles: list[str]
    rows: list[list[Any]]
    about: list[list[str]]


def workbook(content: bytes) -> bytes:
    """The workbook of a sheet (JSON): the table, and a second sheet that says where it comes from."""
    sheet = msgspec.json.decode(content, type=Sheet)
    file = io.BytesIO()
    # A text is never a formula or a link: what others wrote must not run in somebody's Excel.
    book = xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True})
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    table = book.add_worksheet(_name(sheet.name))
    table.write_row(0, 0, sheet.titles, head)
    for place, row in enumerate(sheet.rows[:MAX_ROWS], 1):
        for column, value in enumerate(row):
            _write(table, place, column, value)
    table.freeze_panes(1, 1)
    table.autofilter(0, 0, max(1, min(len(sheet.rows), MAX_ROWS)), max(0, len(sheet.titles) - 1))
    table.set_column(0, max(0, len(sheet.titles) - 1), 18)
    about = book.add_worksheet("说明 About")
    for place, line in enumerate(sheet.about):
        about.write_row(place, 0, line)
    about.set_column(0, 0, 24)
    about.set_column(1, 1, 80)
    book.close()
    return file.getvalue()


def _write(table: Any, row: int, column: int, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        table.write_boolean(row, column, value)
    elif isinstance(value, int | float):
        table.write_number(row, column, value)
    else:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        table.write_string(row, column, text[:MAX_TEXT])


def _name(text: str) -> str:
    """A name that a worksheet may have."""
    return "".join(" " if character in "[]:*?/\\'" else character for character in text)[:MAX_NAME].strip() or "Data"
