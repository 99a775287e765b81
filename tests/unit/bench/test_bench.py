"""The benchmark's own parts, against its own baseline."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from bench import compare, generators, ngsild_load, report, servers, workloads
from bench.generators import Totals
from bench.workloads import WORKLOADS


@pytest.fixture
def baseline() -> Iterator[servers.Server]:
    server = servers.baseline()
    server.start()
    try:
        ngsild_load.fill(server.port, 100)
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["get", "list", "patch", "create", "batch-update", "batch-create"])
@pytest.mark.parametrize("wrk", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_workload_of_the_baseline_runs_without_errors(
    baseline: servers.Server, name: str, wrk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wrk and not generators.WRK:
        pytest.skip("wrk is not installed")
    monkeypatch.setattr(generators, "WRK", generators.WRK if wrk else None)
    result = ngsild_load.measure(baseline.port, WORKLOADS[name], 100, "test", 0.3)
    assert (result.void, result.errors) == ("", 0)
    assert result.requests > 0
    assert result.entities_per_s == pytest.approx(result.requests_per_s * WORKLOADS[name].entities)


def test_what_is_created_is_new_each_time_and_what_is_updated_was_there(baseline: servers.Server) -> None:
    def count() -> int:
        _, body = ngsild_load.call(baseline.port, "GET", f"{workloads.API}/entities?type={workloads.COMMON_TYPE}&limit=1000000")
        return len(orjson.loads(body))

    before = count()
    ngsild_load.measure(baseline.port, WORKLOADS["batch-update"], 100, "test", 0.2)
    assert count() == before
    created = ngsild_load.measure(baseline.port, WORKLOADS["create"], 100, "test", 0.2)
    assert before + created.requests < count() <= before + created.requests + 1 + WORKLOADS["create"].connections


def test_a_wrong_answer_is_void(baseline: servers.Server) -> None:
    assert "not offered: 501" in ngsild_load.measure(baseline.port, WORKLOADS["q-few"], 100, "test", 0.2).void
    ngsild_load.call(baseline.port, "POST", f"{workloads.API}/entities", orjson.dumps({"id": "urn:x:1", "type": workloads.RARE_TYPE}))
    assert "11 entities where 10 match" in ngsild_load.measure(baseline.port, WORKLOADS["type-few"], 100, "test", 0.2).void


def test_errors_make_a_run_void(baseline: servers.Server) -> None:
    ring = [workloads.request("GET", f"{workloads.API}/entities/urn:none")]
    totals = generators.send(baseline.port, ring, 2, 0.2)
    assert totals.errors > 0
    assert ngsild_load.judged(WORKLOADS["get"], totals).void == f"{totals.errors} errors, 0 notifications lost"


def test_the_receiver_counts_updates_and_their_delays() -> None:
    with ngsild_load.receiver() as inbox:
        moment = time.time_ns() // 1000 - 5_000
        entity = {"id": "urn:x:1", "temperature": {"type": "Property", "value": moment}}
        ngsild_load.call(inbox, "POST", "/notify/0", orjson.dumps({"data": [entity, entity]}))
        ngsild_load.call(inbox, "POST", "/notify/1", b'{"data": []}')
        seen = ngsild_load.settled(inbox, 2)
    assert (seen["notifications"], seen["updates"]) == (2, 2)
    assert 5 <= seen["delay_p50_ms"] < 5_000


def test_only_this_machine_is_loaded() -> None:
    assert ngsild_load.loopback_port("http://127.0.0.1:1026") == 1026
    for url in ("http://192.0.2.1:1026", "https://127.0.0.1:1026", "http://127.0.0.1", "http://example.org:80"):
        with pytest.raises(ValueError, match=r"Only http://127\.0\.0\.1:PORT is loaded"):
            ngsild_load.loopback_port(url)


def row(server: str, rate: float, **members: Any) -> dict[str, Any]:
    totals = Totals(int(rate), 1.0, 1.0, 2.0, 0)
    fields = {"server": server, "workload": "get", "size": 100, "round": 0, "notifications": {}}
    return fields | asdict(ngsild_load.judged(WORKLOADS["get"], totals)) | members


def test_the_report_takes_medians_of_what_stands_and_names_targets() -> None:
    runs = [row("cityhub", 900), row("cityhub", 700), row("cityhub", 5, void="3 errors"), row("baseline", 1000), row("peer", 1600)]
    assert report.rate(runs, "cityhub") == 800
    assert report.ratio(runs, "baseline", WORKLOADS["get"]) == "0.80 (>= 0.60 met)"
    assert report.ratio(runs, "peer", WORKLOADS["get"]) == "0.50 (>= 1.00 MISSED)"
    assert report.speed(runs, "cityhub") == "800 (1.0 / 2.0, 1 void)"


@pytest.mark.slow
def test_a_whole_comparison_leaves_its_results(tmp_path: Path) -> None:
    """The baseline beside itself as a peer."""
    peer = f"itself={sys.executable} {Path(servers.__file__).with_name('baseline.py')} --port {{port}}"
    arguments = ["--without", "cityhub", "--peer", peer, "--sizes", "100", "--rounds", "2", "--seconds", "0.2", "--results", str(tmp_path)]
    assert compare.main([*arguments, "--workloads", "get,list", "--what", "self"]) == 0
    [document] = [orjson.loads(path.read_bytes()) for path in tmp_path.glob("*-self.json")]
    order = [run["server"] for run in document["runs"] if run["workload"] == "get"]
    assert order == ["baseline", "itself", "baseline", "itself"]
    assert all(run["void"] == "" for run in document["runs"])
    [text] = [path.read_text() for path in tmp_path.glob("*-self.md")]
    assert "| GET entity | 100 |" in text
