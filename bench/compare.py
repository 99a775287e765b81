"""The hub beside its yardsticks, in one interleaved run: A B C, A B C, ... for each workload; medians and ratios.

    make bench                                                       the hub and the baseline
    make bench ARGS="--peer 'broker=/path/broker --port {port}'"     and any NGSI-LD peer, by command
    make bench ARGS="--peer broker=http://127.0.0.1:1026"            or by URL on this machine

A peer's command has `{port}` where it takes its port and, if it keeps anything, `{data}` where it takes a folder.
Results go to `bench/results/<date>-<what>.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

from bench import generators, machine, ngsild_load, report, servers
from bench.ngsild_load import Result
from bench.servers import Server
from bench.workloads import WORKLOADS, Workload

SIZES = (100, 1_000, 10_000, 100_000)
SETTLE_S = 1.0
"""Between a start and the weighing of an idle process."""


@dataclass
class Comparison:
    """What is compared how, and what came of it.

    Attributes:
        runs: One row per run: server, workload, size, round, the fields of a result, and how much processor time the
            server used for one request, which says more than the rate does where the machine is shared.
        processes: One row per server and size: seconds to start empty and full, memory idle and full.
    """

    servers: list[Server]
    workloads: list[Workload]
    sizes: list[int]
    rounds: int
    seconds: float
    runs: list[dict[str, Any]] = field(default_factory=list)
    processes: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> None:
        for size in sorted(self.sizes):
            due = sorted((workload for workload in self.workloads if size in workload.sizes), key=lambda workload: workload.kind)
            if due:
                self.run_size(size, due)

    def run_size(self, size: int, due: list[Workload]) -> None:
        """All workloads of one size; every server is up during all of it, and only one is loaded at a time."""
        present = [server for server in self.servers if any(offers(server, workload) for workload in due)]
        try:
            for server in present:
                self.processes.append(prepared(server, size))
            for workload in due:
                self.run_workload(workload, size, [server for server in present if offers(server, workload)])
        finally:
            for server in present:
                server.stop()

    def run_workload(self, workload: Workload, size: int, present: list[Server]) -> None:
        for number in range(self.rounds):
            for server in present:
                result, used_s = measured(server, workload, size, self.seconds)
                row: dict[str, Any] = {"server": server.name, "workload": workload.name, "size": size, "round": number} | asdict(result)
                if used_s is not None and result.requests:
                    row["processor_us_per_request"] = used_s / result.requests * 1e6
                self.runs.append(row)
                self.revive(server, size, row)
                note(f"{workload.title}, {size}, {server.name}: " + (row["void"] or f"{result.entities_per_s:,.0f} entities/s"))

    def revive(self, server: Server, size: int, row: dict[str, Any]) -> None:
        """Starts a server anew that ended under the load, and marks its run."""
        if server.running():
            return
        row["void"] = "the server ended under the load"
        note(server.complaint())
        server.stop()
        server.start()
        ngsild_load.fill(server.port, size)


def measured(server: Server, workload: Workload, size: int, seconds: float) -> tuple[Result, float | None]:
    """One run, void when the server breaks it off; and the processor time that the server used for it."""
    marks: list[float | None] = []

    def mark() -> None:
        marks.append(server.processor_s())

    try:
        result = ngsild_load.measure(server.port, workload, size, f"r{time.time_ns():x}", seconds, mark)
    except (OSError, HTTPException, generators.LoadFailed) as error:
        return Result(void=f"broken off: {type(error).__name__}"), None
    mark()
    begun, ended = marks[0], marks[-1]
    return result, None if begun is None or ended is None else ended - begun


def offers(server: Server, workload: Workload) -> bool:
    """Whether a workload is to be run on a server: the baseline answers few, everything else is asked for all."""
    return server.name != servers.BASELINE or workload.baseline_share is not None


def prepared(server: Server, size: int) -> dict[str, Any]:
    """Starts a server, fills it, starts it again if it keeps its entities; what that took."""
    note(f"{server.name}: {size} entities ...")
    server.start()
    row: dict[str, Any] = {"server": server.name, "size": size}
    if server.command:
        time.sleep(SETTLE_S)
        row |= {"start_empty_s": server.start_s, "memory_idle_mb": server.memory_mb()}
    started = time.perf_counter()
    ngsild_load.fill(server.port, size)
    row["fill_entities_per_s"] = size / (time.perf_counter() - started)
    if server.durable:
        server.stop(keep=True)
        server.start()
        row["start_full_s"] = server.start_s
    row["memory_full_mb"] = server.memory_mb()
    return row


def note(text: str) -> None:
    """Tells whoever waits how far the run is."""
    print(text, file=sys.stderr, flush=True)


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run")
    parser.add_argument("--sizes", type=numbers, default=list(SIZES), help="entities in the store, e.g. 100,10000,1000000")
    parser.add_argument("--workloads", type=chosen, default=list(WORKLOADS.values()), help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--peer", type=servers.peer, action="append", default=[], metavar="NAME=URL|COMMAND")
    parser.add_argument("--hub", help="how to start the hub; printing {\"port\": N}, with {data} for its folder")
    parser.add_argument("--without", action="append", default=[], choices=[servers.HUB, servers.BASELINE])
    parser.add_argument("--what", default="ngsi-ld", help="goes into the name of the results")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results"))
    return parser.parse_args(arguments)


def numbers(text: str) -> list[int]:
    return [int(part.replace("_", "")) for part in text.split(",")]


def chosen(text: str) -> list[Workload]:
    return [WORKLOADS[name] for name in text.split(",")]


def write(folder: Path, name: str, document: dict[str, Any], text: str) -> Path:
    """Writes the results as JSON and as Markdown; returns the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    path = folder / f"{name}.md"
    path.write_text(text)
    return path


def main(arguments: Iterable[str]) -> int:
    options = parsed(list(arguments))
    own = [server for server in (servers.hub(options.hub), servers.baseline()) if server.name not in options.without]
    comparison = Comparison([*own, *options.peer], options.workloads, options.sizes, options.rounds, options.seconds)
    document: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "what": options.what,
        "machine": machine.facts(),
        "generator": "wrk" if generators.WRK else "asyncio client (wrk is not installed: rates are lower bounds)",
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    if not generators.WRK:
        note("wrk is not installed: the asyncio client loads the servers and takes part of the machine")
    comparison.run()
    document |= {"processes": comparison.processes, "runs": comparison.runs, "load_after": round(os.getloadavg()[0], 2)}
    text = report.markdown(document)
    print(text)
    name = f"{document['date']}-{options.what}"
    note(f"Written to {write(options.results, name, document, text)}")
    return 0
