"""Rules at speed: 500 rules of mixed kinds, changes written by the store as the hub writes them, the sentinel following its journal.

    python -m bench.rules --rate 20000 --seconds 60 --what name

Two things are measured, each with its own journal. At a rate of attribute changes (two in each update) for a while: how far the
sentinel is behind, each second, and the processor time of both processes. Then at 2,000 changes per second: how long it takes from
before the write of a value that passes a threshold until the signal of it is durable.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from bench.machine import facts
from bench.rules_load import KINDS, THINGS, first, rules, update
from cityhub.context.intake import StoreIntake
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ports import Write
from cityhub.model.time import SystemClock, to_text
from cityhub.rules.engine.moments import SECOND, micros
from cityhub.rules.rule import Rule
from cityhub.rules.sentinel.hub_side import SentinelLink
from cityhub.rules.sentinel_port import Signal, Trial
from cityhub.settings import Settings
from cityhub.storage.sqlite import SqliteStore, open_sqlite

BATCH_S = 0.05
"""Updates of so long a time are one transaction, as the gateway's are."""
CHANGES = 2
"""Attribute changes in one update."""
SLOW_RATE = 2_000
UNDER_WAY = 16
"""So many transactions may wait for the disk at once."""


class Bench:
    """A store, a sentinel, and what was heard."""

    def __init__(self, store: SqliteStore, link: SentinelLink) -> None:
        self.store = store
        self.link = link
        self.intake = StoreIntake(store)
        self.delays_s: list[float] = []
        self.signals = 0
        self.begun = 0

    async def hear(self, signals: Sequence[Signal], position: int) -> None:
        """Keeps signals as alerts are kept, and times them."""
        await self.store.write("", [Write(f"{one.alert}#{one.step}", _kept(one), "heard") for one in signals])
        now = micros(to_text(SystemClock().now()))
        self.signals += len(signals)
        said = [micros(one.at) for one in signals if one.kind == "raised" and one.severity == "red"]
        self.delays_s += [(now - at) / SECOND for at in said if at >= self.begun]

    async def lag_s(self) -> float:
        """How far the sentinel says it is behind."""
        return max((state.lag_s for state in self.link.states().values()), default=0.0)


def _kept(signal: Signal) -> Any:
    return lambda current, now: (current or {"id": f"{signal.alert}#{signal.step}", "kind": signal.kind}, None)


async def _terms(context: str, tenant: str) -> TermMap:
    return CORE


async def _no_trial(rule: Rule, start: str, end: str) -> Trial:
    raise BadRequestData("There is no history here")


@contextlib.asynccontextmanager
async def _bench(folder: Path) -> AsyncIterator[Bench]:
    store = await open_sqlite(folder, SystemClock())
    link = SentinelLink(Settings(data=folder), store, store, _terms, "Asia/Shanghai", _no_trial)
    bench = Bench(store, link)
    link.hearing = bench.hear
    try:
        now = micros(to_text(SystemClock().now()))
        for start in range(0, KINDS * THINGS, 1_000):
            await bench.intake.take("", [first(number, now) for number in range(start, start + 1_000)])
        await link.arrange(rules())
        while not all(state.evaluated for state in link.states().values()):  # until every rule has seen what is there
            await asyncio.sleep(0.1)
        yield bench
    finally:
        await link.stop()
        await store.close()


async def _write(bench: Bench, rate: int, seconds: float) -> tuple[int, float]:
    """Writes at a rate; how many attribute changes, and how long it took."""
    size, number, turn, written = round(rate * BATCH_S / CHANGES), 0, 1, 0
    began = time.monotonic()
    due = began
    under_way: set[asyncio.Task[Any]] = set()
    while time.monotonic() - began < seconds:
        now = micros(to_text(SystemClock().now()))
        updates = [update((number + place) % (KINDS * THINGS), now, turn) for place in range(size)]
        under_way.add(asyncio.create_task(bench.intake.take("", updates)))
        if len(under_way) >= UNDER_WAY:
            _, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        written += size * CHANGES
        number += size
        if number >= KINDS * THINGS:
            number, turn = number - KINDS * THINGS, turn + 1
        due += BATCH_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.gather(*under_way)
    return written, time.monotonic() - began


async def at_rate(rate: int, seconds: float) -> dict[str, Any]:
    """How far the sentinel is behind at a rate."""
    with tempfile.TemporaryDirectory() as folder:
        async with _bench(Path(folder)) as bench:
            lags: list[float] = []

            async def watch() -> None:
                while True:
                    await asyncio.sleep(1.0)
                    lags.append(await bench.lag_s())

            watching = asyncio.create_task(watch())
            hub_before, sentinel_before = _own_s(), _process_s(bench.link.pid)
            written, took_s = await _write(bench, rate, seconds)
            ended, last = time.monotonic(), bench.store.last()
            hub_s = _own_s() - hub_before
            while (await bench.store.readers())["sentinel"] < last:
                await asyncio.sleep(0.1)
            sentinel_s = _process_s(bench.link.pid) - sentinel_before
            watching.cancel()
            states = bench.link.states().values()
            return {
                "asked_per_s": rate, "written_per_s": round(written / took_s), "seconds": round(took_s, 1),
                "lag_s_each_second": [round(lag, 2) for lag in lags], "checkpoint_has_all_after_s": round(time.monotonic() - ended, 2),
                "evaluations_per_s": round(sum(state.evaluated for state in states) / took_s), "signals": bench.signals,
                "failing": [state.detail for state in states if state.state != "running"][:5],
                "writer_us_per_change": round(hub_s / written * 1e6, 1), "sentinel_us_per_change": round(sentinel_s / written * 1e6, 1),
            }  # fmt: skip


async def delays(seconds: float) -> dict[str, Any]:
    """From threshold to signal."""
    with tempfile.TemporaryDirectory() as folder:
        async with _bench(Path(folder)) as bench:
            await asyncio.sleep(5.0)
            bench.begun = micros(to_text(SystemClock().now()))
            bench.delays_s.clear()
            await _write(bench, SLOW_RATE, seconds)
            await asyncio.sleep(2.0)
            found = sorted(bench.delays_s)
            return {
                "changes_per_s": SLOW_RATE, "alerts": len(found), "median_ms": round(statistics.median(found) * 1_000),
                "p99_ms": round(found[min(len(found) - 1, int(len(found) * 0.99))] * 1_000), "most_ms": round(found[-1] * 1_000),
            }  # fmt: skip


def _own_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _process_s(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main(arguments: list[str]) -> int:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--what", default="")
    options = parser.parse_args(arguments)
    result = {
        "what": options.what, "machine": facts(), "rules": len(rules()), "entities": KINDS * THINGS,
        "at_rate": asyncio.run(at_rate(options.rate, options.seconds)), "delay": asyncio.run(delays(options.seconds / 2)),
    }  # fmt: skip
    print(json.dumps(result, indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
