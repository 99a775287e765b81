"""Databases as sources: the same questions to SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import apsw
import msgspec
import pymysql
import pytest

from cityhub.ingest.message import TroubleAtSource
from cityhub.ingest.protocols.sql import Connector, Settings, connect
from cityhub.ingest.protocols.sql_databases import place_of
from cityhub.ingest.protocols.values import earlier, given, json_value, kept
from cityhub.model.errors import BadRequestData, Forbidden
from cityhub.web.addresses import AddressPolicy
from tests import services
from tests.unit.ingest.protocols.mariadb import mariadb_server
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings

Run = Callable[[str], Any]


@pytest.fixture(scope="session")
def mariadb() -> Iterator[int]:
    with mariadb_server() as port:
        if port is None:
            services.unavailable("MariaDB is not installed (on Debian: apt-get install mariadb-server)")
        else:
            yield port


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), "mysql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Run]]:
    """The URL of an empty database, and a function that runs SQL in it as its owner."""
    if request.param == "sqlite":
        connection = apsw.Connection(str(tmp_path / "water.db"))
        yield f"sqlite:{tmp_path}/water.db", connection.execute
        connection.close()
    elif request.param == "postgresql":
        import psycopg

        url = request.getfixturevalue("postgres_url")
        with psycopg.connect(url, autocommit=True) as postgres:
            yield url, postgres.execute
    else:
        port = request.getfixturevalue("mariadb")
        maria = pymysql.connect(host="127.0.0.1", port=port, user="hub", password="drop", database="city", autocommit=True)
        with maria, maria.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS gauge")
            yield f"mysql://hub@127.0.0.1:{port}/city", cursor.execute


def made(kept: Kept, url: str, tmp_path: Path, policy: AddressPolicy | None = None, **source: Any) -> Connector:
    settings = msgspec.convert({"url": url, "query": "SELECT * FROM gauge", "password": "env:DB", "every_s": 0.05, **source}, Settings)
    return connect(feed("sql"), settings, surroundings(kept, policy, {"env:DB": "drop"}, folders=(str(tmp_path),)))


async def test_new_and_changed_rows_come_once_ties_included(database: tuple[str, Run], tmp_path: Path) -> None:
    url, run = database
    run("CREATE TABLE gauge (id INTEGER PRIMARY KEY, changed INTEGER, level DECIMAL(10, 3), name VARCHAR(50))")
    run("INSERT INTO gauge VALUES " + ",".join(f"({n}, {n // 7}, {n}.5, '雨 100%')" for n in range(1, 31)))
    run("INSERT INTO gauge VALUES (99, NULL, 1, 'never changed')")
    memory = Kept()
    source = {"watermark": "changed", "key": "id", "batch": 4}
    async with running(made(memory, url, tmp_path, **source), memory):
        await memory.until(lambda: len(memory.records) >= 30)
        run("UPDATE gauge SET changed = 5, level = 7 WHERE id = 3")
        run("INSERT INTO gauge VALUES (31, 4, 8, 'same watermark as the last')")
        await memory.until(lambda: len(memory.records) >= 32)
        await asyncio.sleep(0.15)
    assert [row["id"] for row in memory.records] == [*range(1, 31), 31, 3]
    assert memory.records[0] == {"id": 1, "changed": 0, "level": 1.5, "name": "雨 100%"}
    assert memory.records[-1]["level"] == 7
    assert memory.bookmark == {"mark": [5, 3]}
    async with running(made(memory, url, tmp_path, **source), memory):  # a restart reads nothing again
        run("INSERT INTO gauge VALUES (32, 6, 9, 'new')")
        await memory.until(lambda: len(memory.records) >= 33)
    assert [row["id"] for row in memory.records[32:]] == [32]


async def test_watermark_of_times_keeps_its_microseconds_and_goes_back_for_late_rows(database: tuple[str, Run], tmp_path: Path) -> None:
    url, run = database
    kind = "TEXT" if url.startswith("sqlite") else "TIMESTAMP(6)" if url.startswith("postgres") else "DATETIME(6)"
    run(f"CREATE TABLE gauge (id INTEGER PRIMARY KEY, changed {kind})")
    run("INSERT INTO gauge VALUES (1, '2026-03-01 10:00:00.000001'), (2, '2026-03-01 10:00:00.000002')")
    memory = Kept()
    source = {"watermark": "changed", "key": "id", "overlap": 0 if url.startswith("sqlite") else 60}
    async with running(made(memory, url, tmp_path, **source), memory):
        await memory.count(1)
    assert [row["id"] for row in memory.records[:2]] == [1, 2]
    if not url.startswith("sqlite"):
        assert memory.records[0]["changed"] == "2026-03-01T10:00:00.000001+08:00"
        run("INSERT INTO gauge VALUES (3, '2026-03-01 09:59:30')")
        memory.messages.clear()
        async with running(made(memory, url, tmp_path, **source), memory):
            await memory.count(1)
        assert [row["id"] for row in memory.records[:3]] == [3, 1, 2]
    else:
        run("INSERT INTO gauge VALUES (3, '2026-03-01 10:00:00.000003')")
        memory.messages.clear()
        async with running(made(memory, url, tmp_path, **source), memory):
            await memory.count(1)
        assert [row["id"] for row in memory.records] == [3]


async def test_all_rows_each_time_without_a_watermark(database: tuple[str, Run], tmp_path: Path) -> None:
    url, run = database
    run("CREATE TABLE gauge (id INTEGER PRIMARY KEY)")
    run("INSERT INTO gauge VALUES " + ",".join(f"({n})" for n in range(25)))
    memory = Kept()
    async with running(made(memory, url, tmp_path, batch=10, every_s=60), memory):
        await memory.count(3)
    assert sorted(row["id"] for row in memory.records) == list(range(25))
    assert [len(message.records or []) for message in memory.messages] == [10, 10, 5]
    assert memory.bookmark is None


async def test_a_query_with_a_watermark_of_its_own(database: tuple[str, Run], tmp_path: Path) -> None:
    url, run = database
    run("CREATE TABLE gauge (id INTEGER PRIMARY KEY)")
    run("INSERT INTO gauge VALUES (1), (2), (3)")
    memory = Kept()
    query = "SELECT id, id % 2 AS odd FROM gauge WHERE id >= :watermark;"
    async with running(made(memory, url, tmp_path, query=query, watermark="id", start=2), memory):
        await memory.count(1)
        run("INSERT INTO gauge VALUES (4)")
        await memory.until(lambda: len(memory.records) >= 3)
    assert memory.records == [{"id": 2, "odd": 0}, {"id": 3, "odd": 1}, {"id": 4, "odd": 0}]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1) AS x; DROP TABLE gauge; --",
        "SELECT 1 AS a) AS x LIMIT 1; COMMIT; DROP TABLE gauge; --",
        "WITH gone AS (DELETE FROM gauge RETURNING *) SELECT * FROM gone",
        "SELECT nonsense FROM gauge",
    ],
)
async def test_nothing_can_be_written(database: tuple[str, Run], tmp_path: Path, query: str) -> None:
    url, run = database
    run("CREATE TABLE gauge (id INTEGER PRIMARY KEY)")
    run("INSERT INTO gauge VALUES (1)")
    memory = Kept()
    with pytest.raises(TroubleAtSource):
        await made(memory, url, tmp_path, query=query).run(memory)
    found = run("SELECT COUNT(*) FROM gauge")
    if isinstance(found, int):  # PyMySQL answers with the number of rows of the answer
        assert found == 1
    else:
        assert found.fetchone() == (1,)


async def test_a_statement_is_bounded_in_time(database: tuple[str, Run], tmp_path: Path) -> None:
    url, _ = database
    slow = {"sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) AS c FROM n",
            "postgresql": "SELECT pg_sleep(100)", "mysql": "SELECT SLEEP(100) AS s UNION SELECT SLEEP(100)"}[place_of(url).kind]  # fmt: skip
    begun = asyncio.get_running_loop().time()
    with pytest.raises(TroubleAtSource, match=r"SQLite needed|timeout|max_statement_time|interrupted"):
        await made(Kept(), url, tmp_path, query=slow, statement_s=0.3).run(Kept())
    assert asyncio.get_running_loop().time() - begun < 60


@pytest.mark.postgres
async def test_types_of_postgres(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = request.getfixturevalue("postgres_url")
    query = """SELECT 1.5::numeric AS d, '{"a": [1]}'::jsonb AS j, ARRAY[1, 2] AS l, true AS b, 'NaN'::float8 AS n, '\\x00ff'::bytea AS x,
        '2026-03-01 08:00+08'::timestamptz AS t, '2026-03-01'::date AS day, interval '90 s' AS i, 9223372036854775808::numeric AS big,
        '0000c0de-0000-4000-8000-000000000000'::uuid AS u, 5 % 3 AS m"""
    memory = Kept()
    async with running(made(memory, url, tmp_path, query=query), memory):
        await memory.count(1)
    row = memory.records[0]
    assert dt.datetime.fromisoformat(row.pop("t")) == dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert row == {"d": 1.5, "j": {"a": [1]}, "l": [1, 2], "b": True, "n": None, "x": "AP8=", "day": "2026-03-01", "i": 90.0,
                   "big": 9.223372036854775808e18, "u": "0000c0de-0000-4000-8000-000000000000", "m": 2}  # fmt: skip


async def test_addresses_and_files_are_held_to_policy(tmp_path: Path) -> None:
    for url in ("postgresql://x@127.0.0.1/y", "mysql://x@localhost/y", "postgresql://x@/y?host=/run/somewhere"):
        with pytest.raises(Forbidden):
            await made(Kept(), url, tmp_path, AddressPolicy()).run(Kept())
    outside = tmp_path / "inside" / "link.db"
    outside.parent.mkdir()
    outside.symlink_to(tmp_path / "water.db")
    for path in ("/etc/passwd", str(outside), f"{tmp_path}/inside/../water.db"):
        with pytest.raises(Forbidden, match="feed_folders"):
            await made(Kept(), f"sqlite:{path}", outside.parent).run(Kept())


async def test_a_database_that_is_away_or_silent_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(TroubleAtSource):
        await made(Kept(), f"sqlite:{tmp_path}/none.db", tmp_path).run(Kept())
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for kind in ("postgresql", "mysql"):
            with pytest.raises(TroubleAtSource):
                await made(Kept(), f"{kind}://x@127.0.0.1:{closed.getsockname()[1]}/y", tmp_path).run(Kept())


@pytest.mark.parametrize("url", ["oracle://x/y", "postgresql://hub:secret@db/x", "mysql://h:99999/x", "sqlite:", "text"])
def test_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(BadRequestData):
        place_of(url)


@pytest.mark.parametrize("wrong", [{"query": "DELETE FROM gauge"}, {"watermark": 'x"; DROP'}, {"key": "id"}, {"batch": 0},
                                   {"query": "SELECT :watermark AS a"}])  # fmt: skip
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"url": "sqlite:/x", "query": "SELECT 1", **wrong}, Settings)


def test_values() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    assert json_value(dt.datetime.fromisoformat("2026-03-01"), zone) == "2026-03-01T00:00:00+08:00"
    assert json_value(Decimal("12"), zone) == 12 and json_value(Decimal("1E+3"), zone) == 1000
    assert json_value(2**70, zone) == str(2**70)
    for value in (dt.datetime.fromisoformat("2026-03-01T01:02:03.000004"), dt.date(2026, 3, 1), Decimal("1.10"), 5, "x", 1.5):
        assert given(msgspec.json.decode(msgspec.json.encode(kept(value)))) == value
    with pytest.raises(BadRequestData, match="columns of numbers"):
        kept(None)
    assert earlier(dt.date(2026, 3, 2), 60) == dt.date(2026, 3, 1)
    assert earlier(Decimal("5"), 1) == 4 and earlier(7, 2) == 5 and earlier("x", 2) == "x"
