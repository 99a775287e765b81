"""What requests for operations on cases may say."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from cityhub.cases.process_port import Grade
from cityhub.model.errors import BadRequestData
from cityhub.model.time import to_text


class Assign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`person`: id of whom it goes to; "": nobody any more."""

    task: str
    person: str = ""
    note: str = ""


class Reassign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`department`: id of the organization that it goes to; `person`: of it, "" anybody."""

    task: str
    department: str
    note: str
    person: str = ""


class Return(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`task` "": the only one that can be returned."""

    note: str
    task: str = ""


class Extend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`amount`: so much more, in the limit's unit."""

    limit: str
    amount: float
    note: str


class Merge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`into`: id of the case that goes on."""

    into: str
    note: str = ""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes a case of its own."""

    title: str
    kind: str = ""
    description: str = ""
    departments: list[str] = []


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`parts`: each becomes a case of its own; the case itself goes on."""

    parts: list[Part]
    note: str = ""


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing but the reason, which must be there."""

    note: str


class Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`departments`: ids of the organizations that are to take part."""

    departments: list[str]
    note: str = ""


class Comment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`event`: name of something that has happened by this and that limits look at, such as "reported-city"; `at`: when, RFC 3339."""

    note: str = ""
    event: str = ""
    at: str = ""


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`score`: 1 to 5."""

    score: int
    note: str = ""


class Regrade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How grave the case is from now on."""

    grade: Grade
    note: str


def read_asked(body: dict[str, Any], kind: type[Any]) -> Any:
    """A body as what an operation takes. Raises BadRequestData."""
    try:
        read = msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body is not what '{kind.__name__.lower()}' needs: {error}") from None
    if "note" in kind.__struct_fields__ and kind.__struct_config__.forbid_unknown_fields and _needs_note(kind) and not read.note.strip():
        raise BadRequestData("'note' must say why")
    return read


def _needs_note(kind: type[Any]) -> bool:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    return fields["note"].required


def moment_of(text: str, now: str) -> str:
    """A moment that was given, or now. Raises BadRequestData."""
    if not text:
        return now
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequestData("'at' must be a moment such as 2026-11-23T14:05:00+08:00") from None
    if moment.tzinfo is None:
        raise BadRequestData("'at' needs its time zone: 2026-11-23T14:05:00+08:00")
    return to_text(moment)
