"""A feed's mappings, compiled: from a record to what it says of entities.

In expressions stand the members of a record by name, and these names, which always mean the message and not a member of the record
(that is `record.topic`): `record` (the whole of it), `topic`, `path`, `query`, `headers`, `device`, `client`, `remote`, `received_at`,
`feed`. What a protocol does not know is null. What else it knows (`url`, `bucket`, ...) stands where the record has no member of that name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from cityhub.ingest.feed import AttributeMapping, EntityMapping, Feed
from cityhub.ingest.mapping.attribute import Reader, reader_of, unit_code, value_key
from cityhub.ingest.mapping.names import Names
from cityhub.ingest.mapping.places import fence
from cityhub.ingest.mapping.problems import MappingError, Unfit, shown
from cityhub.ingest.mapping.times import Times
from cityhub.ingest.message import Message
from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.feel import Expression, compile_expression, to_json
from cityhub.model.ngsild.attribute import CHECKED, GEO_PROPERTIES, bad_name
from cityhub.model.ngsild.attribute_member import NOT_ATTRIBUTES
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ports import EntityUpdate

ABOUT: Final = ("topic", "path", "query", "headers", "device", "client", "remote")
"""Names that mean the message; null where its protocol does not know."""
RESERVED: Final = (*ABOUT, "record", "received_at", "feed")
"""All names in expressions that do not mean a member of the record."""
OUTSIDE: Final = "outside"
"""The flag of a place that lies outside 'within'."""
MAX_RECORDS: Final = 100_000
"""Records that 'records' may find in one payload."""

_uri = lru_cache(maxsize=16384)(is_uri)


def _marks(feed: Feed, names: Callable[[str], str]) -> dict[str, list[dict[str, Any]]] | None:
    """What every attribute of the feed says beside its value."""
    if feed.provenance and not is_uri(feed.provenance):
        raise BadRequestData(f"'provenance' must be a URI such as 'urn:ngsi-ld:Feed:rain', not '{feed.provenance[:100]}'")
    marks: dict[str, list[dict[str, Any]]] = {}
    if feed.simulated:
        marks[names("simulated")] = [{"type": "Property", "value": True}]
    if feed.provenance:
        marks[names("provenance")] = [{"type": "Relationship", "object": feed.provenance}]
    return marks or None


class Mapping:
    """All mappings of one version of a feed. Made by `compile_mapping`."""

    def __init__(self, feed: Feed, names: Callable[[str], str]) -> None:
        known = Names(names)
        self._feed = feed.id
        self._records = _expression(feed.records, "'records'") if feed.records else None
        self._entities = [_Entity(number, mapping, known, _marks(feed, names)) for number, mapping in enumerate(feed.entities, 1)]

    def records(self, decoded: list[Any], message: Message) -> list[Any]:
        """The records in what was decoded: what the feed's 'records' finds in each item, or the items. Raises MappingError."""
        if self._records is None:
            return decoded
        found: list[Any] = []
        for item in decoded:
            value, why = self._records.evaluate(self.context(item, message))
            if value is None:
                raise MappingError(f"'records' ({self._records.text}) found nothing in {shown(item)}{_because(why)}")
            found.extend(value if type(value) is list else [value])
            if len(found) > MAX_RECORDS:
                raise MappingError(f"'records' ({self._records.text}) found more than {MAX_RECORDS} records")
        return found

    def context(self, record: Any, message: Message) -> dict[str, Any]:
        """What stands in expressions for a record."""
        about = message.about
        context = {**about, **record} if type(record) is dict else {**about}
        for name in ABOUT:
            context[name] = about.get(name)
        context["record"] = record
        context["received_at"] = message.received_at
        context["feed"] = self._feed
        return context

    def apply(self, record: Any, message: Message) -> list[EntityUpdate]:
        """What a record says, one update for each mapping that applies to it; none when none applies.

        Raises MappingError when a mapping that applies cannot be carried out, when none of them found a value for any attribute, or when
        none applies and it cannot be told of one whether it does.
        """
        context = self.context(record, message)
        updates = []
        empty: _Entity | None = None
        unclear: _Entity | None = None
        for entity in self._entities:
            applies = entity.applies(context)
            if applies is None:
                unclear = entity
            elif applies:
                update = entity.update(context, message.received_at)
                if update.attributes:
                    updates.append(update)
                else:
                    empty = entity
        if not updates and empty is not None:
            raise MappingError(empty.nothing(context))
        if not updates and unclear is not None:
            raise MappingError(unclear.unclear(context))
        return updates


