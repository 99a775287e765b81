"""A disk without space: 503 for writes, reads go on, and with space again everything does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.faults.audit import Audit, copied
from tests.faults.hub import Hub
from tests.faults.ledger import Client, Refused, content, opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TMPFS_BYTES = 160 << 20


def may_mount() -> bool:
    """Whether this user may mount a file system of its own, in a name space of its own."""
    if not Path("/proc/self/ns/user").exists():
        return False
    try:
        return subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Disk:
    """A hub's disk that can be made full and empty again."""

    def __init__(self, hub: Hub, fill: Callable[[], None], free: Callable[[], None], data: Path) -> None:
        self.hub, self.fill, self.free, self._data = hub, fill, free, data

    @property
    def data(self) -> Path:
        """The data folder as this process sees it while the hub runs."""
        return self._data


@pytest.fixture(params=["file size limit", "small disk"])
async def disk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Disk]:
    """The hub's files must not grow (any user can ask for that), or they lie on a disk that gets full."""
    data = tmp_path / "data"
    if request.param == "file size limit":
        hub = Hub(data)
        await hub.start()

        def fill() -> None:
            largest = max(file.stat().st_size for file in data.iterdir())
            hub.limit_files(largest + 20_000)

        yield Disk(hub, fill, lambda: hub.limit_files(None), data)
        hub.stop()
        return
    if not may_mount():
        pytest.skip("this user may not mount a small disk")
    data.mkdir()
    mount = f'mount -t tmpfs -o size={TMPFS_BYTES} none "{data}" && exec "$@"'
    hub = Hub(data, wrapper=["unshare", "-Urm", "sh", "-c", mount, "sh"])
    await hub.start()
    inside = Path(f"/proc/{hub.pid}/root{data}")
    filler = inside / "filler"

    def fill_disk() -> None:
        status = os.statvfs(inside)
        with contextlib.suppress(OSError):  # the hub was faster
            filler.write_bytes(bytes(status.f_bavail * status.f_frsize))

    yield Disk(hub, fill_disk, filler.unlink, inside)
    hub.stop()


async def refused(client: Client, url: str) -> str:
    """Works until the hub answers 503, and says what it answered."""
    async with opened() as session:
        with pytest.raises(Refused) as caught:
            await client.work(session, url)
    return str(caught.value)


async def test_a_full_disk(disk: Disk, tmp_path: Path) -> None:
    hub = disk.hub
    clients = [Client(str(number), number) for number in range(4)]
    for _ in range(2):
        async with opened() as session:
            work = [asyncio.create_task(client.work(session, hub.url)) for client in clients]
            await asyncio.sleep(0.7)
            disk.fill()
            ends = await asyncio.wait_for(asyncio.gather(*work, return_exceptions=True), 120)
            assert all(isinstance(end, Refused) for end in ends), ends
            for client in clients:  # reading goes on, and tells the truth
                client.settle(await content(session, hub.url))
            assert "Try again later" in await refused(clients[0], hub.url), "it stays full"
            clients[0].settle(await content(session, hub.url))
            async with session.get(hub.url + "/health") as answer:
                assert answer.status == 200
            disk.free()
            await _works_again(clients, hub)
            done = [client.operations for client in clients]
            work = [asyncio.create_task(client.work(session, hub.url)) for client in clients]
            end = time.monotonic() + 60
            while not all(client.operations > before for client, before in zip(clients, done, strict=True)):
                assert time.monotonic() < end, "all clients go on"
                await asyncio.sleep(0.05)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await asyncio.sleep(1)  # what a client has sent before it was stopped is written now
            for client in clients:
                client.settle(await content(session, hub.url))
    if disk.data == hub.data:
        hub.kill()
        left = await Audit().look(copied(hub.data, tmp_path / "copy"))
        for client in clients:
            client.settle(left)


async def _works_again(clients: list[Client], hub: Hub) -> None:
    """Returns when a write succeeds; that must not take long."""
    end = time.monotonic() + 60
    client = clients[0]
    before = client.operations
    async with opened() as session:
        while client.operations == before:
            assert time.monotonic() < end, "writes are still refused although there is space"
            work = asyncio.create_task(client.work(session, hub.url))
            await asyncio.wait({work}, timeout=0.5)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await asyncio.sleep(0.1)
            client.settle(await content(session, hub.url))


async def test_a_hub_starts_on_a_full_disk_or_says_why_not(tmp_path: Path) -> None:
    """With its files full to the brim it must not hang; what it has is not harmed."""
    hub = Hub(tmp_path / "data")
    client = Client("0", 1)
    await hub.start()
    async with opened() as session:
        work = asyncio.create_task(client.work(session, hub.url))
        await asyncio.sleep(1)
        hub.kill()
        await work
    hub.spawn()
    hub.limit_files(1_000)
    with contextlib.suppress(AssertionError):  # it may end by itself
        await hub.ready()
    hub.kill()
    await hub.start()
    async with opened() as session:
        client.settle(await content(session, hub.url))
    hub.stop()
