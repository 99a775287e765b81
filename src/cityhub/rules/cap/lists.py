"""The elements of a CAP message that are lists in one text: references, incidents and addresses.

Source: CAP 1.2, clause 3.2.1: items with blanks between them, those that have blanks themselves in double quotes;
a reference is "sender,identifier,sent".
"""

from __future__ import annotations

import re
from typing import Final

from cityhub.model.errors import BadRequestData
from cityhub.rules.cap.message import Reference

_ITEM: Final = re.compile(r'"([^"]*)"|([^\s"]+)')


def written_references(references: list[Reference]) -> str:
    """References as one text."""
    return " ".join(f"{one.sender},{one.identifier},{one.sent}" for one in references)


def read_references(text: str) -> list[Reference]:
    """The references of a text. Raises BadRequestData."""
    found = []
    for item in text.split():
        parts = item.split(",")
        if len(parts) != 3 or not all(parts):
            raise BadRequestData(f"'references' has '{item[:100]}'; right would be 'sender,identifier,sent' with blanks between several")
        found.append(Reference(*parts))
    return found


def written_items(items: list[str]) -> str:
    """Items as one text; those with blanks in quotes."""
    return " ".join(f'"{item}"' if re.search(r"\s", item) else item for item in items)


def read_items(text: str, where: str) -> list[str]:
    """The items of a text. Raises BadRequestData for a quotation that does not end."""
    if text.count('"') % 2:
        raise BadRequestData(f"'{where}' has a quotation mark without its other one")
    return [quoted or plain for quoted, plain in _ITEM.findall(text) if quoted or plain]
