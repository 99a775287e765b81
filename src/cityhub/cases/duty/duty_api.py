"""The doors under `/api/duty`: posts, rosters, who is on duty, gaps, swaps, handovers and chains of escalation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from cityhub.cases.duty.escalation import Escalation, read_chain
from cityhub.cases.duty.handover import Handovers, is_whole
from cityhub.cases.duty.post import Post
from cityhub.cases.duty.roster import Shift
from cityhub.cases.duty.rota import Rota, read_post
from cityhub.cases.duty.standing import Standing
from cityhub.cases.duty.swaps import Swap, Swaps
from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.model.ports import Document, People
from cityhub.model.time import Clock, to_text
from cityhub.registers.questions import object_of, page_of, text_of
from cityhub.registers.versioned import present
from cityhub.registers.versioned_api import VersionedDoors, deed_of
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/duty"
READ: Final = "duty.read"
WRITE: Final = "duty.write"
USUAL_SPAN: Final = timedelta(days=14)
LONGEST_SPAN: Final = timedelta(days=400)


class DutyApi:
    """The doors of duty.

    Args:
        rota: Posts and rosters.
        swaps: Swaps of shifts.
        handovers: Handovers.
        escalation: The chains.
        standing: The gaps that come.
        people: Names.
        clock: The present time.
    """

    def __init__(
        self, rota: Rota, swaps: Swaps, handovers: Handovers, escalation: Escalation, standing: Standing, people: People, clock: Clock
    ) -> None:
        self._rota = rota
        self._swaps = swaps
        self._handovers = handovers
        self._escalation = escalation
        self._standing = standing
        self._people = people
        self._clock = clock

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        posts = VersionedDoors(
            f"{PREFIX}/posts", self._rota.posts, read_post, self._post, self._posts, can_stop=False, check=self._rota.check
        )
        chains = VersionedDoors(
            f"{PREFIX}/escalations", self._escalation.chains, read_chain, self._chain, self._chains, can_stop=False
        )
        versioned = [
            msgspec.structs.replace(one, permission=f"duty.{one.permission.rpartition('.')[2]}", tag="duty")
            for one in (*posts.routes(), *chains.routes())
        ]

        def door(method: str, path: str, handler: Any, permission: str, operation: str) -> Route:
            return Route(method, f"{PREFIX}{path}", handler, permission, operation, tag="duty")

        return [
            *versioned,
            door("GET", "/now", self._now, READ, "Who Is on Duty"),
            door("GET", "/gaps", self._gaps, READ, "List Gaps of Rosters"),
            door("GET", "/rosters/{post}", self._roster, READ, "Show Roster"),
            door("PUT", "/rosters/{post}", self._plan, WRITE, "Plan Roster"),
            door("GET", "/swaps", self._list_swaps, READ, "List Swaps"),
            door("POST", "/swaps", self._propose, WRITE, "Propose Swap"),
            door("POST", "/swaps/{id}/agree", self._agree, WRITE, "Agree to Swap"),
            door("POST", "/swaps/{id}/refuse", self._refuse, WRITE, "Refuse Swap"),
            door("GET", "/handovers", self._list_handovers, READ, "List Handovers"),
            door("POST", "/handovers", self._hand_over, WRITE, "Begin Handover"),
            door("GET", "/handovers/{id}", self._handover, READ, "Show Handover"),
            door("POST", "/handovers/{id}/sign", self._sign, WRITE, "Sign Handover"),
        ]

    async def _post(self, id: str) -> dict[str, Any]:
        self._rota.posts.get(id)
        return present(self._rota.posts.record(id) or {})

    async def _posts(self, request: Request) -> list[dict[str, Any]]:
        return [await self._post(post.id) for post in self._rota.posts.all()]

    async def _chain(self, id: str) -> dict[str, Any]:
        self._escalation.chains.get(id)
        return present(self._escalation.chains.record(id) or {})

    async def _chains(self, request: Request) -> list[dict[str, Any]]:
        return [await self._chain(chain.id) for chain in self._escalation.chains.all()]

    async def _now(self, request: Request) -> Response:
        at = self._clock.now()
        posts = [self._present(post, at) for post in self._rota.posts.all()]
        return json_response({"at": to_text(at), "posts": posts, "count": len(posts)})

    def _present(self, post: Post, at: datetime) -> dict[str, Any]:
        shifts = self._rota.shifts(post.id, at, at + timedelta(microseconds=1))
        people = list(dict.fromkeys(id for shift in shifts for id in shift.people))
        until = min((to_text(shift.end) for shift in shifts), default="")
        return {
            "id": post.id, "title": post.title, "department": post.department, "people": people, "names": self._names(people),
            "until": until,
        }  # fmt: skip

    def _names(self, people: list[str]) -> dict[str, str]:
        return {id: person.name for id in people if (person := self._people.person(id)) is not None}

    async def _gaps(self, request: Request) -> Response:
        start, end = _span_of(request, self._clock.now())
        gaps = self._standing.gaps(start, end)
        return json_response({"gaps": gaps, "count": len(gaps)})

    async def _roster(self, request: Request) -> Response:
        post = self._rota.posts.get(request.parameters["post"])
        return self._shown_roster(post, *_span_of(request, self._clock.now()))

    def _shown_roster(self, post: Post, start: datetime, end: datetime) -> Response:
        shifts = self._rota.shifts(post.id, start, end)
        gaps = [{"from": to_text(first), "to": to_text(last)} for first, last in self._rota.gaps(post, start, end)]
        shown = [{"from": to_text(shift.start), "to": to_text(shift.end), "people": shift.people} for shift in shifts]
        names = self._names(sorted({id for shift in shifts for id in shift.people}))
        span = {"from": to_text(start), "to": to_text(end)}
        return json_response({"post": post.id, **span, "shifts": shown, "count": len(shown), "names": names, "gaps": gaps})

    async def _plan(self, request: Request) -> Response:
        post = self._rota.posts.get(request.parameters["post"])
        shifts = _shifts_of(object_of(request, ("shifts",)).get("shifts"))
        if not shifts and not {"from", "to"} <= request.query.keys():
            raise InvalidRequest("'from' and 'to' must say which span is planned, or 'shifts' must have a shift")
        start, end = _span_of(request, min((one.start for one in shifts), default=self._clock.now()))
        if "to" not in request.query:
            end = max(one.end for one in shifts)
        await self._rota.plan(post.id, start, end, shifts, deed_of(request))
        return self._shown_roster(post, start, end)

    async def _list_swaps(self, request: Request) -> Response:
        return _listed(request, "swaps", await self._swaps.all())

    async def _propose(self, request: Request) -> Response:
        try:
            swap = msgspec.convert(object_of(request), Swap)
        except msgspec.ValidationError as error:
            raise BadRequestData(f"The swap is not as it should be: {error}") from None
        for turn in filter(None, (swap.give, swap.take)):
            if turn.start.tzinfo is None:
                raise BadRequestData("'start' must be a time with its offset, such as 2026-11-24T00:30:00Z")
        return json_response(await self._swaps.propose(swap, request.principal.id, request.trace), 201)

    async def _agree(self, request: Request) -> Response:
        return json_response(await self._swaps.agree(request.parameters["id"], request.principal.id, request.trace))

    async def _refuse(self, request: Request) -> Response:
        return json_response(await self._swaps.refuse(request.parameters["id"], request.principal.id, request.trace))

    async def _list_handovers(self, request: Request) -> Response:
        found, count = await self._handovers.page(*page_of(request))
        return json_response({"handovers": [_whole(one) for one in found], "count": count})

    async def _hand_over(self, request: Request) -> Response:
        body = object_of(request, ("post", "told"))
        post, told = text_of(body, "post", needed=True), text_of(body, "told", most=10_000)
        return json_response(_whole(await self._handovers.begin(post, told, request.principal.id, request.trace)), 201)

    async def _handover(self, request: Request) -> Response:
        return json_response(_whole(await self._handovers.read(request.parameters["id"])))

    async def _sign(self, request: Request) -> Response:
        hash = text_of(object_of(request, ("hash",)), "hash")
        return json_response(_whole(await self._handovers.sign(request.parameters["id"], hash, request.principal.id, request.trace)))


class _Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shift as it is given."""

    start: datetime = msgspec.field(name="from")
    end: datetime = msgspec.field(name="to")
    people: list[str]


