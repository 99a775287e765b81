"""What the doors of registers read from a request."""

from __future__ import annotations

from typing import Any, Final

from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.web.conditional import matching_versions
from cityhub.web.http import Request

LIMIT: Final = 50
MOST: Final = 1_000
FARTHEST: Final = 10_000_000


def page_of(request: Request, *filters: str) -> tuple[int, int]:
    """Limit and offset. Raises InvalidRequest for numbers out of range and for parameters that are not among the filters."""
    for name in request.query:
        if name not in ("limit", "offset", *filters):
            raise InvalidRequest(f"'{name[:50]}' is no parameter here; these are: {', '.join((*filters, 'limit', 'offset'))}")
    return _number(request, "limit", LIMIT, 1, MOST), _number(request, "offset", 0, 0, FARTHEST)


def _number(request: Request, name: str, usual: int, least: int, most: int) -> int:
    text = request.query.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise InvalidRequest(f"'{name}' must be a whole number from {least} to {most}")
    return int(text)


def versions_of(request: Request) -> frozenset[str] | None:
    """The versions that If-Match names; None: any."""
    return matching_versions(request.headers.get("if-match"))


def tag_of(version: int) -> str:
    """The entity tag of a version, as `versions_of` reads it."""
    return f'"{version}.0"'


def object_of(request: Request, known: tuple[str, ...] = ()) -> dict[str, Any]:
    """The body as a JSON object. Raises InvalidRequest, and BadRequestData for members that are not known (if any are named)."""
    body = request.json()
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object")
    for name in body:
        if known and name not in known:
            raise BadRequestData(f"'{name[:50]}' is no member here; these are: {', '.join(known)}")
    return body


def text_of(body: dict[str, Any], name: str, *, needed: bool = False, most: int = 1_000) -> str:
    """A member that is a text; "" when it is not there. Raises BadRequestData."""
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > most or (needed and not value):
        raise BadRequestData(f"'{name}' must be a text{' that is not empty' if needed else ''} of at most {most} characters")
    return value
