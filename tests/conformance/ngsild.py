"""ETSI's NGSI-LD test suite (Robot Framework) against a hub.

The folder holds either a runner of its own (`run_suite.sh BASE_URL OUT [GROUP...]`, which prints a line
`TOTAL passed N failed N total N`), or the suite itself with its cases under `TP/`. In the second case Robot Framework
is taken from `venv/` in the folder or beside it, from the variable ROBOT_PYTHON, or from PATH; when the folder has a
`contexts/`, it is served on port 8099, where a suite prepared for use without internet looks for its @contexts.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import shutil
import subprocess
import tempfile
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.conformance.outcome import Outcome, hub

CONTEXT_PORT = 8099


def run(suite: Path, arguments: list[str]) -> Outcome:
    """Runs the suite, or only the groups (paths under `TP/NGSI-LD`, or the runner's own names) that the arguments name."""
    with tempfile.TemporaryDirectory(prefix="cityhub-ngsi-ld-") as folder, hub() as url:
        out = Path(os.environ.get("OUT") or folder)
        base = f"{url}/ngsi-ld/v1"
        if (suite / "run_suite.sh").is_file():
            return _own_runner(suite, base, out, arguments)
        return _robot(suite, base, out, arguments)


def _own_runner(suite: Path, base: str, out: Path, groups: list[str]) -> Outcome:
    command = ["bash", str(suite / "run_suite.sh"), base, str(out), *groups]
    outcome = Outcome(0, 0, 0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            found = re.match(r"TOTAL\s+passed\s+(\d+)\s+failed\s+(\d+)\s+total\s+(\d+)", line)
            if found:
                outcome = Outcome(*(int(number) for number in found.groups()))
    return outcome


def _robot(suite: Path, base: str, out: Path, groups: list[str]) -> Outcome:
    if not (suite / "TP").is_dir():
        raise SystemExit(f"SUITE is '{suite}'; right would be a folder with run_suite.sh or TP/")
    paths = [f"TP/NGSI-LD/{group}" for group in groups] or ["TP/NGSI-LD"]
    variables = [f"--variable={name}:{base}" for name in ("url", "temporal_api_url")]
    options = ["--loglevel=INFO", "--report=NONE", "--log=NONE", f"--outputdir={out}", *variables]
    with _contexts(suite / "contexts"):
        subprocess.run([*_robot_command(suite), *options, *paths], cwd=suite, check=False, env=os.environ | {"NO_PROXY": "*"})
    result = out / "output.xml"
    if not result.is_file():
        return Outcome(0, 0, 0)
    total = ElementTree.parse(result).find("statistics/total/stat")
    assert total is not None
    passed, failed, skipped = (int(total.get(name, "0")) for name in ("pass", "fail", "skip"))
    return Outcome(passed, failed, passed + failed + skipped)


def _robot_command(suite: Path) -> list[str]:
    for python in (os.environ.get("ROBOT_PYTHON", ""), suite / "venv/bin/python", suite.parent / "venv/bin/python"):
        if python and Path(python).is_file():
            return [str(python), "-m", "robot"]
    found = shutil.which("robot")
    if found is None:
        raise SystemExit("Robot Framework was not found: right would be a venv/ in or beside SUITE, or ROBOT_PYTHON=<python that has it>")
    return [found]


class _ContextHandler(http.server.SimpleHTTPRequestHandler):
    """Serves the files of a folder under /contexts/ as JSON-LD."""

    def translate_path(self, path: str) -> str:
        """The file of a request's path; folders above it cannot be reached."""
        return str(Path(self.directory) / Path(path.partition("?")[0]).name)

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """Always JSON-LD."""
        return "application/ld+json"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the suite's own output says what was asked for."""


@contextlib.contextmanager
def _contexts(folder: Path) -> Iterator[None]:
    if not folder.is_dir():
        yield
        return
    address = ("127.0.0.1", CONTEXT_PORT)
    with http.server.ThreadingHTTPServer(address, partial(_ContextHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
