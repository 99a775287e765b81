"""Cases in each store: all of a change or nothing, and each number once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cityhub.cases.desk.ledger import Ledger, Overtaken
from cityhub.cases.desk.record import URN, Case, Round
from cityhub.model.errors import AlreadyExists, NotFound
from cityhub.model.time import SystemClock
from cityhub.storage.sqlite import open_sqlite

AT = "2026-03-02T02:00:00.000000Z"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "sqlite":
        made: Any = await open_sqlite(tmp_path, SystemClock())
    else:
        from cityhub.storage.postgres import open_postgres

        made = await open_postgres(request.getfixturevalue("postgres_url"), SystemClock())
    yield made
    await made.close()


def new(name: str) -> Case:
    return Case(URN + name, "", "other", "blue", name, AT, "standard", 1, rounds=[Round(AT)])


async def test_all_of_a_change_or_nothing(store: Any) -> None:
    ledger = Ledger(store, "", "{year}-{number:03d}", "Asia/Shanghai")
    one, other = await ledger.write([(None, new("a")), (None, new("b"))])
    assert (one.number, other.number) == ("2026-001", "2026-002")
    closed = msgspec.structs.replace(one, state="merged", merged_into=other.id)
    await ledger.write([(other, msgspec.structs.replace(other, title="B"))])
    with pytest.raises(Overtaken):
        await ledger.write([(one, closed), (other, msgspec.structs.replace(other, title="C"))])
    assert (await ledger.get(one.id)).state == "open" and (await ledger.get(other.id)).title == "B"
    await ledger.write([(one, closed)])
    assert (await ledger.get(one.id)).state == "merged" and [case.id for case in await ledger.open_cases()] == [other.id]
    with pytest.raises(AlreadyExists):
        await ledger.write([(None, new("a"))])
    with pytest.raises(NotFound):
        await ledger.get(URN + "none")
    [third] = await ledger.write([(None, new("c"))])
    assert third.number == "2026-003", "what was refused took no number"


async def test_numbers_of_many_at_once_are_each_given_once(store: Any) -> None:
    ledger = Ledger(store, "", "{number}", "Asia/Shanghai")
    made = await asyncio.gather(*(ledger.write([(None, new(str(number)))]) for number in range(20)))
    assert sorted(int(case.number) for [case] in made) == list(range(1, 21))


async def test_of_two_changes_at_once_one_is_made(store: Any) -> None:
    ledger = Ledger(store, "", "{number}", "Asia/Shanghai")
    [case] = await ledger.write([(None, new("a"))])
    changes = [msgspec.structs.replace(case, title=title) for title in ("x", "y")]
    results = await asyncio.gather(*(ledger.write([(case, change)]) for change in changes), return_exceptions=True)
    assert sum(isinstance(result, Overtaken) for result in results) == 1
    assert (await ledger.get(case.id)).version == 2
