"""Hub and sentinel are killed while gauges speak: what was said of them is what an undisturbed reading of the journal says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cityhub.model.jsonld import CORE
from cityhub.model.time import SystemClock
from cityhub.rules.engine.compiling import compile_rule
from cityhub.rules.engine.engine import Engine
from cityhub.storage.journal_file import SqliteJournal
from cityhub.storage.sqlite import open_sqlite
from tests.faults.rules_hub import LAST, PID, rules
from tests.unit.rules.engine.sentinel_hub import HEARD

KILLS = int(os.environ.get("CITYHUB_RULE_KILLS", "4"))
"""How often hub or sentinel are killed."""
ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A hub of a folder."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    return subprocess.Popen([sys.executable, "-m", "tests.faults.rules_hub", str(folder), *arguments], cwd=ROOT, env=environment)


def kill_sentinel(folder: Path) -> None:
    """Kills the sentinel that runs now, if there is one."""
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
        os.kill(int((folder / PID).read_text()), signal.SIGKILL)


async def heard_of(folder: Path) -> dict[str, dict[str, Any]]:
    """What was heard, by alert and step."""
    store = await open_sqlite(folder, SystemClock())
    try:
        return {document["id"]: document for _, document in await store.records("", HEARD) if document["subject"] != LAST}
    finally:
        await store.close()


def replayed(folder: Path) -> dict[str, dict[str, Any]]:
    """What one undisturbed reading of the journal says."""
    journal = SqliteJournal(folder / "hub.sqlite")
    engine, signals = Engine(), []
    engine.arrange([compile_rule(rule, CORE, "Asia/Shanghai") for rule in rules()])
    while entries := journal.read(engine.position, 5_000):
        signals += engine.take(entries)
    journal.close()
    return {
        f"{one.alert}#{one.step}": {
            "id": f"{one.alert}#{one.step}", "rule": one.rule, "alert": one.alert, "step": one.step, "kind": one.kind,
            "severity": one.severity, "subject": one.subject, "at": one.at, "inputs": one.inputs,
        }
        for one in signals
        if one.subject != LAST
    }  # fmt: skip


def test_no_alert_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    hub, kills = run(tmp_path), 0
    try:
        while kills < KILLS:
            time.sleep(1.0 + random.random() * 2.5)
            assert hub.poll() is None, "the hub ended by itself"
            if random.random() < 0.6:
                kill_sentinel(tmp_path)
            else:
                hub.kill()
                hub.wait()
                hub = run(tmp_path)
            kills += 1
        hub.kill()
        hub.wait()
        hub = run(tmp_path, "finish")
        assert hub.wait(240) == 0
    finally:
        hub.kill()
        hub.wait()
    heard, expected = asyncio.run(heard_of(tmp_path)), replayed(tmp_path)
    assert {one["rule"] for one in expected.values()} == {rule.id for rule in rules()}
    assert heard.keys() == expected.keys()
    assert heard == expected