class _Entity:
    """One EntityMapping, compiled."""

    def __init__(self, number: int, mapping: EntityMapping, names: Names, marks: Attributes | None) -> None:
        self._where = f"entity {number} ({mapping.type})"
        try:
            self._types = [names.expand_name(mapping.type)]
            self._times = Times(mapping.time_zone)
            self._fence = fence(mapping.within) if mapping.within is not None else None
            self._quality = names.expand_name("quality")
        except (Unfit, BadRequestData) as error:
            raise BadRequestData(f"In {self._where}: {error}") from None
        self._id = _expression(mapping.id, f"In {self._where}, 'id'")
        self._when = _expression(mapping.when, f"In {self._where}, 'when'") if mapping.when else None
        self._observed = _expression(mapping.observed_at, f"In {self._where}, 'observed_at'") if mapping.observed_at else None
        if not mapping.attributes:
            raise BadRequestData(f"In {self._where}: 'attributes' must name at least one attribute")
        if self._fence and all(attribute.kind != "GeoProperty" for attribute in mapping.attributes.values()):
            raise BadRequestData(f"In {self._where}: 'within' needs an attribute of kind GeoProperty")
        self._attributes = [_Attribute(self._where, name, attribute, names) for name, attribute in mapping.attributes.items()]
        self._marks = marks

    def applies(self, context: dict[str, Any]) -> bool | None:
        """Whether the mapping is for the record; None when its condition is null, which is neither."""
        if self._when is None:
            return True
        found = self._when(context)
        return None if found is None else found is True

    def update(self, context: dict[str, Any], arrived: str) -> EntityUpdate:
        """What a record says of its entity."""
        id = self._id(context)
        if type(id) is not str or not _uri(id):
            raise MappingError(self._bad_id(id, context))
        observed_at = self._observed_at(self._observed, context, arrived) if self._observed else self._arrival(arrived)
        attributes: Attributes = {}
        marks = self._marks
        for attribute in self._attributes:
            instance = attribute.instance(context)
            if instance is None:
                continue
            own = attribute.observed
            when = observed_at if own is None else self._observed_at(own, context, arrived, attribute.where)
            if when:
                instance["observedAt"] = when
            if marks:
                instance["attrs"] = marks
            if self._fence and attribute.is_place and not self._fence(instance["value"]):
                flag = {self._quality: [{"type": "Property", "value": [OUTSIDE]}]}
                instance["attrs"] = {**marks, **flag} if marks else flag
            attributes[attribute.iri] = [instance]
        return EntityUpdate(id, self._types, attributes)

    def unclear(self, context: dict[str, Any]) -> str:
        """What is said of a record when the condition is null."""
        assert self._when is not None
        return f"{self._where}, 'when' ({self._when.text}) is null{_because(self._when.evaluate(context)[1])}, and no other mapping applies"

    def nothing(self, context: dict[str, Any]) -> str:
        """What is said of a record in which no attribute was found."""
        reasons = (attribute.why(context) for attribute in self._attributes)
        return f"{self._where}: no attribute has a value; {'; '.join(reasons)}"[:1000]

    def _arrival(self, arrived: str) -> str:
        return self._times.read(arrived) if arrived else ""

    def _observed_at(self, expression: Expression, context: dict[str, Any], arrived: str, where: str = "") -> str:
        value = expression(context)
        try:
            if value is None:
                raise Unfit(f"there is no time{_because(expression.evaluate(context)[1])}")
            return self._times.read(to_json(value), arrived)
        except Unfit as error:
            raise MappingError(f"{where or self._where}, 'observed_at' ({expression.text}): {error}") from None

    def _bad_id(self, id: Any, context: dict[str, Any]) -> str:
        start = f"{self._where}, 'id' ({self._id.text})"
        if id is not None:
            return f"{start}: {shown(id)} is not a URI such as 'urn:ngsi-ld:RainGauge:500114:1'"
        hidden = [name for name in RESERVED if context.get(name) is None and type(context["record"]) is dict and name in context["record"]]
        hint = "".join(f"; '{name}' is that of the message, the record's own is 'record.{name}'" for name in hidden)
        return f"{start} is null{_because(self._id.evaluate(context)[1])}{hint}"


