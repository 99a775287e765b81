"""Cases of alerts: an alert opens one or joins one, which follows its grade and hears when its condition has ended."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

import msgspec

from cityhub.cases.desk.deed import Deed, NewCase
from cityhub.cases.desk.desk import CaseDesk
from cityhub.cases.desk.operations import Operations
from cityhub.cases.desk.record import URN, Case, Entry, Place, Source
from cityhub.cases.desk.rest import noted
from cityhub.model.alert import Alert, iri, is_graver, read_alert
from cityhub.model.change import Change
from cityhub.model.entity import Entity, Instance, value_of
from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.ports import CaseOpening, Document, Store, Write
from cityhub.model.time import to_text

CLEARED: Final = "alert cleared"
"""The message that a process may wait for: the condition of its alert has ended."""
ONE_CLEARED: Final = "one alert cleared"
JOINED: Final = "alert joined"
CASE: Final = iri("case")
CLEARED_AT: Final = iri("validTo")
MOST_TITLE: Final = 200


def case_of(tenant: str, alert: str) -> str:
    """Id of the case of an alert: the same whenever it is asked for."""
    return URN + sha256(f"{tenant}\0{alert}".encode()).hexdigest()[:24]


class AlertCases:
    """Opens cases for alerts (port `Openings`), and tells them when their alerts are over.

    Args:
        desk: The desk.
        operations: What it can do to a case.
        store: Where alerts are.
        tenant: Whose cases the desk has; alerts of others open none.
    """

    def __init__(self, desk: CaseDesk, operations: Operations, store: Store, tenant: str) -> None:
        self._desk = desk
        self._operations = operations
        self._store = store
        self._tenant = tenant

    async def open(self, tenant: str, alert: Entity, opening: CaseOpening) -> None:
        """Opens the case of an alert, or has the one that is there follow its grade. Raises BadRequestData, StoreUnavailable."""
        said = read_alert(alert)
        if said is None or tenant != self._tenant:
            raise BadRequestData(f"'{alert['id'][:200]}' is no alert of this hub's default tenant; only these open cases")
        by = Deed(f"rule {opening.rule}", said.description.get("zh", ""), key=said.id)
        own = case_of(tenant, said.id)
        id = await self.case_of(tenant, said.id) or self._to_join(opening) or own
        case = await self._joined(id, said, by) if id != own else None
        if case is None or said.id not in case.alerts:  # the case that it was to join has been closed meanwhile
            id = own
            case = await self._desk.open(_new(said, opening), by, own)
        if case.state == "open" and is_graver(said.grade, case.grade):
            await self._operations.regrade(id, {"grade": said.grade, "note": "随预警等级提升"}, by)
        await self._refer(said.id, id)

    async def case_of(self, tenant: str, alert: str) -> str:
        """Id of the case that an alert opened or joined; "" when there is none."""
        if tenant != self._tenant:
            return ""
        entity = await self._store.fetch(tenant, alert)
        known = entity["attrs"].get(CASE) if entity is not None else None
        if known:
            return str(value_of(known[0]))
        id = case_of(tenant, alert)
        return id if await self._store.fetch(tenant, id) is not None else ""

    def _to_join(self, opening: CaseOpening) -> str:
        """The oldest open case that another alert opened and that takes this one too; "" when there is none."""
        if not opening.joins_s:
            return ""
        kinds = {opening.kind, *opening.joins_kinds}
        since = to_text(self._desk.around.clock.now() - timedelta(seconds=opening.joins_s))
        rows = [row.shown for row in self._desk.around.index if row.shown["source"] == "alert" and row.shown["kind"] in kinds]
        return str(min(((row["openedAt"], row["id"]) for row in rows if row["openedAt"] >= since), default=("", ""))[1])

    async def _joined(self, id: str, alert: Alert, by: Deed) -> Case:
        """The case after it has taken an alert; one that has it already is as it was."""

        async def work(case: Case, now: str) -> Case:
            if alert.id in case.alerts or case.state != "open":
                return case
            entry = Entry(now, by.by, JOINED, note=by.note, data={"alert": alert.id, "grade": alert.grade})
            return noted(msgspec.structs.replace(case, alerts=[*case.alerts, alert.id]), entry)

        return await self._desk.change(id, by, JOINED, work)

    async def _refer(self, alert: str, case: str) -> None:
        def referred(current: Document | None, at: str) -> tuple[Document | None, None]:
            if current is None:
                return None, None
            known = current["attrs"].get(CASE)
            if known and value_of(known[0]) == case:
                return current, None
            link: Instance = {"type": "Relationship", "object": case, "createdAt": at}
            return {**current, "attrs": {**current["attrs"], CASE: [link]}, "modifiedAt": at}, None

        [result] = await self._store.write(self._tenant, [Write(alert, referred)])
        if isinstance(result, CityHubError):
            raise result

    def is_end(self, change: Change) -> bool:
        """Whether a change of an entity is the end of an alert's condition."""
        if change.tenant != self._tenant or CLEARED_AT not in change.attributes or change.after is None:
            return False
        said = read_alert(change.after)
        return said is not None and bool(said.cleared)

    async def heard(self, change: Change) -> None:
        """Tells the case of an alert that its condition has ended; its process hears of it when that of all its alerts has.

        Telling again changes nothing. Raises StoreUnavailable.
        """
        said = read_alert(change.after or {"type": []})
        row = self._desk.around.index.get(await self.case_of(change.tenant, change.id))
        if said is None or row is None:
            return
        deed = Deed(f"rule {said.rule}", key=f"{said.id} cleared {said.cleared}")
        case = await self._desk.get(row.shown["id"])
        data = {"alert": said.id, "clearedAt": said.cleared}
        if all([await self._is_over(alert) for alert in (case.source.ref, *case.alerts)]):
            await self._desk.receive(case.id, CLEARED, data, deed)
        else:
            await self._desk.note(case.id, ONE_CLEARED, data, deed)

    async def _is_over(self, alert: str) -> bool:
        entity = await self._store.fetch(self._tenant, alert)
        said = read_alert(entity) if entity is not None else None
        return said is None or bool(said.cleared)


def _new(alert: Alert, opening: CaseOpening) -> NewCase:
    title = alert.title.get("zh") or alert.title.get("en") or alert.rule
    inputs: dict[str, Any] = {"alert": alert.id, "rule": alert.rule, "level": alert.grade, "event": alert.event}
    return NewCase(
        kind=opening.kind, title=title[:MOST_TITLE], description=alert.description.get("zh", ""), place=Place(alert.location),
        source=Source("alert", alert.id), grade=alert.grade, departments=opening.departments, process=opening.process, data=inputs,
    )  # fmt: skip
