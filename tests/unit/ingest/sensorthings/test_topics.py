"""What the MQTT extension makes of messages and of changes, on a real store."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from cityhub.context.intake import StoreIntake
from cityhub.ingest.sensorthings.measured import MeasuredAttributes
from cityhub.ingest.sensorthings.query import Query
from cityhub.ingest.sensorthings.search import Search
from cityhub.ingest.sensorthings.topics import Message, MqttDoor, read_topic
from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.errors import BadRequestData, InvalidRequest, NotFound
from cityhub.model.ports import Analysis, EntityUpdate, Rows
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import SqliteStore

LEVEL = DEFAULT_VOCAB + "level"
STATION = "urn:ngsi-ld:Station:7"
ROOT = "https://hub.example/sta/v1.1"


class NoHistory:
    """An analysis that nobody may ask."""

    async def rows(self, *_: Any, **__: Any) -> Rows:
        raise AssertionError("a message needs no history")

    def stream(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a message needs no history")


@pytest.fixture
def door(store: SqliteStore) -> MqttDoor:
    analysis: Analysis = NoHistory()
    return MqttDoor(store, analysis, StoreIntake(store), SystemClock(), ROOT)


async def datastream(store: SqliteStore) -> str:
    analysis: Analysis = NoHistory()
    search = Search(store, analysis, MeasuredAttributes(store, SystemClock()), "")
    thing = await search.get("Thing", STATION)
    assert thing is not None
    [row] = (await search.find(search.related(thing, "Datastreams"), Query())).rows
    return row.id


async def told(store: SqliteStore, door: MqttDoor, after: int) -> dict[str, Message]:
    """What is told of the changes since a position, by topic."""
    return {message.topic: message for change in await store.read(after) for message in door.topics_of(change)}


async def test_an_observation_comes_in_and_is_told(store: SqliteStore, door: MqttDoor) -> None:
    stream, position = await datastream(store), store.last()
    body = {"phenomenonTime": "2026-11-01T01:00:00Z", "result": 3.5}
    id = await door.on_publish(f"v1.1/Datastreams('{stream}')/Observations", orjson.dumps(body))
    messages = await told(store, door, position)
    feature = f"v1.1/FeaturesOfInterest('{STATION}~feature')/Observations"
    assert {topic for topic in messages if "/" not in topic.removeprefix("v1.1/") or topic.endswith("/Observations")} == {
        "v1.1/Observations", f"v1.1/Observations('{id}')", f"v1.1/Datastreams('{stream}')/Observations", feature,
    }  # fmt: skip
    message = messages["v1.1/Observations"]
    assert (message.document["result"], message.document["@iot.id"]) == (3.5, id)
    assert message.document["@iot.selfLink"].startswith(ROOT)
    assert orjson.loads(message.payload(("result", "phenomenonTime"))) == {"phenomenonTime": "2026-11-01T01:00:00.000Z", "result": 3.5}
    assert orjson.loads(messages[f"v1.1/Observations('{id}')/result"].payload()) == {"result": 3.5}


async def test_a_late_observation_is_told_too(store: SqliteStore, door: MqttDoor) -> None:
    stream, position = await datastream(store), store.last()
    id = await door.on_publish(f"/v1.1/Datastreams('{stream}')/Observations", b'{"phenomenonTime": "2026-10-01T00:00:00Z", "result": 1}')
    messages = await told(store, door, position)
    assert messages[f"v1.1/Datastreams('{stream}')/Observations"].id == id
    entity = await store.fetch("", STATION)
    assert entity is not None and entity["attrs"][LEVEL][0]["value"] == 2.5


async def test_new_and_changed_entities_are_told_with_the_properties_that_changed(store: SqliteStore, door: MqttDoor) -> None:
    position = store.last()
    thing = await door.on_publish("v1.1/Things", b'{"name": "n", "description": "d"}')
    messages = await told(store, door, position)
    assert {"v1.1/Things", f"v1.1/Things('{thing}')", f"v1.1/Things('{thing}')/name"} <= set(messages)
    position = store.last()
    await StoreIntake(store).take("", [EntityUpdate(thing, [], {"http://purl.org/dc/terms/description": [{"type": "Property", "value": "e"}]})])
    messages = await told(store, door, position)
    assert f"v1.1/Things('{thing}')/description" in messages
    assert f"v1.1/Things('{thing}')/name" not in messages


async def test_the_same_message_again_is_told_once(store: SqliteStore, door: MqttDoor) -> None:
    topic, body = f"v1.1/Datastreams('{await datastream(store)}')/Observations", b'{"phenomenonTime": "2026-11-01T01:00:00Z", "result": 3.5}'
    first = await door.on_publish(topic, body)
    position = store.last()
    assert await door.on_publish(topic, body) == first
    assert await told(store, door, position) == {}


@pytest.mark.parametrize(("topic", "payload", "error"), [
    ("v1.1/Nothing", b"{}", NotFound), ("v1.1/Things('x')", b"{}", BadRequestData), ("v1.1/Things", b"{", InvalidRequest), ("v1.1/Things", b"[]", BadRequestData),
    ("v1.1/Things", b"{}", BadRequestData), ("v1.1/Datastreams('x')/Observations", b'{"result": 1}', NotFound), ("v1.1/Things", b"\xff", InvalidRequest),
])  # fmt: skip
async def test_what_is_wrong_is_told(door: MqttDoor, topic: str, payload: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await door.on_publish(topic, payload)


def test_topics_have_one_form() -> None:
    assert read_topic("v1.1/Datastreams(urn:x)/Observations") == ("v1.1/Datastreams('urn:x')/Observations", ())
    assert read_topic("/v1.1/Things('a b')/name?$select=name,id") == ("v1.1/Things('a%20b')/name", ("name", "id"))
    assert read_topic(read_topic("v1.1/Things('a b')")[0])[0] == "v1.1/Things('a%20b')"
    for wrong in ("v1.0/Things", "v1.1/Things?$top=1", "v1.1/Things?$select="):
        with pytest.raises(BadRequestData):
            read_topic(wrong)
