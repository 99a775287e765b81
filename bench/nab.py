"""The shipped anomaly detector in the Numenta Anomaly Benchmark, beside its windowed Gaussian, by the benchmark's own code.

    git clone https://github.com/numenta/NAB
    pip install "pandas<3" simplejson                  # what NAB needs; it does not run with pandas 3
    python -m bench.nab NAB --write bench/results

Data, labels, threshold optimisation, scoring and normalisation are NAB's, read from that folder; its results are written to a
temporary one. The detector gets nothing but time and value of each record, one after the other: not the least and greatest value
of the file that NAB offers, nor the length of the probation. One set of parameters serves all files: the detector's defaults.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench import machine
from cityhub.history.foresight.anomalies import DEFAULT, THRESHOLD, VERSION, AnomalyDetector

OURS, PEER, ZERO = "cityhub", "windowedGaussian", "null"
TARGET = 58.0
PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")


def main(arguments: list[str]) -> int:
    """Runs both detectors on all files; 0 when the target is met, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="a checkout of numenta/NAB")
    parser.add_argument("--write", type=Path, metavar="DIR", help="folder for the results")
    given = parser.parse_args(arguments)
    document = measure(given.folder.resolve())
    text = markdown(document)
    print(text)
    if given.write:
        stem = given.write / f"{document['date']}-nab"
        stem.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        stem.with_suffix(".md").write_text(text, encoding="utf-8")
    return 0 if document["scores"][OURS]["standard"] >= TARGET else 1


def measure(folder: Path) -> dict[str, Any]:
    """Scores of both detectors under each of NAB's profiles, and the facts of the run."""
    sys.path.insert(0, str(folder))
    runner_of = importlib.import_module("nab.runner").Runner
    # Before the runner: it starts its processes at once, and they know only classes that were there.
    constructors = detectors(folder)
    facts = machine.facts()
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
        thresholds_file = Path(place, "thresholds.json")
        thresholds_file.write_text("{}")
        runner = runner_of(
            str(folder / "data"), place, str(folder / "labels" / "combined_windows.json"),
            str(folder / "config" / "profiles.json"), str(thresholds_file),
        )  # fmt: skip
        runner.initialize()
        runner.detect(constructors)
        thresholds = runner.optimize([ZERO, PEER, OURS])
        runner.score([ZERO, PEER, OURS], thresholds)
        runner.normalize()
        scores = json.loads(Path(place, "final_results.json").read_text())
        counts = {name: outcome(Path(place, name, f"{name}_standard_scores.csv")) for name in (PEER, OURS)}
        files = [data.data for data in runner.corpus.dataFiles.values()]
    published = json.loads((folder / "results" / "final_results.json").read_text())
    return {
        "what": "Numenta Anomaly Benchmark",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": facts,
        "detector": {
            "version": VERSION,
            "threshold_shipped": THRESHOLD,
            **{key: getattr(DEFAULT, key) for key in DEFAULT.__struct_fields__},
        },
        "files": len(files),
        "points": sum(len(file) for file in files),
        "scores": {name: scores[name] for name in (OURS, PEER)},
        "thresholds": {name: {profile: thresholds[name][profile]["threshold"] for profile in PROFILES} for name in (OURS, PEER)},
        "standard_outcome": counts,
        "points_per_s": round(speed(files)),
        "published_standard": {name: round(of["standard"], 2) for name, of in published.items() if name not in (OURS, PEER, ZERO)},
    }


def detectors(folder: Path) -> dict[str, Any]:
    """The detectors as NAB wants them, by name."""
    peer = importlib.import_module("nab.detectors.gaussian.windowedGaussian_detector").WindowedGaussianDetector
    zero = importlib.import_module("nab.detectors.null.null_detector").NullDetector
    base = importlib.import_module("nab.detectors.base").AnomalyDetector

    class CityhubDetector(base):  # type: ignore[misc,valid-type]
        """NAB's record in, our score out."""

        def initialize(self) -> None:
            self.detector = AnomalyDetector()

        def handleRecord(self, inputData: dict[str, Any]) -> tuple[float]:
            return (self.detector.score(inputData["timestamp"].timestamp(), float(inputData["value"])),)

    # NAB hands its detectors to processes of its own, which look classes up by module and name.
    CityhubDetector.__qualname__ = "CityhubDetector"
    globals()["CityhubDetector"] = CityhubDetector
    return {ZERO: zero, PEER: peer, OURS: CityhubDetector}


def outcome(file: Path) -> dict[str, int]:
    """NAB's own counts of points at the threshold of the standard profile, all files together."""
    *rows, total = (line.split(",") for line in file.read_text().splitlines())
    heads = rows[0]
    return {name: int(float(total[heads.index(name)])) for name in ("TP", "TN", "FP", "FN")}


def speed(files: list[Any]) -> float:
    """Points that one detector per file scores in a second, in one process."""
    series = [(file["timestamp"].to_numpy().astype("datetime64[s]").astype(np.int64).tolist(), file["value"].tolist()) for file in files]
    began = time.perf_counter()
    for times, values in series:
        score = AnomalyDetector().score
        for at, value in zip(times, values, strict=True):
            score(at, value)
    return sum(len(times) for times, _ in series) / (time.perf_counter() - began)


def markdown(document: dict[str, Any]) -> str:
    """The result for a reader."""
    facts = document["machine"]
    lines = [
        f"# {document['what']}, {document['date']}",
        "",
        f"{document['files']} files, {document['points']:,} points; scored by NAB's own code, thresholds optimised by it",
        f"per profile, as for every detector. {facts['cores']} cores ({facts['processor']}), {facts['kernel']}, Python {facts['python']};",
        f"commit {facts['commit']}.",
        f"The detector scores {document['points_per_s']:,} points per second in one process.",
        "",
        "| detector | standard | low FP rate | low FN rate | threshold (standard) | points found in windows | points outside |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, scores in document["scores"].items():
        cells = " | ".join(f"{scores[profile]:.2f}" for profile in PROFILES)
        counts = document["standard_outcome"][name]
        lines.append(f"| {name} | {cells} | {document['thresholds'][name]['standard']:.4g} | {counts['TP']} | {counts['FP']} |")
    ours = document["scores"][OURS]["standard"]
    lines += [
        "",
        f"Target: standard profile >= {TARGET:g}: {'met' if ours >= TARGET else 'MISSED'} ({ours:.2f}).",
        "",
        "As published in that repository:",
    ]
    lines += [
        ", ".join(f"{name} {score:.1f}" for name, score in sorted(document["published_standard"].items(), key=lambda one: -one[1])) + "."
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
