"""What becomes of a notice: a message for each person and channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from cityhub.model.ports import Duty, Notice, People, Person
from cityhub.model.time import to_text
from cityhub.notify.notices.channels.channel import Channel
from cityhub.notify.notices.message import Message, message_id
from cityhub.notify.notices.policy import Policy, due
from cityhub.notify.notices.template import Template, Wording, shown, worded

NOBODY: Final = ""
"""The person of a message that nobody was there to hear."""


class Hearing(msgspec.Struct, frozen=True):
    """Who hears of a notice.

    Attributes:
        people: Each once, in the order in which the notice names them.
        on_duty: Ids of those who hear of it because they are on duty.
        unheard: Of whom it was meant for, those who were not there, and why.
    """

    people: list[Person]
    on_duty: frozenset[str]
    unheard: list[str]


class Surroundings(msgspec.Struct, frozen=True):
    """What a notice is expanded with.

    Attributes:
        people: Who there is.
        duty: Who is on duty.
        channels: By name, those that are set up.
        policy: The policy.
        template: Finds a template; None: there is none.
        zone: The district's time.
    """

    people: People
    duty: Duty
    channels: Mapping[str, Channel]
    policy: Policy
    template: Callable[[str], Template | None]
    zone: ZoneInfo


def expanded(notice: Notice, tenant: str, at: datetime, around: Surroundings) -> list[Message]:
    """The messages of a notice that was asked for at a moment; never none: what nobody can hear is a dead message to nobody."""
    hearing = hearers(notice, at, around)
    messages = []
    for person in hearing.people:
        for channel in _channels(person, notice.urgent, around):
            messages.append(_message(notice, tenant, person, channel, at, around, person.id in hearing.on_duty))
    unheard = "; ".join(hearing.unheard)
    if not messages:
        messages.append(_to_nobody(notice, tenant, at, around, unheard or "the notice names nobody"))
    elif unheard:
        messages[0] = msgspec.structs.replace(messages[0], detail=unheard[:500])
    return messages


def hearers(notice: Notice, at: datetime, around: Surroundings) -> Hearing:
    """Who hears of a notice at a moment. Where nobody is there, those of the policy's fallback posts."""
    found: dict[str, Person] = {}
    on_duty: set[str] = set()
    unheard: list[str] = []

    def add(ids: Iterable[str], otherwise: str) -> list[str]:
        known = [person for id in ids if (person := around.people.person(id)) is not None and person.active]
        found.update({person.id: person for person in known if person.id not in found})
        if not known:
            unheard.append(otherwise)
        return [person.id for person in known]

    for id in notice.people:
        add([id], f"there is no active person '{id}'")
    for post in notice.posts:
        on_duty.update(add(around.duty.on_duty(post, to_text(at)), f"nobody is on duty at '{post}'"))
    for department, role in notice.departments:
        add((person.id for person in around.people.find(department, role)), f"'{department}' has nobody with the role '{role or 'any'}'")
    if not found:
        for post in around.policy.fallback_posts:
            on_duty.update(add(around.duty.on_duty(post, to_text(at)), f"nobody is on duty at '{post}'"))
    return Hearing(list(found.values()), frozenset(on_duty), unheard)


def _channels(person: Person, urgent: bool, around: Surroundings) -> list[Channel]:
    names = around.policy.urgent if urgent else around.policy.ordinary
    return [around.channels[name] for name in names if name in around.channels and around.channels[name].address(person)]


def said(template_id: str, notice: Notice, language: str, around: Surroundings) -> tuple[Wording, int]:
    """What is said, and the template's version (0: there is no such template, and the values are said as they are)."""
    template = around.template(template_id)
    if template is not None:
        return worded(template, language, notice.values, around.zone), template.version
    text = "\n".join(f"{name}: {shown(value, language, around.zone)}" for name, value in notice.values.items())
    missing = f"there is no template '{template_id}'"
    return Wording(f"{template_id}: {notice.key}"[:300], text, text, [missing]), 0


def _message(
    notice: Notice, tenant: str, person: Person, channel: Channel, at: datetime, around: Surroundings, on_duty: bool
) -> Message:
    wording, version = said(notice.template, notice, person.language, around)
    disturbs = channel.name != "screen" and not notice.urgent and not on_duty
    return Message(
        message_id(tenant, notice.key, person.id, channel.name), notice.key, notice.why, person.id, channel.name, notice.template,
        person.language, wording.subject, wording.short if channel.name == "sms" else wording.text, to_text(at),
        to_text(due(around.policy, at, around.zone) if disturbs else at), template_version=version, tenant=tenant, link=notice.link,
        urgent=notice.urgent, detail="; ".join(wording.problems)[:500],
    )  # fmt: skip


def _to_nobody(notice: Notice, tenant: str, at: datetime, around: Surroundings, why: str) -> Message:
    wording, version = said(notice.template, notice, "zh", around)
    return Message(
        message_id(tenant, notice.key, NOBODY, ""), notice.key, notice.why, NOBODY, "", notice.template, "zh", wording.subject,
        wording.text, to_text(at), to_text(at), template_version=version, tenant=tenant, link=notice.link, urgent=notice.urgent,
        state="dead", detail=why[:500],
    )  # fmt: skip


def instead(message: Message, person: Person, taken: frozenset[str], notice: Notice, at: datetime, around: Surroundings) -> Message | None:
    """The message by the next channel in place of an urgent one that did not surely arrive; None when no channel is left.

    Args:
        message: That one.
        person: Whom it is for.
        taken: Channels on which the person is told of it already.
        notice: What it is about.
        at: Now.
        around: What there is.
    """
    for name in around.policy.instead:
        channel = around.channels.get(name)
        if channel is not None and name not in taken and channel.address(person):
            made = _message(notice, message.tenant, person, channel, at, around, True)
            return msgspec.structs.replace(made, instead_of=message.id)
    return None
