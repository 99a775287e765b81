"""The doors under `/api/people`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cityhub.access.people import Register, read
from cityhub.model.errors import NotFound
from cityhub.model.ports import Person
from cityhub.registers.questions import object_of, page_of
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/people"
_SHOWN: Final = 3
"""So many characters at the beginning of a contact are shown, and a few at its end."""


class PeopleApi:
    """The doors of the people.

    Args:
        register: The people.
    """

    def __init__(self, register: Register) -> None:
        self._register = register

    def routes(self) -> list[Route]:
        """All doors, for the hub."""

        def door(method: str, path: str, handler: Any, right: str, operation: str) -> Route:
            return Route(method, f"{PREFIX}{path}", handler, f"people.{right}", operation, tag="people")

        return [
            door("GET", "", self._list, "read", "List People"),
            door("POST", "", self._create, "write", "Add Person"),
            door("GET", "/me", self._me, "read", "Show Oneself"),
            door("GET", "/{id}", self._show, "read", "Show Person"),
            door("PATCH", "/{id}", self._amend, "write", "Change Person"),
            door("DELETE", "/{id}", self._remove, "write", "Remove Person"),
        ]

    async def _list(self, request: Request) -> Response:
        limit, offset = page_of(request, "department", "role", "q")
        query = request.query
        wanted = query.get("q", "").casefold()
        found = [
            person
            for person in self._register.all()
            if query.get("department", person.department) == person.department
            and ("role" not in query or query["role"] in person.roles)
            and wanted in person.name.casefold()
        ]
        return json_response({"total": len(found), "people": [shown(person) for person in found[offset : offset + limit]]})

    async def _me(self, request: Request) -> Response:
        """Who is calling: a person of the register, or only the local user."""
        principal = request.principal
        person = self._register.person(principal.id)
        return json_response({"id": principal.id, "roles": list(principal.roles), **({"person": shown(person)} if person else {})})

    async def _create(self, request: Request) -> Response:
        person = await self._register.add(read(object_of(request)), request.trace)
        return json_response(shown(person), 201, [("location", f"{PREFIX}/{person.id}")])

    async def _show(self, request: Request) -> Response:
        person = self._register.person(request.parameters["id"])
        if person is None:
            raise NotFound(f"There is no person '{request.parameters['id'][:100]}'")
        return json_response(shown(person))

    async def _amend(self, request: Request) -> Response:
        body = object_of(request, tuple(Person.__struct_fields__))
        return json_response(shown(await self._register.amend(request.parameters["id"], body, request.trace)))

    async def _remove(self, request: Request) -> Response:
        await self._register.remove(request.parameters["id"], request.trace)
        return Response(204)


def shown(person: Person) -> dict[str, Any]:
    """A person as the doors show them: contacts are masked."""
    document: dict[str, Any] = msgspec.to_builtins(person)
    if person.contacts:
        document["contacts"] = {channel: masked(contact) for channel, contact in person.contacts.items()}
    return document


def masked(contact: str) -> str:
    """A contact of which only the two ends can be read: 13812345678 becomes 138****5678.

    >>> masked("13812345678")
    '138****5678'
    """
    end = _SHOWN + 1
    if len(contact) <= _SHOWN + end:
        return "****"
    return f"{contact[:_SHOWN]}****{contact[-end:]}"
