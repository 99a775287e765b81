"""DateTime texts of NGSI-LD in and out.

Inside, every time has the one form of `cityhub.model.time.to_text`. A time given with another number of digits
("2026-11-23T06:05:00.000Z") is the same moment; where a provider's own writing has to come back as it was, `read`
says that it differs from what `show` would write.

Source: GS CIM 009 clause 4.6.3.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from cityhub.model.errors import BadRequestData

_SECONDS = 19  # characters of "2026-11-23T06:05:00"
_DIGITS = 6
_LONGEST = 32  # of the times that are remembered


def read(value: Any, where: str) -> str:
    """A DateTime in the internal form.

    Digits after the microsecond are cut off; a decimal comma is a decimal point.
    Raises BadRequestData unless it is 'YYYY-MM-DDThh:mm:ss[.f]Z'.
    """
    found = (_usual(value) if len(value) <= _LONGEST else _read(value)) if type(value) is str else None
    if found is None:
        raise BadRequestData(f"'{where}' must be a UTC date and time such as '2026-11-23T06:05:00Z'")
    return found


def _read(value: str) -> str | None:
    marks = value[4:5] + value[7:8] + value[10:11] + value[13:14] + value[16:17]
    if marks == "--T::" and value[-1] == "Z" and len(value) > _SECONDS:
        seconds = value[:_SECONDS]
        try:
            datetime.fromisoformat(seconds)
        except ValueError:
            return None
        if len(value) == _SECONDS + 1:
            return seconds + ".000000Z"
        digits = value[_SECONDS + 1 : -1]
        if value[_SECONDS] in ".," and digits.isascii() and digits.isdigit():
            return f"{seconds}.{digits[:_DIGITS]:0<6}Z"
    return None


_usual = lru_cache(maxsize=4096)(_read)
"""The attributes of one message, and the messages of one batch, mostly share their times."""


def show(text: str) -> str:
    """A time in the internal form as it is written in answers: no trailing zeros, in steps of three digits.

    >>> show("2026-11-23T06:05:00.000000Z"), show("2026-11-23T06:05:00.120000Z")
    ('2026-11-23T06:05:00Z', '2026-11-23T06:05:00.120Z')
    """
    if text[20:26] == "000000":
        return text[:_SECONDS] + "Z"
    if text[23:26] == "000":
        return text[:23] + "Z"
    return text
