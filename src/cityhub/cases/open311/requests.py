"""Cases as service requests: what anybody may see of them.

A case's id ends with what cannot be guessed; lists have what residents reported and nothing else. Who reported is never told. The words
of a report are shown after the desk has taken it up, without telephone and identity numbers and addresses of e-mail; photographs are not.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cityhub.cases.desk.kinds import Kind
from cityhub.cases.desk.record import URN, Case

NOTES: Final[dict[str, str]] = {
    "open": "已收到，待受理", "taken": "已受理，处置中", "closed": "已结案", "rejected": "不予受理", "withdrawn": "已撤销",
    "merged": "与另一件合并办理",
}  # fmt: skip
"""`status_notes` by how far the case is."""
HIDDEN: Final = "＊＊＊"
_PERSONAL: Final = re.compile(
    r"(?<![0-9])(?:[0-9]{17}[0-9Xx]|[0-9]{15,19}|(?:\+?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}|0[0-9]{2,3}[ -]?[0-9]{7,8})(?![0-9])"
    r"|[^\s@，。；]{1,64}@[A-Za-z0-9.-]{1,200}\.[A-Za-z]{2,}"
)
"""Identity cards (GB 11643: 18 signs, or 15 of the first generation), bank cards, mobile and fixed telephones, e-mail."""


def request_id(case: str) -> str:
    """The service_request_id of a case."""
    return case.removeprefix(URN)


def request_of(case: Case, kind: Kind | None, agencies: str) -> dict[str, Any]:
    """A case as a service request; null where nothing is known or told. `agencies`: names of the departments in charge."""
    standing = _standing(case)
    location = case.place.location or {}
    point = location.get("coordinates") if location.get("type") == "Point" else None
    return {
        "service_request_id": request_id(case.id), "status": "open" if case.state == "open" else "closed",
        "status_notes": NOTES[standing], "service_name": kind.title.get("zh", case.kind) if kind else case.kind, "service_code": case.kind,
        "description": None if standing in ("open", "rejected") else without_personal(case.description), "agency_responsible": agencies,
        "service_notice": None, "requested_datetime": case.opened_at, "updated_datetime": case.changed_at or case.opened_at,
        "expected_datetime": case.due_at or None, "address": None if standing == "open" else without_personal(case.place.address) or None,
        "address_id": None, "zipcode": None, "lat": point[1] if point else None, "long": point[0] if point else None, "media_url": None,
    }  # fmt: skip


def _standing(case: Case) -> str:
    if case.state != "open":
        return case.state
    return "taken" if any(entry.what == "completed" for entry in case.timeline) else "open"


def without_personal(text: str) -> str:
    """A text in which numbers of telephones, cards and accounts and addresses of e-mail are covered.

    >>> without_personal("请打 13812345678 找王先生，路灯3号")
    '请打 ＊＊＊ 找王先生，路灯3号'
    """
    return _PERSONAL.sub(HIDDEN, text)
