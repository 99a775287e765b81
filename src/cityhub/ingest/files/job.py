"""One import as it is kept: what is to be done, and how it stands."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from cityhub.ingest.files.frames import Progress
from cityhub.ingest.files.plan import Plan

COLLECTION: Final = "import"
State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED: Final = frozenset(("done", "failed", "cancelled"))


class Job(msgspec.Struct, frozen=True):
    """An import.

    Attributes:
        id: 32 hex digits.
        tenant: Whose it is.
        file, name: Id and name of the file.
        key: The table's.
        plan: What is to be done.
        names: IRIs of the plan's names.
        seed: The same for the same file, plan and tenant.
        created: When it was asked for; what counts as time of arrival.
        by: Who asked.
        state: How it stands.
        reason: Why it failed; "" otherwise.
        started, ended: When it began to run last, and when it ended; "" when it did not.
        progress: How far it was when this was written.
        staged: Ids of the staged files that the history was given.
        is_dry: Nothing is written.
        most_rows: Only so many first rows; None: all.
    """

    id: str
    tenant: str
    file: str
    name: str
    key: str
    plan: Plan
    names: dict[str, str]
    seed: str
    created: str
    by: str = ""
    state: State = "waiting"
    reason: str = ""
    started: str = ""
    ended: str = ""
    progress: Progress = Progress()
    staged: list[str] = []
    is_dry: bool = False
    most_rows: int | None = None


def told(job: Job, per_second: float, waiting: int) -> dict[str, Any]:
    """A job as the doors tell of it.

    Args:
        job: With its newest progress.
        per_second: Rows per second of late; 0 when it does not run.
        waiting: Staged files that the history has not taken yet.
    """
    progress = job.progress
    left = max(0, progress.total - progress.rows)
    return {
        "id": job.id, "file": job.file, "name": job.name, "state": job.state, "reason": job.reason, "dryRun": job.is_dry,
        "target": job.plan.target, "created": job.created, "by": job.by, "started": job.started, "ended": job.ended,
        "total": progress.total, "rows": progress.rows, "made": progress.made, "written": progress.written, "late": progress.late,
        "same": progress.same, "refused": progress.refused, "perSecond": round(per_second, 1),
        "remainingSeconds": round(left / per_second, 1) if per_second > 0 and job.state == "running" else None,
        "historyWaits": waiting,
        "problems": [dict(zip(("row", "column", "reason", "content"), problem, strict=True)) for problem in progress.problems],
        "sample": progress.sample,
    }  # fmt: skip
