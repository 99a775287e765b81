"""Which service requests are asked for.

Source: GeoReport v2, "GET Service Requests": at most 1,000, and without dates those of the last 90 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from cityhub.cases.desk.desk import CaseDesk
from cityhub.cases.desk.face import TYPE, iri, said
from cityhub.cases.desk.record import URN, Case
from cityhub.model.condition import AllOf, TypeIs, ValueIn
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData, NotFound
from cityhub.model.ports import Store
from cityhub.model.time import to_text

SPAN: Final = timedelta(days=90)
MOST: Final = 1_000
MOST_IDS: Final = 200
MOST_DOCUMENTS: Final = 5_000
"""Closed cases that are looked at for one answer, the newest."""
PARAMETERS: Final = ("jurisdiction_id", "service_request_id", "service_code", "start_date", "end_date", "status")
RESIDENT: Final = "resident"


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for; `start` and `end`: RFC 3339 UTC; `ids`, `services` empty: any."""

    ids: list[str]
    services: list[str]
    start: str
    end: str
    status: str = ""


def wanted_of(query: Mapping[str, str], now: datetime) -> Wanted:
    """What the parameters ask for. Raises BadRequestData."""
    ids = [one for one in query.get("service_request_id", "").split(",") if one]
    services = [one for one in query.get("service_code", "").split(",") if one]
    status = query.get("status", "")
    if status not in ("", "open", "closed", "open,closed", "closed,open"):
        raise BadRequestData("'status' must be open or closed")
    if len(ids) > MOST_IDS or len(services) > MOST_IDS:
        raise BadRequestData(f"At most {MOST_IDS} ids or codes may be asked for at once")
    end = _moment(query, "end_date") or now
    start = _moment(query, "start_date") or end - SPAN
    if end - start > SPAN:
        start = end - SPAN
    return Wanted(ids, services, to_text(start), to_text(end), "" if "," in status else status)


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadRequestData(f"'{name}' must be a moment with its time zone, such as 2026-11-23T08:00:00+08:00")
    return moment


async def find(wanted: Wanted, desk: CaseDesk, store: Store, tenant: str) -> list[Case]:
    """The cases, the newest first. An id asked for counts whatever its date; ids of what no resident reported do not exist here."""
    if wanted.ids:
        return [case for id in wanted.ids if (case := await resident_case(desk, id)) is not None]
    found: list[tuple[str, str]] = []
    if wanted.status != "closed":
        for row in desk.around.index:
            shown = row.shown
            if shown["source"] == RESIDENT and wanted.start <= shown["openedAt"] <= wanted.end and _is_kind(wanted, shown["kind"]):
                found.append((shown["openedAt"], shown["id"]))
    if wanted.status != "open":
        found += await _closed(wanted, store, tenant)
    ids = dict.fromkeys(id for _, id in sorted(found, reverse=True))
    cases = [await resident_case(desk, id.removeprefix(URN)) for id in list(ids)[:MOST]]
    return [case for case in cases if case is not None]


async def resident_case(desk: CaseDesk, id: str) -> Case | None:
    """The case of a service request; None when there is none, or when no resident reported it."""
    try:
        case = await desk.get(URN + id)
    except NotFound:
        return None
    return case if case.source.kind == RESIDENT else None


async def _closed(wanted: Wanted, store: Store, tenant: str) -> list[tuple[str, str]]:
    condition = AllOf((
        TypeIs(TYPE), ValueIn(iri("openedAt"), wanted.start, wanted.end),
        ValueIn(iri("sourceKind"), RESIDENT, RESIDENT),
    ))  # fmt: skip

    def matches(entity: Entity) -> bool:
        return (
            said(entity, "status") != "open" and said(entity, "sourceKind") == RESIDENT
            and wanted.start <= said(entity, "openedAt") <= wanted.end and _is_kind(wanted, said(entity, "caseKind"))
        )  # fmt: skip

    count = (await store.find(tenant, condition, matches, limit=0, count=True)).count or 0
    page = await store.find(tenant, condition, matches, offset=max(0, count - MOST_DOCUMENTS), limit=MOST_DOCUMENTS)
    return [(said(entity, "openedAt"), entity["id"]) for entity in page.entities]


def _is_kind(wanted: Wanted, kind: str) -> bool:
    return not wanted.services or kind in wanted.services