class _Attribute:
    """One AttributeMapping, compiled."""

    def __init__(self, where: str, name: str, mapping: AttributeMapping, names: Names) -> None:
        self.where = f"{where}, attribute '{name}'"
        try:
            if name in NOT_ATTRIBUTES:
                raise BadRequestData(bad_name(name, name))
            self.iri = names.expand_name(name)
            if self.iri in CHECKED and (mapping.kind == "GeoProperty") != (self.iri in GEO_PROPERTIES):
                raise BadRequestData(f"its kind must be {'GeoProperty' if self.iri in GEO_PROPERTIES else 'JsonProperty'}")
            self._read: Reader = reader_of(mapping, names)
            self._unit = unit_code(mapping)
        except (Unfit, BadRequestData) as error:
            raise BadRequestData(f"In {self.where}: {error}") from None
        self._value = _expression(mapping.value, f"In {self.where}, 'value'")
        self._kind, self._key = mapping.kind, value_key(mapping)
        self.observed = _expression(mapping.observed_at, f"In {self.where}, 'observed_at'") if mapping.observed_at else None
        self._dataset = _expression(mapping.dataset, f"In {self.where}, 'dataset'") if mapping.dataset else None
        self.is_place = mapping.kind == "GeoProperty"

    def instance(self, context: dict[str, Any]) -> Instance | None:
        """The instance, without its time; None when the value is null."""
        value = self._value(context)
        if value is None:
            return None
        try:
            instance: Instance = {"type": self._kind, self._key: self._read(value)}
        except (Unfit, ArithmeticError, RecursionError) as error:
            raise MappingError(f"{self.where}, 'value' ({self._value.text}): {error}") from None
        if self._unit:
            instance["unitCode"] = self._unit
        if self._dataset is not None:
            dataset = self._dataset(context)
            if type(dataset) is not str or not _uri(dataset):
                raise MappingError(f"{self.where}, 'dataset' ({self._dataset.text}): {shown(dataset)} is not a URI")
            instance["datasetId"] = dataset
        return instance

    def why(self, context: dict[str, Any]) -> str:
        """Why there is no value."""
        return f"{self.where.rpartition(', ')[2]}, 'value' ({self._value.text}) is null{_because(self._value.evaluate(context)[1])}"


def compile_mapping(feed: Feed, names: Callable[[str], str]) -> Mapping:
    """The mappings of a feed, ready to be applied.

    Raises BadRequestData naming the entity and attribute that contradict themselves, or the place in an expression that is wrong.

    Args:
        feed: Its definition.
        names: Turns a short name into its IRI; raises BadRequestData for what is no name.
    """
    return Mapping(feed, names)


def _expression(text: str, where: str) -> Expression:
    try:
        return compile_expression(text)
    except BadRequestData as error:
        raise BadRequestData(f"{where} ({text}): {error.detail}") from None


def _because(reasons: list[str]) -> str:
    return f" ({'; '.join(reasons)[:300]})" if reasons else ""
