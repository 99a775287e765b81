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
from cityhub.ingest.register.feeds import FeedRegister
from cityhub.ingest.register.push import push, settled_document
from cityhub.model.errors import BadRequestData, Forbidden, InvalidRequest
from cityhub.model.time import Clock, to_text
from cityhub.registers.questions import object_of, page_of, text_of
from cityhub.registers.versioned_api import VersionedDoors
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
        def door(method: str, path: str, handler: Any, permission: str, operation: str) -> Route:
            return Route(method, f"{PREFIX}/{path}", handler, permission, operation, tag="feeds")

        return [
            door("GET", "protocols", self._protocols, READ, "List Protocols of Feeds"),
            door("GET", "formats", self._formats, READ, "List Formats of Feeds"),
            door("POST", "trial", self._trial, WRITE, "Try Feed"),
            *VersionedDoors(PREFIX, self._register, read_definition, self._answers.one, self._all, check=self._check).routes(),
            door("GET", "{id}/scores", self._scores, READ, "List Scores of Feed"),
            door("POST", "{id}/messages", self._push, PUSH, "Push Message to Feed"),
        ]

    async def _all(self, request: Request) -> list[dict[str, Any]]:
        return await self._answers.all()

    async def _check(self, id: str, feed: Feed | None) -> None:
        self._answers.check_changeable(id)

    async def _protocols(self, request: Request) -> Response:
        return json_response({"protocols": [_described(one) for one in await self._gateway.protocols()]})

    async def _formats(self, request: Request) -> Response:
        return json_response({"formats": [_described(one) for one in await self._gateway.formats()]})

    async def _scores(self, request: Request) -> Response:
        """How good the data of each thing are, the worst first."""
        feed = self._register.get(request.parameters["id"])
        limit, _ = page_of(request)
        scores = await self._gateway.scores(feed.id, [], limit)
        return json_response({"scores": [{"thing": one.thing, "score": one.score, "values": one.values} for one in scores]})

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
