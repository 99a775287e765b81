"""CSV: rows with names.

Source: RFC 4180, and what spreadsheets and old systems make of it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import Any, Final

from cityhub.ingest.decoding.bounds import MAX_RECORDS
from cityhub.ingest.decoding.cells import cell
from cityhub.ingest.decoding.encoding import text_of
from cityhub.ingest.decoding.options import CsvOptions

_DELIMITERS: Final = (",", ";", "\t", "|")
_MAX_COLUMNS: Final = 2000


def csv_decoder(options: CsvOptions) -> Callable[[bytes], list[Any]]:
    """Reads a table. Raises ValueError when the options contradict themselves."""
    if not options.header and len(set(options.columns)) != len(options.columns):
        raise ValueError("'columns' must not have a name twice")
    if options.delimiter in ('"', "\n", "\r"):
        raise ValueError("'delimiter' must not be a quotation mark or the end of a line")
    missing, texts = frozenset(options.missing), frozenset(options.text)

    def value(name: str, text: str) -> Any:
        text = text.strip()
        if text in missing:
            return None
        if not options.numbers or name in texts:
            return text
        return cell(text.replace(",", ".", 1) if options.decimal_comma and text.count(",") == 1 else text)

    def decode(body: bytes) -> list[Any]:
        lines = _lines(text_of(body, options.encoding), options)
        rows = csv.reader(lines, delimiter=options.delimiter or _delimiter(lines))
        records: list[Any] = []
        try:
            names = _names(rows, options)
            for row in rows:
                if len(row) > len(names):
                    names = _more(names, row, options, rows.line_num)
                if any(row):
                    records.append({name: value(name, text) for name, text in zip(names, row, strict=False)})
                if len(records) > MAX_RECORDS:
                    raise ValueError(f"the payload has more than {MAX_RECORDS} rows; it should come as a file")
        except csv.Error as error:
            raise ValueError(f"line {rows.line_num}: {error}") from None
        return records

    return decode


def _lines(text: str, options: CsvOptions) -> list[str]:
    """The lines of the table, with their ends, since a quoted cell may go on in the next."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[options.skip :]
    if options.comment:
        lines = [line for line in lines if not line.startswith(options.comment)]
    while lines and not lines[0].strip():
        lines = lines[1:]
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:]


def _delimiter(lines: list[str]) -> str:
    """The one that is most frequent in the first line outside of quotes; a comma where there is none."""
    plain = "".join(lines[0].split('"')[::2]) if lines else ""
    return max(_DELIMITERS, key=lambda mark: (plain.count(mark), mark == ","))


def _names(rows: Iterator[list[str]], options: CsvOptions) -> list[str]:
    head = next(rows, None) if options.header else None
    names = options.columns or [name.strip() or f"c{number}" for number, name in enumerate(head or (), 1)]
    if len(names) > _MAX_COLUMNS:
        raise ValueError(f"the table has more than {_MAX_COLUMNS} columns")
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found


def _more(names: list[str], row: list[str], options: CsvOptions, line: int) -> list[str]:
    """Names for a row that has more cells than names: right where nothing named the columns, or where the rest is empty."""
    if not options.header and not options.columns and len(row) <= _MAX_COLUMNS:
        return names + [f"c{number}" for number in range(len(names) + 1, len(row) + 1)]
    if any(text.strip() for text in row[len(names) :]):
        raise ValueError(f"line {line} has {len(row)} cells, but only {len(names)} columns are named")
    return names
