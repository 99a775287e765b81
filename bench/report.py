"""The rows of a comparison as tables for a reader: medians, ratios, and the targets beside them."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.servers import BASELINE, HUB
from bench.workloads import WORKLOADS, Workload

START_EMPTY_S, START_FULL_S, MEMORY_IDLE_MB = 1.0, 3.0, 150
"""Targets of the project: start on an empty store, start on 1,000,000 entities, idle memory."""

Rows = list[dict[str, Any]]


def markdown(document: dict[str, Any]) -> str:
    """The whole report."""
    machine = document["machine"]
    names = list(dict.fromkeys(row["server"] for row in document["processes"]))
    place = f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, {machine['kernel']}, Python {machine['python']}"
    load = f"load average {machine['load_before']} before and {document['load_after']} after, the load itself included"
    lines = [
        f"# {document['what']}, {document['date']}",
        "",
        f"{place}; commit {machine['commit']}.",
        f"{document['rounds']} interleaved rounds of {document['seconds']:g} s by {document['generator']}; {load}.",
        "Medians of the runs without errors: requests per second, of batches entities per second (p50 / p99 in ms; processor time of the",
        f"server per request in us). Ratios: rate of {HUB} over the other's (the same by processor time, which noise moves less; target).",
        "",
        *workload_table(document["runs"], names),
        "",
        *notification_table(document["runs"]),
        *process_table(document["processes"]),
        *voids(document["runs"]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def workload_table(runs: Rows, names: list[str]) -> list[str]:
    """One row per workload and size; a ratio is the hub's rate over the other's, with its target."""
    others = [name for name in names if name != HUB]
    heads = ["workload", "entities", *names, *(f"{HUB} / {name}" for name in others if HUB in names)]
    lines = [row_of(heads), row_of(["---"] * len(heads))]
    for workload, size in dict.fromkeys((row["workload"], row["size"]) for row in runs):
        of_it = [row for row in runs if (row["workload"], row["size"]) == (workload, size)]
        cells = [speed(of_it, name) for name in names]
        ratios = [ratio(of_it, name, WORKLOADS[workload]) for name in others if HUB in names]
        lines.append(row_of([WORKLOADS[workload].title, f"{size:,}", *cells, *ratios]))
    return lines


def rate(runs: Rows, server: str) -> float | None:
    """Median requests per second of the runs of a server that stand; None when none does."""
    standing = [row["requests_per_s"] for row in runs if row["server"] == server and not row["void"]]
    return median(standing) if standing else None


def processor_us(runs: Rows, server: str) -> float | None:
    """Median processor time of a request of the runs that stand, in microseconds; None when it is not known."""
    standing = [row.get("processor_us_per_request") for row in runs if row["server"] == server and not row["void"]]
    known = [cost for cost in standing if cost is not None]
    return median(known) if known else None


def speed(runs: Rows, server: str) -> str:
    """The cell of one server: rate and latencies, and how many runs are void."""
    of_it = [row for row in runs if row["server"] == server]
    standing = [row for row in of_it if not row["void"]]
    if not standing:
        return "void" if of_it else ""
    workload = WORKLOADS[of_it[0]["workload"]]
    unit = "entities_per_s" if workload.name.startswith("batch") else "requests_per_s"
    p50, p99 = (median(row[key] for row in standing) for key in ("p50_ms", "p99_ms"))
    used = processor_us(of_it, server)
    cost = "" if used is None else f"; {used:,.0f} us"
    mark = "" if len(standing) == len(of_it) else f", {len(of_it) - len(standing)} void"
    return f"{median(row[unit] for row in standing):,.0f} ({p50:.1f} / {p99:.1f}{cost}{mark})"


def ratio(runs: Rows, other: str, workload: Workload) -> str:
    """The hub's rate over another's, the target, and whether it is met; empty when one of them has none."""
    ours, theirs = rate(runs, HUB), rate(runs, other)
    target = workload.baseline_share if other == BASELINE else workload.peer_ratio
    if ours is None or not theirs or target is None:
        return ""
    our_cost, their_cost = processor_us(runs, HUB), processor_us(runs, other)
    cost = f"{their_cost / our_cost:.2f}; " if our_cost and their_cost else ""
    return f"{ours / theirs:.2f} ({cost}>= {target:.2f} {'met' if ours / theirs >= target else 'MISSED'})"


def notification_table(runs: Rows) -> list[str]:
    """What reached the subscribers; nothing if that was not measured."""
    rows = [row for row in runs if row["notifications"]]
    if not rows:
        return []
    heads = ["notifications", "updates delivered/s", "notifications", "delay p50 ms", "delay p99 ms", "void"]
    lines = [row_of(heads), row_of(["---"] * len(heads))]
    for name in dict.fromkeys(row["server"] for row in rows):
        of_it = [row["notifications"] for row in rows if row["server"] == name]
        keys = ("updates_per_s", "notifications", "delay_p50_ms", "delay_p99_ms")
        cells = [f"{median(report[key] for report in of_it):,.1f}" for key in keys]
        lines.append(row_of([name, *cells, str(sum(1 for row in rows if row["server"] == name and row["void"]))]))
    return [*lines, ""]


def process_table(rows: Rows) -> list[str]:
    """Start and memory."""
    heads = ["process", "entities", "start empty s", "start full s", "memory idle MB", "memory full MB", "filled entities/s"]
    forms = {"start_empty_s": ".2f", "start_full_s": ".2f", "memory_idle_mb": ".0f", "memory_full_mb": ".0f", "fill_entities_per_s": ",.0f"}
    lines = [row_of(heads), row_of(["---"] * len(heads))]
    for row in rows:
        cells = ["" if row.get(key) is None else format(row[key], form) for key, form in forms.items()]
        lines.append(row_of([row["server"], f"{row['size']:,}", *cells]))
    targets = f"start empty < {START_EMPTY_S:g} s, on 1,000,000 entities < {START_FULL_S:g} s, idle < {MEMORY_IDLE_MB} MB"
    return [*lines, "", f"Targets for {HUB}: {targets}."]


def voids(runs: Rows) -> list[str]:
    """Each reason for which runs do not count, once per server and workload."""
    reasons = dict.fromkeys(
        f"- {row['server']}, {WORKLOADS[row['workload']].title}, {row['size']:,}: {row['void']}" for row in runs if row["void"]
    )
    return ["", "Void:", *reasons] if reasons else []


def row_of(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
