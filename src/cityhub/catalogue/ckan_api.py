"""The doors of CKAN's Action API, version 3: `/api/3/action/{action}`, and `/api/action/{action}` as its client has it.

Reading actions are open to everybody and show what is open; holders of `catalogue.read` see everything. Errors have CKAN's form,
but for those of a caller who may not pass a door at all.

Source: CKAN 2.11, API guide and `ckan.views.api`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from cityhub.catalogue.ckan_datastore import CkanDatastore
from cityhub.catalogue.ckan_errors import ValidationError, error_form
from cityhub.catalogue.ckan_read import CkanReading, Data, wanted
from cityhub.catalogue.ckan_write import CkanWriting
from cityhub.catalogue.register import Register
from cityhub.catalogue.seen import ANY_PAGE, WRITE, Seen, Viewers
from cityhub.catalogue.tables import Tables
from cityhub.model.errors import CityHubError, InvalidRequest
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import tenant_of

PREFIXES: Final = ("/api/3/action", "/api/action")
SQL: Final = "datastore_search_sql"
MAY_ASK: Final = "sql.query"
"""The permission of statements, as at the hub's own door for them."""
SOURCE: Final = "CKAN 2.11 Action API"
Action = Callable[[Seen, Data], Awaitable[Any]]


class CkanApi:
    """The doors of the actions.

    Args:
        register: The catalogue.
        viewers: Who sees what.
        tables: The rows of datasets.
    """

    def __init__(self, register: Register, viewers: Viewers, tables: Tables) -> None:
        self._viewers = viewers
        self._reading: dict[str, Action] = {**_actions(CkanReading()), **_actions(CkanDatastore(tables)), "help_show": self._help_show}
        self._sql: Action = self._reading.pop(SQL)
        self._writing = _actions(CkanWriting(register, viewers.whole))

    def routes(self) -> list[Route]:
        """All doors, for the hub. What reads is one door for all names, what writes one for each, with its permission."""
        found: list[Route] = []
        names = {"pathSchemas": {"action": {"type": "string", "enum": sorted(self._reading)}}}
        for prefix in PREFIXES:
            alias = "" if prefix == PREFIXES[0] else " by the Client"
            for method in ("GET", "POST"):
                said = f"CKAN Reading Action {method}{alias}"
                found.append(Route(method, f"{prefix}/{{action}}", self._read, "public", said, SOURCE, "catalogue", names))
                said = f"CKAN datastore search sql {method}{alias}"
                found.append(Route(method, f"{prefix}/{SQL}", self._let_in(SQL, self._sql), MAY_ASK, said, SOURCE, "catalogue"))
            for name, action in self._writing.items():
                said = f"CKAN {name.replace('_', ' ')}{alias}"
                found.append(Route("POST", f"{prefix}/{name}", self._let_in(name, action), WRITE, said, SOURCE, "catalogue"))
        return found

    async def _read(self, request: Request) -> Response:
        name = request.parameters["action"]
        action = self._reading.get(name)
        if action is None:
            text = f"Bad request - Action name not known: {name[:100]}"
            return Response(400, orjson.dumps(text), None, "application/json;charset=utf-8")
        return await self._answer(request, name, action, self._viewers.seen(request))

    def _let_in(self, name: str, action: Action) -> Callable[[Request], Awaitable[Response]]:
        """The handler of an action whose caller was let in by the action's own permission."""

        async def answer(request: Request) -> Response:
            return await self._answer(request, name, action, self._whole(request))

        return answer

    async def _whole(self, request: Request) -> Seen:
        return await self._viewers.whole(tenant_of(request), request.principal)

    async def _answer(self, request: Request, name: str, action: Action, seen: Awaitable[Seen]) -> Response:
        document: Data = {"help": f"/api/3/action/help_show?name={name}"}
        try:
            view = await seen
            document |= {"success": True, "result": await action(view, _parameters(request))}
        except InvalidRequest as error:
            return Response(400, orjson.dumps(f"Bad request - {error.detail}"), None, "application/json;charset=utf-8")
        except CityHubError as error:
            status, fault = error_form(error)
            return _json(status, {**document, "success": False, "error": fault})
        return _json(200, document)

    async def _help_show(self, seen: Seen, data: Data) -> Any:
        name = wanted(data, "name")
        action = {**self._reading, **self._writing, SQL: self._sql}.get(name)
        if action is None:
            raise ValidationError({"name": [f"Action name not known: {name[:100]}"]})
        return action.__doc__


def _actions(holder: object) -> dict[str, Action]:
    """The actions of an object: its public methods."""
    return {name: getattr(holder, name) for name in vars(type(holder)) if not name.startswith("_")}


def _parameters(request: Request) -> Data:
    """The parameters of an action: of the query, or of a body of JSON or a form. Raises InvalidRequest."""
    found: Data = dict(request.query)
    if request.method != "POST" or not request.body:
        return found
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "application/x-www-form-urlencoded":
        text = request.body.decode("utf-8", "replace")
        if text.lstrip().startswith("{"):  # what curl -d sends, and CKAN reads
            return {**found, **_object(request.body)}
        return {**found, **{name: values[-1] for name, values in parse_qs(text, keep_blank_values=True, max_num_fields=1000).items()}}
    if media == "multipart/form-data":
        raise InvalidRequest("The catalogue keeps no files; send JSON with the address of the file as 'url'")
    return {**found, **_object(request.body)}


def _object(body: bytes) -> Data:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"JSON Error: Error decoding JSON data. Error: {error}") from None
    if not isinstance(document, dict):
        raise InvalidRequest(f"JSON Error: Request data JSON decoded to {type(document).__name__} but it needs to be a dictionary.")
    return document


def _json(status: int, document: Data) -> Response:
    return Response(status, orjson.dumps(document), [ANY_PAGE], "application/json;charset=utf-8")
