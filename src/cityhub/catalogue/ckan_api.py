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
from cityhub.catalogue.seen import READ, WRITE, Seen, Viewers
from cityhub.catalogue.tables import Tables
from cityhub.model.errors import CityHubError, InvalidRequest
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import tenant_of

PREFIXES: Final = ("/api/3/action", "/api/action")
SQL: Final = "datastore_search_sql"
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
        reading, datastore = CkanReading(), CkanDatastore(tables)
        self._reading = {**_actions(reading), **_actions(datastore), "help_show": self._help_show}
        self._writing = _actions(CkanWriting(register, viewers.whole))

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        found: list[Route] = []
        for prefix in PREFIXES:
            alias = "" if prefix == PREFIXES[0] else " by the Client"
            for name, action in self._reading.items():
                permission = READ if name == SQL else "public"
                for method in ("GET", "POST"):
                    found.append(self._route(method, prefix, name, action, permission, alias))
            found += [self._route("POST", prefix, name, action, WRITE, alias) for name, action in self._writing.items()]
            for method in ("GET", "POST"):
                said = f"CKAN Unknown Action {method}{alias}"
                found.append(Route(method, f"{prefix}/{{action}}", self._unknown, "public", said, tag="catalogue"))
        return found

    def _route(self, method: str, prefix: str, name: str, action: Action, permission: str, alias: str) -> Route:
        async def answer(request: Request) -> Response:
            return await self._answer(request, name, action, permission)

        said = f"CKAN {name.replace('_', ' ')} {method}{alias}"
        return Route(method, f"{prefix}/{name}", answer, permission, said, "CKAN 2.11 Action API", "catalogue")

    async def _answer(self, request: Request, name: str, action: Action, permission: str) -> Response:
        document: Data = {"help": f"/api/3/action/help_show?name={name}"}
        try:
            data = _parameters(request)
            seen = await (self._viewers.seen(request) if permission == "public" else self._viewers.whole(tenant_of(request)))
            document |= {"success": True, "result": await action(seen, data)}
        except InvalidRequest as error:
            return Response(400, orjson.dumps(f"Bad request - {error.detail}"), None, "application/json;charset=utf-8")
        except CityHubError as error:
            status, fault = error_form(error)
            return _json(status, {**document, "success": False, "error": fault})
        return _json(200, document)

    async def _unknown(self, request: Request) -> Response:
        name = request.parameters["action"][:100]
        text = f"Bad request - Action name not known: {name}"
        return Response(400, orjson.dumps(text), None, "application/json;charset=utf-8")

    async def _help_show(self, seen: Seen, data: Data) -> Any:
        name = wanted(data, "name")
        action = self._reading.get(name) or self._writing.get(name)
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
    return Response(status, orjson.dumps(document), None, "application/json;charset=utf-8")
