"""What somebody asks of the desk."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from cityhub.cases.desk.record import Place, Source
from cityhub.cases.process_port import Grade


class Deed(msgspec.Struct, frozen=True):
    """Who does something to a case, and why.

    Attributes:
        by: Id of the person, "local", or the part of the hub.
        note: Why, in words.
        files: Ids (SHA-256) of attachments that were given before.
        key: Of the request, so that the same one sent again is done once; "": it is not known again.
        trace: Of the request.
    """

    by: str
    note: str = ""
    files: tuple[str, ...] = ()
    key: str = ""
    trace: str = ""

    def known_as(self, what: str) -> str:
        """How the case remembers that it was done; "" where it does not."""
        return sha256(f"{self.by}\0{what}\0{self.key}".encode()).hexdigest()[:24] if self.key else ""


class NewCase(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A case that is to be opened.

    Attributes:
        kind: Id in the district's list of kinds.
        title: One line.
        description: What was seen.
        place: Where.
        source: From whom.
        grade: How grave; "": as the kind's rules say.
        departments: Ids of the organizations it goes to; empty: as the kind says.
        process: Id of the process; "": as the kind says.
        data: Variables of the process, and what rules of grades and limits look at.
        milestones: Moments (RFC 3339) of things that are known to have happened or to come, by the names of limits' events.
    """

    kind: str
    title: str
    description: str = ""
    place: Place = Place()
    source: Source = Source()
    grade: Grade | None = None
    departments: list[str] = []
    process: str = ""
    data: dict[str, Any] = {}
    milestones: dict[str, str] = {}
