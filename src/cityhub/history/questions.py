"""What the hub asks the historian for the temporal interface, and what comes back; all of it travels as msgpack."""

from __future__ import annotations

from typing import Any

import msgspec

from cityhub.model.ports import Evolution, Window


class Entities(msgspec.Struct, frozen=True, array_like=True):
    """Which of these entities the history knows: answered by a list of `Evolution`s, in the order of the ids."""

    tenant: str
    ids: list[str]


class Scan(msgspec.Struct, frozen=True, array_like=True):
    """Which entities satisfy a condition: answered by lists of `Evolution`s, in the order in which they came into the history.

    Attributes:
        tenant: The tenant.
        where: The condition in SQL over `entity` and `type`, and `spanned` (the observations in the window); see `conditions`.
        values: What its question marks stand for.
        window: Only entities with an instance in it, other than of the scope; None: all.
        whole: Whether `modified_at` must take every instance into account, not only those in the window.
    """

    tenant: str
    where: str
    values: list[Any]
    window: Window | None = None
    whole: bool = True


class Read(msgspec.Struct, frozen=True, array_like=True):
    """Instances of entities: answered by a list of `Attributes`, one for each id.

    Attributes:
        tenant: The tenant.
        ids: The entities.
        window: The instances.
        page: Only so many instances of all entities together (and all that have the same time as the last of them, and one
            more), the earliest or, with `window.latest`, the latest; an attribute that has none of them is there, empty. None: all.
        instance: Only the instance with this id.
    """

    tenant: str
    ids: list[str]
    window: Window
    page: int | None = None
    instance: str | None = None


class Aggregate(msgspec.Struct, frozen=True, array_like=True):
    """Figures over periods: answered by a list with a dict for each id, from attributes to JSON, or None where this cannot be done
    here because some values are no numbers.

    Attributes:
        tenant: The tenant.
        ids: The entities.
        window: The instances.
        methods: The figures.
        months: The length of a period, months first, then seconds; both 0: one period.
        seconds: See `months`.
    """

    tenant: str
    ids: list[str]
    window: Window
    methods: tuple[str, ...]
    months: int = 0
    seconds: float = 0.0


Found = list[Evolution]


class Rows(msgspec.Struct, frozen=True, array_like=True):
    """How many rows the history has of an entity: answered by a `RowCounts`."""

    tenant: str
    entity: str


class RowCounts(msgspec.Struct, frozen=True, array_like=True):
    """Rows by table."""

    observations: int
    versions: int
