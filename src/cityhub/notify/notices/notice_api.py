"""The doors under `/api/notices`: the ledger, what is unread, the live stream, and what people do about messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from cityhub.model.errors import BadRequestData, Conflict, Forbidden
from cityhub.model.ports import People
from cityhub.model.time import Clock, to_text
from cityhub.notify.notices.channels.screen import Screens
from cityhub.notify.notices.expansion import NOBODY, Surroundings, expanded
from cityhub.notify.notices.ledger import Ledger, Line, document_of
from cityhub.notify.notices.message import STATES, Message
from cityhub.registers.questions import object_of, page_of, text_of
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/notices"
READ: Final = "notice.read"
WRITE: Final = "notice.write"
FILTERS: Final = ("person", "state", "why", "key", "channel", "from", "to")


class NoticeApi:
    """The doors of messages.

    Args:
        ledger: The messages.
        screens: The open screens.
        people: Who there is.
        around: What notices are told with.
        clock: The present time.
        key_of: The key of a webhook's receiver; None: there are no webhooks.
    """

    def __init__(
        self,
        ledger: Ledger,
        screens: Screens,
        people: People,
        around: Callable[[], Surroundings],
        clock: Clock,
        key_of: Callable[[str], str] | None = None,
    ) -> None:
        self._key_of = key_of
        self._ledger = ledger
        self._screens = screens
        self._people = people
        self._around = around
        self._clock = clock

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one = f"{PREFIX}/{{id}}"

        def door(method: str, path: str, handler: Any, permission: str, operation: str) -> Route:
            return Route(method, path, handler, permission, operation, tag="notices")

        return [
            door("GET", PREFIX, self._list, READ, "List Messages"),
            door("GET", f"{PREFIX}/mine", self._mine, READ, "List My Unread Messages"),
            door("GET", f"{PREFIX}/stream", self._stream, READ, "Stream My Messages"),
            door("GET", f"{PREFIX}/webhook-key", self._webhook_key, WRITE, "Show Key of a Webhook"),
            door("GET", one, self._show, READ, "Show Message"),
            door("POST", f"{one}/read", self._read, READ, "Acknowledge Message"),
            door("POST", f"{one}/replay", self._replay, WRITE, "Send Message Again"),
            door("POST", f"{one}/arrived", self._arrived, WRITE, "Settle Doubtful Message"),
        ]

    async def _list(self, request: Request) -> Response:
        limit, offset = page_of(request, *FILTERS)
        wanted: dict[str, str] = {name: request.query[name] for name in FILTERS if name in request.query}
        for state in filter(None, wanted.get("state", "").split(",")):
            if state not in STATES:
                raise BadRequestData(f"'state' must be one or more of {', '.join(STATES)}")
        ids, count = self._ledger.find(
            lambda line: _matches(line, wanted), limit, offset, person=wanted.get("person"), key=wanted.get("key")
        )
        return json_response({"notices": [self._shown(await self._ledger.read(id)) for id in ids], "count": count})

    async def _show(self, request: Request) -> Response:
        return json_response(self._shown(await self._ledger.read(request.parameters["id"])))

    async def _mine(self, request: Request) -> Response:
        limit, offset = page_of(request)
        ids = self._ledger.unread(request.principal.id)
        found = [self._shown(await self._ledger.read(id)) for id in ids[offset : offset + limit]]
        return json_response({"notices": found, "count": len(ids)})

    async def _stream(self, request: Request) -> Response:
        person = request.principal.id
        screen = self._screens.open(person, len(self._ledger.unread(person)))
        headers = [("cache-control", "no-store"), ("x-accel-buffering", "no")]
        return Response(200, headers=headers, media_type="text/event-stream; charset=utf-8", chunks=screen)

    async def _read(self, request: Request) -> Response:
        person = request.principal.id

        def read(message: Message, at: str) -> Message | None:
            if message.person != person:
                raise Forbidden("Only the person whom a message is for can say that they have seen it: name them with 'CityHub-Person'")
            if message.state == "gathered" or message.read_at:
                return None
            state = message.state if message.state in ("queued", "sending", "failed") else "read"
            return msgspec.structs.replace(message, state=state, read_at=at)

        message = await self._ledger.change(request.parameters["id"], read, trace=request.trace)
        self._screens.tell(person, "read", {"id": message.id, "unread": len(self._ledger.unread(person))})
        return json_response(self._shown(message))

    async def _replay(self, request: Request) -> Response:
        note = _note(request)
        message = await self._ledger.read(request.parameters["id"])
        if message.person == NOBODY:
            return await self._tell_anew(message, note, request)
        now = self._clock.now()

        def again(message: Message, at: str) -> Message:
            if message.state not in ("dead", "doubtful"):
                raise Conflict(f"The message is '{message.state}'; only one that is 'dead' or 'doubtful' can be sent again")
            detail = _by(request, "sent again", note)
            return msgspec.structs.replace(message, state="queued", due_at=to_text(now), attempts=0, detail=detail)

        return json_response(self._shown(await self._ledger.change(message.id, again, trace=request.trace)))

    async def _tell_anew(self, message: Message, note: str, request: Request) -> Response:
        """Tells those who are there now of what nobody was there to hear."""
        notice = await self._ledger.notice(message.tenant, message.key)
        if notice is None or message.state != "dead":
            raise Conflict("The notice was told meanwhile, or is not kept any more")
        made = expanded(notice, message.tenant, self._clock.now(), self._around())
        if made[0].person == NOBODY:
            raise Conflict(f"Still nobody can hear of it: {made[0].detail}")

        def told(message: Message, at: str) -> Message | None:
            names = ", ".join(sorted({one.person for one in made}))
            return msgspec.structs.replace(message, state="sent", sent_at=at, detail=_by(request, f"told to {names}", note))

        return json_response(self._shown(await self._ledger.change(message.id, told, made, request.trace)))

    async def _arrived(self, request: Request) -> Response:
        note = _note(request)

        def settled(message: Message, at: str) -> Message:
            if message.state != "doubtful":
                raise Conflict(f"The message is '{message.state}'; only one that is 'doubtful' can be settled")
            return msgspec.structs.replace(message, state="delivered", delivered_at=at, detail=_by(request, "has arrived", note))

        return json_response(self._shown(await self._ledger.change(request.parameters["id"], settled, trace=request.trace)))

    async def _webhook_key(self, request: Request) -> Response:
        url = request.query.get("url", "")
        if self._key_of is None or not url.startswith(("https://", "http://")):
            raise BadRequestData("'url' must be the http or https address of a webhook's receiver")
        return json_response({"url": url, "key": self._key_of(url)}, headers=[("cache-control", "no-store")])

    def _shown(self, message: Message) -> dict[str, Any]:
        person = self._people.person(message.person)
        return {
            **document_of(message), "at": message.created_at, "title": message.subject, "state": message.state, "urgent": message.urgent,
            "name": person.name if person else "",
        }  # fmt: skip


def _matches(line: Line, wanted: dict[str, str]) -> bool:
    for name in ("person", "why", "key", "channel"):
        if name in wanted and getattr(line, name) != wanted[name]:
            return False
    if "state" in wanted and line.state not in wanted["state"].split(","):
        return False
    return wanted.get("from", "") <= line.created_at < wanted.get("to", "~")


def _note(request: Request) -> str:
    return text_of(object_of(request, ("note",)), "note") if request.body else ""


def _by(request: Request, what: str, note: str) -> str:
    return f"{what} by {request.principal.id}" + (f": {note}" if note else "")
