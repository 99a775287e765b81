"""Several requests in one, as JSON. Each is by itself: one that fails does not undo the others.

Source: OASIS OData JSON Format 4.01, 19 (Batch Requests and Responses).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

import orjson

from cityhub.ingest.sensorthings.bodies import read_object
from cityhub.model.errors import BadRequestData, NotImplementedHere
from cityhub.web.http import Request, Response

MAX_REQUESTS: Final = 200
"""Most requests in one."""
_ROOT: Final = "/sta/v1.1/"


async def answer_batch(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """The answers to all requests of a batch. Raises BadRequestData, or NotImplementedHere for atomicity groups and multipart."""
    if "multipart" in request.headers.get("content-type", ""):
        raise NotImplementedHere("Batches are taken as application/json, not as multipart/mixed")
    requests = read_object(request.json(), "The body").get("requests")
    if not isinstance(requests, list) or len(requests) > MAX_REQUESTS:
        raise BadRequestData(f'The body must be {{"requests": [...]}} with at most {MAX_REQUESTS} requests')
    known: dict[str, str] = {}
    responses = [await _one(request, read_object(one, "Each request"), known, answer) for one in requests]
    return Response(200, orjson.dumps({"responses": responses}), None, "application/json;charset=UTF-8")


async def _one(
    whole: Request, one: dict[str, Any], known: dict[str, str], answer: Callable[[Request], Awaitable[Response]]
) -> dict[str, Any]:
    if "atomicityGroup" in one:
        raise NotImplementedHere("Atomicity groups are not offered: nest the entities in one another, which is taken as a whole")
    id, method, url = str(one.get("id", "")), str(one.get("method", "")).upper(), one.get("url")
    if not isinstance(url, str) or not id or "$batch" in url:
        raise BadRequestData("Each request must have an 'id', a 'method' and a 'url' such as Things('...')")
    inner = _request(whole, method, _referred(url, known), one.get("body"), known)
    response = await answer(inner)
    location = dict(response.headers).get("location", "")
    if location:
        known[id] = location.partition(_ROOT)[2]
    body = orjson.loads(response.body) if response.body and "json" in dict(response.headers).get("content-type", "") else None
    return {"id": id, "status": response.status, **({"location": location} if location else {}), **({"body": body} if body else {})}


def _request(whole: Request, method: str, url: str, body: Any, known: dict[str, str]) -> Request:
    path, _, query = url.removeprefix(_ROOT).lstrip("/").partition("?")
    data = b"" if body is None else orjson.dumps(_linked(body, known))
    made = Request(method, _ROOT + unquote(path), query, whole.headers, data)
    made.parameters = {"path": unquote(path)}
    made.principal, made.trace, made.peer, made.tenant = whole.principal, whole.trace, whole.peer, whole.tenant
    return made


def _referred(url: str, known: dict[str, str]) -> str:
    """An address that begins with $id, the entity that an earlier request made."""
    head, slash, rest = url.lstrip("/").partition("/")
    return known.get(head[1:], head) + slash + rest if head.startswith("$") else url


def _linked(body: Any, known: dict[str, str]) -> Any:
    """A body with the ids of what earlier requests made, where it says {"@iot.id": "$id"}."""
    if isinstance(body, list):
        return [_linked(one, known) for one in body]
    if not isinstance(body, dict):
        return body
    made = {name: _linked(value, known) for name, value in body.items()}
    id = made.get("@iot.id")
    if isinstance(id, str) and id.startswith("$") and id[1:] in known:
        made["@iot.id"] = unquote(known[id[1:]].partition("('")[2].removesuffix("')")).replace("''", "'")
    return made
