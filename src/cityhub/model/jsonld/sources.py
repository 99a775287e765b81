"""Where the parts of an @context come from: the documents that it names, and reading one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from cityhub.model.errors import BadRequestData, ContextUnavailable
from cityhub.model.jsonld.core import is_core_url

Loader = Callable[[str], Any]
"""Gives the JSON document of an absolute URL. Raises ContextUnavailable when it cannot be had."""

MAX_DEPTH: Final = 16
"""How deep @contexts may name each other or be nested in arrays."""

MAX_DOCUMENTS: Final = 64
"""How many documents one @context may draw on."""

MAX_TERMS: Final = 20_000
"""How many term definitions one @context may have in all."""

MAX_URL_LENGTH: Final = 2048


def remote_urls(context: Any, base: str = "") -> list[str]:
    """The absolute URLs that an @context names directly, in order and without core @contexts.

    Args:
        context: The value of an "@context" member.
        base: URL of the document that it stands in; "" for one that came with a request.

    Raises:
        BadRequestData: When a URL is neither absolute nor relative to a base.
    """
    urls: list[str] = []
    _collect(context, base, urls, 0)
    return urls


def _collect(context: Any, base: str, urls: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadRequestData(f"The @context is nested more than {MAX_DEPTH} levels deep")
    if isinstance(context, list):
        for item in context:
            _collect(item, base, urls, depth + 1)
    elif isinstance(context, str):
        url = absolute_url(context, base)
        if not is_core_url(url) and url not in urls:
            urls.append(url)
    elif isinstance(context, dict) and isinstance(context.get("@import"), str):
        _collect(context["@import"], base, urls, depth + 1)


def absolute_url(url: str, base: str) -> str:
    """The URL resolved against a base and without fragment. Raises BadRequestData unless the result is an http(s) URL."""
    try:
        resolved = urljoin(base, url.strip()) if base else url.strip()
        parts = urlsplit(resolved)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and len(resolved) <= MAX_URL_LENGTH
    except ValueError:
        valid = False
    if not valid:
        raise BadRequestData(f"'{url[:200]}' in the @context is not an absolute http or https URL")
    return resolved


def context_of(document: Any, url: str) -> Any:
    """The "@context" member of a JSON-LD document. Raises ContextUnavailable when there is none."""
    if not isinstance(document, dict) or "@context" not in document:
        raise ContextUnavailable(f"The document at {url} is not a JSON-LD @context: an object with a member '@context' is needed")
    return document["@context"]


def no_documents(url: str) -> Any:
    """A loader that has nothing. Raises ContextUnavailable."""
    raise ContextUnavailable(f"The @context {url} is not available")


def absolute_context(context: Any, base: str, depth: int = 0) -> Any:
    """The @context with the URLs in it made absolute, so that it can be kept apart from its document.

    Raises:
        BadRequestData: When a URL is none, or beyond the depth bound.
    """
    if depth > MAX_DEPTH:
        raise BadRequestData(f"The @context is nested more than {MAX_DEPTH} levels deep")
    if isinstance(context, list):
        return [absolute_context(item, base, depth + 1) for item in context]
    if isinstance(context, str):
        return absolute_url(context, base)
    if isinstance(context, dict) and isinstance(context.get("@import"), str):
        return {**context, "@import": absolute_url(context["@import"], base)}
    return context
