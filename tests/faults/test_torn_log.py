"""The end of the log is torn, as a power cut in the middle of a write leaves it: what was committed before it is whole.

What stood in the torn part itself is lost, as it would be with any program: only a disk that lied about having
synchronised it, or one that is broken, tears what was acknowledged.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.audit import Audit, copied
from tests.faults.hub import Hub
from tests.faults.ledger import Cell, Client, content, opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PAGE = 4096
FRAME = PAGE + 24
CHANCE = random.Random(7)


def truncated(log: bytes) -> bytes:
    return log[: len(log) - CHANCE.randrange(1, FRAME)]


def truncated_far(log: bytes) -> bytes:
    return log[: 32 + CHANCE.randrange(1, len(log) - 32)]


def zeroed(log: bytes) -> bytes:
    return log[:-PAGE] + bytes(PAGE)


def scrambled(log: bytes) -> bytes:
    return log[:-PAGE] + CHANCE.randbytes(PAGE)


def one_bit(log: bytes) -> bytes:
    place = len(log) - CHANCE.randrange(1, FRAME)
    return log[:place] + bytes([log[place] ^ 1]) + log[place + 1 :]


def half_a_frame_more(log: bytes) -> bytes:
    return log + log[32 : 32 + FRAME // 2]


def garbage_behind(log: bytes) -> bytes:
    return log + CHANCE.randbytes(3 * FRAME)


def nothing_left(log: bytes) -> bytes:
    return b""


TEARS: list[Callable[[bytes], bytes]] = [
    truncated, truncated_far, zeroed, scrambled, one_bit, half_a_frame_more, garbage_behind, nothing_left,
]  # fmt: skip


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Client], dict[int, dict[Cell, int]]]:
    """The files of a hub that was killed under load, with a log that is not empty, who wrote to it, and what it had at each moment."""

    async def work() -> tuple[Path, list[Client], dict[int, dict[Cell, int]]]:
        folder = tmp_path_factory.mktemp("torn")
        hub = Hub(folder / "data")
        clients = [Client(str(number), number) for number in range(4)]
        await hub.start()
        async with opened() as session:
            tasks = [asyncio.create_task(client.work(session, hub.url)) for client in clients]
            await asyncio.sleep(1.5)
            hub.kill()
            await asyncio.gather(*tasks)
        return hub.data, clients, await states(copied(hub.data, folder / "whole"))

    return asyncio.run(work())


async def states(data: Path) -> dict[int, dict[Cell, int]]:
    """The numbers at every position of the journal."""
    from cityhub.model.ports import ENTITIES
    from cityhub.model.time import SystemClock
    from cityhub.storage.sqlite import open_sqlite
    from tests.faults.audit import name_of
    from tests.faults.ledger import cells

    store = await open_sqlite(data, SystemClock())
    found: dict[int, dict[Cell, int]] = {0: {}}
    state: dict[Cell, int] = {}
    position = 0
    while block := await store.read(position):
        for change in block:
            position = change.position
            if change.collection == ENTITIES:
                state = {cell: number for cell, number in state.items() if cell[0] != change.id}
                state.update(cells([change.after] if change.after else [], name_of))
            found[position] = state
    await store.close()
    return found


@pytest.mark.parametrize("tear", TEARS, ids=lambda tear: tear.__name__)
async def test_a_torn_log(
    killed: tuple[Path, list[Client], dict[int, dict[Cell, int]]], tmp_path: Path, tear: Callable[[bytes], bytes]
) -> None:
    data, clients, whole = killed
    torn = copied(data, tmp_path / "torn")
    log = torn / "hub.sqlite-wal"
    original = log.read_bytes()
    assert len(original) > 20 * FRAME
    log.write_bytes(tear(original))
    (torn / "hub.sqlite-shm").unlink()  # it lives in memory and does not survive a power cut

    audit = Audit()
    left = await audit.look(copied(torn, tmp_path / "look"))
    assert left == whole[audit.position], "what is left is the state at one moment"
    if tear in (half_a_frame_more, garbage_behind):
        for client in clients:
            client.settle(left)

    hub = Hub(torn)  # and the hub starts with it and goes on
    await hub.start()
    async with opened() as session:
        assert await content(session, hub.url) == left
        writer = Client("99", 1)
        task = asyncio.create_task(writer.work(session, hub.url))
        while writer.operations < 20 and not task.done():
            await asyncio.sleep(0.02)
        hub.kill()
        await task
    assert writer.operations
    again = await Audit().look(copied(torn, tmp_path / "again"))
    writer.settle(again)
