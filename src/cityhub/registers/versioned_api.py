"""The doors of a versioned register: list, add, show, change, delete, versions, start and stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic

from cityhub.model.errors import BadRequestData
from cityhub.registers.questions import page_of, tag_of, versions_of
from cityhub.registers.versioned import D, Deed, VersionedRegister, present
from cityhub.web.http import Request, Response, Route, json_response


class VersionedDoors(Generic[D]):
    """The doors of a register.

    Args:
        prefix: Of their paths: "/api/feeds"; its last part names the list in an answer.
        register: The register.
        read: A body to a definition. Raises BadRequestData.
        show: A definition by its id as it is answered, with its "version".
        all: All of them as they are answered.
        can_stop: Whether definitions can be started and stopped.
        check: Raises for what may not be changed by anybody here, given the id; and what else a definition must satisfy, given it.
    """

    def __init__(
        self,
        prefix: str,
        register: VersionedRegister[D],
        read: Callable[[bytes], D],
        show: Callable[[str], Awaitable[dict[str, Any]]],
        all: Callable[[Request], Awaitable[list[dict[str, Any]]]],
        *,
        can_stop: bool = True,
        check: Callable[[str, D | None], Awaitable[None]] | None = None,
    ) -> None:
        self._prefix = prefix
        self._register = register
        self._read = read
        self._show_one = show
        self._show_all = all
        self._can_stop = can_stop
        self._check = check

    def routes(self) -> list[Route]:
        """All doors; the permissions are "<kind>.read" and "<kind>.write"."""
        name = self._register.kind.name
        one, title, tag = f"{self._prefix}/{{id}}", name.capitalize(), self._prefix.rpartition("/")[2]

        def door(method: str, path: str, handler: Any, right: str, operation: str) -> Route:
            return Route(method, path, handler, f"{name}.{right}", operation, tag=tag)

        doors = [
            door("GET", self._prefix, self._list, "read", f"List {title}s"),
            door("POST", self._prefix, self._create, "write", f"Add {title}"),
            door("GET", one, self._show, "read", f"Show {title}"),
            door("PUT", one, self._replace, "write", f"Change {title}"),
            door("DELETE", one, self._delete, "write", f"Delete {title}"),
            door("GET", f"{one}/versions", self._versions, "read", f"List Versions of {title}"),
        ]
        if self._can_stop:
            doors += [
                door("POST", f"{one}/start", self._start, "write", f"Start {title}"),
                door("POST", f"{one}/stop", self._stop, "write", f"Stop {title}"),
            ]
        return doors

    async def _list(self, request: Request) -> Response:
        found = await self._show_all(request)
        return json_response({"total": len(found), self._prefix.rpartition("/")[2]: found})

    async def _show(self, request: Request) -> Response:
        return await self._answer(request.parameters["id"])

    async def _create(self, request: Request) -> Response:
        wanted = self._read(request.body)
        await self._checked(wanted.id, wanted)
        made = await self._register.create(wanted, deed_of(request))
        return await self._answer(made.id, 201, [("location", f"{self._prefix}/{made.id}")])

    async def _replace(self, request: Request) -> Response:
        id = request.parameters["id"]
        wanted = self._read(request.body)
        if wanted.id != id:
            raise BadRequestData(f"'id' must be '{id[:100]}' as in the address; a {self._register.kind.name} keeps its name")
        await self._checked(id, wanted)
        await self._register.replace(wanted, deed_of(request), versions_of(request))
        return await self._answer(id)

    async def _delete(self, request: Request) -> Response:
        id = request.parameters["id"]
        await self._checked(id)
        await self._register.delete(id, deed_of(request), versions_of(request))
        return Response(204)

    async def _start(self, request: Request) -> Response:
        return await self._switch(request, True)

    async def _stop(self, request: Request) -> Response:
        return await self._switch(request, False)

    async def _switch(self, request: Request, enabled: bool) -> Response:
        id = request.parameters["id"]
        await self._checked(id)
        await self._register.switch(id, enabled, deed_of(request), versions_of(request))
        return await self._answer(id)

    async def _versions(self, request: Request) -> Response:
        limit, offset = page_of(request)
        versions, total = await self._register.versions(request.parameters["id"], limit, offset)
        return json_response({"total": total, "versions": [present(record) for record in versions]})

    async def _checked(self, id: str, definition: D | None = None) -> None:
        if self._check is not None:
            await self._check(id, definition)

    async def _answer(self, id: str, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
        answer = await self._show_one(id)
        return json_response(answer, status, [*(headers or []), ("etag", tag_of(answer["version"]))])


def deed_of(request: Request) -> Deed:
    """Who changes something by a request, and why ("why" of its query)."""
    return Deed(request.principal.id, request.query.get("why", ""), request.trace)
