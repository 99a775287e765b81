"""What is found in a file, in words that the hub and the process that opens files share."""

from __future__ import annotations

import bisect
from typing import Final, Literal

import msgspec

from cityhub.ingest.files.kinds import Kind
from cityhub.ingest.files.plan import Column, ColumnType, Plan, Reading

MAX_FAULTS: Final = 100_000
Role = Literal["", "id", "name", "time", "longitude", "latitude", "address", "geometry"]


class Head(msgspec.Struct, frozen=True):
    """A column: its name in expressions, its head in the file, the unit in that as it is written, and whether it holds shapes."""

    name: str
    head: str
    unit: str = ""
    is_geometry: bool = False


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """Something that is not taken.

    Attributes:
        row: Number of the row in the file, the first being 1.
        column: Head of the column; "" when the row as a whole is meant.
        reason: What is wrong and what would be right.
        content: What stood there.
    """

    row: int
    column: str
    reason: str
    content: str = ""


class Table(msgspec.Struct, frozen=True):
    """A table of a file, as it lies in the folder of the import.

    Attributes:
        heads: Its columns; all are text, empty ones are null.
        rows: How many it has.
        first: The number, in the file, of its first row.
        missing: Numbers of rows that could not be read.
        faults: Why not; at most `MAX_FAULTS`.
        reading: How it was read; what was found out stands in it.
        crs: Of its coordinates before they were turned into CGCS2000; "" for none.
    """

    heads: list[Head]
    rows: int
    first: int = 1
    missing: list[int] = []
    faults: list[Fault] = []
    reading: Reading = Reading()
    crs: str = ""

    def number(self, place: int) -> int:
        """The number in the file of the row at a place, the first being 0."""
        number = self.first + place
        passed = 0
        while (count := bisect.bisect_right(self.missing, number)) > passed:
            number, passed = number + count - passed, count
        return number


class ColumnProfile(msgspec.Struct, frozen=True):
    """A column as the preview tells of it.

    Attributes:
        name: In expressions.
        head: In the file.
        type: That of its values.
        form: Of times; see `cityhub.ingest.files.plan.Column`.
        unit: UCUM, out of its head; "" for none.
        role: What it looks to be for.
        empty: Share of rows without a value, 0 to 1.
        distinct: About how many different values it has among the rows looked at.
        least, most: Range: of numbers and times by value, of texts by their letters; None when it has no value.
        samples: Some different values.
    """

    name: str
    head: str
    type: ColumnType
    form: str = "auto"
    unit: str = ""
    role: Role = ""
    empty: float = 0.0
    distinct: int = 0
    least: str | None = None
    most: str | None = None
    samples: list[str] = []
    decimal: Literal[".", ","] = "."

    @property
    def column(self) -> Column:
        """What a plan says of it."""
        return Column(self.type, self.form, self.decimal)


class Profile(msgspec.Struct, frozen=True):
    """What a table holds: its columns, its first rows in their order, and how many rows the columns were judged by."""

    columns: list[ColumnProfile]
    first: list[list[str | None]]
    looked: int


class Looked(msgspec.Struct, frozen=True):
    """What was found in a file.

    Attributes:
        kind: What it is.
        digest: SHA-256 of its content, hex.
        tables: Sheets, layers or members to choose from; empty when there is one table.
        reading: How the table was read.
        rows: In the table.
        first: Number of its first row in the file.
        unreadable: How many lines could not be read.
        faults: Some of them: row, column, reason, content.
        crs: Of its coordinates before they were turned into CGCS2000.
        profile: Its columns and first rows.
        plan: What could be done with it.
    """

    kind: Kind
    digest: str
    tables: list[str]
    reading: Reading
    rows: int
    first: int
    unreadable: int
    faults: list[tuple[int, str, str, str]]
    crs: str
    profile: Profile
    plan: Plan


class Standing(msgspec.Struct, frozen=True):
    """What is kept beside a table."""

    looked: Looked
    table: Table
