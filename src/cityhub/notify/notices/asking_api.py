"""The door by which people and other systems tell people something."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.ports import Notice, Notices, Store
from cityhub.registers.questions import object_of
from cityhub.web.http import Request, Response, Route, json_response

MOST_HEARERS: Final = 1_000
MOST_KEY: Final = 500
MOST_VALUES: Final = 64 * 1024


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for, see `cityhub.model.ports.Notice`."""

    key: str
    template: str = "message"
    values: dict[str, Any] = {}
    people: list[str] = []
    posts: list[str] = []
    departments: list[tuple[str, str]] = []
    urgent: bool = False
    link: str = ""


class AskingApi:
    """The door.

    Args:
        store: Where notices are asked for.
        notices: Tells them.
    """

    def __init__(self, store: Store, notices: Notices) -> None:
        self._store = store
        self._notices = notices

    def routes(self) -> list[Route]:
        """The door, for the hub."""
        return [Route("POST", "/api/notices", self._ask, "notice.write", "Tell People", tag="notices")]

    async def _ask(self, request: Request) -> Response:
        notice = _notice_of(object_of(request), request.principal.id)
        (result,) = await self._store.write("", [self._notices.write(notice)], request.trace)
        if isinstance(result, CityHubError):
            raise result
        return json_response({"key": notice.key}, 202)


def _notice_of(body: dict[str, Any], by: str) -> Notice:
    try:
        asked = msgspec.convert(body, _Asked)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRequestData(f"The notice is not as it should be: {error}") from None
    if not 0 < len(asked.key) <= MOST_KEY or not 0 < len(asked.template) <= 64:
        raise BadRequestData(f"'key' must have 1 to {MOST_KEY} characters and 'template' 1 to 64: the same key is told once")
    hearers = len(asked.people) + len(asked.posts) + len(asked.departments)
    if not 1 <= hearers <= MOST_HEARERS:
        raise BadRequestData(f"'people', 'posts' and 'departments' must name 1 to {MOST_HEARERS} hearers together")
    if len(orjson.dumps(asked.values)) > MOST_VALUES:
        raise BadRequestData(f"'values' may have at most {MOST_VALUES} bytes as JSON")
    if asked.link and not (asked.link.startswith("/") and len(asked.link) <= 500):
        raise BadRequestData("'link' must be a path in the operations centre, such as /alerts")
    return Notice(
        asked.key, by, asked.template, asked.values, asked.people, asked.posts, asked.departments, asked.urgent, asked.link
    )
