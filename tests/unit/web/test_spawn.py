"""Starting programs from the event loop."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from cityhub.web.spawn import DEVNULL, PIPE, Spawned, spawn

# A thread holds a lock, as SQLite does of its own; another has an object that needs it when its thread is taken down.
SCRIPT = """
import asyncio, os, sys, threading
import uvloop
from cityhub.web.spawn import spawn

lock, mine = threading.Lock(), os.getpid()


class Connection:
    def __del__(self):
        if os.getpid() != mine:
            lock.acquire()


local, ready, end = threading.local(), threading.Barrier(2), threading.Event()


def reader():
    local.connection = Connection()
    ready.wait()
    end.wait()


async def main():
    thread = threading.Thread(target=reader)
    thread.start()
    ready.wait()
    with lock:
        process = await spawn([sys.executable, "-c", ""], os.environ)
        print(await process.wait())
    end.set()
    thread.join()


uvloop.run(main())
"""


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    return asyncio.Runner(loop_factory=request.param)


async def python(script: str, stdout: int = PIPE, stderr: int | None = None, limit: int = 1024) -> Spawned:
    return await spawn([sys.executable, "-c", script], os.environ, stdout=stdout, stderr=stderr, limit=limit)


def test_threads_of_the_hub_are_not_taken_down_in_the_child() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_says_what_the_program_prints_and_how_it_ends(runner: asyncio.Runner) -> None:
    async def run() -> tuple[bytes, bytes, int | None]:
        script = "import sys; text = sys.stdin.read(); print(len(text)); print(text, end=''); sys.stderr.write('no'); sys.exit(3)"
        process = await python(script, stderr=PIPE)
        assert process.returncode is None
        printed, complained = await process.communicate(b"x" * 1_000_000)
        return printed, complained, process.returncode

    with runner:
        assert runner.run(run()) == (b"1000000\n" + b"x" * 1_000_000, b"no", 3)


def test_a_program_that_does_not_read_is_no_fault(runner: asyncio.Runner) -> None:
    async def run() -> bytes:
        printed, _ = await (await python("print('done')")).communicate(b"x" * 1_000_000)
        return printed

    with runner:
        assert runner.run(run()) == b"done\n"


def test_the_input_ends_when_it_is_closed(runner: asyncio.Runner) -> None:
    async def run() -> tuple[bytes, int]:
        process = await python("print(input(), flush=True); input()")
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"orders\n")
        line = await process.stdout.readline()
        process.stdin.close()
        return line, await process.wait()

    with runner:
        line, status = runner.run(run())
    assert (line, status) == (b"orders\n", 1)


def test_is_killed(runner: asyncio.Runner) -> None:
    async def run() -> list[int]:
        process = await python("input()", stdout=DEVNULL)
        waits = [asyncio.create_task(process.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        waits[0].cancel()  # takes nothing from the other one
        process.kill()
        statuses = [await waits[1], await process.wait()]
        process.kill()  # once more is no fault
        return statuses

    with runner:
        assert runner.run(run()) == [-9, -9]


def test_says_when_there_is_no_such_program(runner: asyncio.Runner, tmp_path: Path) -> None:
    with runner, pytest.raises(FileNotFoundError):
        runner.run(spawn([str(tmp_path / "none")], {}))


def test_keeps_no_pipe_open(runner: asyncio.Runner) -> None:
    async def run() -> tuple[set[str], set[str]]:
        await (await python("")).communicate(b"")
        before = set(os.listdir("/proc/self/fd"))
        for _ in range(3):
            await (await python("", stderr=PIPE)).communicate(b"")
        for _ in range(1000):
            if len(os.listdir("/proc/self/fd")) <= len(before):
                break
            await asyncio.sleep(0.01)
        return before, set(os.listdir("/proc/self/fd"))

    with runner:
        before, after = runner.run(run())
    assert len(after) <= len(before)
