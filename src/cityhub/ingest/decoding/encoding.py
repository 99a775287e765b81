"""Text out of bytes: the encoding is stated, marked, or found out."""

from __future__ import annotations

import codecs
import re
from typing import Final

ENCODINGS: Final = ("", "utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "big5")
"""The encodings that may be stated; "" is found out."""
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LOOK: Final = 4096
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")


def text_of(body: bytes, encoding: str = "") -> str:
    """The text of a payload without a byte order mark. Raises ValueError when it is not in that encoding, or in none that is found out.

    Found out are, in this order: what a byte order mark says, UTF-16 by its zeros, UTF-8, and GB18030 (which GBK and GB 2312 are part of).

    >>> text_of("降雨量".encode("gb18030")), text_of("a,b".encode("utf-16-le"))
    ('降雨量', 'a,b')
    """
    name = encoding or encoding_of(body)
    try:
        return body.decode(name).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(f"the payload is not text in {name}: byte {error.start} cannot be read") from None


def encoding_of(body: bytes) -> str:
    """The encoding that a payload seems to have: "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-8" or "gb18030"."""
    for mark, name in _MARKS:
        if body.startswith(mark):
            return name
    head = body[:_LOOK]
    if b"\0" in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030"
    return "gb18030" if _by_chance(text) and _readable(body) else "utf-8"


def _by_chance(text: str) -> bool:
    """Whether a text may be UTF-8 by chance, as a few Chinese characters of GB 2312 are (站, 联通).

    Such a text has characters of two bytes only, some of scripts that nobody uses beside Chinese. Degrees, Greek and Cyrillic letters
    do not count.
    """
    odd = set(_NOT_ASCII.findall(text[:_LOOK])) if not text.isascii() else set()
    return bool(odd) and max(odd) < "\u0800" and any("\u0180" <= letter < "\u0370" or letter >= "\u0530" for letter in odd)


def _readable(body: bytes) -> bool:
    try:
        body.decode("gb18030")
        return True
    except UnicodeDecodeError:
        return False
