"""The PostgreSQL server is killed, or hangs, under load: 503 meanwhile, nothing acknowledged is lost, the hub recovers by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cityhub.model.errors import StoreUnavailable
from cityhub.model.time import SystemClock
from tests import services
from tests.faults.audit import Audit
from tests.faults.hub import Hub
from tests.faults.ledger import API, Client, Refused, content, opened
from tests.services import PostgresCluster

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(300)]

RECOVERY_S = 60.0


@pytest.fixture
def cluster() -> Iterator[PostgresCluster]:
    psycopg = pytest.importorskip("psycopg")
    with services.own_postgres() as own:
        if own is None:
            services.unavailable("PostgreSQL is not installed")
            return
        with psycopg.connect(own.url, autocommit=True) as connection:
            try:
                connection.execute("CREATE EXTENSION postgis")
            except psycopg.Error as error:
                services.unavailable(f"PostgreSQL has no PostGIS: {error}")
        yield own


@pytest.fixture
async def hub(cluster: PostgresCluster, tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub(tmp_path, "--store", cluster.url)
    await hub.start()
    yield hub
    hub.stop()


async def status(session: aiohttp.ClientSession, url: str, seconds: float) -> int | None:
    """Status of a GET; None when it takes longer."""
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=seconds)) as answer:
            await answer.read()
            return answer.status
    except TimeoutError:
        return None


async def recovered(session: aiohttp.ClientSession, hub: Hub) -> Any:
    """What the hub has, as soon as it says so again."""
    end = time.monotonic() + RECOVERY_S
    while (found := await status(session, f"{hub.url}{API}/entities?type=Counter&limit=1", 10)) != 200:
        assert found in (503, None), found
        assert time.monotonic() < end, "the hub does not recover"
        await asyncio.sleep(0.1)
    return await content(session, hub.url)


async def test_a_killed_server(hub: Hub, cluster: PostgresCluster) -> None:
    clients = [Client(str(number), number) for number in range(6)]
    for _ in range(2):
        async with opened() as session:
            work = [asyncio.create_task(client.work(session, hub.url)) for client in clients]
            await asyncio.sleep(1)
            cluster.kill()
            ends = await asyncio.wait_for(asyncio.gather(*work, return_exceptions=True), 120)
            assert all(isinstance(end, Refused) for end in ends), ends
            assert await status(session, hub.url + "/health", 10) == 200
            assert await status(session, f"{hub.url}{API}/entities/urn:not:known", 10) == 503
            assert await status(session, hub.url + "/health", 10) == 200
            cluster.start()
            left = await recovered(session, hub)
            for client in clients:
                client.settle(left)
            assert hub.is_running()
    assert sum(client.operations for client in clients) > 50
    await audited(cluster, clients)


async def audited(cluster: PostgresCluster, clients: list[Client]) -> None:
    from cityhub.storage.postgres import open_postgres

    store = await open_postgres(cluster.url, SystemClock())
    try:
        audit = Audit()
        await audit.follow(store)
        for client in clients:
            client.settle(audit.cells)
    finally:
        await store.close()


async def test_a_server_that_hangs_holds_up_only_those_who_need_it(hub: Hub, cluster: PostgresCluster) -> None:
    async with opened() as session:
        client = Client("0", 1)
        work = asyncio.create_task(client.work(session, hub.url))
        await asyncio.sleep(1)
        cluster.pause()
        try:
            asking = [asyncio.create_task(status(session, f"{hub.url}{API}/entities/urn:not:known{n}", 3)) for n in range(5)]
            await asyncio.sleep(0.2)
            for _ in range(5):
                assert await status(session, hub.url + "/health", 10) == 200
                await asyncio.sleep(0.2)
            await asyncio.gather(*asking)
        finally:
            cluster.go_on()
        operations, end = client.operations, time.monotonic() + RECOVERY_S
        while not work.done() and client.operations == operations:
            assert time.monotonic() < end, "it goes on where it was"
            await asyncio.sleep(0.05)
        hub.kill()
        await asyncio.gather(work, return_exceptions=True)
    await audited(cluster, [client])


async def test_a_single_read_waits_only_so_long(hub: Hub, cluster: PostgresCluster) -> None:
    from cityhub.storage.postgres import open_postgres

    store = await open_postgres(cluster.url, SystemClock())
    assert store.get("", "urn:none") is None
    cluster.pause()
    try:
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(StoreUnavailable):
                store.get("", "urn:none")
        assert time.monotonic() - began < 20  # for each one would be 40
    finally:
        cluster.go_on()
    end = time.monotonic() + RECOVERY_S
    while True:
        try:
            assert store.get("", "urn:none") is None
            break
        except StoreUnavailable:
            assert time.monotonic() < end
            await asyncio.sleep(0.2)
    await store.close()
