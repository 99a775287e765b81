"""The doors under `/api/warnings`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.model.errors import BadRequestData
from cityhub.registers.questions import object_of, page_of, tag_of, text_of, versions_of
from cityhub.rules.cap.message import Message
from cityhub.rules.warnings.authority import shown
from cityhub.rules.warnings.register import MOST_WHY, WarningRegister, township_count
from cityhub.rules.warnings.warning import Content, Warning, content_of
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/warnings"
READ: Final = "warning.read"
WRITE: Final = "warning.write"
RELEASE: Final = "warning.release"
CAP: Final = "application/cap+xml"


class WarningApi:
    """The doors of warnings.

    Args:
        register: The warnings.
    """

    def __init__(self, register: WarningRegister) -> None:
        self._register = register

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one = f"{PREFIX}/{{id}}"

        def door(method: str, path: str, handler: Any, permission: str, operation: str) -> Route:
            return Route(method, path, handler, permission, operation, tag="warnings")

        return [
            door("GET", PREFIX, self._list, READ, "List Warnings"),
            door("POST", PREFIX, self._draft, WRITE, "Draft Warning"),
            door("GET", f"{PREFIX}/authority", self._authority, READ, "Show Who May Warn of What"),
            door("GET", one, self._show, READ, "Show Warning"),
            door("PUT", one, self._amend, WRITE, "Change Draft of Warning"),
            door("GET", f"{one}/cap", self._cap, READ, "Show CAP Message of Warning"),
            door("POST", f"{one}/release", self._release, RELEASE, "Release Warning"),
            door("POST", f"{one}/update", self._update, WRITE, "Draft Update of Warning"),
            door("POST", f"{one}/cancel", self._cancel, RELEASE, "Cancel Warning"),
            door("POST", f"{one}/reject", self._reject, WRITE, "Reject Draft of Warning"),
        ]

    async def _list(self, request: Request) -> Response:
        limit, offset = page_of(request, "state", "event", "alert", "scope")
        query = request.query
        found = [one for one in self._register.all() if _matches(one, query)]
        return json_response({"warnings": [self._brief(one) for one in found[offset : offset + limit]], "count": len(found)})

    async def _authority(self, request: Request) -> Response:
        return json_response(shown(self._register.authority))

    async def _show(self, request: Request) -> Response:
        return self._answer(await self._register.whole(request.parameters["id"]))

    async def _draft(self, request: Request) -> Response:
        content, why = _content(request)
        self._register.check_caller(request.principal.id)
        made = await self._register.draft(content, request.principal.id, why=why, trace=request.trace)
        return self._answer(made, 201, [("location", f"{PREFIX}/{made.id}")])

    async def _amend(self, request: Request) -> Response:
        content, why = _content(request)
        self._register.check_caller(request.principal.id)
        return self._answer(
            await self._register.amend(request.parameters["id"], content, request.principal.id, why, versions_of(request), request.trace)
        )

    async def _release(self, request: Request) -> Response:
        id, by, why = _deed(request)
        return self._answer(await self._register.release(id, by, why, versions_of(request), request.trace))

    async def _update(self, request: Request) -> Response:
        content, why = _content(request)
        self._register.check_caller(request.principal.id)
        made = await self._register.update(request.parameters["id"], content, request.principal.id, why, request.trace)
        return self._answer(made, 201, [("location", f"{PREFIX}/{made.id}")])

    async def _cancel(self, request: Request) -> Response:
        id, by, why = _deed(request)
        return self._answer(await self._register.cancel(id, by, why, versions_of(request), request.trace))

    async def _reject(self, request: Request) -> Response:
        id, by, why = _deed(request)
        self._register.check_caller(by)
        return self._answer(await self._register.reject(id, by, why, versions_of(request), request.trace))

    async def _cap(self, request: Request) -> Response:
        """The signed message; of a draft what a release would sign, as JSON, since nothing unsigned may look like a warning."""
        warning = await self._register.whole(request.parameters["id"])
        record = await self._register.message(warning.cancelled_by or warning.identifier) if warning.identifier else None
        if record is not None:
            return Response(200, record["xml"].encode(), [("cache-control", "no-cache")], CAP)
        return json_response({"signed": False, "state": warning.state, "message": _written(self._register.preview(warning))})

    def _answer(self, warning: Warning, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
        answer = {**self._brief(warning), "places": msgspec.to_builtins(warning.places), "impact": warning.impact}
        return json_response(answer, status, [*(headers or []), ("etag", tag_of(warning.version))])

    def _brief(self, warning: Warning) -> dict[str, Any]:
        """A warning as lists show it."""
        brief: dict[str, Any] = msgspec.to_builtins(warning)
        del brief["places"], brief["impact"]
        people = warning.impact.get("population", {})
        return {
            "alert": "", "follows": "", "followedBy": "", "identifier": "", "sent": "", "cancelledBy": "", **brief,
            "version": warning.version, "population": people.get("value"), "townships": township_count(warning),
            "cap": f"{PREFIX}/{warning.id}/cap",
        }  # fmt: skip


def _matches(warning: Warning, query: dict[str, str]) -> bool:
    facts = {"state": warning.state, "event": warning.content.event, "alert": warning.alert, "scope": warning.content.scope}
    return all(facts[name] in wanted.split(",") for name, wanted in query.items() if name in facts)


def _content(request: Request) -> tuple[Content, str]:
    """What a warning is to say, and why: the content with "why" beside it."""
    body = object_of(request)
    why = text_of(body, "why", most=MOST_WHY)
    return content_of({name: value for name, value in body.items() if name != "why"}), why


def _deed(request: Request) -> tuple[str, str, str]:
    """Which warning, who, and why."""
    body = object_of(request, ("why", "note")) if request.body else {}
    if "why" in body and "note" in body:
        raise BadRequestData("Either 'why' or 'note' says why, not both")
    why = text_of(body, "why", most=MOST_WHY) or text_of(body, "note", most=MOST_WHY)
    return request.parameters["id"], request.principal.id, why


def _written(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = msgspec.to_builtins(message)
    return written
