"""The register of warnings: every step of each, from the draft to the end.

A release signs the message first and then writes it, the warning's new state and that of the warning that it updates in one
transaction; whoever comes in between makes it fail as a whole. What is signed is never changed: an update or an end is a message of
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from cityhub.model.change import Change
from cityhub.model.errors import BadRequestData, CityHubError, Conflict, Forbidden, NotFound, PreconditionFailed, TooLarge
from cityhub.model.ports import Document, Notice, Notices, People, Store, Write
from cityhub.model.time import Clock, to_text
from cityhub.rules.cap.checking import check_message
from cityhub.rules.cap.message import Message, MessageType, Reference
from cityhub.rules.cap.signing import Signer
from cityhub.rules.warnings.authority import Authority, check_content, check_issue, check_releaser
from cityhub.rules.warnings.composing import compose, moment
from cityhub.rules.warnings.ground import Ground
from cityhub.rules.warnings.impact import Impact
from cityhub.rules.warnings.warning import MESSAGES, WARNINGS, Content, State, Step, Warning, id_for, warning_of

MOST_DRAFTS: Final = 1_000
"""So many drafts may wait."""
MOST_STEPS: Final = 200
MOST_REFERENCES: Final = 50
MOST_WHY: Final = 1_000
OPEN: Final[frozenset[State]] = frozenset(("draft", "released"))
"""The states of warnings that are held in memory as a whole."""



class WarningRegister:
    """All warnings of a hub.

    Attributes:
        authority: Who may warn of what.
        revision: Counted with every change that was heard of.

    Args:
        store: Where they are kept, in the default tenant.
        clock: The present time.
        authority: Who may warn of what.
        signer: Gives what signs the messages, when it is needed.
        people: Who the callers are.
        ground: Finds places.
        impact: Finds what lies there.
        notices: Tells those who may release of each draft; None: nobody is told.
    """

    def __init__(
        self, store: Store, clock: Clock, authority: Authority, signer: Callable[[], Signer], people: People, ground: Ground,
        impact: Impact, notices: Notices | None = None,
    ) -> None:  # fmt: skip
        self.authority = authority
        self._store = store
        self._clock = clock
        self._signer = signer
        self._people = people
        self._ground = ground
        self._impact = impact
        self._notices = notices
        self._warnings: dict[str, Warning] = {}
        self._by_alert: dict[str, set[str]] = {}
        self.revision = 0

    async def load(self) -> None:
        """Reads all of them."""
        for _, record in await self._store.records("", WARNINGS):
            self._take(warning_of(record))

    async def changed(self, change: Change) -> None:
        """Takes over what the journal says of a warning, from whichever hub on the same store it came."""
        if change.after is None:
            self._warnings.pop(change.id, None)
        else:
            self._take(warning_of(change.after))

    def _take(self, warning: Warning) -> None:
        known = self._warnings.get(warning.id)
        if known is None or known.version <= warning.version:
            self._warnings[warning.id] = warning if warning.state in OPEN else _shortened(warning)
            self._by_alert.setdefault(warning.alert, set()).add(warning.id)
            self.revision += 1

    def all(self) -> list[Warning]:
        """All of them, the newest first."""
        return _newest_first(self._warnings.values())

    def known(self, id: str) -> Warning | None:
        """A warning; None: there is none."""
        return self._warnings.get(id)

    def get(self, id: str) -> Warning:
        """A warning. Raises NotFound."""
        found = self._warnings.get(id)
        if found is None:
            raise NotFound(f"There is no warning '{id[:100]}'")
        return found

    async def whole(self, id: str) -> Warning:
        """A warning with its places and its impact, which those that have ended do not have in memory. Raises NotFound."""
        warning = self.get(id)
        record = None if warning.state in OPEN else await self._store.fetch("", id, WARNINGS)
        return warning if record is None else warning_of(record)

    def of_alert(self, alert: str) -> list[Warning]:
        """The warnings that were drafted for an alert, the newest first."""
        return _newest_first(one for id in self._by_alert.get(alert, ()) if (one := self._warnings.get(id)) is not None)

    def in_force(self, at: str) -> list[Warning]:
        """The warnings that are released and have not ended at a moment (RFC 3339 UTC), the newest first."""
        return [one for one in self.all() if one.state == "released" and not _is_over(one, at)]

    async def draft(
        self, content: Content, by: str, *, why: str = "", id: str = "", alert: str = "", incident: str = "",
        follows: Warning | None = None, kind: MessageType = "Alert", trace: str = "",
    ) -> Warning:  # fmt: skip
        """Drafts a warning; with an id that is known nothing is done.

        Args:
            content: What it says.
            by: The person, or "rule:<id>".
            why: Why.
            id: Its id; "": a new one.
            alert: Id of the alert that it is for.
            incident: Name of the incident; "": a new one.
            follows: The warning that it updates or takes back.
            kind: "Update" and "Cancel" with `follows`.
            trace: Of the request.

        Raises:
            BadRequestData: It could not become a right message.
            Conflict: Too many drafts are waiting.
        """
        at = to_text(self._clock.now())
        id = id or id_for(by, at, str(len(self._warnings)))
        if id in self._warnings:
            return self._warnings[id]
        if sum(one.state == "draft" for one in self._warnings.values()) >= MOST_DRAFTS:
            raise Conflict(f"{MOST_DRAFTS} drafts of warnings are waiting already; release or reject some of them first")
        warning = Warning(
            id, "draft", kind, content, [], {}, [by], [Step(at, by, "drafted", why[:MOST_WHY])], alert, incident or f"i{id[1:]}",
            follows.id if follows is not None else "",
        )  # fmt: skip
        return await self._create(await self._located(warning), trace)

    async def _located(self, warning: Warning) -> Warning:
        """With its places and what lies there; checked as far as a draft can be."""
        check_content(self.authority, warning.content)
        places = await self._ground.places("", warning.content.where)
        located = msgspec.structs.replace(warning, places=places, impact=await self._impact.of("", places))
        self.preview(located)
        return located

    def preview(self, warning: Warning) -> Message:
        """The message that a release of a draft would sign now. Raises BadRequestData."""
        message = compose(self.authority, warning, f"{warning.id}-preview", self._clock.now(), self._references(warning))
        check_message(message)
        return message

    async def _create(self, warning: Warning, trace: str) -> Warning:
        def made(current: Document | None, at: str) -> tuple[Document, Document]:
            record = current if current is not None else msgspec.to_builtins(warning)
            return record, record

        writes = [Write(warning.id, made, WARNINGS)]
        if self._notices is not None:
            writes.append(self._notices.write(_to_releasers(warning, self.authority)))
        result, *_ = await self._store.write("", writes, trace)
        return self._written(result)

    async def amend(self, id: str, content: Content, by: str, why: str, versions: frozenset[str] | None = None, trace: str = "") -> Warning:
        """Gives a draft other content; who does so is an author of it. Raises NotFound, Conflict, BadRequestData, PreconditionFailed."""
        before = self._present(id, versions, "draft")
        authors = before.authors if by in before.authors else [*before.authors, by]
        amended = msgspec.structs.replace(before, content=content, authors=authors)
        return await self._move(before, await self._located(amended), by, "amended", why, trace)

    async def note(self, id: str, by: str, why: str, trace: str = "") -> Warning:
        """Keeps with a draft what has to be known of it; the same note twice is kept once. Raises NotFound, Conflict."""
        before = self._present(id, None, "draft")
        if any(step.what == "noted" and step.why == why for step in before.steps):
            return before
        return await self._move(before, before, by, "noted", why, trace)

    async def reject(self, id: str, by: str, why: str, versions: frozenset[str] | None = None, trace: str = "") -> Warning:
        """Ends a draft without a release. Raises NotFound, Conflict, BadRequestData without a reason."""
        before = self._present(id, versions, "draft")
        return await self._move(before, msgspec.structs.replace(before, state="rejected"), by, "rejected", _needed(why), trace)

    async def release(self, id: str, by: str, why: str, versions: frozenset[str] | None = None, trace: str = "") -> Warning:
        """Signs a draft and makes it known. Raises NotFound, Conflict, Forbidden, BadRequestData, PreconditionFailed."""
        before = self._present(id, versions, "draft")
        check_releaser(self.authority, before, self._people.person(by))
        check_issue(self.authority, before.content)
        if not before.content.expires and before.kind != "Cancel":
            raise BadRequestData("'expires' must be there: a warning that never ends cannot be trusted")
        followed = self._followed(before)
        now = self._clock.now()
        identifier = f"{self.authority.code}-{before.id}"
        message = compose(self.authority, before, identifier, now, self._references(before))
        ends = before.kind == "Cancel"
        after = msgspec.structs.replace(
            before, state="cancelled" if ends else "released", identifier=identifier, sender=message.sender, sent=message.sent
        )
        writes: list[tuple[Warning, Warning]] = [(before, _stepped(after, to_text(now), by, "released", why))]
        if followed is not None:
            writes.append((followed, _ended(followed, before, identifier, to_text(now), by, why)))
        return await self._publish(message, before.id, writes, trace)

    def _followed(self, warning: Warning) -> Warning | None:
        if not warning.follows:
            return None
        followed = self.get(warning.follows)
        if followed.state != "released":
            raise Conflict(f"The warning '{followed.id}' that this one follows is {followed.state}; only a released one has followers")
        return followed

    async def update(self, id: str, content: Content, by: str, why: str, trace: str = "") -> Warning:
        """Drafts an update of a released warning; when that is released, it takes its place. Raises NotFound, Conflict, BadRequestData."""
        before = self._present(id, None, "released")
        return await self.draft(
            content, by, why=why, alert=before.alert, incident=before.incident, follows=before, kind="Update", trace=trace
        )

    async def cancel(self, id: str, by: str, why: str, versions: frozenset[str] | None = None, trace: str = "") -> Warning:
        """Takes a released warning back at once. Raises NotFound, Conflict, Forbidden, BadRequestData without a reason.

        One person of the issuing body is enough, its author as well: what is wrong must not stand until a second one is found.
        """
        before = self._present(id, versions, "released")
        check_releaser(self.authority, before, self._people.person(by), alone=True)
        check_issue(self.authority, before.content)
        now = self._clock.now()
        identifier = f"{self.authority.code}-{before.id}-end"
        message = compose(self.authority, before, identifier, now, [*self._references(before), _reference(before)], cancels=True)
        after = msgspec.structs.replace(before, state="cancelled", cancelled_by=identifier)
        return await self._publish(message, before.id, [(before, _stepped(after, to_text(now), by, "cancelled", _needed(why)))], trace)

    def _references(self, warning: Warning) -> list[Reference]:
        """The messages before a warning, the oldest first."""
        found: list[Reference] = []
        earlier = self._warnings.get(warning.follows)
        while earlier is not None and earlier.identifier and len(found) < MOST_REFERENCES:
            found.append(_reference(earlier))
            earlier = self._warnings.get(earlier.follows)
        return found[::-1]

    async def _publish(self, message: Message, warning: str, moves: Sequence[tuple[Warning, Warning]], trace: str) -> Warning:
        signed = self._signer().sign(message)
        record: Document = {
            "id": message.identifier, "warning": warning, "sender": message.sender, "sent": message.sent, "msgType": message.msg_type,
            "scope": message.scope, "status": message.status, "xml": signed.decode(),
            "expires": max((info.expires for info in message.info), default=""),
            "headlines": {info.language: info.headline for info in message.info},
            "senders": {info.language: info.sender_name for info in message.info},
        }  # fmt: skip
        return await self._together(moves, record, trace)

    async def _together(self, moves: Sequence[tuple[Warning, Warning]], message: Document | None, trace: str) -> Warning:
        results = await self._store.write("", _Together(moves, message).writes(), trace)
        first, *_ = [self._written(result) for result in results[-len(moves) :]]
        return first

    async def _move(self, before: Warning, after: Warning, by: str, what: str, why: str, trace: str) -> Warning:
        stepped = _stepped(after, to_text(self._clock.now()), by, what, why)
        return await self._together([(before, stepped)], None, trace)

    def _written(self, result: Any) -> Warning:
        if isinstance(result, CityHubError):
            raise result
        warning = warning_of(result)
        self._take(warning)
        return warning

    def _present(self, id: str, versions: frozenset[str] | None, state: State) -> Warning:
        warning = self.get(id)
        if versions is not None and str(warning.version) not in versions:
            raise PreconditionFailed(f"The warning has version {warning.version} now; read it again and change that one")
        if warning.state != state:
            raise Conflict(f"The warning is {warning.state}; only one that is {state} can be treated so")
        if len(warning.steps) >= MOST_STEPS:
            raise TooLarge(f"A warning has at most {MOST_STEPS} steps; draft a new one")
        return warning

    async def message(self, identifier: str) -> Document | None:
        """The record of a signed message; None: there is none."""
        return await self._store.fetch("", identifier, MESSAGES)

    async def sweep(self) -> None:
        """Ends the warnings whose time has passed; to be called again and again."""
        now = to_text(self._clock.now())
        for warning in [one for one in self._warnings.values() if one.state == "released" and _is_over(one, now)]:
            after = msgspec.structs.replace(warning, state="expired")
            try:
                await self._move(warning, after, "hub", "expired", "", "")
            except Conflict:  # somebody has just updated it or taken it back
                continue

    def check_caller(self, by: str) -> None:
        """Raises Forbidden unless the caller is a person that the hub knows: every step of a warning is somebody's."""
        if self._people.person(by) is None:
            raise Forbidden("A warning is written by a person that the hub knows ('CityHub-Person' names whom the local user acts for)")


