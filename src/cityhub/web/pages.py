"""The hub's own pages: static files from the package, with strong ETags, compressed once, under a strict policy.

Nothing on a page comes from another host, and no script or style stands in the HTML itself.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Final

import msgspec

from cityhub.model.errors import NotFound
from cityhub.web.http import Request, Response, Route

MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
SECURITY_HEADERS: Final = (
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
)


class Asset(msgspec.Struct, frozen=True):
    """A static file in memory, plain and compressed, each with a strong ETag of its own."""

    media_type: str
    plain: bytes
    plain_etag: str
    zipped: bytes
    zipped_etag: str


FOLDER: Final = Path(__file__).with_name("pages")


def read_assets(folder: Path = FOLDER) -> dict[str, Asset]:
    """All files of a folder whose ending is known, by name."""
    assets = {}
    for item in sorted(folder.iterdir()):
        media_type = MEDIA_TYPES.get(item.name.rpartition(".")[2])
        if media_type:
            assets[item.name] = make_asset(item.read_bytes(), media_type)
    return assets


def make_asset(content: bytes, media_type: str) -> Asset:
    """A static file from its content."""
    zipped = gzip.compress(content, 9, mtime=0)
    return Asset(media_type, content, _etag(content), zipped, _etag(zipped))


def answer(asset: Asset, request: Request) -> Response:
    """The file, or 304 when the caller has it already."""
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    body, etag = (asset.zipped, asset.zipped_etag) if zipped else (asset.plain, asset.plain_etag)
    headers = [("etag", etag), ("vary", "accept-encoding"), ("cache-control", "no-cache"), *SECURITY_HEADERS]
    known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(304, headers=headers)
    if zipped:
        headers.append(("content-encoding", "gzip"))
    return Response(200, body, headers, asset.media_type)


def page_routes(assets: dict[str, Asset]) -> list[Route]:
    """`/` is the status page; `/pages/{name}` its parts. They hold no data, so they are public."""

    async def home(request: Request) -> Response:
        return answer(assets["status.html"], request)

    return [
        Route("GET", "/", home, "public", "Status page", tag="pages"),
        part_route("/pages", assets, "Page file"),
    ]


def part_route(path: str, assets: dict[str, Asset], operation: str) -> Route:
    """`path/{name}`: the files of a page by their names."""

    async def part(request: Request) -> Response:
        name = request.parameters["name"]
        if name not in assets:
            raise NotFound(f"There is no page file '{name[:100]}'")
        return answer(assets[name], request)

    return Route("GET", f"{path}/{{name}}", part, "public", operation, tag="pages")


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
