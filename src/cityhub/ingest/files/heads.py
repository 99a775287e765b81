"""Which rows of a table are its heads, and by what name a column goes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

TAKEN: Final = frozenset(("topic", "path", "headers", "device", "remote", "record", "received_at", "feed", "true", "false", "null"))
"""Names that mean something else in expressions; see `cityhub.ingest.mapping.compiling`."""
LOOK: Final = 40
"""Heads are looked for in so many first rows."""
_NUMBER: Final = re.compile(r"[-+]?[\d,]*\.?\d+([eE][-+]?\d+)?%?")
_TIME: Final = re.compile(r"\d{1,4}[-/年.]\d{1,2}([-/月.]|$).*|\d{1,2}:\d{2}.*")
_UNIT: Final = re.compile(r"^(?P<name>.+?)\s*[(（\[【](?P<unit>[^()（）\[\]【】]{1,30})[)）\]】]\s*$")
_WORD_UNIT: Final = re.compile(
    r"^(?P<name>.+?)[\s/_]+(?P<unit>m³/s|m3/s|mm/h|μg/m³|ug/m3|mg/L|℃|°C|km/h|m/s|mm|cm|km|kWh|kW|MW|hPa|kPa|dB|%|m)$"
)
_BAD: Final = re.compile(r"[^\w]+")


def find_heads(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """(index of the first row of heads, number of such rows); (0, 0) when there are none.

    Heads are the first row that is as wide as the table, all words, and has what is not only words, or nothing alike, below it.

    >>> find_heads([["2026 年水位", "", ""], ["站号", "时间", "水位(m)"], ["A1", "2026-01-01", "1.5"]])
    (1, 1)
    """
    looked = rows[:LOOK]
    width = max((_width(row) for row in looked), default=0)
    for index, row in enumerate(looked):
        filled = [cell.strip() for cell in row if cell.strip()]
        if not filled or len(filled) < 0.6 * width or (width > 1 and len(set(filled)) < 2):
            continue
        if any(_is_value(cell) for cell in filled):
            return 0, 0
        return index, _height(looked, index)
    return 0, 0


def join_heads(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """One head for each column, out of several rows of them: a group and its members are joined by a space."""
    heads: list[str] = []
    for place in range(width):
        parts = [row[place].strip() if place < len(row) else "" for row in rows]
        heads.append(" ".join(dict.fromkeys(part for part in parts if part)))
    return heads


def names_of(heads: Sequence[str]) -> list[str]:
    """A name for each column, fit for expressions, unlike any other: without unit, brackets and blanks.

    >>> names_of(["水位(m)", "流量 m³/s", "水位（最高）", "", "2024"])
    ['水位', '流量', '水位_最高', 'column_4', '_2024']
    """
    names: list[str] = []
    for place, head in enumerate(heads, 1):
        plain, unit = split_unit(head)
        steps = [_BAD.sub("_", step).strip("_") for step in (plain if unit else head).split(".")]
        is_path = not any(step[:1].isdigit() for step in steps[1:])  # "PM2.5" is no member "5" of something
        name = ("." if is_path else "_").join(step for step in steps if step)[:100].strip(".") or f"column_{place}"
        name = f"{name}_" if name in TAKEN else name
        name = f"_{name}" if name[0].isdigit() else name
        fresh, number = name, 2
        while fresh.lower() in {given.lower() for given in names}:
            fresh, number = f"{name}_{number}", number + 1
        names.append(fresh)
    return names


def split_unit(head: str) -> tuple[str, str]:
    """The head without its unit, and the unit as it is written; "" when it has none.

    >>> split_unit("流量 m³/s")
    ('流量', 'm³/s')
    """
    from cityhub.ingest.files.unit_words import UNITS

    text = " ".join(head.split())
    match = _UNIT.match(text) or _WORD_UNIT.match(text)
    if match is None or match["unit"].strip() not in UNITS:
        return text, ""
    return match["name"].strip(), match["unit"].strip()


def _width(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def _height(rows: Sequence[Sequence[str]], index: int) -> int:
    """Heads go on for a second row where the first has groups: cells that repeat, as merged ones do."""
    first = [cell.strip() for cell in rows[index]]
    if index + 1 >= len(rows) or all(first.count(cell) < 2 for cell in first if cell):
        return 1
    second = [cell.strip() for cell in rows[index + 1] if cell.strip()]
    return 2 if second and not any(_is_value(cell) for cell in second) else 1


def _is_value(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _TIME.fullmatch(cell)) and not re.fullmatch(r"(19|20)\d\d年?", cell)