class _Together:
    """Changes of several records of which all are made or none: first all of them are looked at, in the same transaction.

    Args:
        moves: Each warning as it was read and as it is to be.
        message: The message that goes with them; None: none does.
    """

    def __init__(self, moves: Sequence[tuple[Warning, Warning]], message: Document | None = None) -> None:
        self._moves = moves
        self._message = message
        self._reason = ""

    def writes(self) -> list[Write]:
        """What is to be given to the store in one call; the last results are those of the warnings, in their order."""
        looks = [Write(before.id, self._look(before, place == 0), WARNINGS) for place, (before, _) in enumerate(self._moves)]
        kept: list[Write] = []
        if self._message is not None:
            looks.append(Write(self._message["id"], self._look_for_message, MESSAGES))
            kept.append(Write(self._message["id"], self._made(self._message), MESSAGES))
        moved = [
            Write(before.id, self._made(msgspec.to_builtins(msgspec.structs.replace(after, version=before.version + 1))), WARNINGS)
            for before, after in self._moves
        ]
        return [*looks, *kept, *moved]

    def _look(self, before: Warning, is_first: bool) -> Callable[[Document | None, str], tuple[Document | None, Any]]:
        def looked(current: Document | None, at: str) -> tuple[Document | None, Any]:
            if is_first:
                self._reason = ""
            if current is None or current.get("version", 1) != before.version:
                self._reason = f"The warning '{before.id}' was changed by somebody else meanwhile; read it again"
            return current, None

        return looked

    def _look_for_message(self, current: Document | None, at: str) -> tuple[Document | None, Any]:
        if current is not None:
            self._reason = f"There is a message '{current['id']}' already"
        return current, None

    def _made(self, record: Document) -> Callable[[Document | None, str], tuple[Document | None, Any]]:
        def made(current: Document | None, at: str) -> tuple[Document | None, Any]:
            if self._reason:
                raise Conflict(self._reason)
            return record, record

        return made


