"""The doors of templates and of the policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from cityhub.model.errors import BadRequestData
from cityhub.notify.notices.expansion import Surroundings
from cityhub.notify.notices.policy import Policy
from cityhub.notify.notices.template import LANGUAGES, Template, check_template, worded
from cityhub.notify.notices.texts import Texts, read_policy, read_template
from cityhub.registers.questions import object_of, tag_of, versions_of
from cityhub.registers.versioned import present
from cityhub.registers.versioned_api import VersionedDoors, deed_of
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/notices"


class TextsApi:
    """Templates with their versions, the policy, and the trial of a template.

    Args:
        texts: Templates and policy.
        around: The district's time.
    """

    def __init__(self, texts: Texts, around: Callable[[], Surroundings]) -> None:
        self._texts = texts
        self._around = around

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        doors = VersionedDoors(
            f"{PREFIX}/templates", self._texts.templates, read_template, self._template, self._templates, can_stop=False
        )
        templates = [
            msgspec.structs.replace(route, permission=route.permission.replace("template.", "notice."), tag="notices")
            for route in doors.routes()
        ]
        return [
            *templates,
            Route("GET", f"{PREFIX}/policy", self._policy, "notice.read", "Show Policy of Notices", tag="notices"),
            Route("PUT", f"{PREFIX}/policy", self._change_policy, "notice.write", "Change Policy of Notices", tag="notices"),
            Route("POST", f"{PREFIX}/trial", self._trial, "notice.read", "Try Template", tag="notices"),
        ]

    async def _template(self, id: str) -> dict[str, Any]:
        self._texts.templates.get(id)
        return present(self._texts.templates.record(id) or {})

    async def _templates(self, request: Request) -> list[dict[str, Any]]:
        return [await self._template(one.id) for one in self._texts.templates.all()]

    async def _policy(self, request: Request) -> Response:
        return self._answer()

    async def _change_policy(self, request: Request) -> Response:
        policy = read_policy(request.body)
        await self._texts.policies.replace(policy, deed_of(request), versions_of(request))
        return self._answer()

    def _answer(self) -> Response:
        policy: Policy = self._texts.policy
        record = self._texts.policies.record("policy") or {}
        shown = {**msgspec.to_builtins(policy, str_keys=True), **_whole(policy), "changed": present(record)["changed"]}
        return json_response(shown, headers=[("etag", tag_of(policy.version))])

    async def _trial(self, request: Request) -> Response:
        body = object_of(request, ("template", "values"))
        template, values = self._tried(body.get("template")), body.get("values", {})
        if not isinstance(values, dict):
            raise BadRequestData("'values' must be an object with what the template fills in")
        made = {language: worded(template, language, values, self._around().zone) for language in LANGUAGES}
        return json_response({language: msgspec.to_builtins(wording) for language, wording in made.items()})

    def _tried(self, given: Any) -> Template:
        """The template to try: one that is given, or one of the register by its id."""
        if isinstance(given, str):
            return self._texts.templates.get(given)
        try:
            template = msgspec.convert(given, Template)
        except (msgspec.ValidationError, RecursionError) as error:
            raise BadRequestData(f"'template' must be a template or the id of one: {error}") from None
        check_template(template)
        return template


def _whole(policy: Policy) -> dict[str, Any]:
    """All members, also those that have their usual value."""
    return {name: msgspec.to_builtins(getattr(policy, name)) for name in policy.__struct_fields__}
