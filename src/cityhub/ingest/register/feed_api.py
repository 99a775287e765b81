"""The doors under `/api/feeds`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final

import msgspec

from cityhub.ingest.devices.device_access import device_key
from cityhub.ingest.devices.index import Key
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import Described, Gateway
from cityhub.ingest.message import MAX_BODY, Message
from cityhub.ingest.register.definition import definition_of, read_definition
from cityhub.ingest.register.feed_answers import FeedAnswers
from cityhub.ingest.register.feeds import Deed, FeedRegister, present
from cityhub.ingest.register.push import push, settled_document
from cityhub.ingest.register.questions import object_of, page_of, tag_of, text_of, versions_of
from cityhub.model.errors import BadRequestData, Forbidden, InvalidRequest
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/feeds"
READ: Final = "feed.read"
WRITE: Final = "feed.write"
PUSH: Final = "message.write"
"""What a sender needs; a device has it for its own feed."""


class FeedApi:
    """The doors of feeds.

    Args:
        register: The feeds.
        answers: How they are shown.
        gateway: What runs them.
        clock: The present time.
        spoke: Hears that a device sent something.
    """

    def __init__(
        self, register: FeedRegister, answers: FeedAnswers, gateway: Gateway, clock: Clock, spoke: Callable[[Key], None]
    ) -> None:
        self._spoke = spoke
        self._register = register
        self._answers = answers
        self._gateway = gateway
        self._clock = clock

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one = f"{PREFIX}/{{id}}"

        def door(method: str, path: str, handler: Any, permission: str, operation: str) -> Route:
            return Route(method, path, handler, permission, operation, tag="feeds")

        return [
            door("GET", PREFIX, self._list, READ, "List Feeds"),
            door("POST", PREFIX, self._create, WRITE, "Add Feed"),
            door("GET", f"{PREFIX}/protocols", self._protocols, READ, "List Protocols of Feeds"),
            door("GET", f"{PREFIX}/formats", self._formats, READ, "List Formats of Feeds"),
            door("POST", f"{PREFIX}/trial", self._trial, WRITE, "Try Feed"),
            door("GET", one, self._show, READ, "Show Feed"),
            door("PUT", one, self._replace, WRITE, "Change Feed"),
            door("DELETE", one, self._delete, WRITE, "Delete Feed"),
            door("GET", f"{one}/versions", self._versions, READ, "List Versions of Feed"),
            door("POST", f"{one}/start", self._start, WRITE, "Start Feed"),
            door("POST", f"{one}/stop", self._stop, WRITE, "Stop Feed"),
            door("POST", f"{one}/messages", self._push, PUSH, "Push Message to Feed"),
        ]

    async def _list(self, request: Request) -> Response:
        feeds = await self._answers.all()
        return json_response({"total": len(feeds), "feeds": feeds})

    async def _show(self, request: Request) -> Response:
        return await self._answer(request.parameters["id"])

    async def _create(self, request: Request) -> Response:
        wanted = read_definition(request.body)
        self._answers.check_changeable(wanted.id)
        feed = await self._register.create(wanted, _deed(request))
        return await self._answer(feed.id, 201, [("location", f"{PREFIX}/{feed.id}")])

    async def _replace(self, request: Request) -> Response:
        id = request.parameters["id"]
        feed = read_definition(request.body)
        if feed.id != id:
            raise BadRequestData(f"'id' must be '{id[:100]}' as in the address; a feed keeps its name")
        self._answers.check_changeable(id)
        await self._register.replace(feed, _deed(request), versions_of(request))
        return await self._answer(id)

    async def _delete(self, request: Request) -> Response:
        self._answers.check_changeable(request.parameters["id"])
        await self._register.delete(request.parameters["id"], _deed(request), versions_of(request))
        return Response(204)

    async def _start(self, request: Request) -> Response:
        return await self._switch(request, True)

    async def _stop(self, request: Request) -> Response:
        return await self._switch(request, False)

    async def _switch(self, request: Request, enabled: bool) -> Response:
        id = request.parameters["id"]
        self._answers.check_changeable(id)
        await self._register.switch(id, enabled, _deed(request), versions_of(request))
        return await self._answer(id)

    async def _versions(self, request: Request) -> Response:
        limit, offset = page_of(request)
        versions, total = await self._register.versions(request.parameters["id"], limit, offset)
        return json_response({"total": total, "versions": [present(record) for record in versions]})

    async def _protocols(self, request: Request) -> Response:
        return json_response({"protocols": [_described(one) for one in await self._gateway.protocols()]})

    async def _formats(self, request: Request) -> Response:
        return json_response({"formats": [_described(one) for one in await self._gateway.formats()]})

    async def _trial(self, request: Request) -> Response:
        body = object_of(request, ("feed", "sample", "sampleBase64", "about", "format"))
        feed = self._tried(body.get("feed"))
        about = body.get("about", {})
        if not isinstance(about, dict):
            raise BadRequestData("'about' must be an object, such as {\"topic\": [\"rain\", \"7\"]}")
        message = Message(_sample(body), about, to_text(self._clock.now()), text_of(body, "format"))
        trial = await self._gateway.trial(feed, message)
        return json_response(msgspec.to_builtins(trial))

    def _tried(self, definition: Any) -> Feed:
        """The definition to try: one that is given, or that of a feed of the register by its id."""
        if isinstance(definition, str):
            return self._register.get(definition)
        if not isinstance(definition, dict):
            raise BadRequestData("'feed' must be a definition, or the id of a feed")
        return definition_of({"id": "sample", **definition})

    async def _push(self, request: Request) -> Response:
        feed = self._register.get(request.parameters["id"])
        key = _device_of(request)
        if key is not None:
            self._spoke(key)
        device = key[1] if key is not None else ""
        settled = await push(self._gateway, feed, request, self._clock, device)
        return json_response(settled_document(settled))

    async def _answer(self, id: str, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
        answer = await self._answers.one(id)
        return json_response(answer, status, [*(headers or []), ("etag", tag_of(answer["version"]))])


def _deed(request: Request) -> Deed:
    why = request.query.get("why", "")
    return Deed(request.principal.id, why, request.trace)


def _device_of(request: Request) -> Key | None:
    """The device that is calling; None when it is none. Raises Forbidden for a device that belongs to another feed."""
    key = device_key(request.principal)
    if key is not None and f"feed:{request.parameters['id']}" not in request.principal.roles:
        raise Forbidden("A device sends to its own feed only: its 'feed' in the register of devices must be this one")
    return key


def _sample(body: dict[str, Any]) -> bytes:
    if ("sample" in body) == ("sampleBase64" in body):
        raise BadRequestData("Either 'sample' (text) or 'sampleBase64' must be there")
    if "sample" in body:
        return text_of(body, "sample", most=MAX_BODY).encode()
    try:
        return base64.b64decode(text_of(body, "sampleBase64", most=MAX_BODY * 2), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("'sampleBase64' must be Base64") from None


def _described(one: Described) -> dict[str, Any]:
    return {"name": one.name, "summary": one.summary, "schema": one.schema, **({"title": one.title} if one.title else {})}
