"""JSON as a table: a list of objects, one that stands somewhere in an object, or an object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from cityhub.ingest.files.found import MAX_FAULTS, Fault, Table
from cityhub.ingest.files.plan import Reading
from cityhub.ingest.files.table import MAX_COLUMNS, heads_of, write_rows
from cityhub.ingest.files.text import encoding_of, in_utf8, known
from cityhub.model.errors import BadRequestData

WHOLE_BYTES: Final = 300_000_000
"""A JSON document is read whole into memory; a larger one comes as JSON lines."""
LINE_BYTES: Final = 16_000_000
LEVELS: Final = 3
"""Objects in objects become columns "a.b"; what is nested deeper stays JSON."""


def json_table(path: Path, kind: str, reading: Reading, target: Path, scratch: Path) -> Table:
    """Reads the records. Raises BadRequestData when there are none."""
    encoding = known(reading.encoding) if reading.encoding else encoding_of(path)
    plain = in_utf8(path, encoding, scratch / "utf8.json")
    found = msgspec.structs.replace(reading, encoding=encoding)
    if kind == "ndjson":
        return _lines(plain, found, target)
    return _whole(plain, found, target)


def _whole(path: Path, reading: Reading, target: Path) -> Table:
    if path.stat().st_size > WHOLE_BYTES:
        raise BadRequestData(f"A JSON document of more than {WHOLE_BYTES} bytes must come as JSON lines (an object a line)")
    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"The JSON is broken or cut short: {error}") from None
    records = _records(document)
    if records is None:
        raise BadRequestData("There is no list of objects in the JSON")
    names = _names(flat(record) for record in records if isinstance(record, dict))
    faults = [Fault(place, "", "it is no object") for place, record in enumerate(records, 1) if not isinstance(record, dict)]
    rows = (flat(record) for record in records if isinstance(record, dict))
    count = write_rows(([row.get(name) for name in names] for row in rows), heads_of(names), target)
    return Table(heads_of(names), count, 1, [fault.row for fault in faults][:MAX_FAULTS], faults[:MAX_FAULTS], reading)


def _lines(path: Path, reading: Reading, target: Path) -> Table:
    faults: list[Fault] = []
    names = _names(flat(record) for _, record in _read_lines(path, faults))
    rows = (flat(record) for _, record in _read_lines(path, []))
    count = write_rows(([row.get(name) for name in names] for row in rows), heads_of(names), target)
    return Table(heads_of(names), count, 1, [fault.row for fault in faults], faults, reading)


def _read_lines(path: Path, faults: list[Fault]) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(LINE_BYTES):
            number += 1
            if not line.strip():
                continue
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                record, why = None, f"the line is no JSON: {error}"
            else:
                why = "the line is no object"
            if isinstance(record, dict):
                yield number, record
            elif len(faults) < MAX_FAULTS:
                faults.append(Fault(number, "", why, line[:500].decode("utf-8", "replace")))
            else:
                raise BadRequestData(f"More than {MAX_FAULTS} lines are no JSON objects")


def _records(document: Any, depth: int = 0) -> list[Any] | None:
    """The longest list of objects in a document, itself first."""
    if isinstance(document, list):
        return document if any(isinstance(item, dict) for item in document) else None
    if not isinstance(document, dict) or depth > LEVELS:
        return None
    found = [records for value in document.values() if (records := _records(value, depth + 1)) is not None]
    return max(found, key=len) if found else [document] if depth == 0 and document else None


def flat(record: dict[str, Any], prefix: str = "", depth: int = 1) -> dict[str, Any]:
    """The members of an object, those of objects in it by "a.b".

    >>> flat({"id": "a", "data": {"rain": 1.5, "at": [1, 2]}})
    {'id': 'a', 'data.rain': 1.5, 'data.at': [1, 2]}
    """
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict) and value and depth < LEVELS and "coordinates" not in value:
            found.update(flat(value, f"{prefix}{name}.", depth + 1))
        else:
            found[prefix + name] = value
    return found


def _names(rows: Iterator[dict[str, Any]]) -> list[str]:
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
        if len(names) > MAX_COLUMNS:
            raise BadRequestData(f"The records have more than {MAX_COLUMNS} members")
    return list(names)
