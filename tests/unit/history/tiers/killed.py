"""A process that moves files, and is ended by itself at the n-th thing it does to the disk, as a power cut would end it.

    python killed.py FOLDER FIRST STEP     n = FIRST, FIRST + STEP ... until a run ends by itself; prints what each left

Every n begins with the same lake. The children are forks of one process that has loaded everything, so that a round takes a second.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cityhub.history.tiers.moving import clean, move
from cityhub.history.tiers.tables import NAMES, CatalogTables, held, named
from tests.unit.history.tiers.tiered import FixedClock, catalog_at, checksum, make_plan

EVENTS = {"open", "os.link", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "sqlite3.connect"}


def main() -> int:
    folder, first, step = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    pristine = folder.with_name(folder.name + "-pristine")
    shutil.copytree(folder, pristine)
    for n in range(first, 1000, step):
        shutil.rmtree(folder)
        shutil.copytree(pristine, folder)
        status = _forked(_move, folder, n)
        was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(n, "killed" if was_killed else f"ended {os.waitstatus_to_exitcode(status)}", end=" ", flush=True)
        _forked(_check, folder)
        if not was_killed:
            return 0
    return 1


def _forked(work: Callable[..., None], *arguments: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            work(*arguments)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


def _move(folder: Path, n: int) -> None:
    left = [n]

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS and str(folder) in str(arguments[0]):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    tables, plan = CatalogTables(catalog_at(folder)), make_plan(folder)
    sys.addaudithook(count)
    move(tables, plan, None, FixedClock())
    clean(tables, plan, FixedClock(datetime.now(UTC)), grace_s=0)


def _check(folder: Path) -> None:
    """Prints what there is, then what there is after the job has run again, and which files of the tiers nobody names then."""
    catalog = catalog_at(folder)
    print(*checksum(catalog), end=" ")
    tables, plan = CatalogTables(catalog), make_plan(folder)
    move(tables, plan, None, FixedClock())
    for name in NAMES:
        table = tables.table(name)
        now = table.metadata.current_snapshot_id
        table.maintenance.expire_snapshots().by_ids([one.snapshot_id for one in table.snapshots() if one.snapshot_id != now]).commit()
    clean(tables, plan, FixedClock(datetime.now(UTC) + timedelta(seconds=5)), grace_s=0)
    kept = {path.removeprefix("file://") for name in NAMES for path in named(tables.table(name))}
    orphans = [path for tier in ("warm", "cold") for path in (folder / tier).rglob("*") if path.is_file() and str(path) not in kept]
    tiers = sorted(plan.tier_at(file.path).name for file in held(tables))
    print(*checksum(catalog), len(orphans), ",".join(tiers), flush=True)


if __name__ == "__main__":
    sys.exit(main())
