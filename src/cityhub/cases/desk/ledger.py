"""Writes cases: records, faces, numbers and notices in one transaction, or nothing when somebody else was faster."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from cityhub.cases.desk.face import face_of
from cityhub.cases.desk.record import CASES, CLOSED, COUNTERS, Case, from_document, to_document
from cityhub.model.errors import AlreadyExists, CityHubError, Conflict, NotFound
from cityhub.model.ports import Document, Store, Write

OVERTAKEN: Final = "Somebody else was faster: the case has changed meanwhile; look at it again"


class Overtaken(Conflict):
    """A case changed between its reading and its writing; nothing was written."""


class Ledger:
    """Where cases are kept.

    Args:
        store: The store.
        tenant: Whose cases.
        number: Form of a case's number, with {year} and {number}.
        zone: Time zone that years are counted in.
    """

    def __init__(self, store: Store, tenant: str, number: str, zone: str) -> None:
        self._store = store
        self._tenant = tenant
        self._number = number
        self._zone = ZoneInfo(zone)

    async def get(self, id: str) -> Case:
        """A case, open or closed. Raises NotFound."""
        for collection in (CASES, CLOSED):
            document = await self._store.fetch(self._tenant, id, collection)
            if document is not None:
                return from_document(document)
        raise NotFound(f"There is no case '{id[:200]}'")

    async def open_cases(self) -> list[Case]:
        """All cases that are open."""
        return [from_document(document) for _, document in await self._store.records(self._tenant, CASES)]

    async def write(self, changes: Sequence[tuple[Case | None, Case]], more: Sequence[Write] = (), trace: str = "") -> list[Case]:
        """Writes cases, all of them or none, and `more` with them.

        Args:
            changes: Each case as it was read (None: it is new and gets its number) and as it is to be.
            more: What belongs to it, such as notices; done only if the cases are written.
            trace: Of the request.

        Raises:
            Overtaken: One of them has changed meanwhile.
            AlreadyExists: One that is new is there already.
            StoreUnavailable: Nothing was written.
        """
        together = _Together(changes, self._number, self._zone)
        writes = [*together.writes(), *(Write(one.id, together.guarded(one), one.collection) for one in more)]
        results = await self._store.write(self._tenant, writes, trace)
        failed = next((result for result in results if isinstance(result, CityHubError)), None)
        if failed is not None:
            raise failed
        return list(together.made)


class _Together:
    """Changes that are made together: first each case is looked at, then all are written if nobody was faster."""

    def __init__(self, changes: Sequence[tuple[Case | None, Case]], number: str, zone: ZoneInfo) -> None:
        self._changes = changes
        self._number = number
        self._zone = zone
        self._refused = False
        self.made: list[Case] = [after for _, after in changes]

    def writes(self) -> list[Write]:
        """The looks, the numbers, and the writings, in their order."""
        looks = [Write(after.id, self._look(place), _collection(before or after)) for place, (before, after) in enumerate(self._changes)]
        absent = [Write(after.id, self._absent, CLOSED) for before, after in self._changes if before is None]
        written: list[Write] = []
        for place, (before, after) in enumerate(self._changes):
            if before is None:
                written.append(Write(self._year(after), self._count(place), COUNTERS))
            elif _collection(before) != _collection(after):
                written.append(Write(after.id, self._guard(lambda current, at: None), _collection(before)))
            written.append(Write(after.id, self._guard(self._record(place)), _collection(after)))
            written.append(Write(after.id, self._guard(self._face(place))))
        return [*looks, *absent, *written]

    def guarded(self, write: Write) -> Any:
        """A transition that is made only if nobody was faster."""

        def made(current: Document | None, at: str) -> tuple[Document | None, Any]:
            return (current, None) if self._refused else write.transition(current, at)

        return made

    def _look(self, place: int) -> Any:
        def looked(current: Document | None, at: str) -> tuple[Document | None, None]:
            before, after = self._changes[place]
            if place == 0:
                self._refused = False
                self.made = [after for _, after in self._changes]
            if before is None and current is not None:
                self._refused = True
                raise AlreadyExists(f"There is a case '{after.id}' already")
            if before is not None and (current is None or current.get("version", 1) != before.version):
                self._refused = True
                raise Overtaken(OVERTAKEN)
            return current, None

        return looked

    def _absent(self, current: Document | None, at: str) -> tuple[Document | None, None]:
        if current is not None:
            self._refused = True
            raise AlreadyExists(f"There is a case '{current['id']}' already")
        return current, None

    def _year(self, case: Case) -> str:
        return str(datetime.fromisoformat(case.opened_at).astimezone(self._zone).year)

    def _count(self, place: int) -> Any:
        def counted(current: Document | None, at: str) -> tuple[Document | None, None]:
            if self._refused:
                return current, None
            case = self.made[place]
            year, number = self._year(case), (current["last"] if current else 0) + 1
            text = self._number.format(year=int(year), number=number)
            self.made[place] = msgspec.structs.replace(case, number=text)
            return {"id": year, "last": number}, None

        return counted

    def _guard(self, make: Any) -> Any:
        def made(current: Document | None, at: str) -> tuple[Document | None, None]:
            return (current if self._refused else make(current, at)), None

        return made

    def _record(self, place: int) -> Any:
        def recorded(current: Document | None, at: str) -> Document:
            before = self._changes[place][0]
            version = before.version + 1 if before else 1
            case = self.made[place] = msgspec.structs.replace(self.made[place], version=version)
            return to_document(case)

        return recorded

    def _face(self, place: int) -> Any:
        return lambda current, at: face_of(self.made[place], current, at)


def _collection(case: Case) -> str:
    return CASES if case.state == "open" else CLOSED
