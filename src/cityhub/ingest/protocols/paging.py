"""The pages of an answer: where the next one is, and when there is none."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec
from yarl import URL

from cityhub.ingest.message import TroubleAtSource
from cityhub.ingest.protocols.http_calls import Reply
from cityhub.ingest.protocols.marks import finder

_LINK: Final = re.compile(r'<([^<>]*)>\s*;[^,]*?\brel\s*=\s*"?(?:[^",;]*\s)?next(?:\s[^",;]*)?"?', re.IGNORECASE)


class Paging(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a service divides a long answer.

    Attributes:
        kind: "none"; "page" counts pages (`{page}`); "offset" counts records (`{offset}`); "cursor" hands on a text of the answer
            (`{cursor}`); "next" is a URL in the answer; "link" is the Link header with rel="next" (RFC 8288).
        path: (FEEL) where cursor or URL stand in the answer ("meta.next").
        first: Number of the first page.
        size: Records in a full page (`{size}`): fewer are the last page. 0: only an empty page is the end.
        most: Pages of one walk at most; the next walk goes on from there.
    """

    kind: Literal["none", "page", "offset", "cursor", "next", "link"] = "none"
    path: str = ""
    first: int = 1
    size: int = 0
    most: int = 10_000


Place = dict[str, Any]
"""Which page: {"page": 3}, {"offset": 200}, {"cursor": "..."} or {"url": "..."}; {} is the first."""


class Pages:
    """Steps from one page to the next."""

    def __init__(self, paging: Paging) -> None:
        """Raises BadRequestData when the path is none."""
        self._paging = paging
        self._find = finder(paging.path)

    def values(self, place: Place) -> dict[str, Any]:
        """What `{page}`, `{offset}`, `{size}` and `{cursor}` stand for on a page."""
        first = {"page": self._paging.first, "offset": 0, "size": self._paging.size or None, "cursor": None}
        return {**first, **{name: value for name, value in place.items() if name != "url"}}

    def following(self, place: Place, reply: Reply, answer: Any, records: int) -> Place:
        """The next page, {} when this was the last."""
        kind = self._paging.kind
        if kind in ("page", "offset"):
            if not records or records < self._paging.size:
                return {}
            return {"page": place.get("page", self._paging.first) + 1} if kind == "page" else {"offset": place.get("offset", 0) + records}
        if kind == "cursor":
            cursor = self._find(answer)
            return {"cursor": cursor} if _is_new(cursor, place.get("cursor")) else {}
        if kind == "next":
            return self._leads_to(place, reply, self._find(answer))
        if kind == "link":
            match = _LINK.search(reply.headers.get("link", ""))
            return self._leads_to(place, reply, match[1] if match else None)
        return {}

    def _leads_to(self, place: Place, reply: Reply, reference: Any) -> Place:
        if not reference or not isinstance(reference, str):
            return {}
        here = URL(reply.url)
        try:
            url = here.join(URL(reference))
        except ValueError:
            raise TroubleAtSource(f"The next page '{reference[:200]}' is no address") from None
        if url.origin() != here.origin():
            raise TroubleAtSource(f"The next page is at '{url.origin()}'; only pages of '{here.origin()}' are read")
        return {"url": str(url)} if str(url) != place.get("url") else {}


def _is_new(cursor: Any, before: Any) -> bool:
    return isinstance(cursor, (str, int)) and not isinstance(cursor, bool) and cursor != "" and cursor != before
