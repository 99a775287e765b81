"""Handovers: what is open and what was told, signed by who leaves and by who comes.

A signature is the person, the time, and the SHA-256 of what they signed; what is signed does not change any more.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import orjson

from cityhub.cases.duty.matters import Matters
from cityhub.cases.duty.roster import Shift
from cityhub.cases.duty.rota import Rota
from cityhub.model.errors import BadRequestData, CityHubError, Conflict, Forbidden, NotFound
from cityhub.model.ports import Document, Notice, Notices, Store, Write
from cityhub.model.time import Clock, to_text

HANDOVERS: Final = "duty_handover"
TEMPLATE: Final = "duty-handover"
LOOK: Final = timedelta(hours=1)
"""So long before and after the change of shifts a handover is made."""
MOST_TOLD: Final = 10_000
MOST_LISTED: Final = 300
"""So many alerts, the gravest, and so many cases, the oldest, are listed; the handover says how many there are in all."""


class Handovers:
    """The handovers.

    Args:
        store: Where they are kept.
        rota: Who leaves and who comes.
        matters: What is open.
        notices: Tells who comes that there is something to sign.
        clock: The present time.
    """

    def __init__(self, store: Store, rota: Rota, matters: Matters, notices: Notices, clock: Clock) -> None:
        self._store = store
        self._rota = rota
        self._matters = matters
        self._notices = notices
        self._clock = clock
        self._times: dict[str, str] = {}

    async def load(self) -> None:
        """Reads which handovers there are."""
        for _, record in await self._store.records("", HANDOVERS):
            self._times[record["id"]] = record["content"]["at"]

    async def begin(self, post: str, told: str, by: str, trace: str) -> Document:
        """Begins a handover by somebody who leaves a post now; their signature is the first. Raises NotFound, Forbidden, Conflict."""
        self._rota.posts.get(post)
        if len(told) > MOST_TOLD:
            raise BadRequestData(f"'told' may have at most {MOST_TOLD} characters")
        leaving, coming = self._change_of_shifts(post, by)
        now = to_text(self._clock.now())
        alerts, cases = await self._matters.open_alerts(), await self._matters.open_cases()
        content = {
            "post": post, "at": to_text(leaving.end), "from": leaving.people, "to": coming.people, "told": told,
            "alerts": [
                {"id": one.id, "grade": one.grade, "title": one.title, "state": one.state, "issued": one.issued, "subject": one.subject}
                for one in alerts[:MOST_LISTED]
            ],
            "openAlerts": len(alerts), "openCases": len(cases),
            "cases": [
                {"id": one.id, "number": one.number, "kind": one.kind, "grade": one.grade, "step": one.step, "dueAt": one.due_at,
                 "overdue": one.is_overdue(now)}
                for one in cases[:MOST_LISTED]
            ],
        }  # fmt: skip
        id = secrets.token_hex(8)
        document = {"id": id, "content": content, "hash": hash_of(content), "state": "begun", "signatures": []}
        notice = Notice(
            f"duty-handover:{id}", by, TEMPLATE,
            {"post": self._rota.posts.get(post).title, "at": content["at"], "told": told, "alerts": len(alerts),
             "cases": len(cases)},
            people=coming.people, link="/duty",
        )  # fmt: skip
        return await self._write(id, lambda current, at: _signed({**document, "at": at}, by, at), trace, self._notices.write(notice))

    async def sign(self, id: str, hash: str, by: str, trace: str) -> Document:
        """Somebody who comes signs what they have read: `hash` is that of it; "": what is there. Raises NotFound, Forbidden, Conflict."""

        def signed(current: Document | None, at: str) -> Document:
            if current is None:
                raise NotFound(f"There is no handover '{id[:100]}'")
            if hash and hash != current["hash"]:
                raise Conflict("'hash' must be that of the handover as you have read it: read it again")
            if current["state"] == "signed":
                raise Conflict("The handover is signed by both sides already")
            if by not in current["content"]["to"]:
                raise Forbidden("Only those who come on duty can sign: name them with 'CityHub-Person'")
            return {**_signed(current, by, at), "state": "signed"}

        return await self._write(id, signed, trace)

    async def read(self, id: str) -> Document:
        """A handover. Raises NotFound."""
        record = await self._store.fetch("", id, HANDOVERS)
        if record is None:
            raise NotFound(f"There is no handover '{id[:100]}'")
        return record

    async def page(self, limit: int, offset: int) -> tuple[list[Document], int]:
        """Handovers, the one begun last first, and how many there are."""
        ids = list(reversed(self._times))[offset : offset + limit]
        return [await self.read(id) for id in ids], len(self._times)

    async def between(self, start: datetime, end: datetime) -> list[Document]:
        """Handovers whose change of shifts lies in a span, in the order of their times."""
        found = sorted((at, id) for id, at in self._times.items() if to_text(start) <= at < to_text(end))
        return [await self.read(id) for _, id in found]

    def _change_of_shifts(self, post: str, by: str) -> tuple[Shift, Shift]:
        """The shift that somebody leaves about now, and the one that comes after it."""
        now = self._clock.now()
        mine = [one for one in self._rota.shifts(post, now - LOOK, now + LOOK) if by in one.people]
        if not mine:
            raise Forbidden(f"Only who is on duty at '{post}' now, or was an hour ago, can hand over: name them with 'CityHub-Person'")
        leaving = min(mine, key=lambda one: abs(one.end - now))
        coming = [one for one in self._rota.shifts(post, leaving.end, leaving.end + timedelta(days=4)) if one.start >= leaving.end]
        if not coming:
            raise Conflict(f"Nobody comes on duty at '{post}' in the four days after {to_text(leaving.end)}: complete the roster first")
        return leaving, coming[0]

    async def _write(self, id: str, change: Callable[[Any, str], Document], trace: str, *also: Write) -> Document:
        def transition(current: Document | None, at: str) -> tuple[Document, Document]:
            new = change(current, at)
            return new, new

        result, *_ = await self._store.write("", [Write(id, transition, HANDOVERS), *also], trace)
        if isinstance(result, CityHubError):
            raise result
        document: Document = result
        self._times[id] = document["content"]["at"]
        return document


def hash_of(content: Document) -> str:
    """SHA-256 of a handover's content as JSON with sorted members, hexadecimal."""
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _signed(document: Document, by: str, at: str) -> Document:
    return {**document, "signatures": [*document["signatures"], {"person": by, "at": at, "hash": document["hash"]}]}


def is_whole(document: Document) -> bool:
    """Whether a handover and its signatures belong together: nothing was changed after it was signed."""
    hash = hash_of(document["content"])
    return document["hash"] == hash and all(one["hash"] == hash for one in document["signatures"])
