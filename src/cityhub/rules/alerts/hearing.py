"""Hears the rules' signals and makes alerts of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from cityhub.model.alert import ALERT
from cityhub.model.entity import Entity, value_of
from cityhub.model.errors import CityHubError, StoreUnavailable
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Store, Write
from cityhub.rules.alerts.index import AlertIndex
from cityhub.rules.alerts.steps import Setting, step_of
from cityhub.rules.alerts.suppression import Quiet, Suppression, TermsOf
from cityhub.rules.rule import Rule, Watch
from cityhub.rules.sentinel_port import Signal

log = logging.getLogger(__name__)


class Rules(Protocol):
    """The rules, as alerts need them."""

    async def version(self, id: str, number: int) -> Rule:
        """A rule as it was in a version. Raises NotFound."""


class AlertHearing:
    """Takes signals (`cityhub.rules.sentinel_port.Hearing`).

    All signals of a batch that belong to one tenant become alerts in one transaction; what is known already changes nothing.

    Args:
        store: Where alerts go.
        index: Hears of them at once.
        rules: The rules.
        suppression: What keeps alerts quiet.
        terms_of: The names that rules use.
        zone: In which the sentences tell times.
        keep: When an alert expires that is closed at a moment.
    """

    def __init__(
        self, store: Store, index: AlertIndex, rules: Rules, suppression: Suppression, terms_of: TermsOf, zone: ZoneInfo,
        keep: Callable[[str], str],
    ) -> None:  # fmt: skip
        self._store = store
        self._index = index
        self._rules = rules
        self._suppression = suppression
        self._terms_of = terms_of
        self._zone = zone
        self._keep = keep

    async def __call__(self, signals: Sequence[Signal], position: int) -> None:
        """Makes alerts of signals and returns when they are durable. Raises StoreUnavailable."""
        for tenant in dict.fromkeys(signal.tenant for signal in signals):
            await self._take(tenant, [signal for signal in signals if signal.tenant == tenant])

    async def _take(self, tenant: str, signals: Sequence[Signal]) -> None:
        raised = {(signal.rule, signal.subject) for signal in signals if signal.kind == "raised"}
        writes = [Write(signal.alert, step_of(signal, await self._setting(signal, raised))) for signal in signals]
        results = await self._store.write(tenant, writes)
        for signal, result in zip(signals, results, strict=True):
            if isinstance(result, CityHubError):  # a signal must not pass for kept when it is not
                raise StoreUnavailable(f"The alert {signal.alert} could not be kept: {result.detail}")
        for id in dict.fromkeys(signal.alert for signal in signals):
            entity = await self._store.fetch(tenant, id)
            if entity is not None and ALERT in entity["type"]:
                self._index.take(tenant, entity)

    async def _setting(self, signal: Signal, raised: set[tuple[str, str]]) -> Setting:
        rule = await self._rule(signal)
        suppressed_by = None
        if signal.kind == "raised" and self._index.entry(signal.tenant, signal.alert) is None:
            quiet = Quiet(rule, signal.subject, signal.entities, signal.location)
            suppressed_by = await self._suppression.by(quiet, signal.at, raised)
        subject = await self._store.fetch(signal.tenant, signal.entities[0]) if signal.entities else None
        terms = await self._terms(rule)
        units = _units(rule, signal, subject, terms) if subject is not None and terms is not None else {}
        named = subject if subject is not None and subject["id"] == signal.subject else await self._target(signal)
        name = _name(named, terms) if named is not None and terms is not None else ""
        place = _instances(named, "location", terms) if named is not None and terms is not None else []
        location = value_of(place[0]) if place else None
        return Setting(rule, name or signal.subject, units, suppressed_by, self._zone, self._keep, location)

    async def _rule(self, signal: Signal) -> Rule:
        try:
            return await self._rules.version(signal.rule, signal.version)
        except StoreUnavailable:
            raise
        except CityHubError:
            log.warning("the rule %s version %s is not known; its alert is kept without its texts", signal.rule, signal.version)
            return Rule(signal.rule, {"zh": signal.rule, "en": signal.rule}, "", Watch("*"), [], tenant=signal.tenant)

    async def _terms(self, rule: Rule) -> TermMap | None:
        try:
            return await self._terms_of(rule.context, rule.tenant)
        except CityHubError:  # the alert matters more than its units
            return None

    async def _target(self, signal: Signal) -> Entity | None:
        """The entity that a group of entities has in common; None where it is a value or the subject is no group."""
        target = signal.subject.partition("=")[2]
        return await self._store.fetch(signal.tenant, target) if target else None


KEEPING: Final = frozenset(("sum", "average", "minimum", "maximum", "first", "last", "median", "stddev", "increase", "forecast"))
"""Functions whose figure has the unit of what it is worked out of."""


def _units(rule: Rule, signal: Signal, subject: Entity, terms: TermMap) -> dict[str, str]:
    """Units of the inputs: those of the subject's attributes, and of the figures that keep the unit of what they are worked out of."""
    units: dict[str, str] = {}
    for name in signal.inputs:
        figure = rule.figures.get(name)
        of = name if figure is None else figure.of if figure.function in KEEPING else ""
        instances = _instances(subject, of, terms)
        if instances and (unit := instances[0].get("unitCode")):
            units[name] = str(unit)
    return units


def _instances(subject: Entity, name: str, terms: TermMap) -> list[dict[str, Any]]:
    if not name.isidentifier():
        return []
    try:
        found: list[dict[str, Any]] = subject["attrs"].get(terms.expand(name), [])
    except CityHubError:
        return []
    return found


def _name(subject: Entity, terms: TermMap) -> str:
    """How people call a subject, in Chinese where it has names in several languages; "" where it has none."""
    for instance in _instances(subject, "name", terms):
        value = value_of(instance)
        if isinstance(value, dict):
            value = value.get("zh") or next(iter(value.values()), "")
        if isinstance(value, str) and value:
            return value
    return ""