def _whole(handover: Document) -> Document:
    """A handover as it is shown: "content" is what is signed; "whole" says whether that still is what stands there."""
    content = handover["content"]
    return {**handover, **content, "open": [*content["alerts"], *content["cases"]], "whole": is_whole(handover)}


def _listed(request: Request, name: str, found: list[Document]) -> Response:
    limit, offset = page_of(request)
    return json_response({name: found[offset : offset + limit], "count": len(found)})


def _span_of(request: Request, now: datetime) -> tuple[datetime, datetime]:
    start = _moment(request.query["from"], "from") if "from" in request.query else now
    end = _moment(request.query["to"], "to") if "to" in request.query else start + USUAL_SPAN
    if not start < end <= start + LONGEST_SPAN:
        raise InvalidRequest(f"'from' must be before 'to', and not more than {LONGEST_SPAN.days} days")
    return start, end


def _moment(text: str, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is not None and 1970 < moment.year < 9000:
            return moment.astimezone(UTC)
    except ValueError:
        pass
    raise InvalidRequest(f"'{name}' must be a time with its offset, such as 2026-11-24T00:30:00Z")


def _shifts_of(given: Any) -> list[Shift]:
    try:
        shifts = msgspec.convert(given, list[_Planned])
    except msgspec.ValidationError as error:
        raise BadRequestData(f"'shifts' must be a list of {{\"from\", \"to\", \"people\"}}: {error}") from None
    if any(moment.tzinfo is None for shift in shifts for moment in (shift.start, shift.end)):
        raise BadRequestData("'from' and 'to' of a shift must be times with their offset, such as 2026-11-24T00:30:00Z")
    if len(shifts) > 3_000:
        raise BadRequestData("'shifts' may have at most 3000 items")
    return [Shift(shift.start.astimezone(UTC), shift.end.astimezone(UTC), shift.people) for shift in shifts]
