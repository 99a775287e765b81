"""Where messages reach people, as others may see it: masked."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_HIDDEN: Final = "****"
_NUMBER: Final = re.compile(r"\+?[0-9][0-9 -]{5,}")


def masked(address: str) -> str:
    """An address so that a person recognizes it and nobody can use it.

    >>> masked("13812345678"), masked("zhang.san@example.org"), masked("https://robot.example/hook?key=1")
    ('138****5678', 'z****@example.org', 'https://robot.example/****')
    """
    if not address:
        return ""
    if _NUMBER.fullmatch(address):
        return address[:3] + _HIDDEN + address[-4:] if len(address) >= 9 else _HIDDEN + address[-2:]
    if "://" in address:
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{_HIDDEN}"
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}{_HIDDEN}@{domain}" if at else _HIDDEN


def without_addresses(text: str, *addresses: str) -> str:
    """A text, such as an answer of a server, with these addresses masked: for logs and for the ledger.

    >>> without_addresses("550 no such user zhang@example.org", "zhang@example.org")
    '550 no such user z****@example.org'
    """
    for address in filter(None, addresses):
        text = text.replace(address, masked(address))
    return text
