"""Expressions that need no interpreter: a column, a text, texts and columns joined, a pair of columns. DuckDB works them out many at once.

Anything else in a plan is left to FEEL, row by row; what stands here means the same there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from cityhub.ingest.files.plan import Column
from cityhub.ingest.files.table import literal, quoted

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\["\\/])*")|(?P<string>string\s*\(\s*(?P<inner>[^()"+]+?)\s*\))|(?P<name>[^()"+\[\]{},]+?))'
    r"\s*(?P<plus>\+|$)"
)
_PAIR: Final = re.compile(
    r'(?:\{\s*type\s*:\s*"Point"\s*,\s*coordinates\s*:\s*)?\[\s*(?P<lon>[^\[\],"+]+?)\s*,\s*(?P<lat>[^\[\],"+]+?)\s*\]\s*\}?'
)
_NAMED: Final = re.compile(
    r'\{\s*"?(?:lon|lng|longitude)"?\s*:\s*(?P<lon>[^{},"]+?)\s*,\s*"?(?:lat|latitude)"?\s*:\s*(?P<lat>[^{},"]+?)\s*\}'
)
_MOMENT: Final = re.compile(r"date and time\s*\(\s*([^()]+?)\s*\)")


class Joined(msgspec.Struct, frozen=True):
    """Texts and columns, one after the other. `sql` is NULL where one of the columns is."""

    sql: str
    columns: list[str]


def column_of(text: str, columns: Mapping[str, Column]) -> str | None:
    """The column that an expression is; None for any other."""
    name = text.strip()
    return name if name in columns else None


def moment_of(text: str, columns: Mapping[str, Column]) -> str | None:
    """The column whose values an expression reads as times; None when it does something else."""
    match = _MOMENT.fullmatch(text.strip())
    name = column_of(match[1] if match else text, columns)
    return None if name is None or columns[name].type in ("boolean", "geometry", "object") else name


def pair_of(text: str, columns: Mapping[str, Column]) -> tuple[str, str] | None:
    """The columns of longitude and latitude in `[lon, lat]` and its kin; None when it is something else."""
    match = _PAIR.fullmatch(text.strip()) or _NAMED.fullmatch(text.strip())
    if match is None or match["lon"].strip() not in columns or match["lat"].strip() not in columns:
        return None
    return match["lon"].strip(), match["lat"].strip()


def joined_of(text: str, columns: Mapping[str, Column]) -> Joined | None:
    """Texts and columns of text that are joined by "+"; None when it is something else.

    >>> joined_of('"urn:ngsi-ld:Device:" + 站号', {"站号": Column()}).sql
    '(\\'urn:ngsi-ld:Device:\\' || "站号")'
    """
    parts: list[str] = []
    used: list[str] = []
    place = 0
    plus = "+"
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or plus != "+":
            return None
        place, plus = match.end(), match["plus"]
        if match["text"] is not None:
            parts.append(literal(re.sub(r"\\(.)", r"\1", match["text"][1:-1])))
            continue
        name = (match["inner"] or match["name"]).strip()
        kinds = ("text", "integer") if match["string"] else ("text",)
        if name not in columns or columns[name].type not in kinds:
            return None
        used.append(name)
        parts.append(quoted(name))
    return Joined(f"({' || '.join(parts)})", used) if parts and plus == "" else None
