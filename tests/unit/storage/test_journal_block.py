"""Blocks of the journal: what goes in comes out, and files of earlier versions are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from cityhub.model.change import Change, attribute_changes, change_of, undo_of, undone
from cityhub.model.condition import InBox
from cityhub.model.ports import Write
from cityhub.model.time import SystemClock
from cityhub.storage.journal_block import BlockBuilder, decode_block, encode_change
from cityhub.storage.sqlite import open_sqlite
from cityhub.storage.sqlite_file import connect, migrate
from cityhub.storage.sqlite_journal import journal_rows
from cityhub.storage.sqlite_schema import STEPS
from tests.contract.store.city import LEVEL, NAME, change, create, entity, ids, number

AT = "2026-11-23T06:00:00.000000Z"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"attrs": {}},
        {"attrs": {LEVEL: number(2), NAME: number("x")}, "modifiedAt": "2027"},
        {"attrs": {NAME: number("x")}, "scope": ["/a"], "type": ["a", "b"]},
        {"expiresAt": "2028"},
    ],
)
def test_an_undo_leads_back(more: dict[str, Any]) -> None:
    first = {**entity("urn:1", {LEVEL: number(1), "other": number([1, {"a": None}])}), "modifiedAt": AT}
    second = {**first, **more}
    for before, after in ((first, second), (second, first)):
        what = attribute_changes(before, after)
        assert undone(after, orjson.loads(undo_of(before, after, what)), what) == before


def test_a_block_gives_its_changes_back_from_any_position_on() -> None:
    one, two = entity("urn:é\n1", {LEVEL: number(1)}), entity("urn:é\n1", {NAME: number("n\n")})
    block = BlockBuilder(7, "entity", "")
    one_bytes, two_bytes = orjson.dumps(one), orjson.dumps(two)
    what = attribute_changes(one, two)
    block.add("urn:é\n1", "c", None, one_bytes, b"", "t")
    block.add("urn:é\n1", "u", what, two_bytes, one_bytes, "t")
    block.add("urn:é\n1", "u", attribute_changes(two, one), one_bytes, undo_of(two, one, attribute_changes(two, one)), "v")
    block.add("urn:é\n1", "u", attribute_changes(two, one), one_bytes, two_bytes, "v")
    block.add("urn:é\n1", "d", None, b"", one_bytes, "t")
    expected = [
        Change(7, "entity", "", "urn:é\n1", "created", AT, one, None, {LEVEL: "created"}, "t"),
        Change(8, "entity", "", "urn:é\n1", "updated", AT, two, one, what, "t"),
        Change(9, "entity", "", "urn:é\n1", "updated", AT, one, two, {LEVEL: "created", NAME: "deleted"}, "v"),
        Change(10, "entity", "", "urn:é\n1", "updated", AT, one, two, {LEVEL: "created", NAME: "deleted"}, "v"),
        Change(11, "entity", "", "urn:é\n1", "deleted", AT, None, one, {LEVEL: "deleted"}, "t"),
    ]
    for after in range(6, 12):
        assert list(map(change_of, decode_block(7, "entity", "", AT, block.encoded(), after))) == expected[after - 6 :]


@pytest.mark.parametrize("before", [None, {"a": 1}])
def test_a_change_on_its_own(before: dict[str, Any] | None) -> None:
    change = Change(3, "subscription", "", "urn:1", "updated" if before else "created", AT, {"b": "ä"}, before, {}, "t")
    assert list(map(change_of, decode_block(3, "subscription", "", AT, encode_change(change)))) == [change]


async def test_a_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    connection = connect(str(tmp_path / "hub.sqlite"))
    migrate(connection, STEPS[:2], "store")
    document = {**entity("urn:ä", {LEVEL: number(1)}), "createdAt": AT, "modifiedAt": AT}
    after, before = orjson.dumps(document), orjson.dumps({**document, "attrs": {}})
    with connection:
        connection.execute("INSERT INTO entity VALUES (1, 0, 'urn:ä', ?, NULL)", (after,))
        for position, row in enumerate([("created", before, None, b"{}"), ("updated", after, before, b'{"l":"created"}'), ("deleted", None, after, b"{}")]):
            kind, new, old, what = row
            connection.execute(
                "INSERT INTO journal VALUES (?, 'entity', 0, 'urn:ä', ?, ?, ?, ?, ?, 't')", (position + 5, kind, AT, new, old, what)
            )
        connection.execute("INSERT INTO reader VALUES ('history', 5)")
    connection.close()
    store = await open_sqlite(tmp_path, SystemClock())
    try:
        full, empty = orjson.loads(after), orjson.loads(before)
        assert await store.read(0) == [
            Change(5, "entity", "", "urn:ä", "created", AT, empty, None, {}, "t"),
            Change(6, "entity", "", "urn:ä", "updated", AT, full, empty, {"l": "created"}, "t"),
            Change(7, "entity", "", "urn:ä", "deleted", AT, None, full, {}, "t"),
        ]
        assert (await store.oldest(), await store.compact(), await store.oldest()) == (5, 1, 6)
        await store.write("", [change("urn:ä", level=2)])
        assert [one.position for one in journal_rows(store._reading, 6, 10)] == [7, 8]
    finally:
        await store.close()


async def test_boxes_are_kept_from_the_first_query_by_place_on(tmp_path: Path) -> None:
    def place(n: int, lon: float) -> dict[str, Any]:
        return entity(f"urn:{n}", {LEVEL: [{"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, 29.5]}}]})

    store = await open_sqlite(tmp_path, SystemClock())
    try:
        await store.write("", [create(place(n, 100 + n / 100)) for n in range(300)])
        count = "SELECT count(*) FROM entity_box"
        assert store._reading.execute(count).get == 0, "nobody asked yet"
        near = InBox(LEVEL, 101.0, 29.0, 101.005, 30.0)
        assert await ids(store, condition=near) == ["urn:100"]
        assert store._reading.execute(count).get == 300
        await store.write("", [create(place(300, 101.001)), Write("urn:100", lambda now, at: (None, None))])
        assert await ids(store, condition=near) == ["urn:300"]
        assert store._reading.execute(count).get == 300
    finally:
        await store.close()
