"""Photographs and papers of cases: kept in the data folder by their hash, of the type that their content shows.

Source: the first bytes of the formats: PNG (RFC 2083), JPEG (JFIF), GIF89a, WebP, HEIF (ISO 23008-12), PDF (ISO 32000), ZIP containers
of ECMA-376 and ISO 26300, and the compound files of earlier office programs (MS-CFB).
"""

from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cityhub.model.errors import BadRequestData, NotFound, TooLarge, UnsupportedMediaType
from cityhub.web.http import Response

MOST_NAME: Final = 200
PIECE: Final = 262_144
OFFICE: Final = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text", "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "doc": "application/msword", "xls": "application/vnd.ms-excel", "wps": "application/vnd.ms-works", "et": "application/vnd.ms-excel",
}  # fmt: skip
SHOWN: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Types that a browser may show; everything else it is to save."""


def type_of(content: bytes, name: str) -> str:
    """The media type that the content shows. Raises UnsupportedMediaType for anything but images, PDF and office documents."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        return "image/heic"
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    office = OFFICE.get(name.rpartition(".")[2].lower())
    if office and content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
        return office
    raise UnsupportedMediaType("An attachment must be an image (PNG, JPEG, GIF, WebP, HEIC), a PDF or an office document")


class Attachments:
    """The folder of attachments.

    Args:
        folder: In the data folder.
        most_bytes: Of one file.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    async def keep(self, name: str, content: bytes) -> tuple[str, str]:
        """Keeps a file and gives its hash and type. The same content is kept once.

        Raises TooLarge, UnsupportedMediaType, BadRequestData.
        """
        if not name or len(name) > MOST_NAME or any(sign in name for sign in "/\\\0\r\n\""):
            raise BadRequestData(f"A file needs a name of at most {MOST_NAME} characters without / and \\")
        if not content or len(content) > self._most_bytes:
            raise TooLarge(f"A file may have 1 to {self._most_bytes} bytes")
        type, digest = type_of(content, name), sha256(content).hexdigest()
        await asyncio.to_thread(self._write, self._path(digest), content)
        return digest, type

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _write(self, path: Path, content: bytes) -> None:
        if path.is_file():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    async def answer(self, digest: str, type: str, name: str) -> Response:
        """A file as an answer that cannot run anything in a browser. Raises NotFound."""
        path = self._path(digest)
        if not path.is_file():
            raise NotFound("The file is not here any more")
        content = await asyncio.to_thread(path.read_bytes)
        how = "inline" if type in SHOWN else "attachment"
        return Response(200, content, [
            ("content-disposition", f"{how}; filename*=UTF-8''{_quoted(name)}"), ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"), ("cache-control", "private, max-age=3600"),
        ], type)  # fmt: skip


def _quoted(name: str) -> str:
    return quote(name, safe="")
