"""SensorThings over MQTT: what a message makes, and which topics a change is told to.

The broker calls `MqttDoor.on_publish` for what clients publish under v1.1/, and `MqttDoor.topics_of` for changes in the journal. It
matches a subscription by `read_topic(subscription)`: `message.topic` must be the same, and the payload is `message.payload(select)`.

Source: OGC 18-088, 14 (MQTT extension): 14.1 creating observations, 14.2 receiving updates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

import msgspec
import orjson

from cityhub.ingest.sensorthings.address import Address, read_address
from cityhub.ingest.sensorthings.bodies import read_object
from cityhub.ingest.sensorthings.derive import rows_of
from cityhub.ingest.sensorthings.ids import Stream, link_id
from cityhub.ingest.sensorthings.kinds import KINDS
from cityhub.ingest.sensorthings.making import Making
from cityhub.ingest.sensorthings.measured import MeasuredAttributes
from cityhub.ingest.sensorthings.observed import row_of_instance
from cityhub.ingest.sensorthings.rendering import address_of, document_of
from cityhub.ingest.sensorthings.rows import Row
from cityhub.ingest.sensorthings.search import Search
from cityhub.model.change import Change
from cityhub.model.entity import Attributes, Instance
from cityhub.model.errors import BadRequestData, CityHubError, InvalidRequest
from cityhub.model.history_events import Put, PutMany, event_of
from cityhub.model.ports import ENTITIES, HISTORY_EVENTS, Analysis, Intake, Store
from cityhub.model.time import Clock

ROOT: Final = "v1.1/"
_STORED: Final = tuple(kind for kind in KINDS if kind != "Observation")


class Message(msgspec.Struct, frozen=True):
    """What is told to a topic.

    Attributes:
        topic: In the form of `read_topic`.
        document: The entity as a GET shows it, or {property: value}.
        id: Of the entity.
    """

    topic: str
    document: dict[str, Any]
    id: str = ""

    def payload(self, select: tuple[str, ...] = ()) -> bytes:
        """The message for a subscription that wants only these properties; (): all of them."""
        if not select:
            return orjson.dumps(self.document)
        wanted = {"@iot.id" if name == "id" else name for name in select}
        return orjson.dumps({name: value for name, value in self.document.items() if name.partition("@iot.nav")[0] in wanted})


def read_topic(topic: str) -> tuple[str, tuple[str, ...]]:
    """A topic of the service in its one form, and what a $select in it names.

    >>> read_topic("v1.1/Datastreams(7)/Observations?$select=result")
    ("v1.1/Datastreams('7')/Observations", ('result',))

    Raises NotFound for one that names nothing, BadRequestData for an option other than $select.
    """
    path, mark, option = topic.removeprefix("/").partition("?")
    name, _, names = option.partition("=")
    if not path.startswith(ROOT) or (mark and (unquote(name) != "$select" or not names)):
        raise BadRequestData("A topic looks like v1.1/Datastreams('id')/Observations, with ?$select=... at most")
    return _written(read_address(unquote(path.removeprefix(ROOT)))), tuple(filter(None, unquote(names).split(",")))


def _written(address: Address) -> str:
    steps = [step.name + (f"({link_id(step.id)})" if step.id else "") for step in address.steps]
    return ROOT + "/".join((*steps, *address.member))


class MqttDoor:
    """What the broker has to do with SensorThings.

    Args:
        store: The present state.
        analysis: SQL over what was true.
        intake: Where observations come in.
        clock: Where the time comes from.
        root: Address of the HTTP service, for the links in messages.
    """

    def __init__(self, store: Store, analysis: Analysis, intake: Intake, clock: Clock, root: str) -> None:
        self._store = store
        self._analysis = analysis
        self._intake = intake
        self._clock = clock
        self._root = root
        self._attributes = MeasuredAttributes(store, clock)

    async def on_publish(self, topic: str, payload: bytes, tenant: str = "", trace: str = "") -> str:
        """Makes the entity that a client published; returns its id when it is durable, so that QoS 1 may be acknowledged.

        Raises BadRequestData, InvalidRequest or NotFound for what is wrong, StoreUnavailable when it can be tried again.
        """
        address = read_address(unquote(topic.removeprefix("/").removeprefix(ROOT)))
        if address.is_one or address.member or address.form:
            raise BadRequestData("Entities are published to a collection, such as v1.1/Datastreams('id')/Observations")
        try:
            body = read_object(orjson.loads(payload), "The message")
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"The message is not valid JSON: {error}") from None
        search = Search(self._store, self._analysis, self._attributes, tenant)
        given: dict[str, str] = {}
        if len(address.steps) > 1:
            parent = await search.one(await search.at(Address(address.steps[:-1])))
            given[KINDS[parent.kind].links[address.steps[-1].name].inverse] = parent.id
        making = Making(search, self._clock)
        row = await making.make(address.kind, body, given)
        for result in await self._intake.take(tenant, making.updates, trace=trace):
            if isinstance(result, CityHubError):
                raise result
        return row.id

    def topics_of(self, change: Change) -> list[Message]:
        """The topics to which a change is told, and what; [] for one that is not of SensorThings."""
        return [message for row, before in _changed(change) for message in _messages(row, before, self._root)]


def _messages(row: Row, before: Row | None, root: str) -> Iterator[Message]:
    document = document_of(row, root)
    own = address_of(row, ROOT[:-1])
    yield Message(ROOT + KINDS[row.kind].plural, document, row.id)
    yield Message(own, document, row.id)
    for name, value in row.properties.items():
        if before is None or before.properties.get(name) != value:
            yield Message(f"{own}/{name}", {name: value}, row.id)
    for name, ids in row.links.items():
        link = KINDS[row.kind].links[name]
        for id in ids:
            yield Message(f"{ROOT}{KINDS[link.kind].plural}({link_id(id)})/{link.inverse}", document, row.id)


def _changed(change: Change) -> Iterator[tuple[Row, Row | None]]:
    """Entities that a change made or made other, each with what it was (None: it was not there)."""
    if change.collection == HISTORY_EVENTS:
        event = event_of(change.after) if change.after else None
        for put in event.puts if isinstance(event, PutMany) else [event] if isinstance(event, Put) else []:
            for attribute, instances in put.attributes.items():
                yield from ((row, None) for row in _observations(put.entity, attribute, instances, []))
    elif change.collection == ENTITIES and change.after is not None:
        for kind in _STORED:
            before = {row.id: row for row in rows_of(kind, change.before)} if change.before else {}
            for row in rows_of(kind, change.after):
                was = before.get(row.id)
                if was is None or was.properties != row.properties or was.links != row.links:
                    yield row, was
        old: Attributes = change.before["attrs"] if change.before else {}
        for attribute, done in change.attributes.items():
            if done != "deleted":
                rows = _observations(change.id, attribute, change.after["attrs"][attribute], old.get(attribute, []))
                yield from ((row, None) for row in rows)


def _observations(entity: str, attribute: str, instances: list[Instance], before: list[Instance]) -> Iterator[Row]:
    for instance in instances:
        if "observedAt" in instance and instance["type"] in ("Property", "JsonProperty") and instance not in before:
            yield row_of_instance(Stream(entity, attribute, instance.get("datasetId")), instance)
