"""`cityhub sql`: a statement to the running hub, its answer as a table or a file."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import orjson

from cityhub.cli.connection import Failed, command, connect, failure
from cityhub.cli.presence import find
from cityhub.settings import SettingsRead

PATH: Final = "/api/sql"
FORMATS: Final = {
    "table": "application/json", "json": "application/json", "csv": "text/csv", "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "gpkg": "application/geopackage+sqlite3",
}  # fmt: skip
"""The forms of an answer, and their media types."""
BINARY: Final = frozenset(("arrow", "parquet", "xlsx", "gpkg"))
ENDS: Final = {
    ".csv": "csv", ".json": "json", ".arrow": "arrow", ".arrows": "arrow", ".parquet": "parquet", ".xlsx": "xlsx", ".gpkg": "gpkg",
}  # fmt: skip
TABLE_ROWS: Final = 1000
"""Rows of a table for people, unless more are asked for."""
CELL: Final = 60
"""The widest cell of such a table."""


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        statement: SQL; "-" or empty: it comes from standard input.
        parameters: Values for `?`, as JSON or else as text.
        format: One of `FORMATS`; None: by the file's name, else a table.
        file: Where the answer goes; None: standard output.
        limit: Most rows; None: 1000 of a table, all of a file.
        timeout_s: How long the statement may take.
        excel: Whether a CSV is for a spreadsheet program.
    """

    statement: str
    parameters: list[str] = []
    format: str | None = None
    file: str | None = None
    limit: int | None = None
    timeout_s: float = 600.0
    excel: bool = False


def sql(read: SettingsRead, url: str | None, tenant: str, wanted: Wanted) -> int:
    """Runs a statement and prints its answer or writes it into a file; returns 0, or 1 when the hub refused."""

    async def work() -> int:
        form = form_of(wanted)
        if url is None and find(read.settings.data) is None:
            raise Failed(f"No hub runs on {read.settings.data}: right would be the data folder of one that does (--data), or its --url")
        statement = sys.stdin.read() if wanted.statement in ("", "-") else wanted.statement
        body = orjson.dumps({"statement": statement, "parameters": [value_of(text) for text in wanted.parameters]})
        limit = TABLE_ROWS if form == "table" and wanted.limit is None else wanted.limit
        asked = {"timeout": f"{wanted.timeout_s:g}", "excel": str(wanted.excel).lower()} | ({} if limit is None else {"limit": str(limit)})
        headers = {"Accept": FORMATS[form], "Content-Type": "application/json"}
        async with connect(read.settings, url, tenant, headers) as client:
            client.timeout = httpx.Timeout(wanted.timeout_s + 60.0)
            async with client.stream("POST", PATH, params=asked, content=body) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise Failed(failure(response))
                if form == "table":
                    await response.aread()
                    print_answer(response.json())
                else:
                    await _write(response, wanted.file)
        return 0

    return command(work)


def form_of(wanted: Wanted) -> str:
    """The form of the answer. Raises Failed for what does not fit together."""
    form = wanted.format or (ENDS.get(Path(wanted.file).suffix.lower()) if wanted.file else "table")
    if form is None:
        raise Failed(f"'{wanted.file}' does not say in which form: right would be --format, or a name that ends with {', '.join(ENDS)}")
    if form == "table" and wanted.file:
        raise Failed("A table is for the screen: right would be --format csv, json, parquet, arrow, xlsx or gpkg with --output")
    if form in BINARY and not wanted.file and sys.stdout.isatty():
        raise Failed(f"{form} is no text: right would be --output FILE, or a pipe")
    return form


def value_of(text: str) -> Any:
    """A parameter's value: JSON where it is some, else the text itself."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


async def _write(response: httpx.Response, file: str | None) -> None:
    if file is None:
        async for piece in response.aiter_bytes():
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    # A file with half an answer would be taken for a whole one.
    part = Path(f"{file}.part")
    try:
        with part.open("wb") as out:  # noqa: ASYNC230 - this process does nothing else
            async for piece in response.aiter_bytes():
                out.write(piece)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def print_answer(answer: dict[str, Any]) -> None:
    """Prints an answer as a table, with how many rows it has."""
    names = [column["name"] for column in answer["columns"]]
    numbers = [_is_number(column["type"]) for column in answer["columns"]]
    whole = answer["columns"] and names[0] == "explain_key"
    if whole:
        print("\n".join(str(row[1]) for row in answer["rows"]))
        return
    rows = [[shown(cell) for cell in row] for row in answer["rows"]]
    widths = [max([width(name), *(width(row[place]) for row in rows)]) for place, name in enumerate(names)]
    for row in [names, ["-" * size for size in widths], *rows]:
        cells = (padded(cell, size, right) for cell, size, right in zip(row, widths, numbers, strict=True))
        print("  ".join(cells).rstrip())
    count = len(rows)
    more = ", there are more (--limit)" if answer["truncated"] else ""
    print(f"({count} {'row' if count == 1 else 'rows'}{more})")


def shown(cell: Any) -> str:
    """A value as a cell: NULL empty, times without needless digits, objects as JSON, nothing longer than 60 columns."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    text = cell if isinstance(cell, str) else orjson.dumps(cell).decode()
    text = "".join(letter if letter.isprintable() else " " for letter in text.replace(".000000Z", "Z"))
    if width(text) <= CELL:
        return text
    while width(text) >= CELL:
        text = text[:-1]
    return f"{text}…"


def width(text: str) -> int:
    """How many columns of a terminal a text takes: Chinese characters take two.

    >>> width("水位 m")
    6
    """
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1 for letter in text)


def padded(text: str, size: int, right: bool) -> str:
    """The text with spaces beside it."""
    space = " " * (size - width(text))
    return space + text if right else text + space


def _is_number(kind: str) -> bool:
    return kind.startswith(("DOUBLE", "FLOAT", "DECIMAL")) or kind.endswith(("INT", "INTEGER"))
