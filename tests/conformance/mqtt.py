"""The interoperability tests of Eclipse Paho (`client_test.py` for MQTT 3.1.1, `client_test5.py` for 5.0) against the hub's own broker.

The suite listens for nothing itself and talks to localhost:1883, so that port must be free; its folder is `interoperability` of its
repository, or the repository itself.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.outcome import Outcome

PORT = 1883
SCRIPTS = ("client_test.py", "client_test5.py")
TIMEOUT_S = 900.0


def run(suite: Path, arguments: list[str]) -> Outcome:
    """Runs both parts of the suite, or only the scripts or cases (`client_test5.py Test.test_basic`) that the arguments name."""
    folder = suite / "interoperability" if (suite / "interoperability").is_dir() else suite
    if not (folder / SCRIPTS[0]).is_file():
        raise SystemExit(f"SUITE is '{suite}'; right would be a folder with {SCRIPTS[0]}")
    with broker():
        parts = [_part(folder, [script]) for script in SCRIPTS] if not arguments else [_part(folder, arguments)]
    return Outcome(sum(part.passed for part in parts), sum(part.failed for part in parts), sum(part.total for part in parts))


@contextlib.contextmanager
def broker() -> Iterator[None]:
    """The broker on the suite's port; everybody may publish anything and subscribe to anything but what the suite wants refused."""
    command = [sys.executable, "-m", "tests.conformance.mqtt_broker", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise SystemExit(f"The broker did not start; port {PORT} must be free")
            yield
        finally:
            process.terminate()


def _part(folder: Path, arguments: list[str]) -> Outcome:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, timeout=TIMEOUT_S, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    print("\n".join(line for line in done.stdout.splitlines() if re.match(r"(FAIL|ERROR): |Ran ", line)), flush=True)
    ran = re.search(r"Ran (\d+) tests?", done.stdout)
    total = int(ran[1]) if ran else 0
    failed = sum(int(number) for number in re.findall(r"(?:failures|errors)=(\d+)", done.stdout))
    return Outcome(total - failed, failed, total)
