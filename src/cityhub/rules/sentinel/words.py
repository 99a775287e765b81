"""What hub and sentinel say to each other over the wire (`cityhub.web.wire`); the hub answers, the sentinel asks.

    orders   a stream of orders, the first of which says which rules run
    hear     signals: a `Heard`, answered after they are durable
    kept     up to which position the sentinel needs the journal no more
    report   how each rule stands: rule id -> `RuleState`
    present  entities as they are now, in blocks of JSON: a `Present`
    models   the models of history that there are: tenant, id and document of each, in blocks of JSON
    moment   a time, RFC 3339, before which nothing is committed to the journal any more
    answer   what became of an order that is a job: an `Answer`
"""

from __future__ import annotations

from typing import Final

import msgspec

from cityhub.model.jsonld import TermMap
from cityhub.rules.rule import Rule
from cityhub.rules.sentinel_port import Signal
from cityhub.settings import Settings
from cityhub.web.wire import Problem

SOCKET: Final = "sentinel.sock"
"""The name of the socket's file; the hub listens there."""


class SentinelOrders(msgspec.Struct, frozen=True):
    """What the process is told at its start: where the hub answers, and the hub's settings."""

    socket: str
    settings: Settings


class RuleOrder(msgspec.Struct, frozen=True):
    """A rule with the names of its @context: the IRIs of terms, and which terms are prefixes."""

    rule: Rule
    iris: dict[str, str | None] = {}
    prefixes: list[str] = []

    def terms(self) -> TermMap:
        """The names."""
        return TermMap(self.rule.context or None, self.iris, set(self.prefixes))


class Arrange(msgspec.Struct, frozen=True, tag="arrange"):
    """Exactly these rules run.

    Attributes:
        rules: The rules.
        zone: The district's time zone.
        position: Where in the journal a sentinel without a checkpoint begins.
    """

    rules: list[RuleOrder]
    zone: str
    position: int


class Follow(msgspec.Struct, frozen=True, tag="follow"):
    """How does an entity go through a rule?"""

    job: int
    rule: str
    entity: str


Order = Arrange | Follow


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of a job: its result (msgpack), or why there is none."""

    job: int
    result: bytes = b""
    problem: Problem | None = None


class Heard(msgspec.Struct, frozen=True, array_like=True):
    """Signals in their order, and up to which position their entries need not be read again."""

    signals: list[Signal]
    kept: int


class Present(msgspec.Struct, frozen=True, array_like=True):
    """Entities of a tenant: of one of some types, or with one of some ids."""

    tenant: str
    types: list[str] = []
    ids: list[str] = []
