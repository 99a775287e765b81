"""The CAP feeds of others that the hub reads: an Atom or RSS feed of messages, or the address of one message."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import orjson
from cryptography import x509

from cityhub.model.errors import BadRequestData
from cityhub.registers.versioned import Kind, VersionedRegister

SOURCES: Final = "warning_source"
MOST_SOURCES: Final = 200
MOST_BYTES: Final = 64 * 1024
LEAST_INTERVAL_S: Final = 10.0
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


class CapSource(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A source of warnings.

    Attributes:
        id: Letters, digits, "-" and "_".
        title: By language.
        url: Of the feed, or of one message.
        interval_s: How often it is read.
        certificate: PEM of the certificate whose key signs its messages; "": signatures are not looked at, and its warnings are marked so.
        enabled: Whether it is read.
        version: Of this definition; counted by the hub.
    """

    id: str
    title: dict[str, str]
    url: str
    interval_s: float = 300.0
    certificate: str = ""
    enabled: bool = True
    version: int = 1


KIND: Final = Kind("cap-source", SOURCES, CapSource, MOST_SOURCES)


class SourceRegister(VersionedRegister[CapSource]):
    """The register of sources."""


def read_source(content: bytes) -> CapSource:
    """A source from JSON. Raises BadRequestData naming the member that is wrong."""
    if len(content) > MOST_BYTES:
        raise BadRequestData(f"A source may have at most {MOST_BYTES} bytes; this one has {len(content)}")
    try:
        value: Any = orjson.loads(content)
        source = msgspec.convert(value, CapSource)
    except (orjson.JSONDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise BadRequestData(f"The source is not as it should be: {error}") from None
    check_source(source)
    return source


def check_source(source: CapSource) -> None:
    """Raises BadRequestData for a source that cannot be right."""
    if not _ID.fullmatch(source.id):
        raise BadRequestData("'id' must be 1 to 100 letters, digits, '-' and '_'")
    if not source.title or not all(source.title.values()):
        raise BadRequestData('\'title\' must have a text by language, such as {"zh": "国家预警", "en": "National warnings"}')
    if not LEAST_INTERVAL_S <= source.interval_s <= 86_400:
        raise BadRequestData(f"'intervalS' must be {LEAST_INTERVAL_S:.0f} to 86400 seconds")
    try:
        parts = urlsplit(source.url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and len(source.url) <= 2_000 and not re.search(r"\s", source.url)
        secret = parts.username or parts.password
    except ValueError:
        right, secret = False, ""
    if not right or secret:
        raise BadRequestData("'url' must be an http or https address without a user or password in it")
    certificate_of(source.certificate)


@lru_cache(maxsize=256)
def certificate_of(pem: str) -> x509.Certificate | None:
    """The certificate of a PEM text; None for "". Raises BadRequestData."""
    if not pem:
        return None
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise BadRequestData(f"'certificate' must be a certificate in PEM ({error})") from None
