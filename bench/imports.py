"""How fast a file comes in: into the context as updates of entities, and into the history as observations.

    python -m bench.imports --rows 2000000 --target observations
    python -m bench.imports --rows 1000000 --target entities --things 5000

A CSV with an id, a time and two figures a row is made, then sent to a hub of its own on a free port and imported by its doors, as a
browser would. Told are the seconds of sending, looking and importing, for observations until SQL sees them, and the processor time
of the hub and of the processes below it: on a machine that does other work too that is what can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bench.machine import facts
from bench.servers import hub, used_processor_s

PART = 8_000_000
PLAN: dict[str, Any] = {
    "entities": [{
        "type": "Device", "id": '"urn:ngsi-ld:Device:" + 站号', "observed_at": "时间",
        "attributes": {"waterLevel": {"value": "水位", "unit": "m"}, "flow": {"value": "流量", "unit": "m3/s"}},
    }],
}  # fmt: skip


def make(path: Path, rows: int, things: int) -> None:
    """Writes a CSV: so many things report in turn, each once a minute."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("站号,时间,水位(m),流量 m³/s\n")
        for first in range(0, rows, things):
            minute = first // things
            day, clock = divmod(minute, 1440)
            at = f"2026-{1 + day // 28 % 12:02d}-{1 + day % 28:02d} {clock // 60:02d}:{clock % 60:02d}:00"
            file.writelines(
                f"S{thing:05d},{at},{20 + (first + thing) * 7919 % 1000 / 100:.2f},{(first + thing) * 31 % 500 / 10}\n"
                for thing in range(min(things, rows - first))
            )


def send(client: httpx.Client, path: Path) -> str:
    """Sends a file in parts; returns its id."""
    size = path.stat().st_size
    id = str(client.post("/api/imports/files", params={"name": path.name, "size": size}).json()["id"])
    with open(path, "rb") as file:
        begin = 0
        while part := file.read(PART):
            headers = {"Content-Range": f"bytes {begin}-{begin + len(part) - 1}/{size}"}
            client.put(f"/api/imports/files/{id}/content", content=part, headers=headers).raise_for_status()
            begin += len(part)
    return id


def look(client: httpx.Client, id: str) -> None:
    """Waits for the preview of a file."""
    while (told := client.get(f"/api/imports/files/{id}", params={"wait": 10}).json())["state"] == "reading":
        pass
    assert told["state"] == "ready", told


def run(client: httpx.Client, id: str, target: str) -> dict[str, Any]:
    """Imports a file; returns how it ended."""
    job: dict[str, Any] = client.post("/api/imports", json={"file": id, "plan": {**PLAN, "target": target}}).json()
    while job["state"] in ("waiting", "running"):
        time.sleep(0.1)
        job = client.get(f"/api/imports/{job['id']}").json()
    assert job["state"] == "done", job
    return job


def count(client: httpx.Client) -> int:
    """Observations that SQL sees."""
    answer = client.post("/api/sql", json={"statement": "SELECT count(*) FROM observations"})
    return int(answer.json()["rows"][0][0]) if answer.status_code == 200 else 0


def measure(rows: int, things: int, target: str, folder: Path) -> dict[str, Any]:
    """The figures of one import."""
    path = folder / "figures.csv"
    make(path, rows, things)
    figures: dict[str, Any] = {"rows": rows, "things": things, "target": target, "bytes": path.stat().st_size}
    server = hub(f"{sys.executable} -m cityhub run --dev --port 0 --no-feeds --data {{data}}")
    server.start()
    try:
        figures.update(_timed(f"http://127.0.0.1:{server.port}", path, target), memory_mb=server.memory_mb())
        figures["hub_processor_s"] = server.processor_s()
        figures["children_processor_s"] = _below(server.process.pid) if server.process else None
    finally:
        server.stop()
    figures["rows_per_s"] = round(rows / figures["total_s"])
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in figures.items()}


def _timed(url: str, path: Path, target: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        began = time.perf_counter()
        id = send(client, path)
        sent = time.perf_counter()
        look(client, id)
        looked = time.perf_counter()
        job = run(client, id, target)
        imported = time.perf_counter()
        figures.update(sent_s=sent - began, looked_s=looked - sent, imported_s=imported - looked, made=job["made"], refused=job["refused"])
        if target == "observations":
            while count(client) < job["made"]:
                time.sleep(0.5)
            figures["seen_s"] = time.perf_counter() - looked
        figures["total_s"] = time.perf_counter() - began
    return figures


def _below(pid: int) -> float:
    """User and system time of the processes below one, those that ended and those that run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    running = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK") + sum(used_processor_s(int(child)) or 0.0 for child in running)


def main() -> None:
    """Prints the figures as JSON, with those of the machine."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--things", type=int, default=5_000)
    parser.add_argument("--target", choices=("entities", "observations"), default="observations")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="imports-"))
    try:
        print(json.dumps({"machine": facts(), **measure(given.rows, given.things, given.target, folder)}, indent=1, default=str))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
