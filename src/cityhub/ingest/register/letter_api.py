"""The doors under `/api/dead-letters`."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from cityhub.ingest.register.letters import Letter, Letters
from cityhub.ingest.register.replay import MOST, Replay
from cityhub.model.dead_letter import MOST_BODY
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import Document
from cityhub.registers.questions import object_of, page_of, text_of
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/dead-letters"
READ: Final = "dead-letter.read"
WRITE: Final = "dead-letter.write"


class LetterApi:
    """The doors of dead letters, of all tenants, as they belong to the feeds.

    Args:
        letters: The letters.
        replay: Tries them again.
        caught_up: Returns when the letters that were acknowledged are known.
    """

    def __init__(self, letters: Letters, replay: Replay, caught_up: Callable[[], Awaitable[None]]) -> None:
        self._letters = letters
        self._caught_up = caught_up
        self._replay = replay

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one = f"{PREFIX}/{{id}}"

        def door(method: str, path: str, handler: Any, permission: str, operation: str) -> Route:
            async def fresh(request: Request) -> Response:
                await self._caught_up()
                answer: Response = await handler(request)
                return answer

            return Route(method, path, fresh, permission, operation, tag="feeds")

        return [
            door("GET", PREFIX, self._list, READ, "List Dead Letters"),
            door("POST", f"{PREFIX}/replay", self._run, WRITE, "Replay Dead Letters"),
            door("POST", f"{PREFIX}/delete", self._delete_many, WRITE, "Delete Dead Letters"),
            door("GET", one, self._show, READ, "Show Dead Letter"),
            door("PUT", one, self._fix, WRITE, "Fix Dead Letter"),
            door("DELETE", one, self._delete, WRITE, "Delete Dead Letter"),
        ]

    async def _list(self, request: Request) -> Response:
        limit, offset = page_of(request, "feed", "stage")
        feed, stage = request.query.get("feed", ""), request.query.get("stage", "")
        page = await self._letters.page(feed, stage, limit, offset)
        shown = [shown_header(tenant, header) for tenant, header in page]
        by_feed = self._letters.counts_by_feed()
        return json_response({"total": self._letters.count(feed, stage), "byFeed": by_feed, "letters": shown})

    async def _show(self, request: Request) -> Response:
        return json_response(shown_letter(await self._letters.read(self._letters.find(request.parameters["id"]))))

    async def _fix(self, request: Request) -> Response:
        key = self._letters.find(request.parameters["id"])
        body = text_of(object_of(request, ("body",)), "body", most=MOST_BODY).encode()
        await self._letters.fix(key, body, request.principal.id, request.trace)
        return json_response(shown_letter(await self._letters.read(key)))

    async def _delete(self, request: Request) -> Response:
        await self._letters.remove([self._letters.find(request.parameters["id"])], request.trace)
        return Response(204)

    async def _delete_many(self, request: Request) -> Response:
        keys = self._chosen(request)
        await self._letters.remove(keys, request.trace)
        return json_response({"deleted": len(keys)})

    async def _run(self, request: Request) -> Response:
        replayed = await self._replay.run(self._chosen(request))
        return json_response(msgspec.to_builtins(replayed))

    def _chosen(self, request: Request) -> list[tuple[str, str]]:
        """The letters that an order is about, the oldest first. Raises BadRequestData, NotFound."""
        body = object_of(request, ("ids", "feed", "stage"))
        if "ids" in body:
            ids = body["ids"]
            if not isinstance(ids, list) or len(ids) > MOST or not all(isinstance(id, str) for id in ids):
                raise BadRequestData(f"'ids' must be a list of at most {MOST} ids of dead letters")
            return [self._letters.find(id) for id in dict.fromkeys(ids)]
        found = list(self._letters.keys(text_of(body, "feed", needed=True), text_of(body, "stage")))
        found.reverse()
        return found


def shown_header(tenant: str, header: Document) -> dict[str, Any]:
    """A letter as it stands in a list."""
    return {**header, "tenant": tenant, "whole": header["size"] <= MOST_BODY}


def shown_letter(letter: Letter) -> dict[str, Any]:
    """A letter with what is kept of its body: as text if it is UTF-8, else in Base64."""
    shown = {**shown_header(letter.tenant, letter.header), "whole": letter.is_whole}
    try:
        text = letter.body.decode()
    except UnicodeDecodeError:
        return {**shown, "bodyBase64": base64.b64encode(letter.body).decode()}
    return {**shown, "body": text}
