"""The push door: any body by HTTP becomes one message of a feed."""

from __future__ import annotations

from typing import Any, Final

from cityhub.ingest.decoding import MEDIA_TYPES
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import Gateway
from cityhub.ingest.message import MAX_BODY, Message, Settled
from cityhub.model.errors import BadRequestData, CityHubError, StoreUnavailable, TooBusy, TooLarge, UnsupportedMediaType
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Request

UNSAID: Final = frozenset(("", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain"))
"""Media types that say nothing of the format: then it is the feed's."""
PRIVATE: Final = frozenset(("authorization", "cookie", "proxy-authorization"))
"""Headers that no mapping and no dead letter sees."""
RETRY_S: Final = 1
MOST_HEADERS: Final = 40


async def push(gateway: Gateway, feed: Feed, request: Request, clock: Clock, device: str = "") -> Settled:
    """What became of a body, all of it durable.

    Raises:
        UnsupportedMediaType: The body is of a media type that no format has, or it is compressed.
        TooBusy, StoreUnavailable: It could not be taken now; the answer then says when to try again.
    """
    message = message_of(feed, request, clock, device)
    try:
        return await gateway.push(feed.id, message)
    except (TooBusy, StoreUnavailable):
        request.answer_headers.append(("retry-after", str(RETRY_S)))
        raise


def message_of(feed: Feed, request: Request, clock: Clock, device: str = "") -> Message:
    """The message that a request carries. Raises UnsupportedMediaType, TooLarge, BadRequestData."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("The body must not be compressed")
    if len(request.body) > MAX_BODY:
        raise TooLarge(f"A message may have at most {MAX_BODY} bytes; send smaller ones, or the whole as a file")
    if not request.body:
        raise BadRequestData("The body is empty; right would be what the feed's 'format' says")
    headers = {name: value for name, value in request.headers.items() if name not in PRIVATE}
    about: dict[str, Any] = {
        "path": request.path, "query": request.query, "headers": dict(list(headers.items())[:MOST_HEADERS]), "remote": request.peer,
        **({"device": device} if device else {}),
    }  # fmt: skip
    return Message(request.body, about, to_text(clock.now()), format_of(feed, request.headers.get("content-type", "")))


def format_of(feed: Feed, content_type: str) -> str:
    """The format that a media type names, "" for the feed's own. Raises UnsupportedMediaType."""
    media = content_type.partition(";")[0].strip().lower()
    if media in UNSAID:
        return ""
    format = MEDIA_TYPES.get(media)
    if format is None:
        raise UnsupportedMediaType(f"'{media[:100]}' is no format of messages; these are: {', '.join(sorted(MEDIA_TYPES))}")
    return "" if format == feed.format else format


def settled_document(settled: Settled) -> dict[str, Any]:
    """What became of a message, as it is answered."""
    return {
        "written": settled.written, "late": settled.late, "same": settled.same, "flagged": settled.flagged, "refused": settled.refused,
    }  # fmt: skip


def reason_of(error: CityHubError) -> str:
    """Why something failed, in one line."""
    return f"{error.title}: {error.detail}"
