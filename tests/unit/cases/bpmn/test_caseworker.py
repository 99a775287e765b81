"""The caseworker's process: its answers, its bounds, and that killing it loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cityhub.cases.bpmn.hub_side import Caseworker
from cityhub.cases.process_port import Begin, Complete, Position, ProcessFiles
from cityhub.model.errors import Conflict, StoreUnavailable, Unprocessable
from cityhub.settings import Settings
from tests.unit.cases.bpmn.drawing import document, flows

NOW = "2026-11-23T08:00:00Z"
LINE = ProcessFiles(
    "line",
    1,
    document(
        '<startEvent id="s"/><userTask id="a"/><exclusiveGateway id="g" default="g-e"/><endEvent id="e"/>',
        flows("s > a", "a > g", "g > a: turn < 12", "g > e"),
    ),
)
SLOW = ProcessFiles(
    "slow",
    1,
    document(
        '<startEvent id="s"/><scriptTask id="x" scriptFormat="feel"><script>'
        + "\n".join(f"n{place} = count(for i in 1..15000 return i * i)" for place in range(150))
        + '</script></scriptTask><endEvent id="e"/>',
        flows("s > x", "x > e"),
    ),
)


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Caseworker]:
    worker = Caseworker(Settings(data=str(tmp_path)), step_s=1.0, hang_s=30.0)
    yield worker
    await worker.stop()


async def test_it_checks_steps_and_refuses(worker: Caseworker) -> None:
    assert await worker.check(LINE) == []
    position = await worker.step(LINE, None, Begin({"turn": 20}), NOW)
    with pytest.raises(Conflict, match="does not wait"):
        await worker.step(LINE, position.state, Complete("99", {}), NOW)
    broken = ProcessFiles("broken", 1, LINE.bpmn.replace('default="g-e"', ""))
    assert [finding.element for finding in await worker.check(broken)] == ["g-e", "g"]
    with pytest.raises(Unprocessable, match="cannot run: g-e: the flow to 'e'"):
        await worker.step(broken, None, Begin({}), NOW)
    after = await worker.step(LINE, position.state, Complete(position.tasks[0].id, {}), NOW)
    assert after.ended


async def test_a_step_that_takes_too_long_is_stopped_and_the_process_lives(worker: Caseworker) -> None:
    position = await worker.step(LINE, None, Begin({}), NOW)
    pid = worker.pid
    with pytest.raises(Unprocessable, match="within 1 s; it was at 'x'") as caught:
        await worker.step(SLOW, None, Begin({}), NOW)
    assert caught.value.members["element"] == "x"
    assert worker.pid == pid
    assert await worker.step(LINE, None, Begin({}), NOW) == position


async def test_a_step_that_fills_memory_is_stopped_and_the_process_lives(worker: Caseworker) -> None:
    grow = "\n".join(f'n{place} = for i in 1..300 return string join(for j in 1..100 return "{"x" * 90}") + string(i)' for place in range(60))
    script = f'<scriptTask id="x" scriptFormat="feel"><script>{grow}</script></scriptTask>'
    greedy = ProcessFiles("greedy", 1, document('<startEvent id="s"/><endEvent id="e"/>', script, flows("s > x", "x > e")))
    position = await worker.step(LINE, None, Begin({}), NOW)
    with pytest.raises(Unprocessable, match=r"at 'x': .* too much memory|within 1 s; it was at 'x'"):
        await worker.step(greedy, None, Begin({}), NOW)
    assert await worker.step(LINE, None, Begin({}), NOW) == position and worker.starts == 1


async def test_a_question_at_which_the_process_always_ends_is_refused(worker: Caseworker) -> None:
    position = await worker.step(LINE, None, Begin({}), NOW)

    async def killer() -> None:
        armed = True
        while True:
            if worker.at != "x":
                armed = True
            elif armed and worker.pid is not None:
                os.kill(worker.pid, signal.SIGKILL)
                armed = False  # until the next one has begun
            await asyncio.sleep(0.005)

    killing = asyncio.create_task(killer())
    refused = None
    while refused is None:
        try:
            await worker.step(SLOW, None, Begin({}), NOW)
        except StoreUnavailable:
            continue
        except Unprocessable as error:
            refused = error
    killing.cancel()
    assert "ended 3 times at this step" in refused.detail
    assert await worker.step(LINE, None, Begin({}), NOW) == position


async def test_a_process_that_hangs_is_killed_and_only_who_hung_it_is_refused(tmp_path: Path) -> None:
    worker = Caseworker(Settings(data=str(tmp_path)), step_s=1.0, hang_s=2.0)
    position = await worker.step(LINE, None, Begin({}), NOW)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)  # as good as hanging where no signal is looked at
    guilty = asyncio.create_task(worker.step(LINE, None, Begin({}), NOW))
    await asyncio.sleep(0)
    others = [asyncio.create_task(worker.step(LINE, None, Begin({}), NOW)) for _ in range(5)]
    with pytest.raises(Unprocessable, match="does not come to rest"):
        await guilty
    assert await asyncio.gather(*others) == [position] * 5
    assert worker.starts == 2
    await worker.stop()


async def test_killing_it_amid_steps_loses_nothing(worker: Caseworker) -> None:
    async def sure(state: dict[str, object] | None, step: Begin | Complete) -> Position:
        while True:
            try:
                return await worker.step(LINE, state, step, NOW)
            except StoreUnavailable:
                continue  # the caller has the state still

    async def one_case(number: int) -> Position:
        position = await sure(None, Begin({"turn": 0}))
        for turn in range(1, 13):
            position = await sure(position.state, Complete(position.tasks[0].id, {"turn": turn, "number": number}))
            await asyncio.sleep(0)
        return position

    async def killer() -> None:
        for _ in range(2):
            await asyncio.sleep(0.15)
            if worker.pid is not None:
                os.kill(worker.pid, signal.SIGKILL)

    await worker.step(LINE, None, Begin({}), NOW)
    killing = asyncio.create_task(killer())
    ends = await asyncio.gather(*(one_case(number) for number in range(40)))
    await killing
    assert all(end.ended for end in ends)
    assert [end.data for end in ends] == [{"turn": 12, "number": number} for number in range(40)]
    assert worker.starts >= 2
