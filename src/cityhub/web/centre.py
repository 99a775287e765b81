"""The operations centre: its built pages, with the compressed forms that the build laid beside them, under the hub's strict policy.

`ui/` is where they are made; a hub without them runs, and says at `/centre` how to get them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from cityhub.model.errors import NotFound
from cityhub.web.http import Request, Response, Route
from cityhub.web.pages import MEDIA_TYPES, SECURITY_HEADERS

FOLDER: Final = Path(__file__).with_name("centre")
INDEX: Final = "index.html"
ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
"""Compressed forms, the best first: the word of the header, the ending of the file."""
_ASSETS: Final = "assets/"
_FOREVER: Final = "public, max-age=31536000, immutable"


class Built(msgspec.Struct, frozen=True):
    """A file of the centre: its content by encoding ("" is plain), each with a strong ETag."""

    media_type: str
    forms: dict[str, tuple[bytes, str]]


def read_centre(folder: Path = FOLDER) -> dict[str, Built]:
    """The built files by their path below the folder; {} when the centre has not been built."""
    if not (folder / INDEX).is_file():
        return {}
    return {
        path.relative_to(folder).as_posix(): _read(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix[1:] in MEDIA_TYPES
    }


def centre_routes(files: dict[str, Built]) -> list[Route]:
    """`/centre` and everything below it: a file, or the page that finds its own way by the address. Public, as no data are in them."""

    async def serve(request: Request) -> Response:
        if not files:
            raise NotFound("The operations centre has not been built here; `make run` builds it, and the released wheel carries it")
        name = request.parameters.get("rest", "")
        if name not in files and name.startswith(_ASSETS):
            raise NotFound(f"There is no file '{name[:100]}' of the operations centre; the page is of another version, read it again")
        return _answer(files[name], request, name) if name in files else _answer(files[INDEX], request, INDEX)

    describe = {"responses": {"200": {"description": "The page", "content": {"text/html": {"schema": {"type": "string"}}}}}}
    return [
        Route("GET", "/centre", serve, "public", "Operations centre", tag="pages", describe=describe),
        Route("GET", "/centre/{rest:path}", serve, "public", "Page of the operations centre", tag="pages"),
    ]


def _answer(file: Built, request: Request, name: str) -> Response:
    accepted = request.headers.get("accept-encoding", "")
    encoding = next((word for word, _ in ENCODINGS if word in accepted and word in file.forms), "")
    body, etag = file.forms[encoding]
    caching = _FOREVER if name.startswith(_ASSETS) else "no-cache"
    headers = [("etag", etag), ("vary", "accept-encoding"), ("cache-control", caching), *SECURITY_HEADERS]
    if etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(304, headers=headers)
    if encoding:
        headers.append(("content-encoding", encoding))
    return Response(200, body, headers, file.media_type)


def _read(path: Path) -> Built:
    forms = {"": _form(path.read_bytes())}
    for word, ending in ENCODINGS:
        compressed = path.with_name(path.name + ending)
        if compressed.is_file():
            forms[word] = _form(compressed.read_bytes())
    return Built(MEDIA_TYPES[path.suffix[1:]], forms)


def _form(content: bytes) -> tuple[bytes, str]:
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
