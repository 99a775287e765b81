"""Drafts of warnings from alerts (the port `Drafts`): what a rule says, filled with what the alert knows.

Every draft has an id that follows from the alert and what it is about, so that asking again changes nothing. What people have written
is never overwritten: a note says then what has changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from cityhub.model.alert import Alert, is_graver, reaches, read_alert
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import Document
from cityhub.model.time import Clock, to_text
from cityhub.rules.rule import Severity
from cityhub.rules.warnings.authority import people_of
from cityhub.rules.warnings.composing import COLOURS, moment
from cityhub.rules.warnings.ground import Ground
from cityhub.rules.warnings.register import WarningRegister
from cityhub.rules.warnings.template import Template, filled, read_template, span_of
from cityhub.rules.warnings.warning import RULE, Content, Warning, Where, id_for

MOST_NAMED: Final = 6
"""So many places are named in a text; of the others their number is told."""


class AlertDrafts:
    """Makes drafts of alerts.

    Args:
        register: The warnings.
        ground: Finds places.
        clock: The present time.
    """

    def __init__(self, register: WarningRegister, ground: Ground, clock: Clock) -> None:
        self._register = register
        self._ground = ground
        self._clock = clock

    async def draft(self, tenant: str, alert: Entity, warning: Document) -> None:
        """See `cityhub.model.ports.Drafts.draft`. Raises BadRequestData for a template that cannot become a warning."""
        known = read_alert(alert)
        if known is None or not warning:
            return
        if tenant:
            raise BadRequestData("Warnings are drafted for alerts of the default tenant only: the district's bodies stand there")
        template = read_template(warning)
        if known.cleared:
            await self._end(known)
        elif reaches(known.grade, template.from_severity):
            await self._raise(known, template)

    def warning_of(self, tenant: str, alert: str) -> str:
        """See `cityhub.model.ports.Drafts.warning_of`."""
        found = self._register.of_alert(alert)
        return (self._current(alert) or found[-1]).id if found else ""

    async def _raise(self, alert: Alert, template: Template) -> None:
        """The first draft, or the one that follows a graver or less grave step."""
        current = self._current(alert.id)
        if current is None:
            content = await self._content(alert, template)
            await self._register.draft(content, _author(alert), why=_why(alert), id=id_for(alert.id, alert.grade), alert=alert.id)
        elif current.content.grade == alert.grade:
            return
        elif current.state == "released":
            follow = id_for(alert.id, alert.grade, current.id)
            content = await self._content(alert, template)
            await self._register.draft(
                content, _author(alert), why=_why(alert), id=follow, alert=alert.id, incident=current.incident, follows=current,
                kind="Update",
            )  # fmt: skip
        elif people_of(current):
            if is_graver(alert.grade, current.content.grade):
                await self._register.note(current.id, _author(alert), f"the alert has become {alert.grade}")
        else:
            await self._register.amend(current.id, await self._content(alert, template), _author(alert), _why(alert))

    async def _end(self, alert: Alert) -> None:
        """The alert's condition has ended: drafts that nobody touched go, what is released gets the draft of its end."""
        why = f"the condition of alert {alert.id} ended at {alert.cleared}"
        for warning in self._register.of_alert(alert.id):
            if warning.state == "draft" and warning.kind != "Cancel":
                if people_of(warning):
                    await self._register.note(warning.id, _author(alert), why)
                else:
                    await self._register.reject(warning.id, _author(alert), why)
            elif warning.state == "released":
                await self._register.draft(
                    warning.content, _author(alert), why=why, id=id_for(alert.id, "end", warning.id), alert=alert.id,
                    incident=warning.incident, follows=warning, kind="Cancel",
                )  # fmt: skip

    def _current(self, alert: str) -> Warning | None:
        """The draft that waits, else the one that is released."""
        found = self._register.of_alert(alert)
        drafts = [one for one in found if one.state == "draft" and one.kind != "Cancel"]
        released = [one for one in found if one.state == "released"]
        return next(iter([*drafts, *released]), None)

    async def _content(self, alert: Alert, template: Template) -> Content:
        where = await self._where(alert, template)
        places = await self._ground.places("", where)
        event = self._register.authority.event(template.event)
        grade: Severity = alert.grade
        texts: dict[str, dict[str, str]] = {"headline": {}, "description": {}, "instruction": {}}
        for language in ("zh", "en"):
            values = {
                **{name: _said(value) for name, value in _inputs(alert).items()},
                "event": event.names[language], "grade": COLOURS[grade][language],
                "place": _named([place.names for place in places], language),
                "time": _local(alert.issued, self._register.authority.zone),
            }  # fmt: skip
            texts["headline"][language] = filled(template.headline.get(language, ""), values)
            text = template.description.get(language)
            texts["description"][language] = filled(text, values) if text else alert.description.get(language, "")
            texts["instruction"][language] = filled(template.instruction_for(grade).get(language, ""), values)
        return Content(
            template.event, grade, template.issuer, where, texts["headline"], texts["description"], texts["instruction"], template.scope,
            template.restriction, template.addresses, template.status, alert.issued,
            to_text(self._clock.now() + span_of(template.valid)), template.certainty, "", template.response,
        )  # fmt: skip

    async def _where(self, alert: Alert, template: Template) -> Where:
        area = template.area
        if isinstance(area, Where):
            return area
        district = Where(entities=[f"urn:ngsi-ld:District:{self._register.authority.code}"])
        if area == "district":
            return district
        if area == "surroundings" and alert.location is not None:
            return Where(geometry=alert.location, names=_subject(alert), buffer_m=template.buffer_m)
        townships = await self._ground.townships_of("", alert.entities or [alert.subject])
        return Where(entities=townships, buffer_m=template.buffer_m) if townships else district


def _author(alert: Alert) -> str:
    return f"{RULE}{alert.rule}"


def _why(alert: Alert) -> str:
    return f"alert {alert.id} of rule {alert.rule} version {alert.version} is {alert.grade}"


def _subject(alert: Alert) -> dict[str, str]:
    return {"zh": f"{alert.title.get('zh', '')} 周边", "en": f"Around {alert.title.get('en', alert.subject)}"}


def _inputs(alert: Alert) -> dict[str, Any]:
    """The values that the alert was worked out of, by name."""
    return {one["name"]: one.get("value") for one in alert.reason.get("inputs", []) if isinstance(one, dict) and "name" in one}


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)[:200]


def _named(names: list[dict[str, str]], language: str) -> str:
    found = [one.get(language) or one.get("zh", "") for one in names]
    if len(found) > MOST_NAMED:
        shown, more = found[:MOST_NAMED], len(found) - MOST_NAMED
        return "、".join(shown) + f"等{len(found)}处" if language == "zh" else ", ".join(shown) + f" and {more} more"
    return ("、" if language == "zh" else ", ").join(found)


def _local(text: str, zone: Any) -> str:
    found: datetime = moment(text, "dateIssued").astimezone(zone)
    return found.strftime("%Y-%m-%d %H:%M")
