"""One process has a data folder at a time, and others find it; a killed one leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cityhub.cli.presence import Running, Taken, claim, find

HOLD = """
import sys, time
from pathlib import Path
from cityhub.cli.presence import claim
with claim(Path(sys.argv[1])) as claimed:
    claimed.announce("http://127.0.0.1:1")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_nobody(tmp_path: Path) -> None:
    assert find(tmp_path / "none") is None
    with claim(tmp_path):
        pass
    assert find(tmp_path) is None


def test_another_process(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert find(tmp_path) == Running(holder.pid, "http://127.0.0.1:1")
        with pytest.raises(Taken, match=rf"in use by process {holder.pid} at http://127\.0\.0\.1:1"), claim(tmp_path):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert find(tmp_path) is None
    with claim(tmp_path):
        pass
