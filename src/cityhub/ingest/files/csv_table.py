"""CSV as a table, at DuckDB's speed; lines that do not fit the heads are listed, the others kept."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import msgspec

from cityhub.ingest.files.found import MAX_FAULTS, Fault, Head, Table
from cityhub.ingest.files.heads import find_heads, join_heads
from cityhub.ingest.files.plan import Reading
from cityhub.ingest.files.table import copy_rows, heads_of, literal, open_database, quoted
from cityhub.ingest.files.text import delimiter_of, encoding_of, first_lines, in_utf8, known, rows_of
from cityhub.model.errors import BadRequestData

LINE_BYTES: Final = 4_000_000
"""A longer line is not read; it is a missing quotation mark more often than a value."""


def csv_table(path: Path, reading: Reading, target: Path, scratch: Path) -> Table:
    """Reads a CSV. Raises BadRequestData when it cannot be read at all."""
    encoding = known(reading.encoding) if reading.encoding else encoding_of(path)
    plain = in_utf8(path, encoding, scratch / "utf8.csv")
    text = first_lines(plain)
    delimiter = reading.delimiter or delimiter_of(text)
    if len(delimiter) != 1:
        raise BadRequestData(f"'delimiter' must be one character, not '{delimiter[:20]}'")
    rows = rows_of(text, delimiter)
    if not rows:
        raise BadRequestData("The file has no line that can be read: look at its delimiter and quotation marks")
    first, height = find_heads([row for row, _ in rows]) if reading.header is None else _said(reading.header, len(rows))
    width = max(len(row) for row, _ in rows[first : first + max(height, 1)])
    heads = heads_of(join_heads([row for row, _ in rows[first : first + height]], width))
    skipped = rows[first + height - 1][1] if height else 0
    found = msgspec.structs.replace(reading, encoding=encoding, delimiter=delimiter, header=first + 1 if height else 0)
    return _read(plain, heads, skipped, Table(heads, 0, skipped + 1, reading=found), target)


def _said(header: int, count: int) -> tuple[int, int]:
    if not 0 <= header <= count:
        raise BadRequestData(f"'header' must be a row from 1 to {count}, or 0 for none, not {header}")
    return (header - 1, 1) if header else (0, 0)


def _read(path: Path, heads: list[Head], skipped: int, table: Table, target: Path) -> Table:
    columns = ", ".join(f"{literal(head.name)}: 'VARCHAR'" for head in heads)
    source = (
        f"read_csv({literal(str(path))}, auto_detect = false, header = false, skip = {skipped}, columns = {{{columns}}},"
        f" delim = {literal(table.reading.delimiter)}, quote = '\"', escape = '\"', new_line = {literal(_line_end(path))}, nullstr = '',"
        f" store_rejects = true, rejects_limit = {MAX_FAULTS}, max_line_size = {LINE_BYTES})"
    )
    try:
        with open_database(target.parents[1]) as connection:
            cells = ", ".join(f"nullif(trim({quoted(head.name)}), '') AS {quoted(head.name)}" for head in heads)
            rows = copy_rows(connection, f"SELECT {cells} FROM {source}", target)
            found = connection.execute(
                "SELECT line, any_value(error_message), any_value(csv_line) FROM reject_errors GROUP BY line ORDER BY line"
            ).fetchall()
    except duckdb.Error as error:
        raise BadRequestData(f"The CSV cannot be read: {str(error).splitlines()[0][:300]}") from None
    if len(found) >= MAX_FAULTS:
        raise BadRequestData(f"More than {MAX_FAULTS} lines do not fit the heads; is '{table.reading.delimiter}' what parts its values?")
    unfit = f"the line does not fit the {len(heads)} heads:"
    faults = [Fault(int(line), "", f"{unfit} {str(why).splitlines()[0]}"[:300], str(content or "")[:1000]) for line, why, content in found]
    return msgspec.structs.replace(table, rows=rows, faults=faults, missing=[fault.row for fault in faults])


def _line_end(path: Path) -> str:
    with open(path, "rb") as file:
        block = file.read(1 << 20)
    if b"\r\n" in block:
        return "\\r\\n"
    return "\\r" if b"\r" in block and b"\n" not in block else "\\n"
