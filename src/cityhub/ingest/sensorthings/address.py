"""The path of a request below the root of the service: which entities, which of their properties.

Source: OGC 18-088, 9.2 (Resource paths).
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from cityhub.ingest.sensorthings.kinds import COLLECTIONS, KINDS, Kind
from cityhub.model.errors import NotFound

MAX_STEPS: Final = 12
"""Most links in one path."""
_SEGMENT: Final = re.compile(r"/*(?P<name>[$\w][\w.-]*)(?:\((?P<id>'(?:[^']|'')*'|[^()']*)\))?(?=/|$)")


class Step(msgspec.Struct, frozen=True):
    """One step of a path: a collection or link, and the id of the one that is meant in it ("": all of it)."""

    name: str
    kind: str
    id: str = ""
    many: bool = True


class Address(msgspec.Struct, frozen=True):
    """What a path names.

    Attributes:
        steps: The way to the entities.
        member: Names of a property and what is inside of it; () for none.
        form: "" for the entities, "$ref" for links to them, "$value" for the bare value of the property.
    """

    steps: tuple[Step, ...]
    member: tuple[str, ...] = ()
    form: Literal["", "$ref", "$value"] = ""

    @property
    def kind(self) -> Kind:
        """The kind of the entities."""
        return KINDS[self.steps[-1].kind]

    @property
    def is_one(self) -> bool:
        """Whether one entity is named, not a set."""
        last = self.steps[-1]
        return bool(last.id) or not last.many


def read_address(path: str) -> Address:
    """What a decoded path names. Raises NotFound for one that leads nowhere."""
    steps: list[Step] = []
    inner: list[str] = []
    form: Literal["", "$ref", "$value"] = ""
    for name, id in _segments(path):
        if form:
            raise NotFound(f"Nothing follows {form} in a path")
        if name in ("$ref", "$value"):
            form = "$ref" if name == "$ref" else "$value"
        elif inner:
            inner.append(name)
        else:
            step = _step(steps, name, id)
            if step is None:
                inner.append(name)
            else:
                steps.append(step)
    address = Address(tuple(steps), tuple(inner), form)
    _check(address)
    return address


def _segments(path: str) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    at = 0
    while at < len(path.rstrip("/")):
        match = _SEGMENT.match(path, at)
        if match is None or len(found) >= 2 * MAX_STEPS:
            raise NotFound(f"There is nothing at '{path[:200]}': a path looks like Things('id')/Datastreams")
        id = match["id"]
        found.append((match["name"], id[1:-1].replace("''", "'") if id and id[0] == "'" else id))
        at = match.end()
    return found


def _step(steps: list[Step], name: str, id: str | None) -> Step | None:
    """The step that a segment stands for; None for a property."""
    if not steps:
        kind = COLLECTIONS.get(name)
        if kind is None:
            raise NotFound(f"There is no '{name[:50]}' here; there are {', '.join(COLLECTIONS)}")
        return Step(name, kind.name, id or "")
    last = steps[-1]
    link = KINDS[last.kind].links.get(name)
    if link is None or (last.many and not last.id):
        if id is not None or (last.many and not last.id):
            raise NotFound(f"'{name[:50]}' is no link of {KINDS[last.kind].plural}; one of them is meant first, such as {last.name}('id')")
        return None
    if len(steps) >= MAX_STEPS:
        raise NotFound(f"A path has at most {MAX_STEPS} steps")
    return Step(name, link.kind, id or "", link.many)


def _check(address: Address) -> None:
    if not address.steps:
        raise NotFound(f"There is nothing here; there are {', '.join(COLLECTIONS)}")
    kind = address.kind
    if address.member and address.member[0] not in (*kind.properties, "@iot.id", "id"):
        raise NotFound(f"'{address.member[0][:50]}' is no property of {kind.plural}; known: {', '.join(kind.properties)}")
    if (address.form == "$value") != bool(address.member) and address.form:
        raise NotFound("$value follows a property, $ref follows entities")
