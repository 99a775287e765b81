"""A registration made ready for matching: which entities and attributes its source has, and what may be asked of it.

Source: GS CIM 009 V1.9.1, clauses 4.3.6, 5.2.9, 5.2.10, 5.2.34 and 5.12.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from cityhub.context.registration import NAME_LISTS, Record
from cityhub.context.registration_words import AUXILIARY, DEFAULT_OPERATIONS, GROUPS, INCLUSIVE, single_operations
from cityhub.model.ngsild.patterns import compile_pattern
from cityhub.model.ngsild.selector import EntitySelector
from cityhub.model.ngsild.temporal import parse_duration

DEFAULT_TIMEOUT_S: Final = 5.0
MAX_TIMEOUT_S: Final = 30.0
_DAYS_OF_MONTH: Final = 30
_DAY_S: Final = 86_400.0
_RESERVED: Final = frozenset(("jsonldContext", "contentType", "accept"))
_UNSENT: Final = frozenset((
    "via", "host", "content-length", "connection", "transfer-encoding", "upgrade", "te", "trailer", "keep-alive", "ngsild-tenant",
    "content-type", "link", "accept",
))  # fmt: skip
"""Headers that the hub itself answers for; a registration cannot set them."""


class EntityInfo:
    """One group of entities of a registration (5.2.8); immutable.

    Attributes:
        id: The one entity; None for a group.
        pattern: What the ids of the group look like; None: any.
        types: The types (IRIs) that its entities have.
    """

    __slots__ = ("_search", "id", "pattern", "types")

    def __init__(self, document: dict[str, Any]) -> None:
        self.id: str | None = document.get("id")
        self.pattern: str | None = None if self.id is not None else document.get("idPattern")
        self.types = tuple(document["type"])
        self._search: Callable[[str], Any] | None = compile_pattern(self.pattern, "idPattern") if self.pattern else None

    def has(self, id: str, types: Collection[str] | None) -> bool:
        """Whether an entity belongs to the group; `types` None: they are not known."""
        if self.id is not None:
            if self.id != id:
                return False
        elif self._search is not None and self._search(id) is None:
            return False
        return types is None or all(name in types for name in self.types)

    def meets(self, selectors: Iterable[EntitySelector]) -> bool:
        """Whether one of the selectors may select an entity of the group."""
        return any(selector.meets(self.types, self.id, self._search) for selector in selectors)


class Information:
    """One element of a registration's information (5.2.10); immutable.

    Attributes:
        entities: Groups of entities; empty: entities of any kind.
        attributes: Attributes (IRIs); empty: any.
    """

    __slots__ = ("attributes", "entities")

    def __init__(self, document: dict[str, Any]) -> None:
        self.entities = tuple(EntityInfo(item) for item in document.get("entities", ()))
        self.attributes = frozenset(name for names in NAME_LISTS for name in document.get(names, ()))

    def has(self, id: str, types: Collection[str] | None) -> bool:
        """Whether the entity is among the registered ones."""
        return not self.entities or any(one.has(id, types) for one in self.entities)

    def meets(self, selectors: Collection[EntitySelector]) -> bool:
        """Whether one of the selectors (none: every entity) may select a registered entity."""
        return not selectors or not self.entities or any(one.meets(selectors) for one in self.entities)

    def shares(self, attributes: Collection[str] | None) -> bool:
        """Whether an attribute that is asked for (None or none: any) may be among the registered ones."""
        return not attributes or not self.attributes or not self.attributes.isdisjoint(attributes)


class Registration:
    """A registration ready for matching; immutable but for what is counted elsewhere.

    Attributes:
        tenant: The tenant of this hub that it belongs to.
        id: Its id.
        record: The record that it was made from.
        mode: One of `MODES`.
        operations: Single operations that the source offers.
        endpoint: Base URL of the source, without a slash at its end.
        information: What the source has.
        expires_at: When it vanishes, in the internal form.
        alias: Name by which the source signs in Via headers; "" when it is not known.
        headers: What goes along with every request to the source.
        settings: contextSourceInfo pairs that steer requests: jsonldContext, contentType, accept.
        source_tenant: The tenant at the source; "" is its default one.
        timeout_s: How long an answer is waited for.
        cooldown_s: How long the source is left alone after it could not be reached.
        cache_s: How long answers may be reused.
        local_only: Whether the source shall answer from its own data only.
    """

    __slots__ = (
        "alias", "cache_s", "cooldown_s", "endpoint", "expires_at", "headers", "id", "information", "local_only", "mode", "operations",
        "record", "settings", "source_tenant", "tenant", "timeout_s",
    )  # fmt: skip

    def __init__(self, tenant: str, record: Record) -> None:
        self.tenant = tenant
        self.record = record
        self.id: str = record["id"]
        self.mode: str = record.get("mode", INCLUSIVE)
        operations = single_operations(record.get("operations", DEFAULT_OPERATIONS))
        self.operations = operations & GROUPS["retrieveOps"] if self.mode == AUXILIARY else operations
        self.endpoint = record["endpoint"].rstrip("/")
        self.information = tuple(Information(item) for item in record["information"])
        self.expires_at: str = record.get("expiresAt", "~")
        self.alias: str = record.get("contextSourceAlias") or record.get("hostAlias", "")
        pairs = {item["key"]: item["value"] for item in record.get("contextSourceInfo", ())}
        self.settings = {key: value for key, value in pairs.items() if key in _RESERVED}
        self.headers = {key: value for key, value in pairs.items() if key not in _RESERVED and key.lower() not in _UNSENT}
        self.source_tenant: str = record.get("tenant", "")
        management = record.get("management", {})
        self.timeout_s = min(MAX_TIMEOUT_S, management["timeout"] / 1000) if "timeout" in management else DEFAULT_TIMEOUT_S
        self.cooldown_s = management.get("cooldown", 0) / 1000
        self.local_only: bool = record.get("localOnly", management.get("localOnly", False))
        self.cache_s = _seconds(management["cacheDuration"]) if "cacheDuration" in management else 0.0

    def covering(
        self, id: str, types: Collection[str] | None, attributes: Collection[str] | None = None
    ) -> tuple[bool, frozenset[str] | None]:
        """Whether the source has something of an entity, and which of its attributes: None for all of them."""
        return _covered(item for item in self.information if item.has(id, types) and item.shares(attributes))

    def meeting(self, selectors: Collection[EntitySelector], attributes: Collection[str] | None) -> tuple[bool, frozenset[str] | None]:
        """Whether the source may have entities that are selected, and which attributes of them: None for all of them."""
        return _covered(item for item in self.information if item.meets(selectors) and item.shares(attributes))


def _covered(items: Iterable[Information]) -> tuple[bool, frozenset[str] | None]:
    found = False
    names: set[str] = set()
    for item in items:
        if not item.attributes:
            return True, None
        found = True
        names |= item.attributes
    return found, frozenset(names)


def _seconds(duration: str) -> float:
    period = parse_duration(duration, "cacheDuration")
    return period.months * _DAYS_OF_MONTH * _DAY_S + period.seconds