def _newest_first(warnings: Iterable[Warning]) -> list[Warning]:
    return sorted(warnings, key=lambda one: (one.steps[-1].at, one.id), reverse=True)


def _to_releasers(warning: Warning, authority: Authority) -> Notice:
    """What the people of the issuing body who may release are told of a draft."""
    content = warning.content
    values = {
        "id": warning.id, "event": authority.event(content.event).names, "grade": content.grade, "headline": content.headline,
        "issuer": authority.body(content.issuer).names, "kind": warning.kind, "townships": township_count(warning),
        "population": warning.impact.get("population", {}).get("value"), "why": warning.steps[0].why or warning.steps[0].by,
    }  # fmt: skip
    return Notice(
        f"{warning.id}#drafted", warning.steps[0].by, "warning-draft", values, departments=[(content.issuer, authority.releaser)],
        urgent=content.grade in ("red", "orange"), link=f"/warnings/{warning.id}",
    )  # fmt: skip


def _shortened(warning: Warning) -> Warning:
    """A warning that has ended, without what takes room: that stays in the store."""
    impact = {"population": {"value": warning.impact.get("population", {}).get("value")}, "townshipCount": township_count(warning)}
    return msgspec.structs.replace(warning, places=[], impact=impact)


def township_count(warning: Warning) -> int:
    """How many townships it is about."""
    return int(warning.impact.get("townshipCount", len(warning.impact.get("townships", []))))


def _stepped(warning: Warning, at: str, by: str, what: str, why: str) -> Warning:
    return msgspec.structs.replace(warning, steps=[*warning.steps, Step(at, by, what, why[:MOST_WHY])])


def _ended(followed: Warning, by_warning: Warning, identifier: str, at: str, by: str, why: str) -> Warning:
    if by_warning.kind == "Cancel":
        return _stepped(msgspec.structs.replace(followed, state="cancelled", cancelled_by=identifier), at, by, "cancelled", why)
    return _stepped(msgspec.structs.replace(followed, state="updated", followed_by=by_warning.id), at, by, "updated", why)


def _reference(warning: Warning) -> Reference:
    return Reference(warning.sender, warning.identifier, warning.sent)


def _is_over(warning: Warning, at: str) -> bool:
    expires = warning.content.expires
    return bool(expires) and moment(expires, "expires") <= moment(at, "at")


def _needed(why: str) -> str:
    if not why.strip():
        raise BadRequestData("'why' must say why: it is kept with the warning")
    return why
