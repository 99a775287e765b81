"""Who may warn of what: the district's list of bodies and events (`warnings.yaml`), and what follows from it.

A release is allowed by the law, not by the hub: each event names the rule that its list of bodies comes from, and a refusal says it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from cityhub.model.errors import BadRequestData, Forbidden
from cityhub.model.ports import Person
from cityhub.rules.cap.message import Category
from cityhub.rules.warnings.warning import RULE, Content, Texts, Warning

FILE: Final = "warnings.yaml"
MOST_BYTES: Final = 1_000_000
MOST_NOTE: Final = 4_000


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organization that issues warnings: its entity, its names in them, and its sender in CAP."""

    id: str
    names: Texts
    sender: str
    contact: str = ""
    web: str = ""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that is warned of.

    Attributes:
        id: Its name in rules and doors.
        names: By language.
        category: In CAP's words.
        public: Ids of the bodies that may release it to everybody.
        agencies: Ids of those that may send it to other agencies.
        rule: The rule of law that this comes from, by its id.
        reason: What that says, by language.
        source: Where it is written.
        passed_on: Names of the bodies whose bulletins alone may go to the public; None: a body's own warning may.
    """

    id: str
    names: Texts
    category: list[Category]
    public: list[str]
    agencies: list[str]
    rule: str
    reason: Texts
    source: str
    passed_on: list[str] | None = None


class Townships(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The districts' parts that an area is made of: their type, the GeoProperty of their area, and the attribute of their population."""

    type: str
    area: str
    population: str


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"within": "in"}):
    """What is counted in an area: entities of `types` by the GeoProperty `at`, or by the relationship `within` to a township."""

    id: str
    names: Texts
    types: list[str]
    at: str = "location"
    within: str = ""


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the impact of a warning is worked out of."""

    townships: Townships
    kinds: list[Kind] = []


class Authority(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A district's list.

    Attributes:
        code: Of the district; identifiers begin with it.
        time_zone: In which messages tell times.
        geocode: Name of the list of codes that townships have.
        releaser: The role that a person needs to release.
        bodies: Who issues.
        events: What is warned of.
        impact: What is counted in an area.
    """

    code: str
    time_zone: str
    geocode: str
    releaser: str
    bodies: list[Body]
    events: list[Event]
    impact: Counted

    @property
    def zone(self) -> ZoneInfo:
        """The zone of `time_zone`."""
        return ZoneInfo(self.time_zone)

    def body(self, id: str) -> Body:
        """A body. Raises BadRequestData."""
        for body in self.bodies:
            if body.id == id:
                return body
        right = ", ".join(one.id for one in self.bodies)
        raise BadRequestData(f"'issuer' is '{id[:100]}', which issues no warnings; right would be one of {right}")

    def event(self, id: str) -> Event:
        """An event. Raises BadRequestData."""
        for event in self.events:
            if event.id == id:
                return event
        raise BadRequestData(f"'event' is '{id[:100]}'; right would be one of {', '.join(one.id for one in self.events)}")


NOWHERE: Final = Authority("", "UTC", "", "releaser", [], [], Counted(Townships("Township", "location", "population")))
"""Where no district is served, nobody warns of anything."""


def read_authority(folder: Path) -> Authority:
    """The list of a district's folder; without a file, nobody may warn of anything.

    Raises:
        RuntimeError: The file is not as it should be; says where.
    """
    path = folder / FILE
    if not path.is_file():
        return NOWHERE
    try:
        content = path.read_bytes()
        if len(content) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        found = msgspec.convert(yaml.load(content, yaml.CSafeLoader), Authority)
        _check(found)
    except (OSError, ValueError, yaml.YAMLError, msgspec.ValidationError, ZoneInfoNotFoundError) as error:
        raise RuntimeError(f"{path} is not as it should be: {error}") from None
    return found


def _check(found: Authority) -> None:
    ZoneInfo(found.time_zone)
    known = {body.id for body in found.bodies}
    for event in found.events:
        for id in (*event.public, *event.agencies):
            if id not in known:
                raise ValueError(f"event '{event.id}' names '{id}', which is not among 'bodies'")


def check_content(authority: Authority, content: Content) -> None:
    """Raises BadRequestData for content that could not be released by anybody as it is: unknown event or issuer, no headline."""
    authority.event(content.event)
    authority.body(content.issuer)
    if len(content.note) > MOST_NOTE:
        raise BadRequestData(f"'note' may have at most {MOST_NOTE} characters")
    for language in ("zh", "en"):
        if not content.headline.get(language, "").strip():
            raise BadRequestData(f"'headline.{language}' must not be empty: warnings go out in Chinese and in English")


def check_issue(authority: Authority, content: Content) -> None:
    """Raises Forbidden, with the rule, when the issuer may not issue such a warning to those whom it is for."""
    event = authority.event(content.event)
    if content.scope != "Public":
        if content.issuer not in event.agencies:
            raise _refusal(event, f"'{content.issuer}' may not send warnings of {event.names['en']} to agencies", event.agencies)
        return
    if content.issuer not in event.public:
        right = event.public or ["nobody here: 'scope' Restricted or Private, to agencies"]
        raise _refusal(event, f"'{content.issuer}' may not release warnings of {event.names['en']} to the public", right)
    if event.passed_on is not None and (content.bulletin is None or content.bulletin.issuer not in event.passed_on):
        raise _refusal(
            event, f"a warning of {event.names['en']} goes to the public only as the bulletin of a body that may release it",
            [f"'bulletin' with issuer, number and issuedAt of one of {', '.join(event.passed_on)}, or 'scope' Restricted or Private"],
        )  # fmt: skip


def _refusal(event: Event, what: str, right: list[str]) -> Forbidden:
    reason = f"{event.rule} ({event.source}): {event.reason['en']}"
    return Forbidden(f"{what}. {reason}. Right would be {', '.join(right)}", rule=event.rule, reason=event.reason)


def check_releaser(authority: Authority, warning: Warning, person: Person | None, *, alone: bool = False) -> None:
    """Raises Forbidden unless a person may release a warning: of the issuing body, with the role, and no author of it.

    Args:
        authority: The district's list.
        warning: What is to be released.
        person: Who wants to; None: nobody who is known.
        alone: Whether the author may as well: taking back what is wrong must not wait for a second person.
    """
    body = authority.body(warning.content.issuer)
    if person is None:
        raise Forbidden(f"A warning is released by a person of {body.names['en']} ({body.id}); the caller is no person that the hub knows")
    if person.department != body.id:
        raise Forbidden(f"A warning of {body.names['en']} is released by its own people; {person.id} belongs to {person.department}")
    if authority.releaser not in person.roles:
        raise Forbidden(f"{person.id} has not the role '{authority.releaser}' that a release needs")
    if not alone and person.id in warning.authors:
        raise Forbidden(f"Four eyes: {person.id} has drafted or changed this warning; somebody else must release it")


def people_of(warning: Warning) -> list[str]:
    """The authors who are people."""
    return [author for author in warning.authors if not author.startswith(RULE)]


def shown(authority: Authority) -> dict[str, Any]:
    """The list as the doors show it, so that a form can offer only what is possible."""
    shown: dict[str, Any] = msgspec.to_builtins({"bodies": authority.bodies, "events": authority.events, "releaser": authority.releaser})
    return shown
