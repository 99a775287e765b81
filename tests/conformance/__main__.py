"""`make conformance NAME=ngsi-ld SUITE=<folder>`: runs an outside suite against the hub and prints its sum."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conformance import bpmn, dmn, mqtt, ngsild
from tests.conformance.outcome import Outcome

SUITES: dict[str, Callable[[Path, list[str]], Outcome]] = {
    "bpmn": bpmn.run,
    "dmn": dmn.run,
    "mqtt": mqtt.run,
    "ngsi-ld": ngsild.run,
}
"""Runners by name. Each takes the suite's folder and further arguments, starts what it needs, and ends it."""


def main() -> int:
    """Runs one suite; 0 when every case passed, 1 when one failed, 2 when it could not be run."""
    parser = argparse.ArgumentParser(prog="make conformance NAME=... SUITE=... ARGS=...")
    parser.add_argument("name", help=f"one of: {', '.join(SUITES)}")
    parser.add_argument("suite", help="the folder in which the suite is kept")
    given, arguments = parser.parse_known_args()
    if given.name not in SUITES:
        parser.error(f"NAME is '{given.name}'; right would be one of: {', '.join(SUITES)}")
    if not given.suite or not Path(given.suite).is_dir():
        parser.error(f"SUITE is '{given.suite}'; right would be the folder in which the suite is kept")
    outcome = SUITES[given.name](Path(given.suite).resolve(), arguments)
    print(outcome)
    return 2 if outcome.total == 0 else 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())
