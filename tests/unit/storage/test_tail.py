"""The newest changes in memory: bounded in number and bytes, never with a gap."""

from __future__ import annotations

from cityhub.model.change import Change
from cityhub.storage.kept import Kept, Memory
from cityhub.storage.tail import Tail


def changes(first: int, last: int, size: int = 10) -> list[Change]:
    document = Kept({"id": "x"}, 1, b"x" * size, is_entity=False)
    return [Change(n, "thing", "", "x", "created", "", document) for n in range(first, last + 1)]


def positions(found: list[Change] | None) -> list[int] | None:
    return None if found is None else [change.position for change in found]


def test_blocks_behind_every_position() -> None:
    tail = Tail()
    assert tail.read(0, 5) is None
    tail.extend(changes(11, 40))
    assert tail.read(9, 5) is None
    for after in range(10, 45):
        for limit in (1, 3, 100):
            assert positions(tail.read(after, limit)) == list(range(11, 41))[after - 10 :][:limit]


def test_the_number_is_bounded() -> None:
    tail = Tail(bound=7)
    tail.extend(changes(1, 20))
    assert tail.read(12, 100) is None
    assert positions(tail.read(13, 100)) == [14, 15, 16, 17, 18, 19, 20]


def test_the_bytes_are_bounded_but_the_newest_change_stays() -> None:
    tail = Tail(bound_bytes=2_000)  # bytes of text weigh twice, once as JSON and once decoded
    tail.extend(changes(1, 20, size=300))
    assert positions(tail.read(17, 100)) == [18, 19, 20]
    tail.extend(changes(21, 21, size=5_000))
    assert tail.read(19, 100) is None
    assert positions(tail.read(20, 100)) == [21]
    tail.extend(changes(22, 24, size=300))
    assert positions(tail.read(21, 100)) == [22, 23, 24]


def test_a_gap_begins_it_anew() -> None:
    tail = Tail()
    tail.extend(changes(1, 5))
    tail.extend(changes(9, 10))
    assert tail.read(3, 100) is None
    assert positions(tail.read(8, 100)) == [9, 10]


def test_the_memory_of_documents_is_bounded_also_when_a_few_are_large() -> None:
    memory = Memory(bound_bytes=100_000)
    small = {("entity", "", str(n)): Kept({"id": str(n)}, n, b"x" * 10) for n in range(500)}
    memory.publish(dict(small))
    for n in range(1_000, 1_010):
        memory.publish({("entity", "", str(n)): Kept({"id": str(n)}, n, b"x" * 20_000)})
    assert memory.get(("entity", "", "0")) is None
    assert [n for n in range(1_000, 1_010) if memory.get(("entity", "", str(n)))] == [1_008, 1_009]
