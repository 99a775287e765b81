"""Tokens and claim keys of devices: made at random, shown once, kept as SHA-256.

A token has 256 random bits, so that a fast hash is enough: nobody finds it by trying. A claim key is shorter, as people type it, and
has 150.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

import msgspec

from cityhub.model.errors import BadRequestData

TOKEN_BYTES: Final = 32
KEY_GROUPS: Final = 6
KEY_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Letters and digits that nobody mistakes for one another."""
_KEY: Final = re.compile(r"[\x21-\x7e]{16,128}")
HINT: Final = 6


class Secret(msgspec.Struct, frozen=True, omit_defaults=True):
    """A secret as it is kept.

    Attributes:
        id: Names it in addresses.
        hash: SHA-256, hexadecimal.
        hint: Its first characters, so that people can tell which one it is.
        created_at: RFC 3339 UTC.
        expires_at: From when on it is not good any more; "" never.
        by: Who made it.
    """

    id: str
    hash: str
    hint: str
    created_at: str
    expires_at: str = ""
    by: str = ""


def new_token() -> str:
    """A token that no one can guess."""
    return "chd_" + secrets.token_urlsafe(TOKEN_BYTES)


def new_claim_key() -> str:
    """A claim key for people to read and type, such as 'K7QF2-...'."""
    return "-".join("".join(secrets.choice(KEY_LETTERS) for _ in range(5)) for _ in range(KEY_GROUPS))


def claim_key(text: object) -> str:
    """A claim key as it was typed, in the form that is hashed. Raises BadRequestData."""
    if not isinstance(text, str) or not _KEY.fullmatch(text.strip()):
        raise BadRequestData("A claim key must be 16 to 128 visible characters, as it stands on the device or its papers")
    return text.strip().upper()


def hash_of(secret: str) -> str:
    """SHA-256 of a secret, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def kept(secret: str, at: str, by: str, expires_at: str = "") -> Secret:
    """A secret as it is kept."""
    return Secret(secrets.token_hex(4), hash_of(secret), secret[:HINT] if secret.startswith("chd_") else "", at, expires_at, by)


def is_good(secret: Secret, given_hash: str, now: str) -> bool:
    """Whether the hash of what was given is that of a secret that has not expired. Takes as long for a wrong one as for a right one."""
    same = hmac.compare_digest(secret.hash, given_hash)
    return same and (not secret.expires_at or secret.expires_at > now)
