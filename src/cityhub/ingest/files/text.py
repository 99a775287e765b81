"""Text files: in which encoding they are, what parts their values, and the same in UTF-8."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from pathlib import Path
from typing import Final

from cityhub.model.errors import BadRequestData

BLOCK: Final = 4 << 20
DELIMITERS: Final = (",", "\t", ";", "|", "，")
LOOK_LINES: Final = 60
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ENCODINGS: Final = {"utf8": "utf-8", "gbk": "gb18030", "gb2312": "gb18030", "ascii": "utf-8"}
"""GB18030 holds GBK and GB2312; files that claim to be one of these have letters of the larger one."""


def encoding_of(path: Path) -> str:
    """The encoding of a text file. Raises BadRequestData when it is none of those that are in use."""
    with open(path, "rb") as file:
        head = file.read(BLOCK)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    for name, zeros, letters in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if zeros.count(0) > 0.2 * len(zeros) and letters.count(0) < 0.01 * len(letters) + 1:
            return name
    for name in ("utf-8", "gb18030"):
        if _fits(path, name):
            return name
    raise BadRequestData("The encoding cannot be found out: the file is neither UTF-8 nor GB18030 nor UTF-16. Say it, or save it as UTF-8")


def known(encoding: str) -> str:
    """An encoding's usual name. Raises BadRequestData for one that nobody knows."""
    name = encoding.strip().lower()
    try:
        codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        raise BadRequestData(f"'{encoding[:50]}' is no encoding; right would be 'utf-8', 'gb18030' or 'utf-16'") from None
    return _ENCODINGS.get(name, name)


def in_utf8(path: Path, encoding: str, target: Path) -> Path:
    """The file in UTF-8 without a mark: itself, or a copy at `target`. Raises BadRequestData saying which line breaks the encoding."""
    if encoding == "utf-8" and _fits(path, encoding):
        return path
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    with open(path, "rb") as file, open(target, "w", encoding="utf-8", newline="") as fresh:
        while True:
            block = file.read(BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeError as error:
                lines += _lines_before(block, error)
                raise BadRequestData(f"Line {lines} is not in {encoding}: choose another encoding. {str(error)[:100]}") from None
            lines += text.count("\n")
            fresh.write(text)
            if not block:
                return target


def first_lines(path: Path) -> str:
    """The first lines of a UTF-8 file, at most a megabyte of them."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        text = file.read(1 << 20)
    lines = text.splitlines(keepends=True)
    return "".join(lines[:LOOK_LINES])


def delimiter_of(text: str) -> str:
    """What parts the values: that which cuts the most lines into the same number of parts.

    >>> delimiter_of("a;b;c\\n1,5;2,5;3\\n2;3;4\\n")
    ';'
    """
    scores = {delimiter: _score(text, delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: scores[delimiter])
    return best if scores[best] > 0 else ","


def rows_of(text: str, delimiter: str) -> list[tuple[list[str], int]]:
    """Rows of a text and the line that each ends with; a broken last one is left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[tuple[list[str], int]] = []
    try:
        for row in reader:
            rows.append((row, reader.line_num))
    except csv.Error:
        pass
    return rows


def _score(text: str, delimiter: str) -> float:
    widths = Counter(len(row) for row, _ in rows_of(text, delimiter) if row)
    width, count = max(widths.items(), key=lambda item: (item[1] if item[0] > 1 else 0, item[0]), default=(1, 0))
    return count / max(1, sum(widths.values())) + min(width, 100) / 1000 if width > 1 else 0.0


def _fits(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open(path, "rb") as file:
        try:
            while block := file.read(BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeError:
            return False
    return True


def _lines_before(block: bytes, error: UnicodeError) -> int:
    return block.count(b"\n", 0, error.start) if isinstance(error, UnicodeDecodeError) else 0
