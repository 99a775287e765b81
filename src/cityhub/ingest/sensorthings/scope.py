"""Sets of entities, pages of them, and what expressions say of an entity.

Source: OGC 18-088, 9.2 and 9.3.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from cityhub.ingest.sensorthings.expression import Expression, Path, paths_in
from cityhub.ingest.sensorthings.ids import Stream
from cityhub.ingest.sensorthings.kinds import KINDS
from cityhub.ingest.sensorthings.rows import Row
from cityhub.model.condition import Anything, Condition


class Scope(msgspec.Struct, frozen=True):
    """A set of entities of one kind.

    Attributes:
        kind: Which.
        ids: Only these; None: as the rest says.
        inverse: Only those whose link of this name leads to this id.
        condition: What the NGSI-LD entities that they are seen in satisfy.
        streams: Of Observations: only those of these Datastreams; None: of all.
        feature: Of Observations: only those of this FeatureOfInterest; "": of any.
    """

    kind: str
    ids: tuple[str, ...] | None = None
    inverse: tuple[str, str] | None = None
    condition: Condition = Anything()
    streams: tuple[Stream, ...] | None = None
    feature: str = ""


class Found(msgspec.Struct, frozen=True):
    """A page of entities, how many there are in all (None: not counted), and whether there are more behind the page."""

    rows: list[Row]
    count: int | None
    more: bool


@lru_cache(maxsize=1024)
def is_plain(kind: str, expression: Expression) -> bool:
    """Whether an expression speaks of an entity's own properties only."""
    return not any(path.parts[0] in KINDS[kind].links for path in paths_in(expression))


def property_of(row: Row, names: tuple[str, ...]) -> Any:
    """A property of an entity, or what is inside of it; None when there is none."""
    if names[0] in ("id", "@iot.id"):
        return row.id
    value: Any = row.properties
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def below(part: Expression, link: str) -> Expression | None:
    """An expression that only speaks of what a link leads to, as seen from there; None for any other."""
    paths = list(paths_in(part))
    if not paths or any(path.parts[0] != link or len(path.parts) < 2 for path in paths):
        return None
    return _moved(part)


def _moved(part: Expression) -> Expression:
    if isinstance(part, Path):
        return Path(part.parts[1:])
    arguments = getattr(part, "arguments", None)
    return part if arguments is None else msgspec.structs.replace(part, arguments=tuple(_moved(one) for one in arguments))
