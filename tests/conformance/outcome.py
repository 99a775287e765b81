"""What an outside suite found, and the hub that it runs against."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """How many cases passed and failed; the others of the total were skipped."""

    passed: int
    failed: int
    total: int

    def __str__(self) -> str:
        """'passed 880 failed 130 total 1010 (87.1 %)'."""
        share = f" ({100 * self.passed / self.total:.1f} %)" if self.total else ""
        return f"passed {self.passed} failed {self.failed} total {self.total}{share}"


@contextlib.contextmanager
def hub() -> Iterator[str]:
    """The address of an empty hub in the mode for tools; its log goes to a file that is shown when it does not start."""
    with tempfile.TemporaryDirectory(prefix="cityhub-conformance-") as folder, open(Path(folder) / "log", "w+b") as log:
        command = [sys.executable, "-m", "cityhub", "run", "--dev", "--port", "0", "--no-feeds", "--data", f"{folder}/data"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                if not line:
                    log.seek(0)
                    raise SystemExit(f"The hub did not start:\n{log.read().decode()}")
                yield str(json.loads(line)["url"])
            finally:
                process.terminate()
