"""What keeps an alert quiet: a maintenance window, or an open alert of the parent rule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

import msgspec

from cityhub.model.entity import Entity, value_of
from cityhub.model.errors import CityHubError
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Store
from cityhub.rules.alerts.index import AlertIndex
from cityhub.rules.maintenance.window import Maintenance
from cityhub.rules.rule import Rule

TermsOf = Callable[[str, str], Awaitable[TermMap]]
"""The names of an @context (a URL; "": the district's) for a tenant."""


class Quiet(msgspec.Struct, frozen=True):
    """An alert about which is asked whether something keeps it quiet.

    Attributes:
        rule: Its rule.
        subject: What it is about.
        entities: What it was worked out of.
        location: Where; None: unknown.
    """

    rule: Rule
    subject: str
    entities: list[str]
    location: dict[str, Any] | None


class Suppression:
    """Knows what keeps alerts quiet.

    Args:
        windows: The maintenance windows.
        index: The open alerts.
        store: Has the subjects.
        terms_of: The names that rules use.
    """

    def __init__(self, windows: Callable[[], Iterable[Maintenance]], index: AlertIndex, store: Store, terms_of: TermsOf) -> None:
        self._windows = windows
        self._index = index
        self._store = store
        self._terms_of = terms_of

    async def by(self, quiet: Quiet, at: str, raised: Collection[tuple[str, str]] = ()) -> dict[str, Any] | None:
        """What keeps an alert quiet at a moment: {"kind", "id", "title"}; None: nothing.

        Args:
            quiet: The alert.
            at: The moment, RFC 3339 UTC.
            raised: Rule and subject of alerts that are raised in the same breath.
        """
        subject = await self._store.fetch(quiet.rule.tenant, quiet.entities[0]) if quiet.entities else None
        names = [quiet.subject, *quiet.entities]
        for window in self._windows():
            if window.covers(quiet.rule, names, subject, quiet.location, at):
                return {"kind": "maintenance", "id": window.id, "title": window.title}
        return await self._by_parent(quiet, subject, raised)

    async def _by_parent(self, quiet: Quiet, subject: Entity | None, raised: Collection[tuple[str, str]]) -> dict[str, Any] | None:
        rule = quiet.rule
        if not rule.parent:
            return None
        for about in await self._parents_subjects(quiet, subject):
            holding = [entry for entry in self._index.about(rule.tenant, rule.parent, about) if not entry.alert.cleared]
            if holding:
                alert = holding[0].alert
                return {"kind": "parent", "id": alert.id, "title": alert.title.get("zh") or alert.title.get("en", "")}
            if (rule.parent, about) in raised:
                return {"kind": "parent", "id": rule.parent, "title": rule.parent}
        return None

    async def _parents_subjects(self, quiet: Quiet, subject: Entity | None) -> list[str]:
        """What the parent's alert would be about."""
        rule = quiet.rule
        if not rule.parent_link:
            return [quiet.subject]
        if subject is None:
            return []
        try:
            name = (await self._terms_of(rule.context, rule.tenant)).expand(rule.parent_link)
        except CityHubError:  # without its @context the link leads nowhere, and an alert too many is better than one too few
            return []
        targets = [value_of(instance) for instance in subject["attrs"].get(name, ())]
        return [id for target in targets for id in (target if isinstance(target, list) else [target]) if isinstance(id, str)]
